"""History from public archives: what exists where, which of it a run needs, and fetching each file whole or not at all.

It knows no row and no strategy. Start with `download`, then `choice` and `fetch`.
"""
