"""`arb convert` and `arb data`: converts, lists and checks recorded days, and manages the row cache."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

from arb.commands.legs import NO_GRIDS, KnownGrids
from arb.config import VenueConfig
from arb.config.adapters import feed_latency_ns, known_instrument, load_adapter
from arb.data.catalog.days import (
    ALL_DAYS,
    Day,
    Days,
    Recording,
    faults_in,
    files_of,
    find_archive_days,
    find_days,
    find_recordings,
)
from arb.data.check.recordings import Source, check_recordings
from arb.data.check.report import RecordingReport
from arb.data.recordings.leftover import Leftover, find_leftovers, leftover_text
from arb.data.rows.cache import RowCache, Usage, prune, usage
from arb.data.rows.compare import CONVERTERS, Comparison, compare
from arb.data.rows.convert import Feed, convert
from arb.data.rows.grid import DayGrid, coarser_notes
from arb.data.rows.npy import open_npy
from arb.data.rows.row_files import Conversion, RowFile
from arb.data.rows.spool import needs_carry
from arb.data.rows.window import Window, cut_conversion, cut_days, moment_text
from arb.data.text import Progress, fault_of
from arb.errors import InputError
from connectors.errors import DecodeError
from connectors.model import Rows

#: Recordings, or days of any kind.
DayKind = TypeVar("DayKind", bound=Day)

#: Called with the number of bytes to read; returns a callback for each part that was read.
StartProgress = Callable[[int], Progress]


class Converted(NamedTuple):
    """A day and its rows."""

    recording: Day
    file: RowFile
    path: Path


class ConvertedDays(NamedTuple):
    """The result of a conversion: its clock offset, its days, and a line for each day without data in the window."""

    offset_ns: int
    days: list[Converted]
    left_out: list[str]


def convert_all(
    directory: Path,
    venues: Mapping[str, VenueConfig],
    out: Path | None,
    progress: StartProgress | None = None,
    grids: KnownGrids = NO_GRIDS,
    chosen: Days = ALL_DAYS,
    window: Window | None = None,
) -> ConvertedDays:
    """Converts the chosen days in `directory` to rows on one clock.

    Each day is read from its preferred source. grids: stated ticks and lots of the data. The rows stay in the cache;
    `out` gets a copy of each as `<venue>/<symbol>_<YYYYMMDD>.npy`, which hftbacktest loads. window: the part of the
    days that is copied; the cache has whole days. Raises InputError if there is nothing to convert.
    """
    days = _chosen(directory, days_in(directory), chosen)
    runs = list(_consecutive(_known_of(directory, days, venues)))
    on_grid = grids.venues(venues)
    feeds = [_feed(on_grid[run[0].venue], grids, run) for run in runs]
    with RowCache() as cache:
        conversion = convert(feeds, cache, progress=progress and progress(bytes_of(runs)))
        within = conversion if window is None else _within(directory, conversion, window)
        converted, left_out = [], []
        for feed, whole, files in zip(feeds, conversion.files, within.files, strict=True):
            copied: Iterable[Sequence[Rows]] = [()] * len(whole)
            if out is not None:
                copied = _rows_of(feed, whole, window)
            for day, file, rows in zip(feed.recordings, files, copied, strict=True):
                if window is not None and not file.rows:
                    left_out.append(f"left out: {day.venue}:{day.symbol} {day.day}: no data {window.text}")
                    continue
                converted.append(Converted(day, file, _place(day, file, rows, out)))
    return ConvertedDays(conversion.offset_ns, converted, left_out)


def _within(directory: Path, whole: Conversion, window: Window) -> Conversion:
    """The conversion cut to the window. Raises InputError if no day has data within."""
    within = cut_conversion(whole, window)
    if not any(file.rows for files in within.files for file in files):
        known = [file for files in whole.files for file in files if file.first_ts]
        first_ts = min((file.first_ts for file in known), default=0)
        raise InputError(
            f"{directory}: no data {window.text}; its data of these days are from {moment_text(first_ts)} to "
            f"{moment_text(whole.end_ts)}: choose a time between them"
        )
    return within


def _rows_of(feed: Feed, files: Sequence[RowFile], window: Window | None) -> Iterable[Sequence[Rows]]:
    """The rows of each of a feed's days, cut to the window. The first begins with the book at its start."""
    days = (file.load(is_first=n == 0) for n, file in enumerate(files))
    if window is None:
        return days
    return cut_days(days, window, feed.instrument.tick_size if feed.instrument else 0.0)


def conversion_notes(
    venues: Mapping[str, VenueConfig], converted: Sequence[Converted], grids: KnownGrids = NO_GRIDS
) -> list[str]:
    """A line for each instrument whose tick or lot is larger than configured on all of its days."""
    notes = []
    for (name, symbol), group in groupby(
        converted, key=lambda one: (one.recording.venue, one.recording.symbol)
    ):
        if not grids.source(venues[name], symbol).is_stated:
            days = [DayGrid(one.recording, one.file.scan.grid) for one in group]
            notes += coarser_notes(known_instrument(venues[name], symbol), days)
    return notes


def bytes_of(runs: Iterable[Iterable[Day]]) -> int:
    """The total size of all files, without unreadable ones: their reader reports them."""
    return sum(_size_of(path) for run in runs for day in run for path in files_of(day))


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def compare_all(
    directory: Path, venues: Mapping[str, VenueConfig], chosen: Days = ALL_DAYS
) -> Iterator[Comparison]:
    """Compares our rows with those of hftbacktest's converter, for each chosen recording of a venue that it knows."""
    known = _known_of(directory, _chosen(directory, list_all(directory), chosen), venues)
    recordings = [r for r in known if r.venue in CONVERTERS]
    if not recordings:
        raise InputError(
            f"{directory}: no recording that hftbacktest converts; it knows {', '.join(sorted(CONVERTERS))}"
        )
    for recording in recordings:
        yield compare(load_adapter(venues[recording.venue]), recording)


class Checked(NamedTuple):
    """Results of a check, folders of undescribed venues, and archive days, which are not checked."""

    reports: list[RecordingReport]
    unknown_venues: list[str]
    #: Number of days by source.
    archives: dict[str, int]


def check_all(
    directory: Path,
    venues: Mapping[str, VenueConfig],
    venue_names: Collection[str],
    symbols: Collection[str],
    hole_ns: int,
    progress: StartProgress | None = None,
    grids: KnownGrids = NO_GRIDS,
    days: Days = ALL_DAYS,
) -> Checked:
    """Checks the recordings of the days in `directory`, or those of the named venues and symbols (none: all).

    `hole_ns`: a longer time without a frame is a hole. grids: stated ticks and lots of the data. Raises InputError if
    there is nothing to check, but not for defects of a recording.
    """

    def is_chosen(day: Day) -> bool:
        is_of_venue = not venue_names or day.venue in venue_names
        return is_of_venue and (not symbols or day.symbol in symbols)

    everything = list_all(directory)
    recordings = _chosen(directory, everything, days)
    chosen = [recording for recording in recordings if is_chosen(recording)]
    missing = {*venue_names} - {r.venue for r in chosen} | {*symbols} - {r.symbol for r in chosen}
    if missing:
        there = sorted({f"{recording.venue}:{recording.symbol}" for recording in recordings})
        raise InputError(
            f"{directory}: no recordings of {', '.join(sorted(missing))}; there are {', '.join(there)}"
        )
    known = _known_of(directory, chosen, venues)
    on_grid = grids.venues(venues)
    sources = [
        _source(on_grid[one.venue], grids, one)
        for recording in known
        for one in (*_carried(on_grid[recording.venue], recording, everything, days), recording)
    ]
    read = progress and progress(bytes_of([source.recording] for source in sources))
    reports = check_recordings(sources, hole_ns=hole_ns, progress=read, days=days)
    archives = Counter(
        day.source for day in find_archive_days(directory) if is_chosen(day) and days.has(day.day)
    )
    unknown = sorted({r.venue for r in chosen} - {r.venue for r in known})
    return Checked(reports, unknown, dict(sorted(archives.items())))


def _carried(
    venue: VenueConfig, recording: Recording, everything: Sequence[Recording], days: Days
) -> list[Recording]:
    """The recordings before the chosen days whose book a recording continues, oldest first."""
    by_day = {one.day: one for one in everything if one[:2] == recording[:2]}
    found: list[Recording] = []
    while (before := by_day.get(recording.day - timedelta(days=1))) is not None and not days.has(before.day):
        # What cannot be read is reported by the check.
        with contextlib.suppress(InputError, DecodeError):
            if needs_carry(load_adapter(venue), recording):
                found.insert(0, before)
                recording = before
                continue
        break
    return found


class Cached(NamedTuple):
    """The row cache: its folder, its contents, and what was just deleted."""

    folder: Path
    held: Usage
    deleted: Usage | None = None


def shown_cache() -> Cached:
    """The contents of the row cache."""
    folder = RowCache().directory
    return Cached(folder, usage(folder))


def clear_cache() -> Cached:
    """Empties the row cache except for rows in use. Raises InputError while another process converts."""
    folder = RowCache().directory
    deleted = prune(folder, 0)
    if deleted is None:
        raise InputError(f"{folder}: another process is converting into it; try again when it is done")
    return Cached(folder, usage(folder), deleted)


def list_all(directory: Path) -> list[Recording]:
    """All recordings. Raises InputError if the folder is missing or has none."""
    recordings = find_recordings(directory)
    if not recordings and (leftovers := find_leftovers(directory)):
        raise InputError(leftover_text(directory, leftovers))
    if not recordings:
        archives = len(find_archive_days(directory))
        raise InputError(
            f"{directory}: no recordings but {archives:,} days of archives, which this command does not read: a "
            "conversion refuses what is wrong with them: arb convert"
            if archives
            else f"{directory}: no recordings; they are named <venue>/<symbol>_<YYYYMMDD>.gz"
        )
    return recordings


class Listed(NamedTuple):
    """The days of a folder, the days with frames still in journals, and a line for each defect."""

    days: list[Day]
    leftovers: list[Leftover]
    warnings: list[str]


def list_days(directory: Path, chosen: Days = ALL_DAYS) -> Listed:
    """All recordings and days of archives that are chosen. Raises InputError if the folder is missing or has none."""
    days: list[Day] = [*find_recordings(directory), *find_archive_days(directory)]
    leftovers = find_leftovers(directory)
    if not days and not leftovers:
        raise _nothing(directory)
    leftovers = [one for one in leftovers if chosen.has(one.day)]
    days = _chosen(directory, days, chosen) if not leftovers else [day for day in days if chosen.has(day.day)]
    readable = [day for day in days if not any(fault_of(path) for path in files_of(day))]
    return Listed(
        readable,
        leftovers,
        [f"not listed: {line}" for line in faults_in(directory)] + not_finished(directory),
    )


def not_described(directory: Path, venues: Mapping[str, VenueConfig]) -> list[str]:
    """A line for each folder of recordings or archives whose venue has no file."""
    days: list[Day] = [*find_recordings(directory), *find_archive_days(directory)]
    folders = (day.path.parent if isinstance(day, Recording) else day.path.parents[1] for day in days)
    counts = Counter(folder for folder in folders if folder.name not in venues)
    return [
        f"left out: {folder} ({count:,} {'day' if count == 1 else 'days'}): no venue file describes {folder.name}"
        for folder, count in sorted(counts.items())
    ]


def not_finished(directory: Path) -> list[str]:
    """A line if frames are still in journals, with the command that moves them."""
    text = leftover_text(directory, find_leftovers(directory))
    return [f"not finished: {text}"] if text else []


def days_in(directory: Path) -> list[Day]:
    """The days that can be converted. Raises InputError if there are none."""
    days = find_days(directory)
    if days:
        return days
    if archives := find_archive_days(directory):
        raise InputError(f"{archives[0].path}: trades alone; there is no book in {directory}")
    raise _nothing(directory)


def _chosen(directory: Path, days: Sequence[DayKind], chosen: Days) -> list[DayKind]:
    """Those that are chosen. Raises InputError if there are none."""
    found = [day for day in days if chosen.has(day.day)]
    if days and not found:
        first, last = min(day.day for day in days), max(day.day for day in days)
        raise InputError(f"{directory}: no day{chosen.text}; its days are from {first} to {last}")
    return found


def _nothing(directory: Path) -> InputError:
    if leftovers := find_leftovers(directory):
        return InputError(leftover_text(directory, leftovers))
    return InputError(
        f"{directory}: no recordings and no archives; recordings are named <venue>/<symbol>_<YYYYMMDD>.gz, archives "
        "lie in archive/<source>/<venue>/<SYMBOL>/"
    )


def _source(venue: VenueConfig, grids: KnownGrids, recording: Recording) -> Source:
    """A recording to check; without instrument if the venue's file lacks the symbol."""
    instrument = known_instrument(venue, recording.symbol)
    return Source(load_adapter(venue), recording, instrument, *grids.source(venue, recording.symbol))


def _feed(venue: VenueConfig, grids: KnownGrids, run: Sequence[Day]) -> Feed:
    """A run of days with its fused touch; with the depth stream's touch only if the venue's file lacks the symbol."""
    instrument = known_instrument(venue, run[0].symbol)
    source = grids.source(venue, run[0].symbol)
    return Feed(load_adapter(venue), run, feed_latency_ns(venue), instrument, *source)


def _known_of(
    directory: Path, recordings: Sequence[DayKind], venues: Mapping[str, VenueConfig]
) -> list[DayKind]:
    known = [recording for recording in recordings if recording.venue in venues]
    if not known:
        found = ", ".join(sorted({recording.venue for recording in recordings}))
        raise InputError(f"{directory}: recordings of {found}, but no venue file describes any of them")
    return known


def _consecutive(recordings: Sequence[Day]) -> Iterator[list[Day]]:
    """Runs of consecutive days, one instrument at a time."""
    for _, group in groupby(recordings, key=lambda r: (r.venue, r.symbol)):
        run: list[Day] = []
        for recording in group:
            if run and recording.day - run[-1].day != timedelta(days=1):
                yield run
                run = []
            run.append(recording)
        yield run


def _place(day: Day, file: RowFile, arrays: Sequence[Rows], out: Path | None) -> Path:
    """The path of a day's rows: the cache's, or below `out`, where they are written."""
    if out is None:
        return Path(file.path)
    target = out / day.venue / f"{day.symbol.lower()}_{day.day:%Y%m%d}.npy"
    try:
        with open_npy(target) as writer:
            for rows in arrays:
                writer.write(rows)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    return target
