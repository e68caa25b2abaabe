"""Converts days to event rows: one clock offset for the run, rows in a cache, memory independent of the day's length.

A day is a recording or the files of an archive. Each is read once into a spool (`arb.data.rows.spool`), which
measures its clock's lead; the run's offset is the largest lead over all days with times of receipt. An archive
without them is already on the venue's clock: its local times are the venue's plus the feed latency, whatever the
run's offset. Then each spool is stamped, ordered for both sides and written. Rows that are in the cache under the
same key (raw bytes, code, offset, assumed feed latency, chain carried over) are not derived again.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from hftbacktest.types import DEPTH_BBO_EVENT, DEPTH_EVENT, event_dtype

import connectors
from arb.data.catalog.days import RECORDING_ENDINGS, ArchiveDay, Day, Recording, files_of, find_archive_days
from arb.data.rows.cache import RowCache
from arb.data.rows.code_version import code_version
from arb.data.rows.funding import DayFunding
from arb.data.rows.grid import DayGrid, refuse_off_grid
from arb.data.rows.levels import Levels
from arb.data.rows.npy import is_whole, load_rows, open_npy
from arb.data.rows.order import END_OF_ROWS, EventOrder
from arb.data.rows.row_files import Conversion, RowFile
from arb.data.rows.spool import Scan, Spool, needs_carry, read_into
from arb.data.text import Progress
from arb.errors import InputError, InvariantError
from connectors.book.fused import FusedBook
from connectors.book.sequence import Status
from connectors.book.sync import Checkpoint
from connectors.book.timestamps import RowClock
from connectors.book.touch_only import TouchBook
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Instrument, Kind, Rows, SequenceRule, Venue

#: Rows stamped and ordered at a time.
BLOCK_ROWS = 1 << 16
#: A larger lead of the venue's clock is an error unless the user sets the offset.
LEAD_NS_MAX = 3_600_000_000_000
#: Disk space of spools kept from the first pass to the second; beyond it a recording is read again.
SPOOL_ROWS_MAX = (4 << 30) // event_dtype.itemsize


class Feed(NamedTuple):
    """Consecutive days of one instrument, recordings or archives, and how they are read.

    With `instrument` the touch is fused from the depth and the best-bid-and-offer streams, and values off its tick
    and lot are errors; without it the touch is the depth stream's, and the grid is only measured.
    """

    venue: Venue
    recordings: Sequence[Day]
    feed_latency_ns: int
    instrument: Instrument | None = None
    #: The configuration section of tick and lot, for errors; and whether they were stated for exactly these data.
    grid_section: str = ""
    is_grid_stated: bool = False
    #: Maximum silence of a recording's book before it is emptied (`connectors.book.sync`); 0: no limit.
    #: Only with an instrument, because the fused book has the levels that restore the book.
    silence_ns: int = 0


class _Day:
    """A day during conversion. `before` is the day that it continues, if any."""

    def __init__(self, feed: Feed, recording: Day, raw_sha256: str, before: _Day | None = None) -> None:
        self.feed = feed
        self.recording = recording
        self.before = before
        self.raw_sha256 = raw_sha256
        self.spool: Spool | None = None
        self.scan: Scan | None = None
        chain = before.chain_key if before is not None else ""
        instrument = (feed.venue.name, recording.symbol)
        #: Identifies this day, how its frames are read, and the chain that it continues.
        self.chain_key: str = _digest(
            raw_sha256,
            code_version(),
            *adapter_version(feed.venue),
            *instrument,
            chain,
            *_reading_of(recording),
            feed.silence_ns,
        )

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The end of the previous day's chain, if it is continued."""
        scan = self.before.scan if self.before is not None else None
        if scan is None:
            return None
        return Checkpoint(scan.status, scan.last_id, scan.followed_book, scan.life_ts, scan.is_silent)

    @property
    def is_modelled(self) -> bool:
        """Whether its local times are from the latency model."""
        return isinstance(self.recording, ArchiveDay) and not self.recording.has_receipt

    @property
    def is_carried_on(self) -> bool:
        """Whether the next day may continue its book, which needs ids."""
        return not isinstance(self.recording, ArchiveDay) or self.recording.has_ids

    def offset_ns(self, run_offset_ns: int) -> int:
        """The offset added to its local times."""
        return self.feed.feed_latency_ns if self.is_modelled else run_offset_ns


def _reading_of(day: Day) -> list[object]:
    """The part of the key that says how an archive's files are read, beyond their bytes."""
    return [day.source, day.day, *day.kinds] if isinstance(day, ArchiveDay) else []


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:40]


def convert(
    feeds: Sequence[Feed],
    row_cache: RowCache,
    *,
    offset_ns: int | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """The row files of all feeds on one clock.

    `offset_ns` is added to all local times; None measures it: the largest lead of a venue's time over the local time
    in all recordings, or 0. Raises InputError for unreadable files and a cache that cannot be written, DecodeError
    for frames; no partial file is left in the cache. The rows are protected there until `row_cache` is closed.
    """
    try:
        with ExitStack() as stack, row_cache.filling():
            return _convert(feeds, _Converter(row_cache, stack, progress), offset_ns)
    except OSError as error:  # errors of recordings are already InputErrors
        raise InputError(
            f"{row_cache.directory}: the row cache failed: {error.strerror or error}; where its disk is full, "
            "make room: arb data cache --clear"
        ) from None


def _convert(feeds: Sequence[Feed], converter: _Converter, offset_ns: int | None) -> Conversion:
    feeds_days = [converter.scan_feed(feed) for feed in feeds]
    for feed, days in zip(feeds, feeds_days, strict=True):
        grids = [DayGrid(day.recording, day.scan.grid) for day in days if day.scan is not None]
        refuse_off_grid(feed.instrument, grids, feed.grid_section, is_stated=feed.is_grid_stated)
    if offset_ns is None:
        asked = [days[-len(feed.recordings) :] for feed, days in zip(feeds, feeds_days, strict=True)]
        measured = [day for days in asked for day in days if not day.is_modelled]
        offset_ns = max([0, *(lead_of(day.scan, day.recording) for day in measured if day.scan is not None)])
    files = [converter.row_files(days, offset_ns) for days in feeds_days]
    # The days before the first were read only for the chain that it continues.
    return Conversion(offset_ns, [f[-len(feed.recordings) :] for feed, f in zip(feeds, files, strict=True)])


def lead_of(scan: Scan, day: Day) -> int:
    """How far a day's clock is behind the venue's; 0 if it is not, or unknown. Raises InputError."""
    lead = scan.lead_ns
    if lead is not None and lead > LEAD_NS_MAX:
        raise InputError(
            f"{day.path}: a frame is stamped {lead / 1e9:,.0f} s after it was received; "
            "if the recorder's clock was that wrong, set [clock] offset_ms"
        )
    return lead or 0


class _Converter:
    """The two passes over the recordings of one run."""

    def __init__(self, row_cache: RowCache, stack: ExitStack, progress: Progress | None) -> None:
        self._cache = row_cache
        self._stack = stack
        self._progress = progress
        self._spooled_rows = 0

    def scan_feed(self, feed: Feed) -> list[_Day]:
        """The first pass: scans each day, including earlier ones whose chain the first day continues."""
        days: list[_Day] = []
        for recording in [*self._chain_before(feed), *feed.recordings]:
            day = self._day(feed, recording, days[-1] if days else None)
            day.scan = self._scan(day)
            days.append(day)
        return days

    def _chain_before(self, feed: Feed) -> list[Day]:
        """The days before the first whose book it continues, oldest first."""
        chain: list[Day] = []
        first = feed.recordings[0]
        while self._is_cold(feed, first) and (before := _day_before(first)) is not None:
            chain.insert(0, before)
            first = before
        return chain

    def _is_cold(self, feed: Feed, recording: Day) -> bool:
        key = "cold-" + _Day(feed, recording, self._fingerprint(recording)).chain_key
        known = self._cache.get(key, bool)
        if known is None:
            known = needs_carry(feed.venue, recording)
            self._cache.put(key, known)
        return known

    def _fingerprint(self, day: Day) -> str:
        return "+".join(self._cache.fingerprint(path) for path in files_of(day))

    def _day(self, feed: Feed, recording: Day, last: _Day | None) -> _Day:
        before = None
        if last is not None and last.scan is not None and self._is_cold(feed, recording):
            is_next = _is_day_after(last.recording, recording)
            before = last if is_next and last.scan.status != Status.UNSYNCED else None
        return _Day(feed, recording, self._fingerprint(recording), before)

    def _scan(self, day: _Day) -> Scan:
        sizes = day.feed.instrument[2:] if day.feed.instrument is not None else ()
        key = "scan-" + _digest(day.chain_key, *sizes)
        known = self._cache.get(key, Scan)
        if known is None:
            known = self._read(day)
            self._cache.put(key, known)
            if self._spooled_rows > SPOOL_ROWS_MAX:
                self._drop(day)
        return known

    def _read(self, day: _Day) -> Scan:
        day.spool = self._stack.enter_context(Spool(self._cache.directory))
        is_cold = day.before is None and self._is_cold(day.feed, day.recording)
        scan = read_into(
            day.spool,
            day.feed.venue,
            day.recording,
            day.checkpoint,
            progress=self._progress,
            instrument=day.feed.instrument,
            is_cold=is_cold,
            silence_ns=day.feed.silence_ns,
        )
        self._spooled_rows += day.spool.count
        return scan

    def _drop(self, day: _Day) -> None:
        if day.spool is not None:
            self._spooled_rows -= day.spool.count
            day.spool.close()
            day.spool = None

    def row_files(self, days: Sequence[_Day], offset_ns: int) -> list[RowFile]:
        """The second pass: the row files of consecutive days at this offset."""
        files: list[RowFile] = []
        for day in days:
            files.append(
                self._row_file(day, files[-1].book_path if day.before is not None else "", offset_ns)
            )
        return files

    def _row_file(self, day: _Day, carry_path: str, offset_ns: int) -> RowFile:
        """The row file of a day, from the cache or written now."""
        instrument = day.feed.instrument
        offset_ns = day.offset_ns(offset_ns)
        if day.scan is None:
            raise InvariantError(f"{day.recording.path}: not scanned")
        funding = DayFunding.of_day(day.recording, day.scan, self._cache)
        name = _digest(
            day.chain_key, offset_ns, day.feed.feed_latency_ns, *(instrument or ()), *funding.hashes
        )
        path, book_path = (self._cache.directory / f"{kind}-{name}.npy" for kind in ("rows", "book"))
        known = self._cache.get(f"rows-{name}", RowFile)
        if known is not None and is_whole(path) and is_whole(book_path):
            self._cache.hold(path)
            # The cache's path may have changed since this was stored.
            return msgspec.structs.replace(
                known, path=str(path), book_path=str(book_path), carry_path=carry_path
            )
        if day.spool is None:
            self._read(day)
        if day.spool is None:
            raise InvariantError(f"{day.recording.path}: read, but nothing spooled")
        clock = RowClock(offset_ns, day.feed.feed_latency_ns)
        carried = load_rows(Path(carry_path), mapped=False) if carry_path else np.zeros(0, event_dtype)
        with Spool(self._cache.directory) as stamped:
            levels = Levels(instrument.tick_size if instrument else 0.0) if day.is_carried_on else None
            if levels is not None:
                levels.follow(carried)
            book = book_of(day.feed.venue, day.recording, instrument)
            if isinstance(book, FusedBook):
                book.fuse(_as_changes(carried))
            frontiers = stamp_rows(day.spool, clock, book, stamped, levels)
            self._drop(day)
            count = write_rows(stamped, frontiers, path, funding)
            with open_npy(book_path) as writer:
                if levels is not None:
                    writer.write(levels.rows())
        row_file = RowFile(
            path=str(path),
            raw_sha256="+".join([day.raw_sha256, *funding.hashes]),
            offset_ns=offset_ns,
            rows=count,
            clamped=clock.clamped_count,
            stepped_back=clock.stepped_back_count,
            scan=day.scan,
            book_path=str(book_path),
            carry_path=carry_path,
            is_carried_silent=day.checkpoint is not None and day.checkpoint.is_silent,
            funding_rows=day.scan.frames[Kind.FUNDING] + funding.rows,
            funding=day.scan.funding + funding.spans,
            funding_before=funding.before,
            funding_after=funding.after,
        )
        self._cache.put(f"rows-{name}", row_file)
        self._cache.hold(path)
        return row_file


class Block(NamedTuple):
    """A block of stamped rows: its end, and the earliest `exch_ts` of all rows after it."""

    end: int
    frontier: int


def stamp_rows(
    spooled: Spool,
    clock: RowClock,
    book: FusedBook | TouchBook | None,
    stamped: Spool,
    levels: Levels | None = None,
) -> list[Block]:
    """The first sweep over chained rows: times, the fused touch, and the levels at the end, if requested.

    In blocks, so that memory use is constant.
    """
    ends, earliest = [], []
    for start in range(0, len(spooled), BLOCK_ROWS):
        rows = np.asarray(spooled[start : start + BLOCK_ROWS])
        rows = with_times(rows, clock, book)
        stamped.append(rows)
        if levels is not None:
            levels.follow(rows)
        ends.append(stamped.count)
        earliest.append(int(rows["exch_ts"].min()) if len(rows) else END_OF_ROWS)
    return blocks_of(ends, earliest)


def blocks_of(ends: Sequence[int], earliest: Sequence[int]) -> list[Block]:
    """The blocks that end there. earliest: the earliest `exch_ts` of each."""
    if not ends:
        return []
    behind = np.minimum.accumulate(np.array([*earliest[1:], END_OF_ROWS])[::-1])[::-1]
    return [Block(end, int(frontier)) for end, frontier in zip(ends, behind, strict=True)]


def with_times(rows: Rows, clock: RowClock, book: FusedBook | TouchBook | None) -> Rows:
    """Chained rows with their final times and the fused touch; without `book`, best bids and offers are left out.

    Modifies `rows`; may return a view of the book's buffer, valid until the next call.
    """
    if book is None and _has_touch(rows):
        rows = rows[rows["ev"] & np.uint64(0xFF) != DEPTH_BBO_EVENT]
    clock.stamp(rows, keeps_cover=book is not None)
    return rows if book is None else book.fuse(rows)


@compiled
def _has_touch(rows):
    """Whether there is a best bid or offer among rows."""
    is_one = False
    for row in range(len(rows)):
        is_one |= np.int64(rows[row].ev) & 0xFF == DEPTH_BBO_EVENT
    return is_one


def write_rows(stamped: Spool, blocks: Sequence[Block], path: Path, funding: DayFunding) -> int:
    """The second sweep: writes the rows in the order of events for both sides; returns their number."""
    count = 0
    with open_npy(path) as writer:
        for ordered in funding.among(_ordered(stamped, blocks)):
            writer.write(ordered)
            count += len(ordered)
    return count


def _ordered(stamped: Spool, blocks: Sequence[Block]) -> Iterator[Rows]:
    """The rows in the order of events, in pieces that are valid until the next one."""
    order = EventOrder()
    start = 0
    for end, frontier in blocks:
        yield order.feed(np.asarray(stamped[start:end]), frontier)
        start = end


def book_of(venue: Venue, day: Day, instrument: Instrument | None) -> FusedBook | TouchBook | None:
    """The empty book that fuses a day's touch; None if only the depth stream is used."""
    if isinstance(day, ArchiveDay) and day.is_touch_only:
        return TouchBook(*instrument[2:]) if instrument is not None else TouchBook()
    if instrument is None:
        return None
    is_window = venue.sequence_rule == SequenceRule.INCREMENT
    return FusedBook(instrument.tick_size, instrument.lot_size, is_window=is_window)


def _as_changes(levels: Rows) -> Rows:
    """Carried-over levels as changes for a fused book, because the depth of their snapshot is no longer known."""
    changes = levels[levels["ev"] & np.uint64(0xFF) != FUNDING_EVENT]
    changes["ev"] = changes["ev"] & ~np.uint64(0xFF) | np.uint64(DEPTH_EVENT)
    return changes


def _is_day_after(before: Day, after: Day) -> bool:
    """Whether a chain may continue from one day to another: the next day, from the same source."""
    sources = [day.source if isinstance(day, ArchiveDay) else "" for day in (before, after)]
    return after.day - before.day == timedelta(days=1) and sources[0] == sources[1]


def _day_before(recording: Day) -> Day | None:
    """The day before, from the same source and folder."""
    day = recording.day - timedelta(days=1)
    if isinstance(recording, ArchiveDay):
        folder = recording.path.parents[4]
        known = (d for d in find_archive_days(folder) if d.has_book and _is_day_after(d, recording))
        return next((d for d in known if (d.venue, d.symbol) == (recording.venue, recording.symbol)), None)
    stem = (
        recording.path.name.removesuffix(".gz")
        .removesuffix(".dat")
        .replace(f"{recording.day:%Y%m%d}", f"{day:%Y%m%d}")
    )
    paths = [recording.path.with_name(stem + ending) for ending in RECORDING_ENDINGS]
    return next(
        (Recording(recording.venue, recording.symbol, day, path) for path in paths if path.is_file()), None
    )


def adapter_version(venue: Venue) -> list[str]:
    """A hash of the modules of an adapter from outside `connectors`; empty for the built-in ones.

    Covers the modules of its class and of its base classes, Python's own aside, not those that they import.
    """
    names = [kind.__module__ for kind in type(venue).__mro__]
    modules = [sys.modules.get(name) for name in names if name not in sys.stdlib_module_names]
    files = [Path(module.__file__) for module in modules if module is not None and module.__file__]
    ours = Path(connectors.__file__ or "").parent
    outside = [path for path in dict.fromkeys(files) if ours not in path.parents and path.is_file()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in outside]
