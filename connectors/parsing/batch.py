"""The messages of one socket read, as objects and as one text for compiled code. Pure; one thread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.parsing.scanner import PADDING

_BYTES_MIN = 1 << 16
_FRAMES_MIN = 1 << 8
_ZEROS = bytes(PADDING)


class Packed(NamedTuple):
    """Frames in one text, separated by newlines, with the end and the local time of each.

    The text is readable up to `connectors.parsing.scanner.PADDING` bytes after the last end. Frame n begins after the
    newline that follows frame n - 1.
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    stamps: NDArray[np.int64]


class Batch:
    """Frames in the order of receipt with their local times. Its owner clears and refills it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.stamps: list[int] = []
        self._is_packed = False
        self._make_room(_BYTES_MIN, _FRAMES_MIN)

    def clear(self) -> None:
        """Removes all frames."""
        self.frames.clear()
        self.stamps.clear()
        self._is_packed = False

    def packed(self) -> Packed:
        """All frames for compiled code; valid until `clear`. No frame may be added after this call."""
        if self._is_packed:
            return self._packed
        text = (self.frames[0] if len(self.frames) == 1 else b"\n".join(self.frames)) + _ZEROS
        size, count = len(text), len(self.frames)
        if size > len(self._view) or count > len(self._ends):
            self._make_room(2 * size, 2 * count)
        self._view[:size] = text
        ends, stamps, end = self._ends, self._stamps, -1
        for n, frame in enumerate(self.frames):
            end += 1 + len(frame)
            ends[n] = end
            stamps[n] = self.stamps[n]
        self._is_packed = True
        return self._packed

    def _make_room(self, size: int, count: int) -> None:
        self._packed = Packed(np.zeros(size, np.uint8), np.zeros(count, np.int64), np.zeros(count, np.int64))
        # Writing single numbers to a memoryview takes half the time of writing to an array.
        text, ends, stamps = self._packed
        self._view, self._ends, self._stamps = text.data, ends.data, stamps.data
