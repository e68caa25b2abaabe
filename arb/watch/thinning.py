"""Rows over time in bounded memory: a long time in few rows that keep the extremes, and the last rows as they are.

Rows have a field `time_ns`; the last axis of every other field is [least, largest]. Pure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from connectors.units import SECOND

#: Most rows of a whole session, and of its end as it was written: five minutes of a session's series.
THINNED_MAX, LAST_MAX = 2_048, 1_200
#: Interval of the first rows.
_WIDTH_NS = SECOND // 4


class ThinnedRows:
    """Rows merged by intervals of equal width, which doubles whenever there are too many of them."""

    def __init__(self, dtype: np.dtype[Any], rows_max: int = THINNED_MAX) -> None:
        self._kept = np.empty(0, dtype)
        self._rows_max = rows_max
        #: Width of an interval. A row has the time of the first that was merged into it.
        self.width_ns = _WIDTH_NS

    @property
    def rows(self) -> Any:
        """The rows so far, at most `rows_max`, oldest first."""
        return self._kept

    def add(self, rows: Any) -> None:
        """Adds rows of the dtype, which follow those before in time. Values that are NaN count only among others."""
        if not len(rows):
            return
        # The interval of the last row may go on; those before it are complete.
        joined = np.concatenate((self._kept[-1:], rows))
        self._kept = np.concatenate((self._kept[:-1], self._merged(joined)))
        while len(self._kept) > self._rows_max:
            self.width_ns *= 2
            self._kept = self._merged(self._kept)

    def _merged(self, rows: Any) -> Any:
        intervals = rows["time_ns"] // self.width_ns
        starts = np.flatnonzero(np.concatenate(([True], np.diff(intervals) != 0)))
        merged = rows[starts].copy()
        for name in rows.dtype.names:
            if name != "time_ns":
                values = rows[name]
                merged[name][..., 0] = np.fmin.reduceat(values[..., 0], starts)
                merged[name][..., 1] = np.fmax.reduceat(values[..., 1], starts)
        return merged


class LastRows:
    """The last rows as they were written."""

    def __init__(self, dtype: np.dtype[Any], rows_max: int = LAST_MAX) -> None:
        #: Twice as many as are shown, so that few additions move them.
        self._kept = np.empty(2 * rows_max, dtype)
        self._count = 0
        self._rows_max = rows_max

    @property
    def rows(self) -> Any:
        """At most `rows_max`, oldest first."""
        return self._kept[max(0, self._count - self._rows_max) : self._count]

    def add(self, rows: Any) -> None:
        """Adds rows of the dtype."""
        rows = rows[-self._rows_max :]
        if self._count + len(rows) > len(self._kept):
            last = self.rows.copy()
            self._kept[: len(last)] = last
            self._count = len(last)
        self._kept[self._count : self._count + len(rows)] = rows
        self._count += len(rows)
