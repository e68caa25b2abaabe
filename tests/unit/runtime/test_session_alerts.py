"""Each state of a session of which a message is sent begins and ends, over fakes of what is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arb.alerts.message import NEXT_STEPS, Origin, Transition, next_step
from arb.alerts.store import ALERTS_DB, AlertStore
from arb.config.alert_keys import ALERT_STATES, Alerts
from arb.journal.halts import Halt, clear_halt, set_halt
from arb.risk.supervisor import Answer, Change, Reading, Rule
from arb.runtime.session_alerts import Ending, SessionAlerts
from arb.runtime.session_halts import SessionHalts
from connectors.units import SECOND

NOW = 1_777_636_800 * SECOND
DAY = 86_400 * SECOND


class Watched:
    """A session with readings of the test."""

    def __init__(self, state: Path, **keys: Any) -> None:
        self.sent: list[Transition] = []
        self.state = state
        self.readings = {"doubt": Reading(0.0, ""), "unhedged": Reading(0.0, "")}
        expiries = {"bybit": NOW + 5 * DAY}
        self.alerts = SessionAlerts(
            Alerts(**{"key_days": 1.0, **keys}), SessionHalts(state, {}), expiries, self.sent.append
        )
        self.look()
        assert self.sent.pop() == Transition(1, keeps=())

    def look(self, *changes: Change, now: int = NOW) -> list[str]:
        """What is sent after a look."""
        before = len(self.sent)
        self.alerts.look(self.readings, changes, now)
        return [f"{'end' if one.is_over else 'begin'} {one.rule}: {one.text}" for one in self.sent[before:]]


def doubt(watched: Watched, *, holds: bool) -> None:
    watched.readings["doubt"] = Reading(10.1 if holds else 10.0, "binance_spot: arb-1: no answer")


def unhedged(watched: Watched, *, holds: bool) -> None:
    watched.readings["unhedged"] = Reading(3.1 if holds else 0.0, "the legs hold +1")


def halted(watched: Watched, *, holds: bool) -> None:
    if holds:
        set_halt(watched.state, Halt("", NOW, False, "arb halt"))
    else:
        clear_halt(watched.state, "")


@pytest.mark.parametrize(("rule", "make"), [("doubt", doubt), ("unhedged", unhedged), ("halted", halted)])
def test_a_state_begins_once_and_ends_once(tmp_path: Path, rule: str, make: Callable[..., None]) -> None:
    watched = Watched(tmp_path)
    make(watched, holds=True)
    (begun,) = watched.look()
    assert begun.startswith(f"begin {rule}: ")
    assert watched.look(now=NOW + SECOND) == []
    make(watched, holds=False)
    assert watched.look(now=NOW + 2 * SECOND) == [begun.replace("begin", "end")]
    assert [(one.number, one.since_ns) for one in watched.sent] == [(2, NOW), (3, NOW)]


def test_a_key_that_is_about_to_expire_begins_and_a_later_session_with_another_ends_it(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    assert watched.look(now=NOW + 4 * DAY) == []
    assert watched.look(now=NOW + 4 * DAY + SECOND) == [
        "begin key: the key of bybit expires 2026-05-06 12:00 UTC"
    ]
    sent: list[Transition] = []
    SessionAlerts(Alerts(), SessionHalts(tmp_path, {}), {}, sent.append).look({}, (), NOW)
    assert [one.keeps for one in sent] == [()], "the store ends what is not kept"


def test_what_holds_at_the_first_look_is_kept_from_earlier_sessions(tmp_path: Path) -> None:
    sent: list[Transition] = []
    alerts = SessionAlerts(Alerts(), SessionHalts(tmp_path, {}), {"bybit": NOW}, sent.append)
    alerts.look({}, (), NOW)
    assert (sent[0].keeps, sent[1].rule) == (("key",), "key")


def test_each_rule_of_the_supervisor_is_a_state_of_its_name(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    stale = Rule("stale", Answer.REDUCE, 30.0, "s")
    assert watched.look(Change(stale, True, "no data")) == ["begin supervisor stale: no data"]
    assert watched.look(Change(stale, False, "no data")) == ["end supervisor stale: no data"]


@pytest.mark.parametrize("rule", ["failed", "halted"])
def test_a_session_that_does_not_end_as_it_should(tmp_path: Path, rule: str) -> None:
    watched = Watched(tmp_path)
    watched.alerts.end(None, NOW)
    assert watched.sent == []
    watched.alerts.end(Ending(rule, "a reason"), NOW)
    assert [(one.rule, one.text, one.is_over) for one in watched.sent] == [(rule, "a reason", False)]


def test_what_is_not_hedged_at_the_end_is_a_state_at_once_and_over_if_it_is(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.alerts.balance("", NOW)
    assert watched.sent == []
    watched.alerts.balance("the legs hold +1", NOW)
    watched.alerts.balance("the legs hold +1", NOW)
    watched.alerts.balance("", NOW)
    assert [(one.rule, one.is_over) for one in watched.sent] == [("unhedged", False), ("unhedged", True)]


def test_a_flag_that_ends_the_session_is_one_state(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    halted(watched, holds=True)
    watched.alerts.end(Ending("halted", "by its limits"), NOW)
    assert [one.text for one in watched.sent] == ["all accounts: arb halt"]


def test_what_a_watcher_leaves_to_the_guard_has_no_laxer_limit(tmp_path: Path) -> None:
    rules = [
        Rule("memory", Answer.WARN, 4.0),
        Rule("disk", Answer.REDUCE, 1.0, is_least=True),
        Rule("margin", Answer.OFF, 50.0),
        Rule("failures", Answer.REDUCE, 6.0),
        Rule("clock", Answer.REDUCE, 500.0),
    ]
    found = SessionAlerts(Alerts(), SessionHalts(tmp_path, {}), {}, lambda transition: None, rules).reported
    named = ["supervisor memory", "supervisor clock"]
    assert found == ["halted", "failed", "lost", "doubt", "unhedged", "key", *named]
    keys = Alerts(states=("unhedged", "supervisor"), unhedged_s=6.0)
    few = SessionAlerts(keys, SessionHalts(tmp_path, {}), {}, lambda transition: None, rules[:2])
    assert few.reported == ["supervisor memory"]


def test_limits_and_rules_are_those_of_the_configuration(tmp_path: Path) -> None:
    watched = Watched(tmp_path, doubt_s=20.0, unhedged_s=1.0, states=("unhedged",))
    doubt(watched, holds=True)
    unhedged(watched, holds=True)
    halted(watched, holds=True)
    supervised = Change(Rule("stale", Answer.REDUCE), True, "no data")
    assert watched.look(supervised, now=NOW + 9 * DAY) == ["begin unhedged: the legs hold +1"]
    watched.alerts.end(Ending("failed", "a reason"), NOW)
    assert len(watched.sent) == 1
    later = Watched(tmp_path / "other", doubt_s=20.0)
    doubt(later, holds=True)
    assert later.look() == []


def test_a_later_session_ends_what_an_earlier_one_has_left(tmp_path: Path) -> None:
    store = AlertStore(tmp_path / ALERTS_DB, ["webhook"], pytest.fail)

    def session(number: int, expiries: dict[str, int]) -> SessionAlerts:
        origin = Origin(f"s1-{number}", "run", "sandbox", ())
        halts = SessionHalts(tmp_path, {})
        alerts = SessionAlerts(Alerts(), halts, expiries, lambda one: store.take(origin, one, NOW))
        alerts.look({"doubt": Reading(0.0, "")}, (), NOW)
        return alerts

    first = session(1, {"bybit": NOW})
    set_halt(tmp_path, Halt("", NOW, False, "arb halt"))
    first.end(Ending("failed", "a reason"), NOW)
    assert store.holding() == ["key", "halted", "failed"]
    clear_halt(tmp_path, "")
    session(2, {})
    assert store.holding() == []
    events = []
    while (one := store.next("webhook")) is not None:
        events.append(f"{one.message['event']} {one.message['rule']}")
        store.accepted("webhook", one.no)
    assert sorted(events[:3]) == ["begin failed", "begin halted", "begin key"]
    assert sorted(events[3:]) == ["end failed", "end halted", "end key"]
    store.close()


def test_each_rule_has_a_next_step() -> None:
    assert {*ALERT_STATES} - {"supervisor"} <= {*NEXT_STEPS}
    assert "[supervisor]" in next_step("supervisor stale")
