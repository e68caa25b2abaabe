"""Requests the venue's time periodically. No clock and no socket of its own. One thread."""

from __future__ import annotations

from collections.abc import Callable

from connectors.errors import DecodeError
from connectors.feed.lags import ClockSample, clock_sample
from connectors.model import Venue
from connectors.net.interfaces import Rest, RestAnswer
from connectors.net.rate_limit import Limiter
from connectors.units import SECOND

#: Number of requests at the start, and their interval: a single response may be wrong.
FIRST_ASKS = 3
FIRST_NS = SECOND
#: Delay until the next request if the first ones were not answered.
RETRY_NS = 30 * SECOND


class VenueTime:
    """Requests one venue's time and reports clock samples."""

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        weights: Limiter,
        every_ns: int,
        on_sample: Callable[[ClockSample], None],
    ) -> None:
        """`weights`: the venue's request limit, shared with its other users; `every_ns` 0: no requests."""
        self._venue = venue
        self._rest = rest
        self._weights = weights
        self._every_ns = every_ns
        self._on_sample = on_sample
        self._due_ns = 0
        self._asks = self._answers = 0
        #: The last sample; None: none yet.
        self.sample: ClockSample | None = None

    def look(self, now_ns: int) -> None:
        """Sends a request if one is due and the venue's limit allows it."""
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
