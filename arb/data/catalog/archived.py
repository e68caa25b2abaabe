"""Finds files of public archives: `<data>/archive/<source>/<venue>/<SYMBOL>/<file name>`, stored as served.

A file has one kind of data of one instrument and UTC day, as its name says. Tardis serves every symbol under the same
name in separate folders, so its files are stored as `<data type>_<day>_<SYMBOL>.csv.gz`.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

#: The archive folder, next to those of the venues.
ARCHIVE_FOLDER = "archive"
#: Tardis' names of the markets.
TARDIS_EXCHANGES = {
    "binance_spot": "binance",
    "binance_usdm": "binance-futures",
    "bybit_linear": "bybit",
    "bybit_spot": "bybit-spot",
}


class ArchiveKind(StrEnum):
    """The kind of data in an archive file."""

    BOOK = "book"
    """An L2 order book."""
    TOUCH = "touch"
    """Best bid and offer alone."""
    TRADES = "trades"
    AGG_TRADES = "agg_trades"
    FUNDING = "funding"
    """Funding rates of a month (`arb.data.catalog.funding`)."""
    MARK = "mark"
    """Mark prices by the minute, for the amounts of funding."""


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
#: File names of each source, as served or as stored.
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
    """Whether the files of a source have times of receipt; otherwise a latency model gives local times."""
    return source == "tardis"


def archive_path(directory: Path, source: str, venue: str, symbol: str, name: str) -> Path:
    """The path of a downloaded file."""
    return directory / ARCHIVE_FOLDER / source / venue / symbol / name


def find_archives(directory: Path) -> list[ArchiveFile]:
    """All archive files below a data folder, sorted. Other file names are ignored; a missing folder gives none."""
    found = [
        file
        for path in (directory / ARCHIVE_FOLDER).glob("*/*/*/*")
        if (file := archive_file(path)) is not None
    ]
    return sorted(found)


def archive_file(path: Path) -> ArchiveFile | None:
    """The archive file at `path`, from its name and its three parent folders; None if it is not one."""
    source, venue, symbol = path.parts[-4:-1]
    for kind, pattern in _NAMES.get(source, {}).items():
        match = pattern.fullmatch(path.name)
        if match and match["symbol"] == symbol:
            try:
                return ArchiveFile(source, venue, symbol, date.fromisoformat(match["day"]), kind, path)
            except ValueError:
                return None
    return None
