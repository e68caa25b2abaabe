"""The local side of a bot of our own: each asset's book, orders, position and money, and the strategy's waits.

Requests leave in a queue and answers come back in another; who answers (a simulated exchange today) is attached from
outside. Compiled; no socket, no clock, no file. Start with `world`, then `account` and `live`.
"""
