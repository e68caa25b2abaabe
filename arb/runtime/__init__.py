"""Sessions on live data, and strategies on live or recorded rows: host, feeds, signals, watchdog, journal, display.

Uses the bot, the feeds, the simulated exchange and the venues' part of the configuration; must not know the command
line, nor which command runs. Start with `host`, then `session` and `strategy_task`, the greenlet of the strategy.
"""
