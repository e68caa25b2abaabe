"""Strategies: functions of a bot, compiled once and run unchanged in backtest, dry-run and live.

Imports NumPy, Numba and hftbacktest's constants only; knows no world and no clock but the bot's.
"""
