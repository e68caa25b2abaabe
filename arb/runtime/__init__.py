"""Dry-runs: the compiled strategy on a live bot, whose orders a simulated exchange answers."""
