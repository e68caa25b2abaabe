"""How far a venue is trusted: a score that falls with everything that goes wrong there, and rises with time. Pure."""

from __future__ import annotations

from collections import Counter

from connectors.units import SECOND

BEST = 10.0
#: In this time the score rises by a point.
RISE_NS = 6 * SECOND
#: By how much the score falls. refusals: of orders, for another reason than the market; errors: a stream of the account
#: was lost, a message could not be read, the venue refused everything for a while, a position differed; gaps: market
#: data were missing; late seconds: in which market data were more than a second old; doubts: the outcome of a request
#: was not known.
COSTS = {"refusals": 0.5, "errors": 1.0, "gaps": 1.0, "late seconds": 1.0, "doubts": 2.0}


class VenueTrust:
    """The score of one venue. Times are ns and do not decrease."""

    def __init__(self) -> None:
        self._score = BEST
        self._at_ns = 0
        #: What has lowered the score since it was best.
        self._causes: Counter[str] = Counter()

    def score(self, now_ns: int) -> float:
        """From 0 to 10."""
        self._score = min(BEST, self._score + (now_ns - self._at_ns) / RISE_NS)
        self._at_ns = now_ns
        return self._score

    def lower(self, cause: str, count: int, now_ns: int) -> None:
        """Something went wrong, so often. cause: of `COSTS`."""
        score = self.score(now_ns)
        if score == BEST:
            self._causes.clear()
        self._causes[cause] += count
        self._score = max(0.0, score - COSTS[cause] * count)

    def shown(self, now_ns: int) -> str:
        """The score, and what has lowered it since it was best."""
        causes = ", ".join(f"{count} {cause}" for cause, count in self._causes.most_common())
        return f"{self.score(now_ns):.1f} of 10{f' ({causes})' if causes else ''}"
