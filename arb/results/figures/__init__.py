"""The declarations of a run's figures: name, unit, definition, formula, and the table that shows each.

`summary.json`, the terminal's table, the page and the list in docs/run-folder.md are drawn from these declarations. A
formula takes what `arb.results.metrics` computed from the arrays. Start with `declared`, then `summary`.
"""
