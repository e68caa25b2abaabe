"""Recordings to event rows: one clock offset for the run, rows in a cache, memory that does not grow with the day.

Every recording is read once into a spool (`arb.data.spool`), which tells how far its clock is off; the run's offset
is the largest lead over all of them. Then each spool is stamped, ordered for both sides and written. What is in the
cache under the same key (raw bytes, code, offset, assumed feed latency, chain carried in) is not made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype

import arb.data
import connectors
from arb.data.cache import RowCache
from arb.data.catalog import Recording
from arb.data.levels import book_rows
from arb.data.npy import NpyWriter, is_whole, load_rows
from arb.data.order import END_OF_ROWS, EventOrder
from arb.data.raw import Progress
from arb.data.spool import Carry, Scan, Spool, needs_carry, read_into
from arb.errors import InputError
from connectors.book import Checkpoint, Status
from connectors.clock import RowClock
from connectors.frames import CLEAR_ASK, CLEAR_BID
from connectors.types import Rows, Venue

#: Rows that are stamped and ordered at a time.
BLOCK_ROWS = 1 << 18
#: Spools are kept from the first pass to the second up to this much disk; beyond it a recording is read again.
SPOOL_ROWS_MAX = (4 << 30) // event_dtype.itemsize


class Feed(NamedTuple):
    """One instrument's recordings, consecutive days, and how they are read."""

    venue: Venue
    recordings: Sequence[Recording]
    feed_latency_ns: int


class RowFile(msgspec.Struct, frozen=True):
    """The rows of one recording in the cache, and what came of making them."""

    path: str
    raw_sha256: str
    offset_ns: int
    rows: int
    clamped: int
    stepped_back: int
    scan: Scan
    #: Snapshot rows of the book that the recording carries on from; empty where it begins with its own.
    carry_path: str = ""

    def load(self, *, is_first: bool = False) -> list[Rows]:
        """The rows as arrays to be read one after the other.

        The first day of a run begins with the book before it. A later day that carries nothing on begins with an
        empty book: what the day before left is not known to be true any more.
        """
        rows = load_rows(Path(self.path))
        if is_first != bool(self.carry_path) or not len(rows):
            return [rows]
        begin = load_rows(Path(self.carry_path), mapped=False) if is_first else _empty_book()
        begin["exch_ts"] = rows["exch_ts"].min()
        begin["local_ts"] = rows["local_ts"].min()
        return [begin, rows]


class Conversion(NamedTuple):
    """What a run reads: its clock offset and its row files, a list a feed."""

    offset_ns: int
    files: list[list[RowFile]]


class _Day:
    """One recording on its way to rows."""

    def __init__(
        self, feed: Feed, recording: Recording, raw_sha256: str, carry: Carry | None, carry_path: str
    ) -> None:
        self.feed = feed
        self.recording = recording
        self.raw_sha256 = raw_sha256
        self.carry = carry
        self.carry_path = carry_path
        self.spool: Spool | None = None

    def key(self, purpose: str, *more: object) -> str:
        """The cache key for something derived from this recording and the chain it carries on."""
        instrument = (self.feed.venue.name, self.recording.symbol)
        parts = (purpose, self.raw_sha256, code_version(), *instrument, Path(self.carry_path).stem, *more)
        return f"{purpose}-" + hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:40]


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
    for frames; nothing half-written is left in the cache.
    """
    try:
        with ExitStack() as stack:
            return _convert(feeds, _Converter(row_cache, stack, progress), offset_ns)
    except OSError as error:  # the recordings' own are InputErrors already
        raise InputError(f"{row_cache.directory}: the row cache failed: {error.strerror or error}") from None


def _convert(feeds: Sequence[Feed], converter: _Converter, offset_ns: int | None) -> Conversion:
    feeds_days = [converter.scan_feed(feed) for feed in feeds]
    if offset_ns is None:
        leads = [scan.lead_ns for days in feeds_days for _, scan in days if scan.lead_ns is not None]
        offset_ns = max([0, *leads])
    return Conversion(
        offset_ns, [[converter.row_file(day, scan, offset_ns) for day, scan in days] for days in feeds_days]
    )


class _Converter:
    """The two passes over the recordings of one run."""

    def __init__(self, row_cache: RowCache, stack: ExitStack, progress: Progress | None) -> None:
        self._cache = row_cache
        self._stack = stack
        self._progress = progress
        self._spooled_rows = 0

    def scan_feed(self, feed: Feed) -> list[tuple[_Day, Scan]]:
        """The first pass: what each recording holds, and the chain that it carries on."""
        earlier = self._chain_before(feed)
        scanned: list[tuple[_Day, Scan]] = []
        for recording in [*earlier, *feed.recordings]:
            day = self._day(feed, recording, scanned[-1] if scanned else None)
            scanned.append((day, self._scan(day)))
        return scanned[len(earlier) :]

    def _chain_before(self, feed: Feed) -> list[Recording]:
        """The recordings before the first that its book carries on from, oldest first."""
        chain: list[Recording] = []
        first = feed.recordings[0]
        while self._is_cold(feed.venue, first) and (before := _day_before(first)) is not None:
            chain.insert(0, before)
            first = before
        return chain

    def _is_cold(self, venue: Venue, recording: Recording) -> bool:
        key = _Day(Feed(venue, [], 0), recording, self._cache.fingerprint(recording.path), None, "").key(
            "cold"
        )
        known = self._cache.get(key, bool)
        if known is None:
            known = needs_carry(venue, recording)
            self._cache.put(key, known)
        return known

    def _day(self, feed: Feed, recording: Recording, before: tuple[_Day, Scan] | None) -> _Day:
        carry, carry_path = None, ""
        if before is not None and self._is_cold(feed.venue, recording):
            day, scan = before
            is_next = recording.day - day.recording.day == timedelta(days=1)
            if is_next and scan.status != Status.UNSYNCED:
                path = self._end_of(day)
                carry = Carry(Checkpoint(scan.status, scan.last_id), load_rows(path, mapped=False))
                carry_path = str(path)
        return _Day(feed, recording, self._cache.fingerprint(recording.path), carry, carry_path)

    def _scan(self, day: _Day) -> Scan:
        key = day.key("scan")
        known = self._cache.get(key, Scan)
        if known is None:
            known = self._read(day)
            self._cache.put(key, known)
            if self._spooled_rows > SPOOL_ROWS_MAX:
                self._drop(day)
        return known

    def _read(self, day: _Day) -> Scan:
        day.spool = self._stack.enter_context(Spool(self._cache.directory))
        scan = read_into(day.spool, day.feed.venue, day.recording, day.carry, progress=self._progress)
        self._spooled_rows += day.spool.count
        return scan

    def _drop(self, day: _Day) -> None:
        if day.spool is not None:
            self._spooled_rows -= day.spool.count
            day.spool.close()
            day.spool = None

    def _spooled(self, day: _Day) -> Rows:
        if day.spool is None:
            self._read(day)
        return day.spool.rows() if day.spool is not None else np.zeros(0, event_dtype)

    def _end_of(self, day: _Day) -> Path:
        """The file of the levels at the end of a recording."""
        path = self._cache.directory / f"{day.key('book')}.npy"
        if not is_whole(path):
            book = day.carry.rows if day.carry is not None else np.zeros(0, event_dtype)
            spooled = self._spooled(day)
            for start in range(0, len(spooled), BLOCK_ROWS):
                book = book_rows(np.concatenate([book, spooled[start : start + BLOCK_ROWS]]))
            with NpyWriter(path) as writer:
                writer.write(book)
        return path

    def row_file(self, day: _Day, scan: Scan, offset_ns: int) -> RowFile:
        """The second pass: the rows of a recording at this offset, from the cache or written now."""
        key = day.key("rows", offset_ns, day.feed.feed_latency_ns)
        path = self._cache.directory / f"{key}.npy"
        known = self._cache.get(key, RowFile)
        if known is not None and is_whole(path):
            # The cache may have been moved, or named by another path, since this was stored.
            return msgspec.structs.replace(known, path=str(path), carry_path=day.carry_path)
        clock = RowClock(offset_ns, day.feed.feed_latency_ns)
        count = write_rows(self._spooled(day), clock, path)
        row_file = RowFile(
            path=str(path),
            raw_sha256=day.raw_sha256,
            offset_ns=offset_ns,
            rows=count,
            clamped=clock.clamped_count,
            stepped_back=clock.stepped_back_count,
            scan=scan,
            carry_path=day.carry_path,
        )
        self._cache.put(key, row_file)
        self._drop(day)
        return row_file


def write_rows(spooled: Rows, clock: RowClock, path: Path) -> int:
    """Stamps spooled rows in place, orders them for both sides, writes them; how many there are then.

    The first sweep also finds how early the rows behind each block are, which is how far the block may be ordered.
    """
    blocks = range(0, len(spooled), BLOCK_ROWS)
    earliest = np.full(len(blocks) + 1, END_OF_ROWS, np.int64)
    for k, start in enumerate(blocks):
        block = spooled[start : start + BLOCK_ROWS]
        clock.stamp(block)
        earliest[k] = block["exch_ts"].min()
    frontiers = np.minimum.accumulate(earliest[::-1])[::-1]
    order = EventOrder()
    count = 0
    with NpyWriter(path) as writer:
        for k, start in enumerate(blocks):
            ordered = order.feed(np.asarray(spooled[start : start + BLOCK_ROWS]), int(frontiers[k + 1]))
            writer.write(ordered)
            count += len(ordered)
    return count


def _empty_book() -> Rows:
    """Two rows that empty both sides."""
    rows = np.zeros(2, event_dtype)
    rows["ev"] = np.array([CLEAR_BID, CLEAR_ASK], np.uint64) | np.uint64(EXCH_EVENT | LOCAL_EVENT)
    rows["px"] = np.nan
    return rows


def _day_before(recording: Recording) -> Recording | None:
    """The recording of the day before, where it lies beside this one."""
    day = recording.day - timedelta(days=1)
    path = recording.path.with_name(recording.path.name.replace(f"{recording.day:%Y%m%d}", f"{day:%Y%m%d}"))
    return Recording(recording.venue, recording.symbol, day, path) if path.is_file() else None


@cache
def code_version() -> str:
    """A hash of the code that rows depend on, so that changed code never finds rows of the old."""
    digest = hashlib.sha256()
    for package in (connectors, arb.data):
        for path in sorted(Path(package.__file__ or "").parent.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
