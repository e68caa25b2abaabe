"""The recordings that the benchmarks read: a folder given as the first argument, `../shared/recordings` without one."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path


def recordings_folder() -> Path:
    """The folder; ends the benchmark with a line where it is absent."""
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "recordings"
    if not given.is_dir():
        sys.exit(f"{given}: no such folder; give the folder of the recordings as an argument")
    return given


def raw_text(venue: str, symbol: str, day: str = "20240808") -> bytes:
    """The text of one recording."""
    return gzip.decompress((recordings_folder() / venue / f"{symbol.lower()}_{day}.gz").read_bytes())
