"""Matching of orders against the served book, in ticks and lots; no accounts, no money, no venue's words. Pure.

Start with `orders`, then `matcher`; `levels` and `whole` are the two matchings, `rows` is what both read.
"""
