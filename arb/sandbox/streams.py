"""Base of the simulated venues' streams: number formats, frames, times of publication.

A venue's streams derive one instrument's frames from its events only: they keep their own book, like a venue's
publisher, so frames never depend on the market's current state. Pure; one thread.
"""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from numpy.random import Generator

from arb.errors import InvariantError
from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID, Event, Execution, LevelChange, Listing
from arb.sandbox.funding import Funding
from connectors.units import MILLISECOND

#: Most cached number texts; at the limit the cache is cleared.
_TEXTS_MAX = 1 << 15


Touch = tuple[int, int, int, int]


class Frame(NamedTuple):
    """A frame and its send time."""

    send_ns: int
    text: str


def step_text(step: str, decimals_min: int = 0) -> Callable[[int], str]:
    """Formats a whole number of steps, from 0, exactly: with the decimals of the step, or `decimals_min` if more."""
    size = Decimal(step)
    exponent = size.as_tuple().exponent
    if not isinstance(exponent, int) or size <= 0:
        raise InvariantError(f"{step!r} is no step")
    decimals = max(decimals_min, -exponent)
    # Numbers repeat often: a dict returns cached texts without a Python call.
    return _Texts(int(size.scaleb(decimals)), decimals).__getitem__


class _Texts(dict[int, str]):
    """Cache of number texts; cleared at `_TEXTS_MAX`."""

    def __init__(self, units: int, decimals: int) -> None:
        super().__init__()
        self._units = units
        self._one = 10**decimals
        self._form = f"%d.%0{decimals}d" if decimals else "%d"

    def __missing__(self, steps: int) -> str:
        units = steps * self._units
        text = self._form % (units if self._one == 1 else divmod(units, self._one))
        if len(self) >= _TEXTS_MAX:
            self.clear()
        self[steps] = text
        return text


class Lag:
    """Delay of a venue's stream from the matching engine to the wire; keeps the order of frames."""

    def __init__(self, chance: Generator, median_ms: float) -> None:
        self._chance = chance
        self._median_ns = median_ms * MILLISECOND
        self._last = 0

    def send_ns(self, at_ns: int) -> int:
        """The send time of an event at `at_ns`."""
        delay = self._median_ns * math.exp(0.5 * self._chance.standard_normal())
        self._last = max(self._last + 1, at_ns + round(delay))
        return self._last


class Streams(ABC):
    """One instrument's streams. A venue's class defines what is sent at an event and at its times of publication."""

    def __init__(self, listing: Listing, book: Book, start_ns: int, decimals_min: int = 0) -> None:
        """`book`: the instrument's book at `start_ns`; it is copied. `decimals_min`: of prices and quantities."""
        self.book = book.copy()
        self._symbol = listing.symbol
        self._px = step_text(listing.tick_size, decimals_min)
        self._qty = step_text(listing.lot_size, decimals_min)
        self._now = start_ns
        self._frames: list[Frame] = []
        #: Frames of mark price and funding, which have a connection of their own.
        self._marks: list[Frame] = []
        #: Publications: the next time, a number, the interval and what to call. A heap.
        self._clocks: list[tuple[int, int, int, Callable[[int], None]]] = []
        #: Converts a market time in ns to the ms in frames. A server with another clock replaces it.
        self.stamp: Callable[[int], int] = _ms
        #: Time of the last change of a level.
        self.last_change_ns = start_ns
        #: Best bid and its lots, best ask and its lots.
        self.touch = touch_of(self.book)
        #: Tick of the last trade, which is the mark price too; before the first one the best bid.
        self.last_tick = self.touch[0]

    def advance(self, events: Iterable[Event], to_ns: int) -> list[Frame]:
        """The frames for the instrument's events up to `to_ns`; sorted within each stream, not across streams."""
        for event in events:
            self._publish_until(event.at_ns)
            self._now = event.at_ns
            self._receive(event)
        # All changes at `to_ns` itself are applied by now.
        self._publish_until(to_ns + 1)
        self._now = to_ns
        frames, self._frames = self._frames, []
        return frames

    @abstractmethod
    def on_change(self, change: LevelChange) -> None:
        """A level changed; `book` already includes it."""

    @abstractmethod
    def on_touch(self, at_ns: int) -> None:
        """Price or quantity of the touch changed."""

    @abstractmethod
    def on_execution(self, execution: Execution) -> None:
        """A taking order was executed; `book` does not include it yet."""

    @abstractmethod
    def add_depths(self, chance: Generator) -> None:
        """Adds the depth streams that a recorder does not subscribe to. Call it before the first `advance`."""

    @abstractmethod
    def add_funding(self, funding: Funding, chance: Generator) -> None:
        """Adds the stream of mark price and funding of a perpetual, for `take_marks`. Call it like `add_depths`."""

    def take_marks(self) -> list[Frame]:
        """The frames of mark price and funding since the last call."""
        marks, self._marks = self._marks, []
        return marks

    @property
    @abstractmethod
    def keys(self) -> frozenset[str]:
        """The names of the streams."""

    def snapshot(self) -> str | None:
        """The current response of the REST depth endpoint, for venues whose books begin with one."""
        return None

    def send(self, send_ns: int, text: str) -> None:
        self._frames.append(Frame(send_ns, text))

    def send_mark(self, send_ns: int, text: str) -> None:
        self._marks.append(Frame(send_ns, text))

    def every(self, interval_ns: int, chance: Generator, publish: Callable[[int], None]) -> None:
        """Calls `publish` with the time, once per interval, from a random time within the first one on."""
        first_ns = self._now + int(chance.integers(1, interval_ns))
        heapq.heappush(self._clocks, (first_ns, len(self._clocks), interval_ns, publish))

    def levels_text(self, levels: Iterable[tuple[int, int]]) -> str:
        """Levels of (tick, lots) as in JSON lists."""
        px, qty = self._px, self._qty
        return ",".join([f'["{px(tick)}","{qty(lots)}"]' for tick, lots in levels])

    def _receive(self, event: Event) -> None:
        if isinstance(event, Execution):
            self.on_execution(event)
            self.last_tick = event.fills[-1][0]
            return
        self.book.set(event.side, event.tick, event.lots)
        self.last_change_ns = event.at_ns
        self.on_change(event)
        bid, _, ask, _ = self.touch
        if event.tick >= bid if event.side == BID else event.tick <= ask:
            self._update_touch(event.at_ns)

    def _publish_until(self, before_ns: int) -> None:
        """Runs publications before `before_ns`, in order: events at the time of one precede it."""
        while self._clocks[0][0] < before_ns:
            now, no, interval_ns, publish = self._clocks[0]
            heapq.heapreplace(self._clocks, (now + interval_ns, no, interval_ns, publish))
            publish(now)

    def _update_touch(self, at_ns: int) -> None:
        touch = touch_of(self.book)
        if touch != self.touch:
            self.touch = touch
            self.on_touch(at_ns)


def touch_of(book: Book) -> Touch:
    """Best bid and its lots, best ask and its lots."""
    bid, ask = book.best(BID), book.best(ASK)
    return bid, book.lots(BID, bid), ask, book.lots(ASK, ask)


def _ms(ns: int) -> int:
    return ns // MILLISECOND
