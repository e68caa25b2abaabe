"""The same compiled strategies in a backtest and in a dry-run: what must be equal, and the full comparison."""
