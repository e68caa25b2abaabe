"""Finds faults of recordings: gaps, holes, clocks, order, crossed books.

It only reads recordings; the row cache does not depend on it. Start with `recordings`, then `findings`, which has the
limits.
"""
