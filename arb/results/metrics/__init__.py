"""The figures of a run, computed from its records, its decisions and its fills; pure functions of arrays.

Money is in quote units, quantities are in base units, times in ns UTC, shares are parts of one. What is not known is
NaN, never zero. A strategy that logs no decisions has figures of its equity and its fills only.
"""
