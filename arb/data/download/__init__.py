"""Downloads history from public archives: what exists, which files a run needs, and fetching each file atomically.

It knows nothing of rows and strategies. Start with `download`, then `choice` and `fetch`.
"""
