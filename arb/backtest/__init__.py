"""Backtests: hftbacktest's engine over row files, with the bot type of the other worlds.

It uses the engine and must not know live data. Start with `runner`, then `bot`, which puts the engine's functions into
the bot's table.
"""
