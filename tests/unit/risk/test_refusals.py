"""Legs that are closed after refusals in a row."""

from __future__ import annotations

from arb.risk.refusals import FIRST_NS, LONGEST_NS, ClosedLegs, Part
from connectors.units import MILLISECOND, SECOND

OPENING, REDUCING, CANCEL = Part


def test_the_third_refusal_of_a_kind_closes_the_leg() -> None:
    legs = ClosedLegs()
    for now in (1, 2):
        legs.refused(0, OPENING, "-2010", now)
        assert legs.kind_of(0, OPENING, now) == ""
    legs.refused(0, OPENING, "-2010", 3)
    assert legs.kind_of(0, OPENING, 3 + FIRST_NS - 1) == "-2010"
    assert legs.kind_of(0, OPENING, 3 + FIRST_NS) == ""
    assert legs.kind_of(0, REDUCING, 3) == legs.kind_of(1, OPENING, 3) == ""


def test_kinds_in_turn_do_not_close_it() -> None:
    legs = ClosedLegs()
    for now in range(30):
        legs.refused(0, OPENING, "even" if now % 2 else "odd", now)
        assert legs.kind_of(0, OPENING, now) == ""


def test_the_time_doubles_up_to_ten_seconds() -> None:
    legs, now, spans = ClosedLegs(), 0, []
    for _ in range(3):
        legs.refused(0, OPENING, "-1013", now)
    for _ in range(10):
        end = now
        while legs.kind_of(0, OPENING, end):
            end += MILLISECOND
        spans.append((end - now) // MILLISECOND)
        now = end
        legs.refused(0, OPENING, "-1013", now)
    assert spans == [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]
    assert LONGEST_NS[OPENING] == 10 * SECOND


def test_refusals_of_requests_that_were_on_their_way_do_not_double_it() -> None:
    legs = ClosedLegs()
    for _ in range(10):
        legs.refused(0, OPENING, "-2010", 0)
    assert legs.kind_of(0, OPENING, FIRST_NS) == ""
    legs.refused(0, OPENING, "-2010", FIRST_NS)
    assert legs.kind_of(0, OPENING, 3 * FIRST_NS - 1) == "-2010"
    assert legs.kind_of(0, OPENING, 3 * FIRST_NS) == ""


def test_an_accepted_order_opens_it() -> None:
    legs = ClosedLegs()
    for _ in range(3):
        legs.refused(0, OPENING, "-2010", 0)
    legs.accepted(0, REDUCING)
    assert legs.kind_of(0, OPENING, 0) == "-2010"
    legs.accepted(0, OPENING)
    assert legs.kind_of(0, OPENING, 0) == ""
    for _ in range(2):
        legs.refused(0, OPENING, "-2010", 0)
    assert legs.kind_of(0, OPENING, 0) == ""


def test_cancellations_wait_for_a_second_at_most() -> None:
    legs = ClosedLegs()
    for now in (0, 0, 0, FIRST_NS, 3 * FIRST_NS, 7 * FIRST_NS, 15 * FIRST_NS):
        legs.refused(0, CANCEL, "-1021", now)
    assert legs.kind_of(0, CANCEL, 15 * FIRST_NS + SECOND - 1) == "-1021"
    assert legs.kind_of(0, CANCEL, 15 * FIRST_NS + SECOND) == ""
    assert legs.kind_of(0, OPENING, 0) == legs.kind_of(0, REDUCING, 0) == ""
