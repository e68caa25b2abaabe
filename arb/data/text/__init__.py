"""Files of market data as text: gzip and deflate unpacked in pieces, and fingerprints for caches.

It does not know what the text means. Start with `raw`.
"""
