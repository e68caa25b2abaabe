"""Merges decoded streams of one instrument in the order of their local times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from hftbacktest.types import event_dtype

from connectors.jit.compilation import compiled
from connectors.model import MESSAGE_DTYPE
from connectors.parsing.lines import Decoded

_NONE = Decoded(np.zeros(0, event_dtype), np.zeros(0, MESSAGE_DTYPE))
# Fields of the cursor, an int64 array: positions in both pieces and the output, and each stream's latest time.
_AT_1, _AT_2, _ROWS, _MESSAGES, _LAST_1, _LAST_2 = range(6)


def merge(streams: Sequence[Iterator[Decoded]]) -> Iterator[Decoded]:
    """The messages of all streams by local time; of equal times, those of an earlier stream are first.

    A local time below the one before it is replaced by that one. Memory holds a piece per stream; yields views that
    are valid until the next piece is requested.
    """
    return reduce(_merge_two, streams) if streams else iter(())


def _merge_two(first: Iterator[Decoded], second: Iterator[Decoded]) -> Iterator[Decoded]:
    cursor = np.zeros(6, np.int64)
    rows, messages = _NONE
    one, two = _next_of(first), _next_of(second)
    while one is not None and two is not None:
        rows_max = len(one.rows) + len(two.rows)
        messages_max = len(one.messages) + len(two.messages)
        if rows_max > len(rows):
            rows = np.empty(rows_max, event_dtype)
        if messages_max > len(messages):
            messages = np.empty(messages_max, MESSAGE_DTYPE)
        cursor[_ROWS] = cursor[_MESSAGES] = 0
        _interleave(one.rows, one.messages, two.rows, two.messages, rows, messages, cursor)
        yield Decoded(rows[: cursor[_ROWS]], messages[: cursor[_MESSAGES]])
        if cursor[_AT_1] == len(one.messages):
            one = _next_of(first)
            cursor[_AT_1] = 0
        else:
            two = _next_of(second)
            cursor[_AT_2] = 0
    for piece, at, stream in ((one, _AT_1, first), (two, _AT_2, second)):
        if piece is not None:
            yield Decoded(piece.rows, piece.messages[cursor[at] :])
            yield from stream


def _next_of(stream: Iterator[Decoded]) -> Decoded | None:
    """The next piece that has messages; None at the end."""
    return next((piece for piece in stream if len(piece.messages)), None)


@compiled
def _interleave(rows_1, messages_1, rows_2, messages_2, rows, messages, cursor):
    """Copies messages with their rows in order until one of the pieces is exhausted."""
    at_1, at_2, n, m = cursor[_AT_1], cursor[_AT_2], cursor[_ROWS], cursor[_MESSAGES]
    last_1, last_2 = cursor[_LAST_1], cursor[_LAST_2]
    while at_1 < len(messages_1) and at_2 < len(messages_2):
        time_1 = max(messages_1[at_1].local_ts, last_1)
        time_2 = max(messages_2[at_2].local_ts, last_2)
        start = n
        # A loop for each stream: choosing the array row by row takes twice as long.
        if time_1 <= time_2:
            message = messages_1[at_1]
            for row in range(message.row_start, message.row_end):
                rows[n] = rows_1[row]
                n += 1
            at_1 += 1
            last_1 = time_1
        else:
            message = messages_2[at_2]
            for row in range(message.row_start, message.row_end):
                rows[n] = rows_2[row]
                n += 1
            at_2 += 1
            last_2 = time_2
        messages[m] = message
        messages[m].row_start = start
        messages[m].row_end = n
        m += 1
    cursor[_AT_1], cursor[_AT_2], cursor[_ROWS], cursor[_MESSAGES] = at_1, at_2, n, m
    cursor[_LAST_1], cursor[_LAST_2] = last_1, last_2
