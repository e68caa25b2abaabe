"""Venues that fall silent while orders are open there: when they are named, and when nothing is opened there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from arb.runtime.guard_plan import SILENT_MARK, Pulse
from arb.runtime.silence import VenueSilence
from connectors.units import MILLISECOND

LOOK_NS = 100 * MILLISECOND
VENUE, OTHER = "binance_spot", "bybit_spot"


class Lines:
    """The connections of a venue. answers: whether pings are answered, before the next look."""

    def __init__(self) -> None:
        self.answers = True
        self.pings = 0
        self.is_noisy = False
        self._has_answer = False

    def probe(self, *, is_pinging: bool) -> bool:
        found, self._has_answer = self._has_answer or self.is_noisy, False
        if is_pinging:
            self.pings += 1
            self._has_answer = self.answers
        return found


class World:
    """Two venues with an open order at the first."""

    def __init__(self) -> None:
        self.desks: Any = {
            venue: SimpleNamespace(orders=SimpleNamespace(open={}), is_up=True) for venue in (VENUE, OTHER)
        }
        self.lines: Any = {venue: Lines() for venue in (VENUE, OTHER)}
        self.silence = VenueSilence(self.desks, self.lines, 1_000)
        self.now_ns = 0
        self.desks[VENUE].orders.open["arb-1"] = None

    def look(self, looks: int = 1, step_ns: int = LOOK_NS) -> list[list[str]]:
        found = []
        for _ in range(looks):
            self.now_ns += step_ns
            found.append(self.silence.look(self.now_ns))
        return found


def test_a_quiet_venue_that_answers_pings_is_never_silent() -> None:
    world = World()
    assert world.look(100) == [[]] * 100
    assert world.lines[VENUE].pings == 34, "at most five in a second"
    assert world.lines[OTHER].pings == 0, "no order is open there"
    assert world.silence.reasons() == {}


def test_a_venue_that_sends_nothing_is_named_after_a_second_and_a_half_until_it_is_received_again() -> None:
    world = World()
    world.look(9)
    world.lines[VENUE].answers = False
    found = world.look(20)
    assert found.index([f"{VENUE}{SILENT_MARK}"]) <= 17
    assert found[:14] == [[]] * 14
    assert list(world.silence.reasons()) == [VENUE]
    world.lines[VENUE].is_noisy = True
    assert world.look() == [[]]
    assert world.silence.reasons() == {}


def test_messages_are_signs_of_life_too() -> None:
    world = World()
    world.lines[VENUE].answers, world.lines[VENUE].is_noisy = False, True
    assert world.look(30) == [[]] * 30


def test_a_session_that_did_not_run_has_received_nothing_either() -> None:
    world = World()
    world.look(3)
    # Five times in a row the loop is late by two seconds, and looks before it has read.
    world.lines[VENUE].answers = False
    assert world.look(5, 2_000 * MILLISECOND) == [[]] * 5
    world.lines[VENUE].answers = True
    assert world.look(20) == [[]] * 20


def test_without_open_orders_nothing_is_counted_and_without_a_stream_the_venue_is_away() -> None:
    world = World()
    world.lines[VENUE].answers = False
    world.look(13)
    world.desks[VENUE].orders.open.clear()
    assert world.look(20) == [[]] * 20
    world.desks[VENUE].orders.open["arb-2"] = None
    assert world.look(13) == [[]] * 13
    world.desks[VENUE].is_up = False
    assert world.look(2) == [[VENUE]] * 2
    assert world.silence.reasons() == {}


def test_the_guard_cancels_at_a_silent_venue_at_once() -> None:
    pulse = Pulse(1_000, is_armed=True)
    assert pulse.receive(f"beat 1 {OTHER} {VENUE}{SILENT_MARK}") == "beat 1"
    pulse.look(LOOK_NS)
    assert pulse.unattended == [VENUE]
    pulse.receive(f"beat 2 {OTHER}")
    assert pulse.unattended == []
