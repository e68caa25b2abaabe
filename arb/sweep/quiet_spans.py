"""The spans of a set within quiet rows: from times to points, and whether what a run did stayed within them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from arb.sweep.engine import KeptRows
from arb.sweep.quiet import QuietRows
from connectors.model import Rows

#: A time after all rows.
NEVER: int = np.iinfo(np.int64).max


class Spans:
    """Spans of time of one set, in which its rows are all of the thinned ones."""

    def __init__(self, quiet: QuietRows, times: NDArray[np.int64]) -> None:
        """times: (n, 2) from when to when, in ns, in any order; from NEVER on there are no rows."""
        self._quiet = quiet
        self._times = _merged(times)
        #: (n, 2) numbers of points, ascending and apart.
        self.points: NDArray[np.int64] = np.zeros((0, 2), np.int64)
        if not len(self._times) or not len(quiet.points):
            return
        first = np.searchsorted(quiet.points, self._times[:, 0], "right") - 1
        ends = _all_changed(quiet, self._times[:, 1])
        last = np.minimum(np.searchsorted(quiet.points, ends), len(quiet.points) - 1)
        self.points = _merged(np.column_stack((np.maximum(first, 0), last)))

    @property
    def share(self) -> float:
        """The share of the rows that is within."""
        if not len(self.points):
            return 0.0
        cuts = [leg.cuts for leg in self._quiet.legs]
        within = sum(int((cut[self.points[:, 1]] - cut[self.points[:, 0]]).sum()) for cut in cuts)
        return within / max(1, sum(int(cut[-1]) for cut in cuts))

    def rows(self, whole: KeptRows, *, is_one: bool) -> KeptRows:
        """The rows of the set, valid until the thread asks for those of another one.

        whole: all rows, before they were thinned. is_one: one array a leg, for hftbacktest: of several, its reader
        forgets one that one side of a leg has read and the other has not.
        """
        pieces = self._quiet.within(self.points)
        return whole.part([[_joined(n, one)] for n, one in enumerate(pieces)] if is_one else pieces)

    def outside(self, begun: NDArray[np.int64], ended: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these spans are not wholly within one of the times."""
        place = np.searchsorted(self._times[:, 0], begun, "right") - 1
        is_within = place >= 0
        is_within[is_within] = ended[is_within] <= self._times[place[is_within], 1]
        return ~is_within

    def with_more(self, begun: NDArray[np.int64], ended: NDArray[np.int64]) -> Spans:
        """These spans and others."""
        return Spans(self._quiet, np.concatenate((self._times, np.column_stack((begun, ended)))))


class _Arrays(threading.local):
    """The arrays of each thread, by leg: new memory for every set would take longer than filling it."""

    def __init__(self) -> None:
        self.by_leg: dict[int, Rows] = {}


_kept = _Arrays()


def _joined(leg_no: int, pieces: list[Rows]) -> Rows:
    arrays = _kept.by_leg
    count = sum(map(len, pieces))
    if leg_no not in arrays or len(arrays[leg_no]) < count:
        arrays[leg_no] = np.zeros(count + count // 4, event_dtype)
    whole = arrays[leg_no][:count]
    # As whole numbers: of records, NumPy copies each field.
    np.concatenate([_cells(piece) for piece in pieces], out=_cells(whole))
    return whole


def _cells(rows: Rows) -> NDArray[np.int64]:
    return rows.view(np.int64).reshape(len(rows), -1)


def _merged(spans: Any) -> NDArray[np.int64]:
    """Spans that overlap or touch each other become one."""
    if len(spans) < 2:
        return np.asarray(spans, np.int64).reshape(-1, 2)
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    reached = np.maximum.accumulate(ordered[:, 1])
    is_first = np.append(True, ordered[1:, 0] > reached[:-1])
    is_last = np.append(is_first[1:], True)
    return np.column_stack((ordered[is_first, 0], reached[is_last]))


def _all_changed(quiet: QuietRows, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """From when on every side of every leg has changed after `ends`: what orders took counts until then."""
    latest: NDArray[np.int64] = ends
    for leg in quiet.legs:
        for changed in (leg.bid_ts, leg.ask_ts):
            known = np.append(changed, NEVER)
            latest = np.maximum(latest, known[np.searchsorted(changed, ends, "right")])
    return latest
