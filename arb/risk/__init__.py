"""Limits on what may be traded, checked inside every submit and modify of every world.

Compiled arithmetic over a bot's orders and positions; it must not know a strategy or a venue. Start with `limits`, then
`funds`.
"""
