"""What a session does about its venues: trust, connections that are closed, symbols not traded, announced ends.

On a clock of the test, over fakes of desks and session and the real gate.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from support.dry_market import leg

from arb.config.live_keys import Live
from arb.risk.exposure import GateLeg
from arb.risk.gate import Gate, GateRequest
from arb.risk.supervisor import OVER
from arb.runtime.venue_watch import VenueWatch, WatchTerms
from connectors.model import Listing
from connectors.orders.model import Act
from connectors.units import MILLISECOND, SECOND

VENUES = ("binance_usdm", "bybit_linear")
LEGS = [leg(no, venue=venue, is_spot=False, pair=0) for no, venue in enumerate(VENUES)]
BEGAN_NS = 1_700_000_000 * SECOND
LISTED = Listing("BTCUSDT", True, "0.1", "0.001", "0.001", "5")
#: The keys as they are without a configuration.
TERMS = WatchTerms(Live().trust_min, round(Live().closing_lead_s * SECOND))


class Desk:
    """A desk of one leg."""

    def __init__(self, no: int) -> None:
        self.instruments = {no: None}
        self.facts = SimpleNamespace(events=Counter[str]())
        self.stopped_until_ns = 0
        self.closing: set[str] = set()


class Watched:
    """A session at two venues."""

    def __init__(self, terms: WatchTerms = TERMS) -> None:
        legs = [
            GateLeg(one.venue, one.venue, 0, False, "BTC", "USDT", one.tick_size, one.lot_size)
            for one in LEGS
        ]
        self.gate = Gate(legs)
        for venue in VENUES:
            self.gate.exposure.set_balances(venue, {"USDT": 1e9}, {}, BEGAN_NS)
        self.feed = SimpleNamespace(gate=self.gate, refusals=Counter[str]())
        self.desks = {venue: Desk(no) for no, venue in enumerate(VENUES)}
        self.troubles = [(0, 0), (0, 0)]
        self.now = BEGAN_NS
        self.lines: list[str] = []
        #: The last text of each event for the journal.
        self.noted: dict[str, str] = {}
        self.pulls: list[tuple[str, list[int]]] = []
        self.watch = VenueWatch(LEGS, terms)

    def emit(self, event: str, text: str) -> None:
        self.lines.append(f"{event} {text}")

    def pass_time(self, seconds: float) -> list[str]:
        """Looks after a while; returns the lines."""
        self.now += round(seconds * SECOND)
        self.gate.beat(self.now)
        self.gate.reconciled(self.now)
        given: Any = self
        self.watch.look(self.desks, self.feed, given, self._pull, self._note)  # type: ignore[arg-type]
        lines, self.lines = self.lines, []
        return lines

    def _note(self, event: str, text: str) -> None:
        self.noted[event] = text

    def _pull(self, venue: str, legs: frozenset[int]) -> None:
        self.pulls.append((venue, sorted(legs)))

    def refusal(self, no: int = 0, side: int = 1) -> str:
        """Why the gate refuses an order, which is not sent."""
        request = GateRequest(no, Act.PLACE, 1, 1, side, 1000, 10, bid=999, ask=1000)
        (reason,) = self.gate.decide([request], self.now)
        self.gate.exposure.remove(no, 1)
        return reason


@pytest.mark.parametrize("cause", ["doubts", "refusals", "errors", "gaps", "late seconds", "bans"])
def test_nothing_is_opened_below_the_level_until_time_has_passed(cause: str) -> None:
    watched = Watched()
    desk = watched.desks[VENUES[0]]
    assert watched.pass_time(0) == []
    assert watched.refusal() == ""
    for no in range(1, 16):
        if cause == "doubts":
            desk.facts.events["in doubt"] += 1
        elif cause == "errors":
            desk.facts.events["undecodable" if no % 2 else "away"] += 1
        elif cause == "refusals":
            watched.feed.refusals[VENUES[0]] += 1
        elif cause == "bans":
            desk.stopped_until_ns = watched.now + SECOND
        else:
            watched.troubles[0] = (no, 0) if cause == "gaps" else (0, no)
        if lines := watched.pass_time(0.01):
            break
    cost, shown = {"doubts": (2.0, "doubts"), "refusals": (0.5, "refusals")}.get(cause, (1.0, cause))
    assert no == int(7.0 / cost) + 1
    name = "errors" if cause == "bans" else shown
    assert lines[0].startswith(f"venue {VENUES[0]}: trust is low: ")
    assert lines[0].endswith(f" of 10 ({no} {name}): nothing is opened")
    assert watched.refusal().startswith("trust is low: ")
    assert watched.refusal(1) == "", "another venue"
    watched.gate.exposure.set_position(0, -10)
    assert watched.refusal() == "", "it closes"
    watched.gate.exposure.set_position(0, 0)
    assert watched.pulls == []
    assert watched.pass_time(0.2) == []
    assert watched.pass_time(12.0) == [f"venue {VENUES[0]}: open again"]
    assert watched.refusal() == ""


def test_trust_that_is_switched_off() -> None:
    watched = Watched(WatchTerms(trust_min=0.0))
    watched.feed.refusals[VENUES[0]] = 100
    assert watched.pass_time(1) == []
    assert watched.refusal() == ""


def test_a_connection_that_its_venue_closes_is_waited_for_without_orders() -> None:
    watched = Watched()
    desk = watched.desks[VENUES[1]]
    desk.closing.add("t1")
    assert watched.pass_time(0.25) == [
        f"venue {VENUES[1]}: the venue closes a connection (t1): nothing is opened",
        f"venue {LEGS[1].name}: the venue closes, or does not trade it: what rests is cancelled",
    ]
    assert watched.pulls == [(VENUES[1], [1])]
    assert watched.refusal(1).startswith("the venue closes a connection")
    assert set(watched.noted) == {f"venue {VENUES[1]}", f"venue {LEGS[1].name}"}
    assert watched.refusal(0) == ""
    desk.closing.clear()
    assert len(watched.pass_time(0.25)) == 2
    assert watched.pulls[1:] == [(VENUES[1], [])]
    assert watched.noted == {f"venue {VENUES[1]}": OVER, f"venue {LEGS[1].name}": OVER}
    assert watched.refusal(1) == ""


def test_an_announced_end_of_trading_is_acted_on_before_it() -> None:
    watched = Watched(WatchTerms(lead_ns=20 * SECOND))
    closes_ms = (BEGAN_NS + 60 * SECOND) // MILLISECOND
    watched.watch.take(VENUES[0], {"BTCUSDT": LISTED._replace(closes_ms=closes_ms)}, watched.now)
    assert watched.pass_time(39.5) == []
    assert watched.refusal() == ""
    assert watched.pass_time(0.5) == [
        f"venue {LEGS[0].name}: its trading ends in 20 s: what rests is cancelled"
    ]
    assert watched.pulls == [(VENUES[0], [0])]
    assert watched.refusal() == "the venue does not trade the symbol now"
    watched.gate.exposure.set_position(0, -10)
    assert watched.refusal() == "", "what closes goes"
    watched.gate.exposure.set_position(0, 0)
    assert watched.pass_time(300) == []
    watched.watch.take(VENUES[0], {"BTCUSDT": LISTED}, watched.now)
    assert watched.pass_time(59) == []
    assert watched.pass_time(1) == [f"venue {LEGS[0].name}: open again"]


@pytest.mark.parametrize("listings", [{}, {"BTCUSDT": LISTED._replace(is_trading=False)}])
def test_a_symbol_that_is_not_listed_as_traded_is_closed_at_once(listings: dict[str, Listing]) -> None:
    watched = Watched()
    watched.watch.take(VENUES[1], listings, watched.now)
    assert watched.pass_time(0) == [f"venue {LEGS[1].name}: it is not traded: what rests is cancelled"]
    assert (watched.refusal(0), watched.refusal(1)) == ("", "the venue does not trade the symbol now")


def test_a_symbol_whose_orders_are_refused_as_closed_is_closed() -> None:
    watched = Watched()
    watched.gate.close_symbol(0, watched.now)
    (line,) = watched.pass_time(1)
    assert line.endswith("does not trade it: what rests is cancelled")
    assert watched.pulls == [(VENUES[0], [0])]
    assert len(watched.pass_time(60)) == 1
    assert watched.pulls[1:] == [(VENUES[0], [])]


def test_maintenance_counts_as_an_end_and_the_earlier_of_two_does() -> None:
    watched = Watched(WatchTerms(lead_ns=20 * SECOND))
    begins_ms = (BEGAN_NS + 60 * SECOND) // MILLISECOND
    closing = {"BTCUSDT": LISTED._replace(closes_ms=begins_ms + 50_000)}
    watched.watch.take(VENUES[1], closing, watched.now, (begins_ms, "an\nupgrade"))
    assert watched.pass_time(39) == []
    name = LEGS[1].name
    (line,) = watched.pass_time(2)
    assert line.startswith(f"venue {name}: maintenance (an")
    assert line.endswith("upgrade) in 19 s: what rests is cancelled")
    watched.watch.take(VENUES[1], {}, watched.now)
    watched.watch.take(VENUES[1], {"BTCUSDT": LISTED}, watched.now)
    assert watched.pass_time(60) == [f"venue {name}: open again"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"min_qty": "0.0005", "min_notional": "1"}, ""),
        ({"min_qty": "0.01"}, "min_qty is 0.01 now"),
        ({"min_notional": "5.5"}, "min_notional is 5.5 now"),
        ({"tick_size": "0.05", "lot_size": "0.01"}, "tick_size is 0.05 now, lot_size is 0.01 now"),
    ],
)
def test_filters_that_are_not_those_of_the_session_are_named(changes: dict[str, str], words: str) -> None:
    watched = Watched()
    watched.watch.take(VENUES[0], {"BTCUSDT": LISTED._replace(**changes)}, watched.now)
    assert watched.watch.filters == ({0: f"{LEGS[0].name}: {words}"} if words else {})
    watched.watch.take(VENUES[0], {"BTCUSDT": LISTED}, watched.now)
    assert watched.watch.filters == {}
