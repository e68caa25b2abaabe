"""A number for every frame of a text, by which a frame that was recorded twice is found. The caller's thread.

Frames carry the venue's ids and times, so that two frames of equal bytes are one that was received twice, or written
twice by recorders that overlap. The local time in front of the frame does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from connectors.jit.compilation import compiled
from connectors.parsing.lines import FRAME_OFFSET
from connectors.parsing.scanner import PADDING, find_newline, load_8_bytes

#: Frames that are remembered: about the last million; a newer one takes the place of an older of the same slot.
SLOTS = 1 << 20

_FIRST = np.uint64(0xCBF29CE484222325)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_U32 = np.uint64(32)
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


class FrameHashes:
    """Hashes the lines of a text that passes through, and hands the hashes out in the order of the lines."""

    def __init__(self) -> None:
        self._buffer: NDArray[np.uint8] = np.zeros(PADDING, np.uint8)
        self._waiting: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.text_bytes = 0

    def pass_on(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks as they are; the lines that end in one are hashed before it is handed on."""
        rest = 0
        for chunk in chunks:
            self.text_bytes += len(chunk)
            rest = self._add(chunk, rest)
            yield chunk
        if rest:  # the decoder takes it as a line
            self._add(b"\n", rest)

    def take(self, count: int) -> NDArray[np.uint64]:
        """The hashes of the next `count` lines."""
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _add(self, text: bytes, rest: int) -> int:
        """Hashes the lines that end in `text`; `rest` bytes of the first are in the buffer. How many are left there."""
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
def _hash_lines(buffer, end, hashes):  # type: ignore[no-untyped-def]
    """A hash for each whole line; where the last one ends. What stands behind `end` does not count."""
    start = 0
    for n in range(len(hashes)):
        line_end = find_newline(buffer, start, end)
        hashes[n] = _hash(buffer, start + FRAME_OFFSET, line_end)
        start = line_end + 1
    return start


@compiled
def _hash(buffer, start, end):  # type: ignore[no-untyped-def]
    """Never zero, which stands for a slot without a frame."""
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
