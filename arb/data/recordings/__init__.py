"""Recording what a feed receives, so that a killed process loses nothing: `arb.data.recordings.recorder` is the way in.

A package of its own beside the modules that make rows: the row cache is keyed by their code, and nothing here can
change a row.
"""
