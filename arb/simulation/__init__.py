"""The simulated exchange: hftbacktest's exchange model, order by order, over rows as they arrive.

It is attached to the request and response queues of `arb.engine`. Its decisions equal those of hftbacktest's engine to
the last bit. It does not know whether rows come from a recording or from a socket. Start with `exchange`, then `bot`.
"""
