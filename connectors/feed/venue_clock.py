"""The venue's own word on its time, asked for once in a while. No clock and no socket of its own. One thread."""

from __future__ import annotations

from collections.abc import Callable

from connectors.errors import DecodeError
from connectors.feed.lags import ClockSample, clock_sample
from connectors.model import Venue
from connectors.net.interfaces import Rest, RestAnswer
from connectors.net.rate_limit import Limiter

_S = 1_000_000_000
#: At first it is asked for so many times, so far apart: one answer may be wrong.
FIRST_ASKS = 3
FIRST_NS = _S
#: So long after a request that was not answered it is asked for again, at first.
RETRY_NS = 30 * _S


class VenueTime:
    """Asks one venue for its time."""

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        weights: Limiter,
        every_ns: int,
        on_sample: Callable[[ClockSample], None],
    ) -> None:
        """`weights`: the venue's limit, shared with other users of it; `every_ns` 0: it is never asked."""
        self._venue = venue
        self._rest = rest
        self._weights = weights
        self._every_ns = every_ns
        self._on_sample = on_sample
        self._due_ns = 0
        self._asks = self._answers = 0
        #: What came of it last; None: nothing yet.
        self.sample: ClockSample | None = None

    def look(self, now_ns: int) -> None:
        """Asks if it is time, and the venue's limit allows it."""
        if not self._every_ns or now_ns < self._due_ns:
            return
        request = self._venue.time_request()
        self._due_ns = now_ns + self._every_ns
        if self._weights.delay_ns(now_ns, request.weight) == 0:
            self._asks += 1
            if self._answers + 1 < FIRST_ASKS:
                soon = FIRST_NS if self._asks < FIRST_ASKS else RETRY_NS
                self._due_ns = now_ns + min(soon, self._every_ns)
            self._weights.take(now_ns, request.weight)
            self._rest.get(request, self._receive)

    def _receive(self, answer: RestAnswer) -> None:
        if answer.status != 200:
            return
        try:
            venue_ts = self._venue.time_of(answer.body)
        except DecodeError:
            return
        self._answers += 1
        self.sample = clock_sample(answer.sent_ts, venue_ts, answer.local_ts)
        self._on_sample(self.sample)
