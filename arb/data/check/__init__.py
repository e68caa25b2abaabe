"""What is wrong with a recording: gaps, holes, clocks, order, crossed books. `arb.data.check.recordings` runs it.

A package of its own beside the modules that make rows: the row cache is keyed by their code, and nothing here can
change a row.
"""
