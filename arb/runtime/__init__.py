"""Runs a strategy beside an event loop or over recorded rows, with signals, watchdog, journal and display.

Uses the bot, the feeds and the simulated exchange; must not know the command line or the configuration file. Start
with `session`, then `strategy_task`, the greenlet in which the strategy runs.
"""
