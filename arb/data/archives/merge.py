"""Several decoded streams of one instrument as one, in the order of their local times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from connectors.lines import Decoded
from connectors.types import Messages, Rows


class _Head:
    """The piece of a stream that is being used up."""

    def __init__(self, stream: Iterator[Decoded]) -> None:
        self._stream = stream
        self._rows: Rows | None = None
        self._messages: Messages | None = None
        self._last = 0
        self._position = 0
        #: Local times as they count for the order: one that falls counts as the one before it.
        self.keys: NDArray[np.int64] = np.zeros(0, np.int64)

    def fill(self) -> bool:
        """Makes sure that messages are left; False at the end of the stream."""
        while not len(self.keys):
            piece = next(self._stream, None)
            if piece is None:
                return False
            self._rows, self._messages = piece
            self._position = 0
            times = np.asarray(self._messages["local_ts"])
            self.keys = np.maximum(np.maximum.accumulate(times), self._last) if len(times) else times
            self._last = int(self.keys[-1]) if len(self.keys) else self._last
        return True

    def take(self, count: int) -> tuple[Decoded, NDArray[np.int64]]:
        """The next messages with the rows that they name, and their keys."""
        if self._rows is None or self._messages is None:
            raise IndexError("nothing was read")
        messages = self._messages[self._position : self._position + count]
        keys = self.keys[:count]
        self._position += count
        self.keys = self.keys[count:]
        return Decoded(self._rows, messages), keys


def merge(streams: Sequence[Iterator[Decoded]]) -> Iterator[Decoded]:
    """The messages of all streams by local time; of equal times, those of an earlier stream come first.

    Memory holds a piece a stream.
    """
    heads = [_Head(stream) for stream in streams]
    while heads := [head for head in heads if head.fill()]:
        if len(heads) == 1:
            yield heads[0].take(len(heads[0].keys))[0]
            continue
        horizon = min(int(head.keys[-1]) for head in heads)
        counts = [int(np.searchsorted(head.keys, horizon, "left")) for head in heads]
        if not any(counts):
            # All begin at the horizon: the first that has messages of this time gives them, and may have more.
            first = next(n for n, head in enumerate(heads) if int(head.keys[0]) == horizon)
            counts[first] = int(np.searchsorted(heads[first].keys, horizon, "right"))
        yield _joined([head.take(count) for head, count in zip(heads, counts, strict=True) if count])


def _joined(pieces: Sequence[tuple[Decoded, NDArray[np.int64]]]) -> Decoded:
    """Pieces of several streams as one, their messages in order."""
    if len(pieces) == 1:
        return pieces[0][0]
    rows, messages, offset = [], [], 0
    for (piece_rows, piece_messages), _ in pieces:
        start, end = int(piece_messages["row_start"][0]), int(piece_messages["row_end"][-1])
        moved = piece_messages.copy()
        moved["row_start"] += offset - start
        moved["row_end"] += offset - start
        rows.append(piece_rows[start:end])
        messages.append(moved)
        offset += end - start
    order = np.argsort(np.concatenate([keys for _, keys in pieces]), kind="stable")
    return Decoded(np.concatenate(rows), np.concatenate(messages)[order])
