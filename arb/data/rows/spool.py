"""The first pass of a conversion: decodes a day, checks its ids, and writes its rows to a temporary file.

The rows are in the order of receipt, on the recorder's clock: the run's offset is known only after every recording of
the run was read once. `arb.data.rows.convert` does the second pass.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import msgspec
import numpy as np
from hftbacktest.types import event_dtype

from arb.data.catalog.archived import ArchiveKind
from arb.data.catalog.days import ArchiveDay, Day
from arb.data.funding import FundingSpan, FundingSpans
from arb.data.outages import BookOutages, OutageFinder
from arb.data.rows.touch_start import TouchStart, has_book
from arb.data.text import Progress, read_recording
from connectors.book.grid import GridMeter, Measured
from connectors.book.sequence import NO_BOOK, Status
from connectors.book.sync import BookSync, Checkpoint
from connectors.feed.leads import LeadFinder, WrongStamps
from connectors.jit.compilation import compiled
from connectors.model import Instrument, Kind, Messages, Rows, SequenceRule, Venue
from connectors.parsing.lines import Decoded, LineDecoder

if TYPE_CHECKING:
    from arb.data.archives.streams import ArchiveStream

#: A recording whose first snapshot is later than this after its first change continues the day before.
COLD_START_NS = 10_000_000_000


class Scan(msgspec.Struct, frozen=True):
    """The contents of a day; independent of the run's offset."""

    #: Frames by kind, in the order of `Kind`.
    frames: tuple[int, ...]
    #: Frames that needed the JSON decoder.
    slow_frames: int
    #: Largest venue time minus local time, of accepted stamps; None without any venue time.
    lead_ns: int | None
    #: First and last local time, on the recorder's clock; 0 for an empty recording.
    local_ts_first: int
    local_ts_last: int
    #: Whether it continues the chain of the day before.
    is_carried: bool
    gaps: int
    #: Outages of the book, on the recorder's clock.
    book: BookOutages
    dropped: int
    #: The state of the chain at the end.
    status: int
    last_id: int
    #: Which of the instrument's books it follows, if the venue has several (`connectors.book.sync`).
    followed_book: int = NO_BOOK
    #: The measured steps of prices and quantities.
    grid: Measured = Measured()
    #: If it began with best bid and offer only (`arb.data.rows.touch_start`): local times of the first of them, and
    #: of the first snapshot. 0: it did not begin so; it has no snapshot.
    touch_ts: int = 0
    proven_ts: int = 0
    #: Rejected stamps, which are excluded from the lead.
    wrong_stamps: tuple[WrongStamps, ...] = ()
    #: When the book was last proven, on the recorder's clock, and whether it was emptied for silence since; the
    #: number of silences, and their total time between the first and the last frame.
    life_ts: int = 0
    is_silent: bool = False
    silences: int = 0
    silent_ns: int = 0
    #: When the book is emptied for silence if no frame follows, on the recorder's clock; 0: never.
    silent_ts: int = 0
    #: The funding times that its frames name, in venue time.
    funding: tuple[FundingSpan, ...] = ()

    @property
    def lines(self) -> int:
        """The number of frames of all kinds."""
        return sum(self.frames)


class RowSink(Protocol):
    """The receiver of a day's chained rows."""

    @property
    def directory(self) -> Path | None:
        """The folder for temporary files; None: the system's."""

    def room(self, count: int) -> Rows | None:
        """A buffer for up to `count` rows, which `append` takes without a copy; None: use any."""

    def append(self, rows: Rows) -> None:
        """Appends rows, which are valid until it returns."""

    def clear(self) -> None:
        """Drops all rows, because the day is read again."""


class Spool:
    """The chained rows of one recording, in an unnamed temporary file. Use as a context manager."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by __exit__)
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the disk space."""
        self._file.close()

    def room(self, count: int) -> Rows | None:
        """None: rows are copied to the file anyway."""
        return None

    def append(self, rows: Rows) -> None:
        """Appends rows to the file."""
        self._file.write(np.ascontiguousarray(rows).view(np.uint8).data)
        self.count += len(rows)

    def clear(self) -> None:
        """Removes all rows."""
        self._file.seek(0)
        self._file.truncate()
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, part: slice) -> Rows:
        """The rows start:stop, read into a new array: a mapping of the file would count as the process' memory."""
        start, stop, _ = part.indices(self.count)
        self._file.seek(start * event_dtype.itemsize)
        rows = np.fromfile(self._file, event_dtype, max(stop - start, 0))
        self._file.seek(0, os.SEEK_END)
        return rows


def needs_carry(venue: Venue, day: Day) -> bool:
    """Whether a day begins in the middle of a chain: without a snapshot near its first book change.

    Data without ids never continues a chain: a day of Tardis begins with its own snapshot, a day of a touch archive
    with its first touch.
    """
    if isinstance(day, ArchiveDay) and not day.has_ids:
        return False
    first_delta: int | None = None
    for _, messages in _book_of(venue, day):
        snapshots = messages["local_ts"][messages["kind"] == Kind.SNAPSHOT]
        deltas = messages["local_ts"][messages["kind"] == Kind.DELTA]
        if first_delta is None and len(deltas):
            first_delta = int(deltas[0])
        if len(snapshots):
            return first_delta is not None and int(snapshots[0]) - first_delta > COLD_START_NS
        if (
            first_delta is not None
            and len(messages)
            and int(messages["local_ts"][-1]) - first_delta > COLD_START_NS
        ):
            return True
    return first_delta is not None


def _book_of(venue: Venue, day: Day) -> Iterator[Decoded]:
    """The decoded messages that show how a day's book begins."""
    if isinstance(day, ArchiveDay):
        # The compiled readers of archives, which most runs do not need, take time to load.
        from arb.data.archives.streams import ArchiveStream

        return ArchiveStream(venue, day).book()
    return LineDecoder(venue, day.symbol, file=str(day.path)).decode(read_recording(day.path))


def read_into(
    sink: RowSink,
    venue: Venue,
    day: Day,
    checkpoint: Checkpoint | None,
    progress: Progress | None = None,
    instrument: Instrument | None = None,
    *,
    is_cold: bool = False,
    silence_ns: int = 0,
) -> Scan:
    """Reads a day into `sink` and returns its scan. `checkpoint`: the chain that it continues.

    `instrument`: its tick and lot are compared with the values; the scan has the result. `is_cold`: the day begins in
    the middle of a chain (`needs_carry`); a recording without a checkpoint then begins with best bid and offer only.
    `silence_ns`: maximum silence of a recording's book (`BookSync`); archives have no limit.

    The local time of rows without a time of receipt is the venue's send time. Raises InputError for a file that
    cannot be read, DecodeError with file and line for a frame that cannot.
    """
    if not isinstance(day, ArchiveDay):
        rule = venue.sequence_rule
        sync = BookSync(rule, keep_bbo=True, trade_kind=Kind.TRADE, silence_ns=silence_ns)
        decoder = LineDecoder(venue, day.symbol, file=str(day.path))
        decoded = decoder.decode(read_recording(day.path, progress))
        touch = TouchStart(venue.sequence_rule, silence_ns) if is_cold and checkpoint is None else None
        return _read(
            sink, sync, decoded, checkpoint, lambda: decoder.slow_frames, meter_of(instrument), touch=touch
        )
    from arb.data.archives.streams import ArchiveStream, OutOfOrderError

    with contextlib.suppress(OutOfOrderError):
        stream = ArchiveStream(venue, day, progress)
        return _read_archive(sink, venue, day, checkpoint, stream, meter_of(instrument))
    # Outside the `with`, because the exception would keep the first reading's threads and buffers alive. Progress is
    # only reported for the first reading, so that the files are counted once.
    sink.clear()
    stream = ArchiveStream(venue, day, is_sorted=True, sort_folder=sink.directory)
    return _read_archive(sink, venue, day, checkpoint, stream, meter_of(instrument))


def meter_of(instrument: Instrument | None) -> GridMeter:
    """Measures the grid of an instrument's rows; without an instrument, without comparing it with a configured grid."""
    return GridMeter() if instrument is None else GridMeter(instrument.tick_size, instrument.lot_size)


def _read_archive(
    sink: RowSink,
    venue: Venue,
    day: ArchiveDay,
    checkpoint: Checkpoint | None,
    stream: ArchiveStream,
    meter: GridMeter,
) -> Scan:
    """Reads a day of archives. Messages of books without ids are numbered by `arb.data.archives.rows`."""
    rule = venue.sequence_rule if day.has_ids else SequenceRule.INCREMENT
    trade_kind = Kind.AGG_TRADE if ArchiveKind.AGG_TRADES in day.kinds else Kind.TRADE
    if day.is_touch_only:
        # There is no snapshot to wait for.
        checkpoint = Checkpoint(Status.SYNCED, 0)
    sync = BookSync(rule, keep_bbo=True, trade_kind=trade_kind, is_ordered=day.has_ids)
    return _read(
        sink,
        sync,
        stream.decode(),
        checkpoint,
        lambda: stream.slow,
        meter,
        is_carried=day.has_ids,
        is_received=day.has_receipt,
    )


def _read(
    sink: RowSink,
    sync: BookSync,
    decoded: Iterator[Decoded],
    checkpoint: Checkpoint | None,
    slow: Callable[[], int],
    meter: GridMeter,
    *,
    is_carried: bool = True,
    is_received: bool = True,
    touch: TouchStart | None = None,
) -> Scan:
    """Chains decoded messages into `sink`. Without `is_carried` the checkpoint is not a chain of the day before.

    is_received: the local times are those of a recorder, which are compared with the venue's.
    touch: gives the rows until the first snapshot is applied.
    """
    if checkpoint is not None:
        sync.resume(checkpoint)
    silent_before_ts = sync.silent_ts
    frames, kinds = np.zeros((2, len(Kind)), np.int64)
    first = last = proven_ts = 0
    is_proven = touch is None
    leads = LeadFinder()
    unknown = OutageFinder()
    funding = FundingSpans()
    for rows, messages in decoded:
        if len(messages) == 0:
            continue
        _count_kinds(messages, kinds)
        frames += kinds
        if kinds[Kind.FUNDING]:
            funding.follow(rows[messages["row_start"][messages["kind"] == Kind.FUNDING]])
        if not unknown.has_begun:
            first = int(messages["local_ts"][0])
            unknown.begin(first, is_carried=checkpoint is not None)
        last = int(messages["local_ts"][-1])
        if is_received:
            leads.receive(rows, messages)
        meter.follow(rows)
        for part in _parts_of(messages, sync, touch if not is_proven else None):
            if is_proven or touch is None:
                chained = sync.receive(rows, part, sink.room(sync.rows_max(rows, part)))
            else:
                chained = sync.receive(rows, part)
                if has_book(chained):
                    is_proven, proven_ts = True, int(part["local_ts"][0])
                else:
                    chained = touch.receive(rows, part)
            unknown.follow(chained)
            sink.append(chained)
    unknown.close(last)
    shown = sync if is_proven or touch is None else touch
    silent_ns = sync.silences[1] + (last - sync.silent_ts if sync.is_silent else 0)
    if 0 < silent_before_ts < first:
        silent_ns -= first - silent_before_ts  # silence of the day before, or between the two days
    return Scan(
        frames=tuple(int(n) for n in frames),
        slow_frames=slow(),
        lead_ns=leads.lead_ns,
        local_ts_first=first,
        local_ts_last=last,
        is_carried=checkpoint is not None and is_carried,
        gaps=sync.gap_count + (touch.gap_count if touch is not None else 0),
        book=unknown.outages,
        dropped=sync.dropped_count,
        status=int(Status.SYNCED if sync.is_synced else Status.UNSYNCED),
        last_id=sync.last_id if sync.is_synced else 0,
        followed_book=sync.checkpoint.book,
        grid=meter.measured,
        touch_ts=touch.first_ts if touch is not None else 0,
        proven_ts=proven_ts,
        wrong_stamps=tuple(leads.wrong),
        life_ts=sync.life_ts,
        is_silent=sync.is_silent,
        silences=sync.silences[0],
        silent_ns=max(silent_ns, 0),
        silent_ts=0 if shown.is_silent else shown.silent_ts,
        funding=funding.spans,
    )


@compiled
def _count_kinds(messages, kinds):
    """Sets the number of messages of each kind."""
    kinds[:] = 0
    for m in range(len(messages)):
        kinds[messages[m].kind] += 1


def _parts_of(messages: Messages, sync: BookSync, touch: TouchStart | None) -> Iterator[Messages]:
    """Splits messages into parts, each read either by the touch or by the book; without `touch` there is one part.

    A part begins at each snapshot, and is a single message while a snapshot waits for the change that joins it.
    """
    if touch is None:
        yield messages
        return
    start = 0
    snapshots = np.flatnonzero(messages["kind"] == Kind.SNAPSHOT)
    while start < len(messages):
        if sync.is_bridging:
            end = start + 1
        else:
            behind = snapshots[np.searchsorted(snapshots, start) :]
            is_snapshot = len(behind) and behind[0] == start
            end = start + 1 if is_snapshot else int(behind[0]) if len(behind) else len(messages)
        yield messages[start:end]
        start = end
