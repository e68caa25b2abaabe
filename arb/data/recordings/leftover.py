"""Finds recordings whose last frames are still in journals: a recorder is running, or its process was killed.

`arb data list` and `arb data check` report them; `arb data finish` moves them into the day's `.gz`, as the next start
of a recorder in the folder does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from arb.data.recordings.journal import find_journals
from arb.data.recordings.lock import holder_of
from arb.errors import InputError


class Leftover(NamedTuple):
    """The journals of one instrument's UTC day. `symbol` in upper case; `bytes` of uncompressed text."""

    venue: str
    symbol: str
    day: date
    paths: tuple[Path, ...]
    bytes: int


def find_leftovers(directory: Path) -> list[Leftover]:
    """The days with journals below a folder, by venue, symbol and day; empty for a missing folder."""
    found = []
    for key, journals in find_journals(directory).items():
        sizes = [size for journal in journals if (size := _size_of(journal.path))]
        try:
            day = datetime.strptime(key.day, "%Y%m%d").date()
        except ValueError:
            continue
        if sizes:
            paths = tuple(journal.path for journal in journals)
            found.append(Leftover(key.venue, key.name.upper(), day, paths, sum(sizes)))
    return sorted(found)


def leftover_text(directory: Path, leftovers: Iterable[Leftover]) -> str:
    """One line: the days with frames in journals, and the command that moves them into the `.gz`; "" for none."""
    days = [f"{one.venue}:{one.symbol} {one.day} ({one.bytes / 1e6:,.1f} MB)" for one in leftovers]
    if not days:
        return ""
    shown = ", ".join(days[:3]) + (f" and {len(days) - 3} more" if len(days) > 3 else "")
    holder = holder_of(directory)
    next_step = f"arb data finish {directory}" if holder is None else f"process {holder} is recording them"
    return f"{directory}: frames that are not in the .gz yet: {shown}; {next_step}"


def leftover_notes(directory: Path, days: Iterable[tuple[str, str, date]]) -> list[str]:
    """One line for each day (venue, symbol, UTC day) of a run whose last frames are still in journals."""
    there = {(one.venue, one.symbol, one.day): one for one in find_leftovers(directory)}
    return [
        f"{one.venue}:{one.symbol}: {one.bytes / 1e6:,.1f} MB of {one.day} are not in the .gz yet and not in this run: "
        f"arb data finish {directory}"
        for day in days
        if (one := there.get(day)) is not None
    ]


def finish_leftovers(directory: Path) -> list[Leftover]:
    """Moves all journals below a folder into their `.gz`; returns the days that had some.

    Raises InputError for a folder that is missing, not writable, or in which a recorder is running.
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: no such folder")
    found = find_leftovers(directory)
    if not found:
        return []
    # The recorder takes time to load, and most commands only look for leftovers.
    from arb.data.recordings.recorder import Recorder

    with Recorder(directory, reserve_gb=0.0) as recorder:
        pass
    if recorder.error is not None:
        raise recorder.error
    if left := leftover_text(directory, find_leftovers(directory)):
        raise InputError(f"{left} again: a file is being read, or cannot be written")
    return found


def _size_of(path: Path) -> int:
    """The size; 0 for a file that cannot be read, or was finished meanwhile."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
