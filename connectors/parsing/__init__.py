"""Turns text into rows: the parts shared by the parsers and decoders of all venues.

Compiled code reads a frame's JSON byte by byte (`scanner`), `lines` runs it over recorded text and `batch` holds the
frames of one socket read. It must not know sockets, clocks or a venue's book rules. Start with `scanner`.
"""
