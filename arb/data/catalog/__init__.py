"""Finds days of market data on disk: recordings, and files of public archives.

It lists folders and reads no frames. Start with `days`.
"""
