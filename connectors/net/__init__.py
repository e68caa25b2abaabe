"""Connections to a venue: websockets that are replaced without a gap, REST requests, rate limits, back-off.

It knows no book and no strategy; texts go in and out. `interfaces` says what it needs of the world (timers, sockets),
so that tests run it on simulated time. Start with `session`, then `connection`.
"""
