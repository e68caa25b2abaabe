"""The composition root: builds each command's parts from the configuration and lets them work.

Below here nobody sees the whole `Config`, and nobody asks which world it runs in.
"""
