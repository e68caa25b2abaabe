"""The result of a run: its folder, trades, figures and notes, and the hashes that detect later changes.

Backtests and dry-runs write the same files, and every view (terminal, page, JSON) is drawn from them. Nothing here
draws or runs a strategy. Start with `folder`, then `reader` and `summary`.
"""
