"""The venues' side of live rows: passes them to the simulated exchanges in the order of the venue's time, once certain.

Streams of one venue overtake each other: a row may arrive after rows with a later venue time. So a leg's rows are held
until the watermark has passed them: the latest venue time seen, less the allowed disorder, or the current time less the
longest delay, for a market without events. A row that arrives behind the watermark takes effect right after it; a
replay needs the watermark of such rows (`VenueSide.on_late`).

The exchanges' horizon is the smallest watermark of all legs, so that an order meets the book of its arrival time even
if rows of that time arrive after the response was due. Such a response is delayed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hftbacktest.types import EXCH_EVENT, event_dtype

from arb.simulation.bot import SimulatedExchanges
from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import Rows

_EXCH_FLAG = np.uint64(EXCH_EVENT)
_NO_ROWS: Rows = np.zeros(0, event_dtype)


class VenueOrder:
    """One leg's rows on their way to the venue's side. One thread; time is an argument.

    disorder_ns: how far a row's venue time may be before that of an earlier row. silence_ns: the longest delay of a
    row; the watermark follows the clock at this distance while nothing arrives.
    """

    def __init__(self, disorder_ns: int, silence_ns: int) -> None:
        if disorder_ns < 0 or silence_ns < 0:
            raise ValueError(f"no negative times, not {disorder_ns} and {silence_ns}")
        self._disorder_ns = disorder_ns
        self._silence_ns = silence_ns
        self._waiting: Rows = np.zeros(1024, event_dtype)
        self._count = 0
        self._latest = np.iinfo(np.int64).min
        self.watermark = -1

    @property
    def waiting(self) -> int:
        """Number of rows held until the watermark passes them."""
        return self._count

    def receive(self, rows: Rows) -> int:
        """Adds rows in the order of receipt; returns how many were behind the watermark."""
        needed = self._count + len(rows)
        if needed > len(self._waiting):
            grown = np.zeros(max(2 * len(self._waiting), needed), event_dtype)
            grown[: self._count] = self._waiting[: self._count]
            self._waiting = grown
        late, latest, self._count = _insert(rows, self._waiting, self._count, self.watermark)
        self._latest = max(self._latest, latest)
        return int(late)

    def release(self, now_ns: int) -> Rows:
        """Advances the watermark; returns the rows up to it, by venue time."""
        self.watermark = max(self.watermark, self._latest - self._disorder_ns, now_ns - self._silence_ns)
        if not self._count or self._waiting[0]["exch_ts"] > self.watermark:
            return _NO_ROWS
        released: Rows = _release(self._waiting, self._count, self.watermark)
        self._count -= len(released)
        return released


class VenueSide:
    """The simulated exchanges of a session on live data. The event loop's thread."""

    def __init__(self, exchanges: SimulatedExchanges, disorder_ns: int, silence_ns: int) -> None:
        """disorder_ns, silence_ns: of every leg's rows; see `VenueOrder`."""
        self._exchanges = exchanges
        self._orders = [VenueOrder(disorder_ns, silence_ns) for _ in exchanges.streams]
        self._now = -1
        #: The venue time up to which the exchanges have all rows.
        self.settled_ts = -1
        #: Called with (leg, number of rows, watermark) for rows that arrived behind the leg's watermark.
        self.on_late: Callable[[int, int, int], object] = lambda leg_no, rows, watermark: None

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """Adds rows of a leg in the order of receipt, after the bot has received them."""
        order = self._orders[leg_no]
        if late := order.receive(rows):
            self.on_late(leg_no, late, order.watermark)

    def on_time(self, now_ns: int) -> None:
        """Passes on the rows that the watermarks of `now_ns` have passed."""
        # The clock may be set back; the horizon never decreases, and is never later than the bot's.
        self._now = max(self._now, now_ns)
        for stream, order in zip(self._exchanges.streams, self._orders, strict=True):
            stream.append(order.release(now_ns))
        watermark = min(order.watermark for order in self._orders)
        self.settled_ts = max(self.settled_ts, min(watermark, self._now))
        self._exchanges.set_horizon(self.settled_ts)


@compiled
def _insert(rows, waiting, count, watermark):
    """Inserts rows into `waiting`, after those of the same venue time. Returns (late rows, latest time, count).

    Rows with LOCAL_ONLY are for the strategy only and are left out.
    """
    late = 0
    latest = np.iinfo(np.int64).min
    for index in range(len(rows)):
        if rows[index].ival == LOCAL_ONLY:
            continue
        exch_ts = rows[index].exch_ts
        if exch_ts <= watermark:
            # An order may already have been processed at the watermark itself.
            exch_ts = watermark + 1
            late += 1
        latest = max(latest, exch_ts)
        place = count
        count += 1
        while place > 0 and waiting[place - 1].exch_ts > exch_ts:
            waiting[place] = waiting[place - 1]
            place -= 1
        waiting[place] = rows[index]
        waiting[place].ev |= _EXCH_FLAG
        waiting[place].exch_ts = exch_ts
    return late, latest, count


@compiled
def _release(waiting, count, watermark):
    """Removes the rows up to the watermark; returns a copy of them."""
    done = 0
    while done < count and waiting[done].exch_ts <= watermark:
        done += 1
    released = waiting[:done].copy()
    for index in range(count - done):
        waiting[index] = waiting[done + index]
    return released
