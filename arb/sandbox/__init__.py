"""Simulated venues: one seeded market, and the frames that Binance and Bybit would send of it.

Integers of ticks and lots, a seed and simulated time: the same seed gives the same bytes. No socket; the server is in
`serve`. Start with `market`, then `binance` or `bybit`.
"""
