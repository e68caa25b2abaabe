"""The rows of a live session once more, from its recording: the feed's own pipeline over the recorded frames.

What the frames do not tell, the session's marks do (`arb.dryrun.marks`). The rows are those that the strategy was told
of, to the last bit, which a checksum proves; they come ordered for both sides, as a replay reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype

from arb.data.convert import BLOCK_ROWS, Block, write_rows
from arb.data.npy import load_rows
from arb.data.order import END_OF_ROWS
from arb.data.raw import read_pieces
from arb.data.spool import Spool
from arb.dryrun.marks import MarkKind, checksum, is_cleared, lifted
from arb.errors import InputError
from connectors.pipeline import Outcome, Pipeline
from connectors.types import Instrument, Kind, Rows, Venue


class LegSource(NamedTuple):
    """One leg's recording, a file a day in order, and how its frames are read."""

    venue: Venue
    instrument: Instrument
    feed_latency_ns: int
    files: Sequence[Path]


class Again(NamedTuple):
    """What came of it: the ordered rows, and how many there were as they were told, with their checksum."""

    rows: Rows
    frames: int
    told: int
    checksum: int


def rows_again(source: LegSource, marks: np.ndarray[Any, Any], frames: int, folder: Path) -> Again:
    """The rows of a leg's first `frames` frames.

    marks: the leg's, of dtype MARK. folder: for the rows, which are mapped from a file in it. Raises InputError for a
    recording that cannot be read, DecodeError for a frame that cannot.
    """
    told = total = read = 0
    with Spool(folder) as spool:
        blocks = _Blocks(spool)
        for number, rows in _told(source, marks, frames):
            read = number
            if len(rows):
                told += len(rows)
                total = checksum(rows, total)
                blocks.add(rows)
        path = folder / f"{source.instrument.venue}_{source.instrument.symbol}.npy"
        write_rows(spool, blocks.finish(), path)
    return Again(load_rows(path), read, told, total)


class _Blocks:
    """Rows into a spool, in blocks of which each is known to come before what is behind it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._pending: list[Rows] = []
        self._count = 0
        self._ends: list[int] = []
        self._earliest: list[int] = []

    def add(self, rows: Rows) -> None:
        self._pending.append(rows.copy())
        self._count += len(rows)
        if self._count >= BLOCK_ROWS:
            self._flush()

    def finish(self) -> list[Block]:
        if self._pending:
            self._flush()
        behind = [END_OF_ROWS]
        for earliest in reversed(self._earliest[1:]):
            behind.append(min(behind[-1], earliest))
        return [Block(end, frontier) for end, frontier in zip(self._ends, reversed(behind), strict=False)]

    def _flush(self) -> None:
        rows = np.concatenate(self._pending)
        self._spool.append(rows)
        self._ends.append(self._spool.count)
        self._earliest.append(int(rows["exch_ts"].min()))
        self._pending, self._count = [], 0


class _Teller:
    """One leg's pipeline, driven by frames and marks."""

    def __init__(self, source: LegSource, marks: np.ndarray[Any, Any]) -> None:
        self._pipeline = Pipeline(
            source.venue, source.instrument, source.feed_latency_ns, trade_kind=Kind.TRADE
        )
        # Before the first frame there is nothing to forget.
        self._marks = [(int(m["kind"]), int(m["frame"]), int(m["value"])) for m in marks if m["frame"] > 0]
        self._next = 0
        self._offset_ns = 0

    def frame(self, number: int, local_ts: int, frame: bytes) -> Iterator[Rows]:
        """The rows of a frame and of what happened behind it."""
        mine = []
        while self._next < len(self._marks) and self._marks[self._next][1] <= number:
            mine.append(self._marks[self._next])
            self._next += 1
        self._offset_ns = next((v for kind, _, v in mine if kind == MarkKind.OFFSET), self._offset_ns)
        rows = self._own(local_ts, frame)
        # In the order in which they were made: those of the frame's own rows come first.
        rest = [mark for mark in mine if mark[0] != MarkKind.OFFSET]
        if len(rows):
            if is_cleared(rows) and rest and rest[0][0] == MarkKind.CLEARED:
                rest.pop(0)
            if rest and rest[0][0] == MarkKind.LIFTED:
                rows = lifted(rows, rest.pop(0)[2])
            yield rows
        yield from self._behind(rest)

    def _own(self, local_ts: int, frame: bytes) -> Rows:
        pipeline = self._pipeline
        if pipeline.decode(frame, local_ts) == Kind.SNAPSHOT and pipeline.is_fetched:
            pipeline.receive_snapshot(frame, local_ts)
            pipeline.join(local_ts, self._offset_ns)
            return pipeline.rows
        outcome = pipeline.receive(self._offset_ns)
        if outcome == Outcome.HELD and not len(pipeline.rows):
            pipeline.join(local_ts, self._offset_ns)
        return pipeline.rows

    def _behind(self, marks: list[tuple[int, int, int]]) -> Iterator[Rows]:
        for n, (kind, _, value) in enumerate(marks):
            if kind in (MarkKind.CLEARED, MarkKind.DOWN):
                self._pipeline.doubt(value - self._offset_ns)
                rows = self._pipeline.rows
                if len(rows):
                    follows = marks[n + 1] if n + 1 < len(marks) else (0, 0, 0)
                    yield lifted(rows, follows[2]) if follows[0] == MarkKind.LIFTED else rows


def _told(source: LegSource, marks: np.ndarray[Any, Any], frames: int) -> Iterator[tuple[int, Rows]]:
    teller = _Teller(source, marks)
    number = 0
    for path in source.files:
        for line in _lines(path):
            if number == frames:
                yield number, np.zeros(0, event_dtype)
                return
            number += 1
            stamp, _, frame = line.partition(b" ")
            if not stamp.isdigit():
                raise InputError(f"{path}: line {number}: no frame with its time")
            for rows in teller.frame(number, int(stamp), frame):
                yield number, rows
    yield number, np.zeros(0, event_dtype)


def _lines(path: Path) -> Iterator[bytes]:
    rest = b""
    for piece in read_pieces(path):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest
