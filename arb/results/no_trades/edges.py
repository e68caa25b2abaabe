"""What the second pass measured, from its log: each direction of each pair, and the times with books."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from arb.strategies.spread.measures import LEVELS, RISES_MAX, SHARES, Measure
from connectors.units import SECOND


class Parts(NamedTuple):
    """An edge in bps of the buy price, and what it consists of: `net` is `gross` less the others. NaN if unknown."""

    net: float
    gross: float
    fees: float
    basis: float
    leave: float


class Way(NamedTuple):
    """One direction of a pair: `buy` and `sell` are numbers of legs; see `Measure` for the figures.

    points: one for each of SHARES. above_s: for each of LEVELS and the threshold. rises_bps: descending. max_ts and
    prices: of the largest edge; 0 and NaN if no edge was known.
    """

    buy: int
    sell: int
    points: Sequence[Parts]
    max_ts: int
    above_s: Sequence[float]
    rises_bps: Sequence[float]
    buy_px: float
    sell_px: float
    shown: float
    #: Of the pair: with both books, and with an edge.
    both_s: float
    known_s: float

    @property
    def largest(self) -> Parts:
        return self.points[0]

    @property
    def is_known(self) -> bool:
        """Whether an edge was ever known."""
        return not math.isnan(self.largest.net)


class LegBook(NamedTuple):
    """Of one leg: times with a bid below the ask, and after late rows; shortest time from the venue to the arrival."""

    quoted_s: float
    late_s: float
    lag_ms_min: float


class Edges:
    """The measured edges of a run. `lines`: rows of `arb.bot.recorder.DECISION`."""

    def __init__(self, lines: Any, pairs: Sequence[tuple[int, int]]) -> None:
        self._values = _by_place(lines)
        self._pairs = pairs
        self.span_s = self._value(Measure.SPAN, -1) / SECOND

    def leg(self, leg_no: int) -> LegBook:
        return LegBook(
            self._value(Measure.QUOTED, leg_no) / SECOND,
            self._value(Measure.LATE, leg_no) / SECOND,
            self._value(Measure.LAG_MIN, leg_no) / 1e6,
        )

    @cached_property
    def ways(self) -> list[Way]:
        """Both directions of every pair."""
        return [
            self._way(pair, buy, sell) for pair in self._pairs for buy, sell in (pair, (pair[1], pair[0]))
        ]

    @property
    def best(self) -> Way | None:
        """The direction with the largest edge; None if no edge was ever known."""
        known = [way for way in self.ways if way.is_known]
        return max(known, key=lambda way: way.largest.net, default=None)

    def rise_bps(self, count: int) -> float:
        """The highest edge above which the edges of all directions rose `count` times; NaN if they did not.

        count: at most RISES_MAX.
        """
        rises = sorted((rise for way in self.ways for rise in way.rises_bps), reverse=True)
        return rises[count - 1] if len(rises) >= count else math.nan

    def _way(self, pair: tuple[int, int], buy: int, sell: int) -> Way:
        parts = (Measure.NET, Measure.GROSS, Measure.FEES, Measure.BASIS, Measure.LEAVE)
        rises = [self._value(Measure.RISE, buy, n) for n in range(RISES_MAX)]
        both_s = self._value(Measure.BOTH, pair[0]) / SECOND
        return Way(
            buy=buy,
            sell=sell,
            points=[Parts(*(self._value(part, buy, n) for part in parts)) for n in range(len(SHARES))],
            max_ts=self._times.get((Measure.NET, buy, 0), 0),
            above_s=[self._value(Measure.ABOVE, buy, n) / SECOND for n in range(len(LEVELS) + 1)],
            rises_bps=[rise for rise in rises if not math.isnan(rise)],
            buy_px=self._value(Measure.BUY_PX, buy),
            sell_px=self._value(Measure.SELL_PX, buy),
            shown=self._value(Measure.SHOWN, buy),
            both_s=both_s,
            known_s=both_s - self._value(Measure.WARM_UP, pair[0]) / SECOND,
        )

    @property
    def _times(self) -> Mapping[tuple[int, int, int], int]:
        return {place: ts for place, (ts, _) in self._values.items()}

    def _value(self, code: int, leg_no: int, index: int = 0) -> float:
        return self._values.get((code, leg_no, index), (0, math.nan))[1]


def _by_place(lines: Any) -> dict[tuple[int, int, int], tuple[int, float]]:
    """Time and value of each line, by code, leg and index."""
    columns = (lines[name].tolist() for name in ("code", "leg", "attempt", "timestamp", "value"))
    return {(code, leg, index): (ts, value) for code, leg, index, ts, value in zip(*columns, strict=True)}
