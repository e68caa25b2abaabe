"""Cross-exchange arbitrage on hftbacktest: one compiled strategy in backtest, dry-run and live."""

__version__ = "0.1.0"
