"""A live bot's world: each asset's book, orders, position and money, the clock, and the strategy's waits.

It does not know who answers orders: requests leave and responses arrive through `port`, to which a simulated exchange
or a gateway is attached. Compiled; no socket, no file, no time but that of rows and responses. Start with `world`, then
`timeline`, `account` and `live`.
"""
