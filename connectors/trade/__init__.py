"""The connections over which orders are sent and an account's events arrive, and what keeps them up.

They know sockets, logon, keys and times, but nothing of orders' states: `arb.execution` decides about those.
"""
