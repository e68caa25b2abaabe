"""Connections to a venue: websockets with gapless replacement, REST requests, rate limits, backoff.

It must not know books or strategies; it only carries messages. `interfaces` defines the timers and sockets that it
needs, so that tests can run it on simulated time. Start with `session`, then `connection`.
"""
