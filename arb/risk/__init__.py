"""Limits on what may be traded, checked inside every submit and modify of every world.

Compiled arithmetic over a bot's orders and positions; it knows no strategy and no venue. Start with `limits`, then
`funds`.
"""
