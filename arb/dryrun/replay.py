"""Recorded rows through a dry-run at full speed: the reader that a socket feed takes the place of.

Both sides read the same arrays, each what is flagged for it, piece by piece: a side is known up to the last row that
it was given, and both go on only as far as every leg's are. How the rows are cut changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT

from arb.bot.world import NEVER
from arb.dryrun.bot import DryRunBot
from arb.dryrun.strand import Strand
from connectors.jit import compiled
from connectors.types import Rows

#: Rows that a leg is given at a time.
PIECE_ROWS = 1 << 16

_EXCH_FLAG = np.uint64(EXCH_EVENT)
_LOCAL_FLAG = np.uint64(LOCAL_EVENT)


class _LegReader:
    """One leg's arrays, a piece after the other, and up to when both sides of the leg are known."""

    def __init__(self, arrays: Sequence[Rows], piece_rows: int) -> None:
        self._pieces = _pieces(arrays, piece_rows)
        self._last = np.full(2, -1, np.int64)
        self._following = next(self._pieces, None)
        self.known_ts = NEVER if self._following is None else -1

    def next_piece(self) -> Rows | None:
        """The next piece; `known_ts` is what holds once it has been given."""
        piece, self._following = self._following, next(self._pieces, None)
        if piece is not None:
            _note_last(piece, self._last)
        # Rows of the last time may follow in the next piece.
        self.known_ts = NEVER if self._following is None else int(self._last.min()) - 1
        return piece


def replay(
    bot: DryRunBot,
    legs: Sequence[Sequence[Rows]],
    strategy: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    piece_rows: int = PIECE_ROWS,
    pace: Callable[[int], None] | None = None,
) -> Strand:
    """Run a compiled strategy over the arrays of every leg, to the end; the strand with what came of it.

    pace: called before the strategy hears of everything up to a time, and may wait there; it changes no result.
    An exception of the strategy is in `Strand.error`. KeyboardInterrupt stops the strategy and goes on.
    """
    strand = Strand(bot, strategy, arguments)
    readers = [_LegReader(arrays, piece_rows) for arrays in legs]
    known_ts = min(reader.known_ts for reader in readers)
    bot.set_horizons(known_ts, known_ts)
    try:
        while strand.resume():
            known_ts = _feed(bot, readers)
            if pace is not None:
                pace(known_ts)
            bot.set_horizons(known_ts, known_ts)
    except KeyboardInterrupt:
        strand.stop()
        raise
    return strand


def _feed(bot: DryRunBot, readers: Sequence[_LegReader]) -> int:
    """Give the leg that is behind its next piece; up to when everything is known then."""
    behind = min(range(len(readers)), key=lambda number: readers[number].known_ts)
    piece = readers[behind].next_piece()
    if piece is not None:
        bot.local_streams[behind].append(piece)
        bot.exch_streams[behind].append(piece)
    return min(reader.known_ts for reader in readers)


def _pieces(arrays: Sequence[Rows], piece_rows: int) -> Iterator[Rows]:
    for array in arrays:
        for first in range(0, len(array), piece_rows):
            yield array[first : first + piece_rows]


@compiled
def _note_last(rows, last):  # type: ignore[no-untyped-def]
    """The last times of both sides in the rows, the venue's and the bot's."""
    for index in range(len(rows)):
        if rows[index].ev & _EXCH_FLAG == _EXCH_FLAG:
            last[0] = max(last[0], rows[index].exch_ts)
        if rows[index].ev & _LOCAL_FLAG == _LOCAL_FLAG:
            last[1] = max(last[1], rows[index].local_ts)
