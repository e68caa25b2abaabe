"""The simulated exchange: hftbacktest's exchange model, order by order, over rows as they arrive.

It is attached to the port of a live world (`arb.engine.port`). Its decisions equal those of hftbacktest's engine bit
by bit. It must not know whether rows are from a recording or a socket. Start with `exchange`, then `bot`.
"""
