"""Derives the rows of a live session again, by running its recorded frames through the feed's pipeline.

The session's marks supply what the frames do not contain (`arb.runtime.replay_marks`). The rows equal those that the
strategy received, bit by bit, as a checksum proves. The venues' side gets them in order of venue time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype

from arb.data.rows.convert import BLOCK_ROWS, Block, blocks_of
from arb.data.rows.npy import load_rows, open_npy
from arb.data.rows.spool import Spool
from arb.data.text import read_pieces
from arb.engine.row_stream import flagged
from arb.errors import InputError
from arb.runtime.latencies import FeedLags
from arb.runtime.replay_marks import MarkKind, checksum, emptied_by, happened_after, lifted
from connectors.book.rows import LOCAL_ONLY
from connectors.feed.pipeline import Pipeline
from connectors.model import Instrument, Kind, Rows, Venue

#: (kind, value) of marks not yet applied, in order.
_Marks = deque[tuple[int, int]]


class LegSource(NamedTuple):
    """One leg's recording, one file per day in order, and how to decode its frames."""

    venue: Venue
    instrument: Instrument
    feed_latency_ns: int
    files: Sequence[Path]
    #: How long its book may be silent; 0: no limit.
    silence_ns: int = 0


class LegRows(NamedTuple):
    """Derived rows of both sides in order, the number and checksum of the strategy's rows, the feed's lags."""

    local: Rows
    exch: Rows
    frames: int
    rows: int
    checksum: int
    lags: list[tuple[int, int]]


def leg_rows(source: LegSource, marks: np.ndarray[Any, Any], frames: int, folder: Path) -> LegRows:
    """The rows of a leg's first `frames` frames.

    marks: the leg's, of dtype MARK. folder: where the rows are written; they are memory-mapped from there. Raises
    InputError for an unreadable recording, DecodeError for a frame that cannot be decoded.
    """
    rows_total = total = read = 0
    lags = FeedLags()
    name = f"{source.instrument.venue}_{source.instrument.symbol}"
    local, exch = folder / f"{name}_local.npy", folder / f"{name}_exch.npy"
    with Spool(folder) as spool:
        blocks = _Blocks(spool)
        with open_npy(local) as writer:
            for number, rows, watermark in _derived(source, marks, frames):
                read = number
                if len(rows):
                    rows_total += len(rows)
                    total = checksum(rows, total)
                    lags.follow(rows)
                    writer.write(flagged(rows, np.uint64(LOCAL_EVENT)))
                    happened = rows[rows["ival"] != LOCAL_ONLY]
                    if len(happened):
                        if watermark is not None:
                            happened = happened_after(happened, watermark)
                        blocks.add(flagged(happened, np.uint64(EXCH_EVENT)))
        _write_by_venue_time(spool, blocks.finish(), exch)
    return LegRows(load_rows(local), load_rows(exch), read, rows_total, total, lags.samples)


def local_rows(source: LegSource, marks: np.ndarray[Any, Any], frames: int) -> Iterator[Rows]:
    """The rows of a leg's first `frames` frames as the strategy received them, a block at a time; see `leg_rows`."""
    pending: list[Rows] = []
    count = 0
    for _, rows, _ in _derived(source, marks, frames):
        if len(rows):
            pending.append(flagged(rows, np.uint64(LOCAL_EVENT)))
            count += len(rows)
        if count >= BLOCK_ROWS:
            yield np.concatenate(pending)
            pending, count = [], 0
    if pending:
        yield np.concatenate(pending)


def _write_by_venue_time(spool: Spool, blocks: Sequence[Block], path: Path) -> None:
    """Writes the rows by venue time, rows of equal time in the order of receipt, as `VenueOrder` releases them."""
    waiting: Rows = np.zeros(0, event_dtype)
    start = 0
    with open_npy(path) as writer:
        for end, frontier in blocks:
            rows = np.concatenate((waiting, spool[start:end]))
            rows = rows[np.argsort(rows["exch_ts"], kind="stable")]
            certain = int(np.searchsorted(rows["exch_ts"], frontier, side="right"))
            writer.write(rows[:certain])
            waiting, start = rows[certain:], end


class _Blocks:
    """Appends rows to a spool in blocks, each with the venue time that no later row precedes."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._pending: list[Rows] = []
        self._count = 0
        self._ends: list[int] = []
        self._earliest: list[int] = []

    def add(self, rows: Rows) -> None:
        self._pending.append(rows)
        self._count += len(rows)
        if self._count >= BLOCK_ROWS:
            self._flush()

    def finish(self) -> list[Block]:
        if self._pending:
            self._flush()
        return blocks_of(self._ends, self._earliest)

    def _flush(self) -> None:
        rows = np.concatenate(self._pending)
        self._spool.append(rows)
        self._ends.append(self._spool.count)
        self._earliest.append(int(rows["exch_ts"].min()))
        self._pending, self._count = [], 0


def _derived(
    source: LegSource, marks: np.ndarray[Any, Any], frames: int
) -> Iterator[tuple[int, Rows, int | None]]:
    """Yields (frames read so far, rows, watermark that they were too late for); the last one has no rows."""
    pipeline = Pipeline(
        source.venue,
        source.instrument,
        source.feed_latency_ns,
        trade_kind=Kind.TRADE,
        silence_ns=source.silence_ns,
    )
    # Before the first frame there is no state to reset.
    ahead = deque((int(m["kind"]), int(m["frame"]), int(m["value"])) for m in marks if m["frame"] > 0)
    number = offset_ns = 0
    for number, (local_ts, frame) in enumerate(islice(_frames(source.files), frames), 1):
        rest: _Marks = deque()
        while ahead and ahead[0][1] <= number:
            kind, _, value = ahead.popleft()
            if kind == MarkKind.OFFSET:
                offset_ns = value
            else:
                rest.append((kind, value))
        pipeline.decode(frame, local_ts)
        pipeline.receive(offset_ns)
        if len(pipeline.rows):
            # In the order of their creation: marks of the frame's own rows are first.
            if (emptied := emptied_by(pipeline.rows)) is not None:
                _taken(rest, emptied)
            yield number, *_as_received(pipeline.rows, rest)
        while rest:
            kind, value = rest.popleft()
            if kind in (MarkKind.CLEARED, MarkKind.DOWN):
                pipeline.doubt(value - offset_ns)
            elif kind == MarkKind.SILENT:
                pipeline.fall_silent()
            else:
                continue
            if len(pipeline.rows):
                yield number, *_as_received(pipeline.rows, rest)
    yield number, np.zeros(0, event_dtype), None


def _as_received(rows: Rows, rest: _Marks) -> tuple[Rows, int | None]:
    """The rows after applying their LIFTED mark, and the watermark that they were too late for, or None."""
    reached_ts = _taken(rest, MarkKind.LIFTED)
    rows = rows if reached_ts is None else lifted(rows, reached_ts)
    return rows, _taken(rest, MarkKind.LATE)


def _taken(rest: _Marks, kind: MarkKind) -> int | None:
    """Removes the next mark if it is of this kind; returns its value, otherwise None."""
    return rest.popleft()[1] if rest and rest[0][0] == kind else None


def _frames(files: Sequence[Path]) -> Iterator[tuple[int, bytes]]:
    """Local time and text of every frame."""
    for path in files:
        for number, line in enumerate(_lines(path), 1):
            stamp, _, frame = line.partition(b" ")
            if not stamp.isdigit():
                raise InputError(f"{path}: line {number}: no frame with its time")
            yield int(stamp), frame


def _lines(path: Path) -> Iterator[bytes]:
    rest = b""
    for piece in read_pieces(path):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest
