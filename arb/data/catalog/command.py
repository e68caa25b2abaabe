"""Builds the command line that downloads missing days. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import date
from pathlib import Path

#: The default of `--config`.
DEFAULT_CONFIG = "config/arbitrage.toml"
_LEGS_OF_A_SYMBOL = 2


def download_command(
    directory: Path,
    legs: Sequence[tuple[str, str]],
    first: date,
    last: date,
    config: str = DEFAULT_CONFIG,
) -> str:
    """`arb download ...` for the days from `first` to `last` of `legs` (venue, symbol), ready for a shell.

    With several symbols, the two legs of each are adjacent, at the same two venues.
    """
    words = ["arb", "download", "--start", str(first)]
    if last != first:
        words += ["--end", str(last)]
    if len(legs) == _LEGS_OF_A_SYMBOL:
        words += ["--legs", ",".join(f"{venue}:{symbol}" for venue, symbol in legs)]
    else:
        words += ["--legs", ",".join(f"{venue}:SYMBOL" for venue, _ in legs[:_LEGS_OF_A_SYMBOL])]
        words += ["--symbols", ",".join(dict.fromkeys(symbol for _, symbol in legs))]
    words += ["--data", str(directory)]
    if config != DEFAULT_CONFIG:
        words += ["--config", config]
    return shlex.join(words)
