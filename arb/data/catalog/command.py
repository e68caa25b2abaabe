"""Builds the command line that downloads missing days. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date
from pathlib import Path

#: The default of `--config`.
DEFAULT_CONFIG = "config/arbitrage.toml"


def download_command(
    directory: Path,
    legs: Sequence[tuple[str, str]],
    first: date,
    last: date,
    config: str = DEFAULT_CONFIG,
) -> str:
    """`arb download ...` for the days from `first` to `last` of `legs` (venue, symbol), ready for a shell."""
    words = ["arb", "download", "--start", str(first)]
    if last != first:
        words += ["--end", str(last)]
    venues = list(dict.fromkeys(venue for venue, _ in legs))
    symbols = list(dict.fromkeys(symbol for _, symbol in legs))
    if len(symbols) > 1 and list(legs) == [(venue, symbol) for symbol in symbols for venue in venues]:
        words += ["--legs", ",".join(f"{venue}:SYMBOL" for venue in venues), "--symbols", ",".join(symbols)]
    else:
        words += ["--legs", ",".join(f"{venue}:{symbol}" for venue, symbol in legs)]
    words += ["--data", str(directory)]
    if config != DEFAULT_CONFIG:
        words += ["--config", config]
    return shlex.join(words)
