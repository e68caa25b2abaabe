"""Live orders: what venues say becomes order states, doubts and answers for the bot. Pure.

A session attaches `gateway` to the port of its bot (`arb.engine.port`) where a dry-run attaches the simulated exchange.
"""
