"""Watches the venues of a session: how far each is trusted, and what it has announced that ends trading there.

Nothing is opened at a venue whose score is low, that closes a connection, or that does not trade a symbol; resting
orders are cancelled before an announced end. What it reads are counts of desks, gate and session, a few times a second,
and once a minute the
venues' listings and announcements. The host's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from arb.execution.gate_feed import GateFeed
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from arb.risk.supervisor import OVER
from arb.risk.trust import VenueTrust
from arb.runtime.host import Host
from arb.runtime.listings import LISTINGS_S, listed
from arb.runtime.session import Session
from connectors.bybit.system_status import PATH, maintenance_of
from connectors.errors import DecodeError
from connectors.model import Listing, RestRequest
from connectors.net.rest import HttpRest
from connectors.text import one_line
from connectors.units import MILLISECOND, MINUTE, SECOND

#: Interval of the requests for listings.
LISTED_S = 60.0
#: Events of a desk that count as an error.
_ERRORS = ("away", "undecodable", "position differs", "line ends")

#: Cancels what rests at these legs of a venue from now on, and at no others.
Pull = Callable[[str, frozenset[int]], None]
#: Takes (event, text), for the journal.
Noted = Callable[[str, str], None]


class WatchTerms(NamedTuple):
    """trust_min: below this score nothing is opened; 0: whatever it is. lead_ns: how long before an announced end
    nothing is opened any more, and resting orders are cancelled. is_demo: the venues' demo accounts."""

    trust_min: float = 0.0
    lead_ns: int = MINUTE
    is_demo: bool = False


class VenueWatch:
    """One session. Call `look` every `supervision.LOOK_S`."""

    def __init__(self, legs: Sequence[Leg], terms: WatchTerms) -> None:
        self._legs = tuple(legs)
        self._terms = terms
        venues = dict.fromkeys(leg.venue for leg in legs)
        self.trust = {venue: VenueTrust() for venue in venues}
        #: By venue and cause, how often it was counted; by venue, until when it refused everything.
        self._seen: dict[tuple[str, str], int] = {}
        self._refused_ns = dict.fromkeys(venues, 0)
        #: By venue, its announced maintenance.
        self._maintenance: dict[str, tuple[int, str] | None] = {}
        #: By leg, when its trading ends, ns, and the words for it.
        self._ends: dict[int, tuple[int, str]] = {}
        #: By leg, how its venue's filters are not those that the session trades with.
        self.filters: dict[int, str] = {}
        #: By venue: the kind of reason for which nothing is opened; legs whose orders are cancelled.
        self._kinds = dict.fromkeys(venues, "")
        self._pulled: dict[str, frozenset[int]] = dict.fromkeys(venues, frozenset())

    def look(
        self, desks: Mapping[str, VenueDesk], feed: GateFeed, session: Session, pull: Pull, noted: Noted
    ) -> None:
        """Reads everything, and informs the gate. noted: receives (event, text) of what begins or ends."""
        now = session.now
        for leg, (at_ns, _) in self._ends.items():
            if now >= at_ns - self._terms.lead_ns:
                feed.gate.close_symbol(leg, now)
        for venue, desk in desks.items():
            self._count(venue, desk, feed, session, now)
            kind, text = self._reason(venue, desk, now)
            if kind != self._kinds[venue]:
                self._kinds[venue] = kind
                _report(session, noted, venue, f"{text}: nothing is opened" if kind else "")
            feed.gate.venues[venue].closed = text
            own = frozenset(desk.instruments) if desk.closing else frozenset(feed.gate.untraded(now))
            self._pull(venue, own & desk.instruments.keys(), session, pull, noted)

    def take(
        self,
        venue: str,
        listings: Mapping[str, Listing],
        now: int,
        maintenance: tuple[int, str] | None = None,
    ) -> None:
        """What a venue lists now of the symbols of its legs; one that is missing is not traded. maintenance: when it
        begins, ms, and its title."""
        for no, leg in enumerate(self._legs):
            if leg.venue != venue:
                continue
            listing = listings.get(leg.symbol)
            self.filters.pop(no, None)
            if listing is not None and (changed := ", ".join(_changed_filters(leg, listing))):
                self.filters[no] = f"{leg.name}: {changed}"
            if listing is None or not listing.is_trading:
                self._ends[no] = now, "it is not traded"
                continue
            known = [(listing.closes_ms, "its trading ends")] if listing.closes_ms else []
            if maintenance is not None:
                known.append((maintenance[0], f"maintenance ({one_line(maintenance[1])})"))
            if known:
                ends_ms, words = min(known)
                self._ends[no] = ends_ms * MILLISECOND, words
            else:
                self._ends.pop(no, None)

    async def follow_listings(self, host: Host, session: Session) -> None:
        """Takes the listings of the start, then asks for them again and again."""
        symbols = {venue: [leg.symbol for leg in self._legs if leg.venue == venue] for venue in self.trust}
        found = dict(host.listings)
        while True:
            for venue in symbols:
                listings = found.get(venue, "")
                if not isinstance(listings, str):  # else what is known stays
                    self.take(venue, listings, session.now, await self._announced(venue, host))
            await asyncio.sleep(LISTED_S)
            for venue, own in symbols.items():
                found[venue] = await listed(host.venues[venue], own, LISTINGS_S, host.hosts)

    async def _announced(self, venue: str, host: Host) -> tuple[int, str] | None:
        """When a venue's maintenance begins, and its title; without an answer what is known."""
        if not venue.startswith("bybit_"):
            return None
        rest = HttpRest(host.venues[venue].connection.rest_api_url, LISTINGS_S, host.hosts)
        try:
            answer = await rest.ask(RestRequest(PATH, 1))
        finally:
            await rest.close()
        with contextlib.suppress(DecodeError):  # no answer, or another form
            category = venue.removeprefix("bybit_")
            self._maintenance[venue] = maintenance_of(answer.body, category, is_demo=self._terms.is_demo)
        return self._maintenance.get(venue)

    def _reason(self, venue: str, desk: VenueDesk, now: int) -> tuple[str, str]:
        """Why nothing is opened at a venue: a kind, and the words."""
        if desk.closing:
            return "ends", f"the venue closes a connection ({', '.join(sorted(desk.closing))})"
        trust = self.trust[venue]
        if trust.score(now) < self._terms.trust_min:
            return "trust", f"trust is low: {trust.shown(now)}"
        return "", ""

    def _count(self, venue: str, desk: VenueDesk, feed: GateFeed, session: Session, now: int) -> None:
        """Lowers the score by what is new."""
        for cause, count in self._counts(venue, desk, feed, session):
            new = count - self._seen.get((venue, cause), 0)
            if new > 0:
                self._seen[venue, cause] = count
                self.trust[venue].lower(cause, new, now)
        if desk.stopped_until_ns > self._refused_ns[venue]:
            self._refused_ns[venue] = desk.stopped_until_ns
            self.trust[venue].lower("errors", 1, now)

    def _counts(
        self, venue: str, desk: VenueDesk, feed: GateFeed, session: Session
    ) -> Iterator[tuple[str, int]]:
        events = desk.facts.events
        yield "doubts", events["in doubt"]
        yield "errors", sum(events[name] for name in _ERRORS)
        yield "refusals", feed.refusals[venue]
        troubles = [one for leg, one in zip(self._legs, session.troubles, strict=True) if leg.venue == venue]
        yield "gaps", sum(gaps for gaps, _ in troubles)
        yield "late seconds", sum(late for _, late in troubles)

    def _pull(self, venue: str, legs: frozenset[int], session: Session, pull: Pull, noted: Noted) -> None:
        """Has the orders of these legs cancelled, and says so when that begins or ends."""
        before = self._pulled[venue]
        if legs == before:
            return
        self._pulled[venue] = legs
        for leg in sorted(legs - before):
            at_ns, words = self._ends.get(leg, (0, "the venue closes, or does not trade it"))
            in_s = (at_ns - session.now) / SECOND
            when = f" in {in_s:.0f} s" if in_s > 0 else ""
            _report(session, noted, self._legs[leg].name, f"{words}{when}: what rests is cancelled")
        for leg in sorted(before - legs):
            _report(session, noted, self._legs[leg].name, "")
        pull(venue, legs)


def _report(session: Session, noted: Noted, name: str, text: str) -> None:
    """Why nothing is opened at a venue or leg, for the log, and for the journal, where `arb status` reads it; "": it is
    over."""
    session.emit("venue", f"{name}: {text or 'open again'}")
    noted(f"venue {name}", text or OVER)


def _changed_filters(leg: Leg, listing: Listing) -> Iterator[str]:
    """The venue's steps that differ from the leg's, and its minima that are above them."""
    for name, own, listed_text, is_least in (
        ("tick_size", leg.tick_size, listing.tick_size, False),
        ("lot_size", leg.lot_size, listing.lot_size, False),
        ("min_qty", leg.min_qty, listing.min_qty, True),
        ("min_notional", leg.min_notional, listing.min_notional, True),
    ):
        theirs = float(listed_text or own)
        if theirs - own > 1e-9 * own or (not is_least and own - theirs > 1e-9 * own):
            yield f"{name} is {listed_text} now"
