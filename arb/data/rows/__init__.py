"""Converts days to event rows: decodes, checks ids, orders, caches, and provides them to a run or a comparison.

One clock offset applies to all legs of a run. Memory does not grow with the length of a day. Start with `convert`,
then `spool` and `order`.
"""
