"""From text to rows: what the parsers and decoders of all venues share.

Compiled code reads a frame's JSON byte by byte (`scanner`), `lines` runs it over recorded text and `batch` holds the
frames of one read of a socket. No socket, no clock, and no rule of a venue's book. Start with `scanner`.
"""
