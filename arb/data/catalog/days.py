"""Finds the recorded and downloaded days below a data folder, and the one source that each day is read from.

A day of an instrument is a recording (`<data>/<venue>/<symbol>_<YYYYMMDD>.gz`), else the venue's own archive if it has
a book, else Tardis' book, else an archive with the touch only. Trades only are not a day: a backtest needs a book.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from arb.data.catalog.archived import ArchiveFile, ArchiveKind, find_archives, is_received
from arb.data.recordings.leftover import find_leftovers, leftover_text
from arb.data.text import fault_of
from arb.errors import InputError

#: The data that a folder with trades only lacks, by source.
_BOOK_NAMES = {
    "binance": "a bookTicker file (until 2024-03-30), or a book from another source,",
    "bybit": "an order book (ob500 or ob200)",
    "tardis": "incremental_book_L2",
}
#: The default of `--config`.
DEFAULT_CONFIG = "config/arbitrage.toml"
#: Suffixes of recordings; older collectors of hftbacktest wrote the second. The first is used if a day has both.
RECORDING_ENDINGS = (".gz", ".dat.gz")
_FILE_NAME = re.compile(r"([a-z0-9._-]+)_(\d{8})(\.dat)?\.gz", re.ASCII)


class Recording(NamedTuple):
    """One recorded day of one instrument. `day` is UTC by the recorder's clock; `symbol` in the venue's spelling."""

    venue: str
    symbol: str
    day: date
    path: Path


class ArchiveDay(NamedTuple):
    """One day of one instrument in one archive: at most one file of each kind that is read together.

    `files` by kind: the book, the touch, the trades or else the aggregated trades.
    """

    venue: str
    symbol: str
    day: date
    source: str
    files: tuple[ArchiveFile, ...]

    @property
    def kinds(self) -> tuple[ArchiveKind, ...]:
        return tuple(file.kind for file in self.files)

    @property
    def has_book(self) -> bool:
        """Whether it has a book, even if only of one level."""
        return ArchiveKind.BOOK in self.kinds or self.is_touch_only

    @property
    def is_touch_only(self) -> bool:
        return ArchiveKind.TOUCH in self.kinds and ArchiveKind.BOOK not in self.kinds

    @property
    def has_ids(self) -> bool:
        """Whether its book has the venue's ids, so that the next day can continue it."""
        return ArchiveKind.BOOK in self.kinds and not self.has_receipt

    @property
    def has_receipt(self) -> bool:
        """Whether it has real times of receipt; otherwise a latency model gives them."""
        return is_received(self.source)

    @property
    def path(self) -> Path:
        """The main file of the day."""
        return self.files[0].path


class Days(NamedTuple):
    """The days from `first` to `last`, both inclusive; None: without a bound."""

    first: date | None = None
    last: date | None = None

    def has(self, day: date) -> bool:
        """Whether a day is within."""
        return (self.first or date.min) <= day <= (self.last or date.max)

    @property
    def text(self) -> str:
        """` from 2024-08-08 to 2024-08-09`, as far as both are given."""
        return (f" from {self.first}" if self.first else "") + (f" to {self.last}" if self.last else "")


#: No bounds.
ALL_DAYS = Days()
#: A day of an instrument from either source.
Day = Recording | ArchiveDay


def files_of(day: Day) -> list[Path]:
    """The files of a day."""
    return [day.path] if isinstance(day, Recording) else [file.path for file in day.files]


def find_recordings(directory: Path) -> list[Recording]:
    """All recordings below `directory`, sorted by venue, symbol and day. Other file names are ignored.

    If a day has both `.gz` and `.dat.gz`, the first is used. Raises InputError when the folder cannot be read.
    """
    found: dict[tuple[str, str, date], Recording] = {}
    for recording in _all_recordings(directory):
        found[recording[:3]] = recording
    return sorted(found.values())


def _all_recordings(directory: Path) -> list[Recording]:
    """Every file with a recording's name; of two files of a day the one to use is last."""
    if not directory.is_dir():
        raise InputError(
            f"{directory}: no such folder of recordings; name another: --data, --recordings or [data] directory"
        )
    found = []
    for path in directory.glob("*/*.gz"):
        match = _FILE_NAME.fullmatch(path.name)
        day = _day_of(match.group(2)) if match else None
        if match and day:
            found.append(Recording(path.parent.name, match.group(1).upper(), day, path))
    return sorted(found)


def faults_in(directory: Path) -> list[str]:
    """A line for each unreadable recording and venue folder, found by its name."""
    recordings = find_recordings(directory)
    lines = [f"{recording.path}: {fault}" for recording in recordings if (fault := fault_of(recording.path))]
    lines += [
        f"{recording.path}: there is another file of this day, {recording_path(directory, *recording[:3]).name}"
        for recording in _all_recordings(directory)
        if recording not in recordings
    ]
    return lines + [
        f"{path}: {fault}" for path in sorted(directory.iterdir()) if (fault := _folder_fault(path))
    ]


def _folder_fault(path: Path) -> str:
    """Why a folder of recordings cannot be listed; "" if it can be, or is not a folder of recordings."""
    try:
        if path.is_symlink() and not path.exists():
            return "a link to a folder that does not exist"
        if path.is_dir():
            os.scandir(path).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _day_of(digits: str) -> date | None:
    try:
        return datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None


def find_archive_days(directory: Path) -> list[ArchiveDay]:
    """All days of all archives below `directory`, by venue, symbol, day and source; including days with trades only."""
    files = sorted(find_archives(directory), key=_archive_key)
    return [_archive_day(list(group)) for _, group in groupby(files, key=_archive_key)]


def _archive_key(file: ArchiveFile) -> tuple[str, str, date, str]:
    return file.venue, file.symbol, file.day, file.source


def _archive_day(files: list[ArchiveFile]) -> ArchiveDay:
    """The files of a day that are read together; the deepest of several books."""
    by_kind = {file.kind: file for file in sorted(files, key=lambda file: _depth_of(file.path))}
    if ArchiveKind.TRADES in by_kind:
        by_kind.pop(ArchiveKind.AGG_TRADES, None)
    chosen = tuple(by_kind[kind] for kind in ArchiveKind if kind in by_kind)
    first = files[0]
    return ArchiveDay(first.venue, first.symbol, first.day, first.source, chosen)


def _depth_of(path: Path) -> int:
    match = re.search(r"_ob(\d+)\.", path.name)
    return int(match.group(1)) if match else 0


def find_days(directory: Path) -> list[Day]:
    """Every day that can be replayed, from its preferred source, by venue, symbol and day.

    Raises InputError when the folder cannot be read.
    """
    candidates: list[Day] = [*find_recordings(directory)]
    candidates += [day for day in find_archive_days(directory) if day.has_book]
    preferred: dict[tuple[str, str, date], Day] = {}
    for day in sorted(candidates, key=_preference):
        preferred.setdefault((day.venue, day.symbol, day.day), day)
    return [preferred[key] for key in sorted(preferred)]


def _preference(day: Day) -> int:
    if isinstance(day, Recording):
        return 0
    if day.is_touch_only:
        return 3
    return 2 if day.has_receipt else 1


def days_of(days: Iterable[Day], venue: str, symbol: str) -> dict[date, Day]:
    """The days of one instrument by date."""
    return {day.day: day for day in days if (day.venue, day.symbol) == (venue, symbol)}


def recording_path(directory: Path, venue: str, symbol: str, day: date) -> Path:
    """The path of a recording."""
    return directory / venue / f"{symbol.lower()}_{day:%Y%m%d}.gz"


def select_days(
    directory: Path,
    legs: Iterable[tuple[str, str]],
    start: date,
    end: date | None,
    config: str = DEFAULT_CONFIG,
) -> list[list[Day]]:
    """The days of each leg (venue, symbol) from `start` to `end`, both inclusive, a list a leg.

    Without `end`, up to the last day that all legs have. Every leg must have every day; otherwise raises InputError
    that names the missing file and the command that downloads it, with `config`, the main file.
    """
    if end is not None and end < start:
        raise InputError(f"--end {end} lies before --start {start}")
    legs = list(legs)
    try:
        found = find_days(directory)
    except InputError as error:
        command = download_command(directory, legs, start, end or start, config)
        raise InputError(f"{error}, or get history: {command}") from None
    by_leg = [(venue, symbol, days_of(found, venue, symbol)) for venue, symbol in legs]
    if end is None:
        common = set.intersection(*(set(days) for _, _, days in by_leg))
        end = max((day for day in common if day >= start), default=start)
    wanted = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    for venue, symbol, days in by_leg:
        missing = [day for day in wanted if day not in days]
        if missing:
            there = [one for one in find_leftovers(directory) if (one.venue, one.symbol) == (venue, symbol)]
            if any(one.day in missing for one in there):
                raise InputError(leftover_text(directory, there))
            command = download_command(directory, legs, missing[0], missing[-1], config)
            raise InputError(
                f"{_missing(directory, venue, symbol, missing, days)}, or get history: {command}"
            )
    return [[days[day] for day in wanted] for _, _, days in by_leg]


def _book_name(day: ArchiveDay) -> str:
    """The data that a day with trades only lacks."""
    if day.source == "binance" and day.venue == "binance_spot":
        return "a book from another source (Binance has none of spot)"
    return _BOOK_NAMES[day.source]


def _missing(directory: Path, venue: str, symbol: str, missing: list[date], days: dict[date, Day]) -> str:
    more = f" (and {len(missing) - 1} more days)" if len(missing) > 1 else ""
    for day in find_archive_days(directory):
        if (day.venue, day.symbol) == (venue, symbol) and day.day in missing:
            return (
                f"{day.path}: trades alone; {venue}:{symbol} has no book and no best bid and offer for "
                f"{day.day}{more}, and a backtest needs one: put {_book_name(day)} beside it, or choose other days: "
                f"arb data list {directory}"
            )
    have = f"it has {min(days)} to {max(days)}" if days else "it has none"
    path = recording_path(directory, venue, symbol, missing[0])
    return (
        f"{path}: no recording of {venue}:{symbol} for {missing[0]}{more}; {have}. Put a collector's file there, "
        f"or choose other days: arb data list {directory}"
    )


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
