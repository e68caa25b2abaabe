"""What is wrong with a recording: gaps, holes, clocks, order, crossed books.

It reads recordings and changes nothing; the row cache does not depend on it. Start with `recordings`, then `findings`,
which holds the limits.
"""
