"""The local side of a live bot: each asset's book, orders, position and money, and the strategy's waits.

Requests leave through one queue and responses arrive in another; the answering side (a simulated exchange today) is
attached from outside. Compiled; no socket, no clock, no file. Start with `world`, then `account` and `live`.
"""
