"""Which days of market data there are on disk: recordings, and files of public archives.

It lists folders and reads no frame. Start with `days`.
"""
