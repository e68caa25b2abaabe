"""Venue adapters: decode a venue's bytes to hftbacktest event rows and sequence ids.

It must not know `arb`: no configuration, no strategy, no orders of ours. Each venue is a folder (`binance`, `bybit`)
with a class of the protocol in `model`; `parsing` turns text into rows, `book` keeps books in sync and fuses them,
`net` maintains connections, and `feed` drives one venue's market data. Start with `model`, then `feed.pipeline`.
"""
