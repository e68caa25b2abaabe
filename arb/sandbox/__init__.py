"""Simulated venues: one seeded market, and the frames that Binance and Bybit would send of it."""
