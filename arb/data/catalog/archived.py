"""Which files of public archives there are: `<data>/archive/<source>/<venue>/<SYMBOL>/<file name>`, as they are served.

One file holds one kind of data of one instrument and UTC day; its name says which. Tardis serves every symbol under
the same name in a folder of its own, so its files are kept as `<data type>_<day>_<SYMBOL>.csv.gz`.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

#: The folder beside those of the venues.
ARCHIVE_FOLDER = "archive"


class ArchiveKind(StrEnum):
    """What an archive file holds."""

    BOOK = "book"
    """An L2 order book."""
    TOUCH = "touch"
    """Best bid and offer alone."""
    TRADES = "trades"
    AGG_TRADES = "agg_trades"


class ArchiveFile(NamedTuple):
    """One downloaded file. `source`: "binance", "bybit" or "tardis"; `symbol` in the venue's spelling."""

    source: str
    venue: str
    symbol: str
    day: date
    kind: ArchiveKind
    path: Path


_DAY = r"(?P<day>\d{4}-\d{2}-\d{2})"
_SYMBOL = r"(?P<symbol>[A-Z0-9]+)"
#: The names that each source serves, or that its files are kept under.
_NAMES = {
    "binance": {
        ArchiveKind.TOUCH: re.compile(rf"{_SYMBOL}-bookTicker-{_DAY}\.zip"),
        ArchiveKind.TRADES: re.compile(rf"{_SYMBOL}-trades-{_DAY}\.zip"),
        ArchiveKind.AGG_TRADES: re.compile(rf"{_SYMBOL}-aggTrades-{_DAY}\.zip"),
    },
    "bybit": {
        ArchiveKind.BOOK: re.compile(rf"{_DAY}_{_SYMBOL}_ob\d+\.data\.zip"),
        # Linear contracts without, spot with an underscore.
        ArchiveKind.TRADES: re.compile(rf"{_SYMBOL}_?{_DAY}\.csv\.gz"),
    },
    "tardis": {
        ArchiveKind.BOOK: re.compile(rf"incremental_book_L2_{_DAY}_{_SYMBOL}\.csv\.gz"),
        ArchiveKind.TOUCH: re.compile(rf"book_ticker_{_DAY}_{_SYMBOL}\.csv\.gz"),
        ArchiveKind.TRADES: re.compile(rf"trades_{_DAY}_{_SYMBOL}\.csv\.gz"),
    },
}


def is_received(source: str) -> bool:
    """Whether the files of a source tell when each message was received; else that comes of a latency model."""
    return source == "tardis"


def archive_path(directory: Path, source: str, venue: str, symbol: str, name: str) -> Path:
    """Where a downloaded file belongs."""
    return directory / ARCHIVE_FOLDER / source / venue / symbol / name


def find_archives(directory: Path) -> list[ArchiveFile]:
    """All archive files below a data folder, sorted. Files of other names are none; so is a folder that is missing."""
    found = [
        file
        for path in (directory / ARCHIVE_FOLDER).glob("*/*/*/*")
        if (file := archive_file(path)) is not None
    ]
    return sorted(found)


def archive_file(path: Path) -> ArchiveFile | None:
    """What the file at `path` holds, by its name and the three folders it lies in; None where it is no archive file."""
    source, venue, symbol = path.parts[-4:-1]
    for kind, pattern in _NAMES.get(source, {}).items():
        match = pattern.fullmatch(path.name)
        if match and match["symbol"] == symbol:
            try:
                return ArchiveFile(source, venue, symbol, date.fromisoformat(match["day"]), kind, path)
            except ValueError:
                return None
    return None
