"""The messages that came in one read of a socket, as objects and as one text for compiled code. Pure; one thread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.frames import PADDING

_BYTES_MIN = 1 << 16
_FRAMES_MIN = 1 << 8


class Packed(NamedTuple):
    """Frames behind each other with a newline between them, where each ends, and when it came.

    The text may be read as far as `connectors.frames.PADDING` behind the last end. Frame n begins behind the newline
    that follows frame n - 1.
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    stamps: NDArray[np.int64]


class Batch:
    """Frames in the order of receipt with their local times. Its owner clears and fills it again."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.stamps: list[int] = []
        self._is_packed = False
        self._text = np.zeros(_BYTES_MIN, np.uint8)
        self._view = self._text.data
        self._ends = np.zeros(_FRAMES_MIN, np.int64)
        self._stamps = np.zeros(_FRAMES_MIN, np.int64)

    def __len__(self) -> int:
        return len(self.frames)

    def clear(self) -> None:
        """Forgets all frames."""
        self.frames.clear()
        self.stamps.clear()
        self._is_packed = False

    def packed(self) -> Packed:
        """All frames for compiled code; valid until `clear`. The frames must not change any more."""
        if not self._is_packed:
            self._pack()
            self._is_packed = True
        return Packed(self._text, self._ends, self._stamps)

    def _pack(self) -> None:
        text = b"\n".join(self.frames)
        size, count = len(text), len(self.frames)
        if size + PADDING > len(self._text):
            self._text = np.zeros(2 * (size + PADDING), np.uint8)
            self._view = self._text.data
        if count > len(self._ends):
            self._ends, self._stamps = np.zeros(2 * count, np.int64), np.zeros(2 * count, np.int64)
        self._view[:size] = text
        self._view[size : size + PADDING] = bytes(PADDING)
        end = -1
        for n, frame in enumerate(self.frames):
            end += 1 + len(frame)
            self._ends[n] = end
        self._stamps[:count] = self.stamps
