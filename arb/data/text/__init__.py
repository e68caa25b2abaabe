"""Reads files of market data as text: gzip and deflate decompressed in pieces, and file hashes for caches.

It does not know what the text means. Start with `raw`.
"""
