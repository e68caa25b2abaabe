"""Writes `series.bin` of a session (`arb.results.series`) from samples of touches, edges, profit. The host's thread."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from arb.results.series import SERIES, encode_head
from arb.runtime.event_file import AppendedFile


class SeriesFile:
    """One session's. Call `sample` often, and `write` every `SERIES_S`. A disk that refuses rows loses them."""

    def __init__(
        self,
        folder: Path,
        legs: Sequence[str],
        edges: Sequence[tuple[str, str]],
        warn: Callable[[str], None],
    ) -> None:
        """warn: receives one line if the disk refuses a row, the first time."""
        self._file = AppendedFile(folder / SERIES)
        self._head = encode_head(legs, edges)
        self._warn = warn
        #: Of bids, asks, edges and the profit, in this order.
        self._count = 2 * len(legs) + len(edges) + 1
        self._row = struct.Struct(f"<q{2 * self._count}d")
        self._last_ns = 0
        self._has_warned = self._is_closed = False
        self._begin()

    def _begin(self) -> None:
        self._least, self._most = [math.inf] * self._count, [-math.inf] * self._count

    def sample(self, values: Sequence[float]) -> None:
        """Takes all bids, asks and edges, and the profit, in this order; NaN where unknown."""
        least, most = self._least, self._most
        for place, value in enumerate(values):
            if value < least[place]:
                least[place] = value
            if value > most[place]:
                most[place] = value

    def write(self, time_ns: int) -> None:
        """Adds the row of the samples since the last one. Its time is later than that of the row before, also if the
        machine's clock was set back."""
        if self._is_closed:
            return
        self._last_ns = max(self._last_ns + 1, time_ns)
        extremes = (
            one
            for least, most in zip(self._least, self._most, strict=True)
            for one in ((least, most) if least <= most else (math.nan, math.nan))
        )
        row = self._row.pack(self._last_ns, *extremes)
        self._begin()
        if (self._file.size or self._file.append([self._head])) and self._file.append([row]):
            return
        if not self._has_warned:
            self._has_warned = True
            self._warn(f"{SERIES}: cannot be written: {self._file.reason}; charts of others have a hole")

    def close(self) -> None:
        """Nothing is written afterwards. May be called repeatedly."""
        self._is_closed = True
        self._file.close()
