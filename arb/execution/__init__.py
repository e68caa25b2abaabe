"""Live orders: what venues say becomes order states, doubts and answers for the bot. Pure.

A session attaches `gateway` to the port of its bot (`arb.engine.port`) where a dry-run attaches the simulated exchange.
It knows no socket: `venue_desk` decides everything about the orders of one venue from requests, frames and times, and
returns what is to be sent. Start with `order_state`, then `venue_desk`.
"""
