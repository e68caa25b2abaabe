"""Simulates a market of several venues and symbols around one shared price per symbol; emits its events in order.

Pure and seeded: all randomness is from the passed generator, and time moves only by `advance`, so a recording, a live
server and a test can all drive it. It must not know frames; `arb.sandbox.binance` and `bybit` derive those from its
events. One thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator

from arb.sandbox.book import Book
from arb.sandbox.events import Event, Listing
from arb.sandbox.flow import Flow
from arb.sandbox.price import Anchor, Dislocation, SharedPrice
from arb.sandbox.profiles import (
    BASIS_REVERSION_S,
    BASIS_SD_BPS,
    LEAD_S,
    LEADER_LAG_MS,
    MODEST,
    PROFILES,
    Dislocations,
)
from connectors.units import MILLISECOND, SECOND


class Market:
    """All books of the sandbox with their common clock.

    The events and their times do not depend on the step size of `advance`.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        prices: Mapping[str, float],
        chance: Generator,
        start_ns: int,
        dislocations: Dislocations = MODEST,
    ) -> None:
        """`prices`: the starting price of each symbol. Venues are those of `arb.sandbox.profiles`."""
        self.listings = tuple(listings)
        self._now = start_ns
        symbols = list(dict.fromkeys(listing.symbol for listing in listings))
        # The symbols' generators first, so that their prices do not depend on the listings.
        chances = chance.spawn(2 * len(symbols) + len(listings))
        self._prices = {
            symbol: SharedPrice(own, prices[symbol], start_ns)
            for symbol, own in zip(symbols, chances, strict=False)
        }
        self._instruments = [
            _Instrument(
                no, listing, self._prices[listing.symbol], prices[listing.symbol], own, start_ns, dislocations
            )
            for (no, listing), own in zip(enumerate(listings), chances[2 * len(symbols) :], strict=True)
        ]
        self._leads = {
            symbol: _Leads(own, [one for one in self._instruments if one.symbol == symbol])
            for symbol, own in zip(symbols, chances[len(symbols) :], strict=False)
        }
        self._due = [(instrument.next_ns(start_ns), no) for no, instrument in enumerate(self._instruments)]
        heapq.heapify(self._due)

    @property
    def now_ns(self) -> int:
        """The time up to which the market was simulated."""
        return self._now

    def book(self, no: int) -> Book:
        """The book of a listing, by its number; read-only."""
        return self._instruments[no].flow.book

    def advance(self, to_ns: int) -> list[Event]:
        """Simulates up to and including `to_ns`; returns the events in order."""
        events: list[Event] = []
        while self._due[0][0] <= to_ns:
            now, no = self._due[0]
            symbol = self.listings[no].symbol
            self._prices[symbol].advance(now)
            self._leads[symbol].advance(now)
            instrument = self._instruments[no]
            events += instrument.act(now)
            heapq.heapreplace(self._due, (instrument.next_ns(now), no))
        self._now = max(self._now, to_ns)
        return events

    def take(self, no: int, side: int, lots: int, limit_tick: int) -> list[Event]:
        """Executes an external taking order at the current time; see `Flow.take`."""
        return self._instruments[no].flow.take(self._now, side, lots, limit_tick)


class _Instrument:
    """One listing with its flow and its anchor."""

    def __init__(
        self,
        no: int,
        listing: Listing,
        price: SharedPrice,
        px: float,
        chance: Generator,
        start_ns: int,
        dislocations: Dislocations,
    ) -> None:
        self.symbol = listing.symbol
        self.profile = PROFILES[listing.venue]
        self._price = price
        self.anchor = Anchor(
            chance,
            price,
            Dislocation(chance, dislocations.interval_s, dislocations.size_bps, start_ns),
            basis_bps=self.profile.basis_bps,
            basis_sd_bps=BASIS_SD_BPS,
            basis_reversion_s=BASIS_REVERSION_S,
            start_ns=start_ns,
        )
        self.flow = Flow(no, listing, self.profile, chance, self.anchor.px(start_ns))
        self._mean_gap_ns = SECOND / self.profile.actions_per_s
        self._chance = chance

    def next_ns(self, now_ns: int) -> int:
        """The time of the next action after `now_ns`; sooner in a busy market."""
        gap_ns = self._chance.exponential(self._mean_gap_ns) / self._price.activity
        return now_ns + max(1, round(gap_ns))

    def act(self, now_ns: int) -> list[Event]:
        return self.flow.act(now_ns, self.anchor.px(now_ns))


class _Leads:
    """Selects the leading venue of one symbol, at random times; the other venues follow the shared price later."""

    def __init__(self, chance: Generator, instruments: Sequence[_Instrument]) -> None:
        self._chance = chance
        self._instruments = instruments
        self._next_change = 0

    def advance(self, now_ns: int) -> None:
        if now_ns < self._next_change:
            return
        self._next_change = now_ns + round(self._chance.exponential(LEAD_S) * SECOND)
        weights = np.array([instrument.profile.lead_weight for instrument in self._instruments])
        leader = int(self._chance.choice(len(weights), p=weights / weights.sum()))
        for no, instrument in enumerate(self._instruments):
            lag_ms = instrument.profile.lag_ms * self._chance.uniform(0.7, 1.3)
            instrument.anchor.lag_ns = round((LEADER_LAG_MS if no == leader else lag_ms) * MILLISECOND)
