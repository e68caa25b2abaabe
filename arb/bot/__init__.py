"""The bot that a compiled strategy trades through: one Numba type for backtest, dry-run and live.

The interface is hftbacktest's own; docs/bot-interface.md lists it. A bot is a table of function addresses
(`function_table`), filled by hftbacktest's engine (`arb.backtest.bot`) or by ours (`arb.engine`); this folder must not
know which. Start with `bot`, then `numba_types` and `methods`.
"""
