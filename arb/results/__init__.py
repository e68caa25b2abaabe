"""The result of a run: its folder, trades, figures and notes, and the hashes that make a later change visible.

Every world writes the same files here, and every view (terminal, page, JSON) is drawn from them. Nothing in here draws
or runs a strategy. Start with `folder`, then `reader` and `summary`.
"""
