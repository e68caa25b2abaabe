"""Sweeps: many sets of parameters over the same rows, each with the result that a backtest of it has.

It must not know the command line, nor how a configuration becomes a set's strategy, legs and limits:
`arb.commands.sweep` passes these as values. `table` describes a sweep's folder and one result; `engine` runs a set over
kept rows. Start with `table`.
"""
