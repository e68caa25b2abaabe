"""The words of the command that gets missing days. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import date
from pathlib import Path

#: What the commands read without `--config`.
DEFAULT_CONFIG = "config/arbitrage.toml"


def download_command(
    directory: Path, legs: Iterable[str], first: date, last: date, config: str = DEFAULT_CONFIG
) -> str:
    """`arb download ...` for the days from `first` to `last` of `legs` (venue:SYMBOL), ready for a shell."""
    words = ["arb", "download", "--start", str(first)]
    if last != first:
        words += ["--end", str(last)]
    words += ["--legs", ",".join(legs), "--data", str(directory)]
    if config != DEFAULT_CONFIG:
        words += ["--config", config]
    return shlex.join(words)
