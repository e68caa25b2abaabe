"""Messages for an operator about a degraded feed: one when it begins, one when it ends. Pure; one thread."""

from __future__ import annotations

from connectors.model import Rows
from connectors.net.interfaces import Event, EventKind

_S = 1_000_000_000
#: Data older than this on arrival do not show the current market.
AGE_NS_MAX = _S
#: Consecutive seconds that must contain such data; a short stall ends sooner.
_SECONDS = 3


class Unreached:
    """Unreachable venues. Connections are retried repeatedly; each reason is reported once."""

    def __init__(self) -> None:
        #: By venue, the reasons already reported.
        self._reasons: dict[str, set[str]] = {}

    def is_news(self, event: Event) -> bool:
        """Whether the event says something that has not been reported."""
        if event.kind == EventKind.ACK:
            self._reasons.pop(event.venue, None)
        elif event.kind == EventKind.CONNECT:
            return event.venue not in self._reasons
        elif event.kind in (EventKind.DISCONNECT, EventKind.ERROR):
            reasons = self._reasons.setdefault(event.venue, set())
            is_known = event.text in reasons
            reasons.add(event.text)
            return not is_known
        return True

    def reason(self, venue: str) -> str:
        """Why the venue is unreachable; "" if it is reachable, or the reason is unknown."""
        return min(self._reasons.get(venue, ()), default="")


class AgeWatch:
    """Age of a leg's data on arrival: the largest of each second, because some rows carry no venue time."""

    def __init__(self) -> None:
        self._second = self._oldest_ns = self._old_seconds = 0
        #: Seconds so far in which data arrived too old.
        self.late = 0

    @property
    def is_old(self) -> bool:
        """Whether the data have been too old for `_SECONDS` seconds."""
        return self._old_seconds >= _SECONDS

    @property
    def second(self) -> int:
        """The second of the rows that were added last."""
        return self._second

    def add(self, oldest_ns: int) -> None:
        """Adds rows of that second by the age of the oldest."""
        self._oldest_ns = max(self._oldest_ns, oldest_ns)

    def follow(self, rows: Rows) -> str:
        """Adds rows as the strategy received them. Returns a message when the state changes, otherwise ""."""
        news = ""
        second = int(rows["local_ts"][-1]) // _S
        if second != self._second:
            news = self._news_of_second()
            self._second, self._oldest_ns = second, 0
        self._oldest_ns = max(self._oldest_ns, int((rows["local_ts"] - rows["exch_ts"]).max()))
        return news

    def _news_of_second(self) -> str:
        was_old = self.is_old
        is_late = self._oldest_ns > AGE_NS_MAX
        self.late += is_late
        self._old_seconds = self._old_seconds + 1 if is_late else 0
        if was_old == self.is_old:
            return ""
        if was_old:
            return "its data arrive in time again"
        age_s = self._oldest_ns / _S
        return f"its data are {age_s:.1f} s old on arrival: a slow line, or a clock that is off (arb doctor)"
