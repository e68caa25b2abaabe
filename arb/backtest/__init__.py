"""Backtests: hftbacktest's engine over row files, with the bot of every other world.

It knows the engine and nothing of live data. Start with `runner`, then `bot`, which puts the engine's functions into
the bot's table.
"""
