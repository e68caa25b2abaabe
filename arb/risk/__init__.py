"""Limits on what may be traded: inside every submit and modify of every world, and before a live session sends.

`limits` and `funds` are compiled arithmetic over a bot's own orders and positions. `gate` is the host's check of a live
session, which shares nothing with them: it counts by itself (`exposure`, `rate_budget`, `refusals`). Neither knows a
strategy, a socket or a clock. Start with `limits`, or with `gate`.
"""
