"""Which recordings there are: `<data>/<venue>/<symbol>_<YYYYMMDD>.gz`, one file an instrument and UTC day."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from arb.archive.command import DEFAULT_CONFIG, download_command
from arb.errors import InputError

_FILE_NAME = re.compile(r"([a-z0-9._-]+)_(\d{8})\.gz", re.ASCII)


class Recording(NamedTuple):
    """One recorded day of one instrument. `day` is UTC by the recorder's clock; `symbol` in the venue's spelling."""

    venue: str
    symbol: str
    day: date
    path: Path


def find_recordings(directory: Path) -> list[Recording]:
    """All recordings below `directory`, by venue, symbol and day. Files of other names are none.

    Raises InputError when the folder cannot be read.
    """
    if not directory.is_dir():
        raise InputError(
            f"{directory}: no such folder; [data] directory or --data names where recordings are"
        )
    found = []
    for path in directory.glob("*/*.gz"):
        match = _FILE_NAME.fullmatch(path.name)
        day = _day_of(match.group(2)) if match else None
        if match and day:
            found.append(Recording(path.parent.name, match.group(1).upper(), day, path))
    return sorted(found)


def _day_of(digits: str) -> date | None:
    try:
        return datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None


def days_of(recordings: Iterable[Recording], venue: str, symbol: str) -> dict[date, Recording]:
    """The recordings of one instrument by day."""
    return {r.day: r for r in recordings if (r.venue, r.symbol) == (venue, symbol)}


def recording_path(directory: Path, venue: str, symbol: str, day: date) -> Path:
    """Where a recording belongs."""
    return directory / venue / f"{symbol.lower()}_{day:%Y%m%d}.gz"


def select_days(
    directory: Path,
    legs: Iterable[tuple[str, str]],
    start: date,
    end: date | None,
    config: str = DEFAULT_CONFIG,
) -> list[list[Recording]]:
    """The recordings of each leg (venue, symbol) from `start` to `end`, both inclusive, a list a leg.

    Without `end`, the last day that all legs have. Every day must be there for every leg; raises InputError that
    names the missing file, and how to get it: the command names `config`, the main file.
    """
    if end is not None and end < start:
        raise InputError(f"--end {end} lies before --start {start}")
    legs = list(legs)
    try:
        recordings = find_recordings(directory)
    except InputError as error:
        command = download_command(directory, legs, start, end or start, config)
        raise InputError(f"{error}, or get history: {command}") from None
    by_leg = [(venue, symbol, days_of(recordings, venue, symbol)) for venue, symbol in legs]
    if end is None:
        common = set.intersection(*(set(days) for _, _, days in by_leg))
        end = max((day for day in common if day >= start), default=start)
    wanted = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    for venue, symbol, days in by_leg:
        missing = [day for day in wanted if day not in days]
        if missing:
            command = download_command(directory, legs, missing[0], missing[-1], config)
            raise InputError(
                f"{_missing(directory, venue, symbol, missing, days)}, or get history: {command}"
            )
    return [[days[day] for day in wanted] for _, _, days in by_leg]


def _missing(
    directory: Path, venue: str, symbol: str, missing: list[date], days: dict[date, Recording]
) -> str:
    more = f" (and {len(missing) - 1} more days)" if len(missing) > 1 else ""
    have = f"it has {min(days)} to {max(days)}" if days else "it has none"
    path = recording_path(directory, venue, symbol, missing[0])
    return (
        f"{path}: no recording of {venue}:{symbol} for {missing[0]}{more}; {have}. Put a collector's file there, "
        f"or choose other days: arb data list {directory}"
    )
