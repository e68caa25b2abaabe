"""What each command builds: parts made from the configuration, connected, and started.

The composition root: modules below never see the whole `Config` or ask in which world they run. Each file has its
command's name in `arb.cli`. Start with `backtest`.
"""
