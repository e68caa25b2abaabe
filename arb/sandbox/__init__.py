"""Simulated venues: a seeded market, and the frames that Binance and Bybit would send for it.

Deterministic: integer ticks and lots, a seed and simulated time, so the same seed gives the same bytes. No socket; the
server is in `serve`. Start with `market`, then `binance` or `bybit`.
"""
