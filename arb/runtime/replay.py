"""Runs a dry-run over recorded rows at full speed; the counterpart of the live feed.

The bot and the simulated exchanges read the same arrays, in which a flag marks the rows of each, or arrays of their
own. Rows are passed in pieces; both sides advance to the time up to which all legs have their rows. The piece size does
not change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT

from arb.engine.live import LiveBot
from arb.engine.row_stream import Stream
from arb.engine.world import NEVER
from arb.runtime.interruption import Interruption
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Rows passed to a leg at a time.
PIECE_ROWS = 1 << 16

#: How long an interrupted strategy may take to end on its own.
STOP_SECONDS = 0.09

#: Flag of each side, in the order of `_note_last`.
_FLAGS = (EXCH_EVENT, LOCAL_EVENT)
_EXCH_FLAG = np.uint64(EXCH_EVENT)
_LOCAL_FLAG = np.uint64(LOCAL_EVENT)


class Reader:
    """Passes arrays piece by piece to the sides that read them, and tracks up to when their data is complete."""

    def __init__(
        self, arrays: Iterable[Rows], streams: Mapping[int, Stream], piece_rows: int = PIECE_ROWS
    ) -> None:
        """streams: keyed by the flag of their side."""
        self._pieces = _pieces(arrays, piece_rows)
        self._streams = list(streams.values())
        self._sides = [_FLAGS.index(flag) for flag in streams]
        self._last = np.full(2, -1, np.int64)
        self._following = next(self._pieces, None)
        self.known_ts = NEVER if self._following is None else -1

    def give(self) -> None:
        """Passes the next piece and updates `known_ts`."""
        piece, self._following = self._following, next(self._pieces, None)
        if piece is not None:
            _note_last(piece, self._last)
            for stream in self._streams:
                stream.append(piece)
        # The next piece may begin with rows of the same time. Of a side without a row so far, nothing is known.
        known_ts = max(int(self._last[self._sides].min()) - 1, -1)
        self.known_ts = NEVER if self._following is None else known_ts


def replay(
    bot: DryRunBot,
    legs: Sequence[Iterable[Rows]],
    strategy: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    venue_rows: Sequence[Iterable[Rows]] | None = None,
    piece_rows: int = PIECE_ROWS,
    until_ts: int | None = None,
    pace: Callable[[int], None] | None = None,
    on_lost: Callable[[], object] = lambda: None,
) -> StrategyTask:
    """Runs a compiled strategy over the arrays of every leg, to the end. Returns the finished task.

    venue_rows: the rows of the venues' side, where `legs` holds only the bot's.
    until_ts: stop the strategy at this time, as at the end of a session. Without it all rows are replayed, and the
    strategy then reaches the end of data.
    pace: called before the strategy sees events up to a time, and may block; it does not change the result.
    on_lost: called on another thread when the strategy does not call the bot after an interrupt.
    An exception of the strategy is in `StrategyTask.error`. KeyboardInterrupt stops the strategy and propagates; a
    strategy that does not end then is held at its next call of the bot.
    """
    task = StrategyTask(bot, strategy, arguments)
    drive(bot, task, _readers(bot, legs, venue_rows, piece_rows), until_ts, pace=pace, on_lost=on_lost)
    return task


def drive(
    bot: LiveBot,
    task: StrategyTask,
    readers: Sequence[Reader],
    until_ts: int | None,
    *,
    pace: Callable[[int], None] | None = None,
    on_lost: Callable[[], object] = lambda: None,
    stop: Callable[[], object] | None = None,
) -> None:
    """Runs the task over what the readers pass; see `replay`. stop: what is done at `until_ts`."""
    last_ts = NEVER if until_ts is None else until_ts
    known_ts = min(last_ts, *(reader.known_ts for reader in readers))
    bot.set_horizon(known_ts)
    with Interruption(task, grace_s=STOP_SECONDS, on_signal=bot.stop, on_lost=on_lost):
        try:
            while task.resume():
                if known_ts == until_ts:
                    (stop or task.stop)()
                    break
                known_ts = min(last_ts, _feed(readers))
                if pace is not None:
                    pace(known_ts)
                bot.set_horizon(known_ts)
        except KeyboardInterrupt:
            task.stop()
            raise


def _readers(
    bot: DryRunBot,
    legs: Sequence[Iterable[Rows]],
    venue_rows: Sequence[Iterable[Rows]] | None,
    piece_rows: int,
) -> list[Reader]:
    readers = []
    for number, arrays in enumerate(legs):
        local, exch = {LOCAL_EVENT: bot.world.streams[number]}, {EXCH_EVENT: bot.exchanges.streams[number]}
        if venue_rows is None:
            readers.append(Reader(arrays, local | exch, piece_rows))
        else:
            readers.append(Reader(arrays, local, piece_rows))
            readers.append(Reader(venue_rows[number], exch, piece_rows))
    return readers


def _feed(readers: Sequence[Reader]) -> int:
    """Passes a piece to the reader that is furthest behind. Returns the time up to which all readers are complete."""
    min(readers, key=lambda reader: reader.known_ts).give()
    return min(reader.known_ts for reader in readers)


def _pieces(arrays: Iterable[Rows], piece_rows: int) -> Iterator[Rows]:
    for array in arrays:
        for first in range(0, len(array), piece_rows):
            yield array[first : first + piece_rows]


@compiled
def _note_last(rows, last):
    """Updates `last` with the largest time of each side: the venue's, then the bot's."""
    for index in range(len(rows)):
        if rows[index].ev & _EXCH_FLAG == _EXCH_FLAG:
            last[0] = max(last[0], rows[index].exch_ts)
        if rows[index].ev & _LOCAL_FLAG == _LOCAL_FLAG:
            last[1] = max(last[1], rows[index].local_ts)
