"""Figures of a session that go on as it does, each at a cost that does not grow with it. Pure; one thread."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.leg import Leg
from arb.results.status import SPANS_MS
from arb.runtime.latencies import to_requests
from connectors.units import MILLISECOND, SECOND

#: Of the answers to a leg's orders, so many of the last are in its percentiles.
LATENCIES_KEPT = 1024
_SHARES = (0.5, 0.95, 0.99)
_DAY_NS = 86_400 * SECOND


class LatencyLine(NamedTuple):
    """Answers to the orders of a leg; see `arb.results.status.LatencyStatus`. Times in ms, NaN before the first."""

    leg: str
    answers: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    sum_ms: float
    counts: list[int]


class SpanCounts:
    """Spans by legs; see `arb.results.status.SpanStatus`."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._names = [leg.name for leg in legs]
        self._counts = [[0] * (len(SPANS_MS) + 1) for _ in legs]
        self._sums_ms = [0.0] * len(legs)

    def add(self, leg: int, span_ns: int) -> None:
        """Adds one."""
        span_ms = span_ns / MILLISECOND
        self._counts[leg][bisect_left(SPANS_MS, span_ms)] += 1
        self._sums_ms[leg] += span_ms

    @property
    def lines(self) -> list[tuple[str, float, list[int]]]:
        """By leg: its name, the sum in ms, the counts."""
        return list(zip(self._names, self._sums_ms, self._counts, strict=True))


class AnswerTimes:
    """How long the answers to orders took, from request to receipt."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        unknown, none = (math.nan, math.nan, math.nan), [0] * (len(SPANS_MS) + 1)
        self._lines = [LatencyLine(leg.name, 0, *unknown, 0.0, none) for leg in legs]
        self._kept = np.zeros((len(legs), LATENCIES_KEPT))
        self._rows = 0

    def follow(self, answers: Any) -> list[LatencyLine]:
        """The figures now. answers: all so far, of dtype `arb.engine.world.ANSWER`."""
        new, self._rows = to_requests(answers[self._rows :]), len(answers)
        if len(new):
            spans = (new["response_ts"] - new["request_ts"]) / MILLISECOND
            for number in range(len(self._lines)):
                self._add(number, spans[new["asset_no"] == number])
        return list(self._lines)

    def _add(self, number: int, spans: Any) -> None:
        if not len(spans):
            return
        line, kept = self._lines[number], self._kept[number]
        answers = line.answers + len(spans)
        last = spans[-LATENCIES_KEPT:]
        kept[np.arange(answers - len(last), answers) % LATENCIES_KEPT] = last
        ordered = np.sort(kept[:answers])
        p50, p95, p99 = (float(ordered[math.ceil(share * len(ordered)) - 1]) for share in _SHARES)
        more = np.bincount(np.searchsorted(SPANS_MS, spans), minlength=len(line.counts)).tolist()
        counts = [old + new for old, new in zip(line.counts, more, strict=True)]
        self._lines[number] = LatencyLine(
            line.leg, answers, p50, p95, p99, line.sum_ms + float(spans.sum()), counts
        )


class Falls(NamedTuple):
    """What was lost since the largest profit, and since 0:00 UTC, in quote; 0 if nothing was, NaN if not known."""

    drawdown: float
    of_day: float


class ProfitWatch:
    """Follows the profit of a session, which begins with none."""

    def __init__(self) -> None:
        self._largest = self._last = self._at_midnight = 0.0
        self._day = -1

    def follow(self, profit: float, time_ns: int) -> Falls:
        """The falls until now. profit: NaN: not known. time_ns: of UTC."""
        day = time_ns // _DAY_NS
        if self._day not in (-1, day):
            self._at_midnight = self._last
        self._day = day
        if profit != profit:
            return Falls(math.nan, math.nan)
        self._last, self._largest = profit, max(profit, self._largest)
        return Falls(self._largest - profit, max(0.0, self._at_midnight - profit))


class StartCapital:
    """The capital at the start: quote of all legs, and their base at its first recorded mid, as in `summary.json`; for
    a strategy that records nothing at the first that was looked at."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._bases = [leg.base for leg in legs]
        self._quote = sum(leg.quote for leg in legs)
        self._recorded, self._seen = [math.nan] * len(legs), [math.nan] * len(legs)
        self._rows = 0

    def follow(self, records: Any, mids: Any) -> float:
        """NaN until it is known. records: all so far, (row, leg), of dtype `arb.bot.recorder.RECORD`. mids: by leg, NaN
        where unknown."""
        new, self._rows = records["price"][self._rows :], len(records)
        self._seen = _first_known(self._seen, mids.tolist())
        if math.isnan(sum(self._recorded)):
            for row in new.tolist():
                self._recorded = _first_known(self._recorded, row)
        firsts = _first_known(self._recorded, self._seen)
        return self._quote + sum(base * mid for base, mid in zip(self._bases, firsts, strict=True) if base)


def _first_known(earlier: Sequence[float], later: Sequence[float]) -> list[float]:
    return [b if math.isnan(a) else a for a, b in zip(earlier, later, strict=True)]
