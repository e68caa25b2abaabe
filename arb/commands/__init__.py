"""What each command puts together: parts built from the configuration, connected, and started.

The composition root: below here nobody sees the whole `Config`, and nobody asks which world it runs in. The file of a
command has the name that it has in `arb.cli`. Start with `backtest`.
"""
