"""The venue side: bytes of a venue in, hftbacktest event rows and sequence ids out.

It knows nothing of `arb`: no configuration, no strategy, no order of ours. Each venue is a folder (`binance`, `bybit`)
with a class that `model` describes; `parsing` turns text into rows, `book` proves and fuses them, `net` keeps
connections, and `feed` drives one venue's market data. Start with `model`, then `feed.pipeline`.
"""
