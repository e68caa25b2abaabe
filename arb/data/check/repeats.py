"""Hashes every frame of a text to find frames that were recorded twice. Runs on the caller's thread.

Frames contain the venue's ids and times, so two frames of equal bytes are one that was received twice, or written by
overlapping recorders. The local time before the frame is not hashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from connectors.jit.compilation import compiled
from connectors.parsing.lines import FRAME_OFFSET
from connectors.parsing.scanner import PADDING, find_newline, load_8_bytes

#: Slots for frame hashes: about the last million frames; a newer frame replaces an older one in its slot.
SLOTS = 1 << 20

_FIRST = np.uint64(0xCBF29CE484222325)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_U32 = np.uint64(32)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


class FrameHashes:
    """Hashes the lines of a text that passes through, and returns the hashes in the order of the lines."""

    def __init__(self) -> None:
        self._buffer: NDArray[np.uint8] = np.zeros(PADDING, np.uint8)
        self._waiting: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.text_bytes = 0

    def pass_on(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yields the chunks unchanged; the lines that end in a chunk are hashed before it is yielded."""
        rest = 0
        for chunk in chunks:
            self.text_bytes += len(chunk)
            rest = self._add(chunk, rest)
            yield chunk
        if rest:  # the decoder treats it as a line
            self._add(b"\n", rest)

    def take(self, count: int) -> NDArray[np.uint64]:
        """Removes and returns the hashes of the next `count` lines."""
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _add(self, text: bytes, rest: int) -> int:
        """Hashes the lines that end in `text`; `rest` bytes of the first are in the buffer. Returns the new `rest`."""
        end = rest + len(text)
        if end + PADDING > len(self._buffer):
            self._buffer = np.concatenate([self._buffer[:rest], np.zeros(2 * end + PADDING, np.uint8)])
        buffer = self._buffer
        buffer[rest:end] = np.frombuffer(text, np.uint8)
        hashes = np.empty(text.count(b"\n"), np.uint64)
        done = int(_hash_lines(buffer, end, hashes))
        self._waiting = np.concatenate([self._waiting, hashes])
        buffer[: end - done] = buffer[done:end].copy()
        return end - done


@compiled
def _hash_lines(buffer, end, hashes):
    """A hash for each complete line of buffer[:end]; returns the end of the last one."""
    start = 0
    for n in range(len(hashes)):
        line_end = find_newline(buffer, start, end)
        hashes[n] = _hash(buffer, start + FRAME_OFFSET, line_end)
        start = line_end + 1
    return start


@compiled
def _hash(buffer, start, end):
    """Never zero, which marks an empty slot."""
    value = _FIRST
    i = start
    while i < end:
        word = load_8_bytes(buffer, i)
        if end - i < 8:
            word &= _ALL_BITS >> np.uint64(8 * (8 - (end - i)))
        value = (value ^ word) * _MULTIPLIER
        value ^= value >> _U32
        i += 8
    return max(value, np.uint64(1))
