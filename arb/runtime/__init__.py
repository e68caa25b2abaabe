"""A strategy that runs: beside an event loop or over recorded rows, with signals, watchdog, journal and display.

It knows the bot, the feeds and the simulated exchange, but neither the command line nor the configuration file. Start
with `session`, then `strategy_task`, the greenlet in which the strategy runs.
"""
