"""The market's side of trading: frames become rows, rows move prices and matchers, funding falls due. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from hftbacktest.types import TRADE_EVENT

from arb.sandbox.events import Listing
from arb.sandbox.funding import Funding
from arb.sandbox.matching.levels import LevelMatcher
from arb.sandbox.matching.matcher import Matcher, Rows
from arb.sandbox.matching.rows import VenueRows
from arb.sandbox.trading.desk import Desk
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.setup import TradingSetup
from connectors.model import FUNDING_EVENT
from connectors.units import MILLISECOND

#: Key of a frame that is a REST depth response; see `arb.sandbox.serve.tape`.
_SNAPSHOT = "snapshot"


class Frame(Protocol):
    """A frame as the server sends it: number of its listing, key of its stream, text."""

    @property
    def no(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def text(self) -> str: ...


class Source(Protocol):
    """The tape, as far as trading needs it."""

    @property
    def listings(self) -> Sequence[Listing]: ...

    def source_of(self, no: int, key: str) -> str | None:
        """The stream that serves a key, if any."""

    def snapshot(self, no: int) -> str | None:
        """A REST depth response of a Binance listing."""


class MarketSide:
    """The instruments of all venues, by the tape's numbers of the listings."""

    def __init__(self, source: Source, setup: TradingSetup, funding: Funding) -> None:
        """funding: of perpetuals whose frames carry none."""
        self._source = source
        self._listings = listings = source.listings
        self._funding = funding
        self._rows = [VenueRows(one, _keys_of(source, no)) for no, one in enumerate(listings)]
        self._matchers = [_matcher(listing, setup) for listing in listings]
        #: Whether frames must be looked at before they are sent.
        self.looks_ahead = setup.matching == "whole"
        #: Of each listing, the rows of its frames that were looked at and not yet sent.
        self._ahead: list[deque[Rows]] = [deque() for _ in listings]
        #: Desk and instrument of every listing; set by `join`.
        self._places: list[tuple[Desk, Instrument]] = []
        self._perpetuals: list[tuple[Desk, Instrument]] = []
        #: Those whose matcher has results between frames.
        self._timed: list[tuple[Desk, Instrument]] = []

    def matcher(self, no: int) -> Matcher:
        """The matcher of a listing."""
        return self._matchers[no]

    def join(self, desks: Mapping[str, Desk], now_ns: int) -> None:
        """Joins the listings to the desks. Called once, at the beginning of the sandbox's time."""
        for listing in self._listings:
            desk = desks[listing.venue]
            self._places.append((desk, desk.instruments[listing.symbol]))
        self._perpetuals = [place for place in self._places if not place[1].rules.is_spot]
        self._timed = self._places if self.looks_ahead else []
        for _, instrument in self._perpetuals:
            self._schedule(instrument, now_ns)

    @property
    def rows_late(self) -> int:
        """Rows that were known only after an order whose time they precede; 0 with `levels`."""
        return sum(getattr(matcher, "rows_late", 0) for matcher in self._matchers)

    def look_ahead(self, frame: Frame, sent_ns: int, now_ns: int) -> None:
        """A frame that will be sent at `sent_ns`: matching needs it now, prices follow when it is sent."""
        rows = self._decode(frame, sent_ns).copy()
        self._ahead[frame.no].append(rows)
        self._match(frame.no, rows, now_ns)

    def receive(self, frame: Frame, now_ns: int) -> None:
        """A frame that is sent now."""
        if self.looks_ahead:
            self.follow(self._places[frame.no][1], self._ahead[frame.no].popleft())
            return
        self._apply(frame.no, self._decode(frame, now_ns), now_ns)
        decoder = self._rows[frame.no]
        if frame.key != _SNAPSHOT and decoder.needs_snapshot:
            text = self._source.snapshot(frame.no)
            if text is not None:
                self._apply(frame.no, decoder.snapshot(text, now_ns), now_ns)

    def _decode(self, frame: Frame, sent_ns: int) -> Rows:
        decoder = self._rows[frame.no]
        if frame.key == _SNAPSHOT:
            return decoder.snapshot(frame.text, sent_ns)
        return decoder.receive(frame.key, frame.text, sent_ns)

    def _apply(self, no: int, rows: Rows, now_ns: int) -> None:
        if len(rows):
            self.follow(self._places[no][1], rows)
            self._match(no, rows, now_ns)

    def _match(self, no: int, rows: Rows, now_ns: int) -> None:
        desk, instrument = self._places[no]
        results = instrument.matcher.receive(rows, now_ns)
        if results:
            desk.settlement.settle(instrument, results, now_ns)

    def bring_to(self, now_ns: int) -> None:
        """Brings all books to this time; `advance` brings only those with results."""
        for desk, instrument in self._timed:
            if results := instrument.matcher.advance(now_ns):
                desk.settlement.settle(instrument, results, now_ns)

    def advance(self, to_ns: int) -> None:
        """Results of matchers, and funding of times before `to_ns`: after the rows and requests of its time."""
        for desk, instrument in self._timed:
            due_ns = instrument.matcher.next_due_ns()
            if due_ns is not None and due_ns <= to_ns:
                desk.settlement.settle(instrument, instrument.matcher.advance(to_ns), to_ns)
        for desk, instrument in self._perpetuals:
            if instrument.next_funding_ns < to_ns:
                due_ns, rate = instrument.next_funding_ns, instrument.funding_rate
                self._schedule(instrument, to_ns)
                if rate is not None and instrument.mark is not None:
                    desk.settlement.pay_funding(instrument, rate, due_ns, to_ns)

    def next_due_ns(self) -> int | None:
        due = [instrument.next_funding_ns + 1 for _, instrument in self._perpetuals]
        due += [due_ns for _, one in self._timed if (due_ns := one.matcher.next_due_ns()) is not None]
        return min(due, default=None)

    def follow(self, instrument: Instrument, rows: Rows) -> None:
        """Prices and funding of a frame's rows."""
        rules = instrument.rules
        for no, event in enumerate(rows["ev"].tolist()):
            kind = event & 0xFF
            if kind == TRADE_EVENT:
                _, at_ns, _, px, *_ = rows[no].item()
                instrument.on_trade(rules.price(round(px / float(rules.tick))), at_ns)
            elif kind == FUNDING_EVENT and not rules.is_spot:
                _, _, _, mark, _, _, next_ns, rate = rows[no].item()
                if mark == mark:
                    instrument.mark_price = Decimal(repr(mark))
                if rate == rate:
                    instrument.funding_rate = Decimal(repr(rate))
                    instrument.has_funding_data = True
                if next_ns > instrument.funded_ns:
                    instrument.next_funding_ns = next_ns

    def _schedule(self, instrument: Instrument, now_ns: int) -> None:
        """The next funding time after `now_ns`, where no frame names it."""
        now_ms = now_ns // MILLISECOND
        instrument.next_funding_ns = self._funding.next_ms(now_ms) * MILLISECOND
        if not instrument.has_funding_data:
            instrument.funding_rate = Decimal(self._funding.rate(now_ms))


def _keys_of(source: Source, no: int) -> Callable[[str], str | None]:
    return lambda key: source.source_of(no, key)


def _matcher(listing: Listing, setup: TradingSetup) -> Matcher:
    if setup.matching == "levels":
        return LevelMatcher(float(listing.tick_size), float(listing.lot_size))
    # It loads the compiled simulated exchange, which `levels` does not need.
    from arb.sandbox.matching.whole import WholeMatcher

    return WholeMatcher(listing, *setup.queues.get(listing.venue, ()))
