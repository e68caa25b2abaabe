"""Trading on Binance USD-M: endpoints and events in the venue's words. Pure.

Start with `answers` and `events`, which build JSON from orders, executions and accounts.
"""
