"""Backtests: hftbacktest's engine over row files, with the bot handle that every world shares."""
