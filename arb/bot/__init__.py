"""The bot that a compiled strategy trades through: one Numba type for backtest, dry-run and live.

`arb.backtest.bot` makes bots over hftbacktest's engine, `arb.bot.compilation.compile_strategy` compiles strategies,
`arb.bot.recorder` keeps their equity and decisions. The interface is hftbacktest's own; docs/bot-interface.md
lists it.
"""
