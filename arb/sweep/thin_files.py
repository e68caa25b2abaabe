"""The thinned rows of a group of sets, in files of the row cache: made once, mapped, and shared by all runs.

A file's key covers all that its rows follow from: the keys of the row files, the part of the days, grid, staleness and
the code that thins.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import arb
from arb.backtest.assets import LegData
from arb.data.rows.cache import RowCache
from arb.data.rows.code_version import version_of
from arb.data.rows.npy import is_whole, load_rows, open_npy
from arb.errors import InputError
from arb.sweep.engine import KeptRows
from arb.sweep.quiet import QuietRows, quiet_rows
from arb.sweep.thin import Thinner
from connectors.model import Rows

_ARB = Path(arb.__file__).parent
#: Most thinned rows of a group, of all legs, that are also kept by quiet times: 64 MB, and as much again; a thread has
#: a copy of what its set reads.
QUIET_ROWS_MAX = 1_000_000
_CODE = ("sweep/thin.py", "engine/book.py", "engine/book_rows.py", "engine/blocks.py")
_SOURCES = {name: _ARB / name for name in _CODE}


@cache
def thin_version() -> str:
    """A hash of the code that thins, so that changed code never uses rows of the old code."""
    return version_of(_SOURCES)


class ThinRows:
    """The rows of a group of sets, thinned when they are first needed. Any thread."""

    def __init__(
        self,
        legs: Sequence[LegData],
        rows: KeptRows,
        key: bytes,
        stale_after_ns: int,
        row_cache: RowCache,
    ) -> None:
        """rows: all of them, as of `legs`. key: of these. stale_after_ns: of all sets of the group."""
        self.stale_after_ns = stale_after_ns
        self._legs = legs
        self._rows = rows
        self._key = key
        self._cache = row_cache
        self._lock = threading.Lock()
        self._made: dict[bool, KeptRows] = {}
        self._quiet: dict[int, QuietRows] = {}

    def kept(self, *, keeps_trades: bool) -> KeptRows:
        """The thinned rows. Raises InputError for a cache that cannot be written."""
        with self._lock:
            if keeps_trades not in self._made:
                arrays = [[self._of_leg(number, keeps_trades)] for number in range(len(self._legs))]
                self._made[keeps_trades] = KeptRows(arrays, self._rows)
            return self._made[keeps_trades]

    def quiet(self, interval_ns: int) -> QuietRows | None:
        """The thinned rows by quiet and other times; None for more than QUIET_ROWS_MAX of them: they are in memory.

        interval_ns: from one record of the strategy to the next.
        """
        arrays = self.kept(keeps_trades=False).arrays
        if sum(len(rows) for leg in arrays for rows in leg) > QUIET_ROWS_MAX:
            return None
        with self._lock:
            if interval_ns not in self._quiet:
                ticks = [(leg.tick_size, leg.lot_size) for leg, _ in self._legs]
                self._quiet[interval_ns] = quiet_rows([rows for (rows,) in arrays], ticks, interval_ns)
            return self._quiet[interval_ns]

    def _of_leg(self, number: int, keeps_trades: bool) -> Rows:
        leg, arrays = self._legs[number]
        parts = (thin_version(), number, leg.tick_size, leg.lot_size, self.stale_after_ns, keeps_trades)
        digest = hashlib.sha256(self._key + repr(parts).encode()).hexdigest()[:40]
        path = self._cache.directory / f"thin-{digest}.npy"
        try:
            with self._cache.filling():
                if not is_whole(path):
                    thinner = Thinner(
                        leg.tick_size, leg.lot_size, self.stale_after_ns, keeps_trades=keeps_trades
                    )
                    with open_npy(path) as file:
                        for rows in arrays:
                            for piece in thinner.feed(rows):
                                file.write(piece)
                        file.write(thinner.finish())
                self._cache.hold(path)
        except OSError as error:
            raise InputError(
                f"{self._cache.directory}: the row cache failed: {error.strerror or error}; where its disk is full, "
                "make room: arb data cache --clear"
            ) from None
        return load_rows(path)
