"""Decodes files of public archives into the messages and rows that recorded frames are decoded into.

Compiled code reads CSV columns (`fields`, `table`); `formats` has their names in each archive. No download and no
cache. Start with `streams`.
"""
