"""What an operator is told of a feed in trouble: once when it begins, once when it is over. Pure; one thread."""

from __future__ import annotations

from connectors.model import Rows
from connectors.net.interfaces import Event, EventKind

_S = 1_000_000_000
#: Data that are older than this when they come tell nothing of the market as it is.
AGE_NS_MAX = _S
#: So many seconds one after the other must have some of them: a stall is over by then.
_SECONDS = 3


class Unreached:
    """Venues that cannot be reached: they are tried again and again, which is news once."""

    def __init__(self) -> None:
        #: By venue, why, as it was told.
        self._reasons: dict[str, set[str]] = {}

    def is_news(self, event: Event) -> bool:
        """Whether the event tells more than those before it."""
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
        """Why it cannot be reached; "" where it can, or nothing is known."""
        return min(self._reasons.get(venue, ()), default="")


class AgeWatch:
    """How old a leg's data are when they come: of each second the oldest, for some have no time of the venue."""

    def __init__(self) -> None:
        self._second = self._oldest_ns = self._old_seconds = 0

    @property
    def is_old(self) -> bool:
        """Whether they are too old, for some seconds now."""
        return self._old_seconds >= _SECONDS

    def follow(self, rows: Rows) -> str:
        """Takes rows as they were told; what is news of them, or ""."""
        news = ""
        second = int(rows["local_ts"][-1]) // _S
        if second != self._second:
            news = self._news_of_second()
            self._second, self._oldest_ns = second, 0
        self._oldest_ns = max(self._oldest_ns, int((rows["local_ts"] - rows["exch_ts"]).max()))
        return news

    def _news_of_second(self) -> str:
        was_old = self.is_old
        self._old_seconds = self._old_seconds + 1 if self._oldest_ns > AGE_NS_MAX else 0
        if was_old == self.is_old:
            return ""
        if was_old:
            return "its data come in time again"
        age_s = self._oldest_ns / _S
        return (
            f"its data are {age_s:.1f} s old when they come: a slow line, or a clock that is off (arb doctor)"
        )
