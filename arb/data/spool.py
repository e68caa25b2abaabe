"""The first half of a conversion: a recording to chained rows with the recorder's own times, in a temporary file.

Rows leave here in the order of receipt and proven by their ids, but on the recorder's clock: the run's offset is
known only when every recording of the run was read once. `arb.data.convert` does the second half.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from hftbacktest.types import event_dtype

from arb.data.catalog import Recording
from arb.data.raw import Progress, read_pieces
from connectors.book import NO_BOOK, BookSync, Checkpoint, Status
from connectors.clock import largest_lead
from connectors.lines import LineDecoder
from connectors.types import Kind, Rows, Venue

#: A recording whose first snapshot comes later than this after its first change carries on from the day before.
COLD_START_NS = 10_000_000_000

_NO_LEAD = int(np.iinfo(np.int64).min)


class Scan(msgspec.Struct, frozen=True):
    """What a recording holds; independent of the run's offset."""

    lines: int
    #: Frames by kind, in the order of `Kind`.
    frames: tuple[int, ...]
    #: Frames that needed the JSON decoder.
    slow_frames: int
    #: Largest venue time minus local time; None without any venue time.
    lead_ns: int | None
    #: First and last local time, on the recorder's clock; 0 for an empty recording.
    local_ts_first: int
    local_ts_last: int
    #: Whether the book's chain was taken up from the recording of the day before.
    is_carried: bool
    gaps: int
    dropped: int
    #: Where the chain stands at the end.
    status: int
    last_id: int
    #: Which of the venue's books of the instrument it follows (`connectors.book`).
    book: int = NO_BOOK


class Spool:
    """The chained rows of one recording, in an unnamed temporary file. Use as a context manager."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by __exit__)
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the disk space."""
        self._file.close()

    def append(self, rows: Rows) -> None:
        """Adds rows at the end."""
        self._file.write(np.ascontiguousarray(rows).tobytes())
        self.count += len(rows)

    def rows(self) -> Rows:
        """All rows, mapped into memory, writable."""
        self._file.flush()
        if self.count == 0:
            return np.zeros(0, event_dtype)
        return np.memmap(self._file, event_dtype, "r+", shape=(self.count,))


def needs_carry(venue: Venue, recording: Recording) -> bool:
    """Whether a recording begins in the middle of a chain: without a snapshot near its first change of the book."""
    first_delta: int | None = None
    decoder = LineDecoder(venue, recording.symbol, file=str(recording.path))
    for _, messages in decoder.decode(read_pieces(recording.path)):
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


def read_into(
    spool: Spool,
    venue: Venue,
    recording: Recording,
    checkpoint: Checkpoint | None,
    trade_kind: Kind = Kind.TRADE,
    progress: Progress | None = None,
) -> Scan:
    """Reads a recording into `spool` and says what it holds. `checkpoint`: the chain that it carries on.

    Raises InputError for a file that cannot be read, DecodeError with file and line for a frame that cannot.
    """
    sync = BookSync(venue.sequence_rule, keep_bbo=True, trade_kind=trade_kind)
    if checkpoint is not None:
        sync.resume(checkpoint)
    frames = np.zeros(len(Kind), np.int64)
    lead = _NO_LEAD
    first = last = 0
    decoder = LineDecoder(venue, recording.symbol, file=str(recording.path))
    for rows, messages in decoder.decode(read_pieces(recording.path, progress)):
        if len(messages) == 0:
            continue
        frames += np.bincount(messages["kind"], minlength=len(Kind))
        first = first or int(messages["local_ts"][0])
        last = int(messages["local_ts"][-1])
        lead = int(largest_lead(rows, lead))
        spool.append(sync.receive(rows, messages))
    return Scan(
        lines=int(frames.sum()),
        frames=tuple(int(n) for n in frames),
        slow_frames=decoder.slow_frames,
        lead_ns=None if lead == _NO_LEAD else lead,
        local_ts_first=first,
        local_ts_last=last,
        is_carried=checkpoint is not None,
        gaps=sync.gap_count,
        dropped=sync.dropped_count,
        status=int(sync.status),
        last_id=sync.last_id if sync.status != Status.UNSYNCED else 0,
        book=sync.checkpoint.book,
    )
