"""Rules of the supervisor begin above their limits, end below them, and say so once."""

from __future__ import annotations

import math

import pytest

from arb.risk.supervisor import Answer, Reading, Rule, Supervisor

STALE = Rule("stale", Answer.REDUCE, 5.0, "s")


def texts(supervisor: Supervisor, value: float) -> list[tuple[str, bool, str]]:
    return [
        (one.rule.name, one.has_begun, one.text)
        for one in supervisor.look({"stale": Reading(value, f"no data for {value:g} s")})
    ]


def test_a_rule_begins_and_ends_once() -> None:
    supervisor = Supervisor([STALE])
    assert [texts(supervisor, value) for value in (1.0, 5.0, 5.5, 9.0, 5.0, 4.0, 6.0)] == [
        [],
        [],
        [("stale", True, "no data for 5.5 s, limit 5 s")],
        [],
        [("stale", False, "no data for 5.5 s")],
        [],
        [("stale", True, "no data for 6 s, limit 5 s")],
    ]


def test_what_is_not_known_changes_nothing() -> None:
    supervisor = Supervisor([STALE])
    assert texts(supervisor, math.nan) == []
    texts(supervisor, 7.0)
    assert texts(supervisor, math.nan) == []
    assert supervisor.look({}) == []
    assert supervisor.reason == "supervisor stale: no data for 7 s"


@pytest.mark.parametrize("answer", Answer)
def test_all_but_a_warning_keep_legs_from_being_opened(answer: Answer) -> None:
    supervisor = Supervisor([STALE._replace(answer=answer)])
    texts(supervisor, 7.0)
    assert bool(supervisor.holding) == (answer is not Answer.OFF)
    assert bool(supervisor.reason) == (answer >= Answer.REDUCE)
