"""States of sessions over restarts of their watcher, beside a guard, and at the end of a session."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.alert_world import AlertWorld
from support.paths import ROOT
from support.watched_folders import WatchedFolder

from arb.alerts.conditions import condition_of
from arb.alerts.message import scope_of
from arb.alerts.metrics import METRICS
from arb.alerts.rules import SHIPPED
from arb.errors import InputError
from arb.watch import sessions as watched_sessions
from connectors.units import SECOND


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AlertWorld]:
    made = AlertWorld(tmp_path)
    yield made
    made.close()


def test_what_the_guard_of_a_session_reports_is_left_to_it(world: AlertWorld) -> None:
    world.pass_s(unhedged_s=9.0, halted="a person", memory_gb=9.0, reported=["unhedged", "supervisor memory"])
    assert world.texts == ["begin halted"]
    world.session.kill()
    world.pass_s(1, reported=["unhedged", "supervisor memory", "lost", "halted"])
    later(world, 9)
    assert "begin lost" not in world.texts


def test_a_rule_whose_limit_the_user_changes_is_not_left_to_the_guard(tmp_path: Path) -> None:
    own = SHIPPED["unhedged"]._replace(when=condition_of("unhedged_s > 1", METRICS), state="")
    world = AlertWorld(tmp_path, [own])
    world.pass_s(unhedged_s=2.0, reported=["unhedged"])
    assert world.texts == ["begin unhedged"]
    world.close()


def test_a_watcher_that_was_killed_repeats_nothing_and_finds_what_is_over(world: AlertWorld) -> None:
    world.pass_s(drawdown_quote=450.0, unhedged_s=6.0)
    for _ in range(3):
        world.happens("reversed", attempt=1, profit=-90.0)
    world.look()
    first = ["begin drawdown", "begin unhedged", "begin attempt_loss", "begin reversed"]
    assert sorted(world.texts) == sorted(first)
    world.restart()
    world.pass_s(3)
    assert len(world.texts) == len(first)
    # While no watcher runs, one state ends, and another one does so twice and begins once.
    world.changed["unhedged_s"] = 0.0
    for kind, profit in (("hedged", 1.0), ("reversed", -95.0), ("missed", 0.0)):
        world.now_ns += SECOND
        world.happens(kind, attempt=2, profit=profit)
    world.restart()
    world.pass_s(3)
    later_ones = world.texts[len(first) :]
    assert later_ones == [
        "end reversed", "end attempt_loss", "begin attempt_loss", "end attempt_loss", "end unhedged"
    ]  # fmt: skip
    world.restart()
    world.pass_s(3)
    assert len(world.texts) == len(first) + len(later_ones)
    ids = [message["id"] for message in world.messages()]
    assert len({*ids}) == len(ids)


def test_a_watcher_that_was_killed_reports_sessions_that_ended_meanwhile(world: AlertWorld) -> None:
    world.pass_s(3)
    world.session.end({}, "failed")
    other = WatchedFolder(world.root / "run-2")
    world.session = other
    world.pass_s(1)
    world.restart()
    other.kill()
    later(world, 70)
    world.restart()
    later(world, 1)
    later(world, 1)
    assert sorted(world.texts) == ["begin failed", "begin lost"]
    world.restart()
    later(world, 1)
    assert len(world.texts) == 2


@pytest.mark.parametrize("is_killed", [False, True])
def test_events_of_a_session_that_ended_while_no_watcher_ran_are_reported(
    world: AlertWorld, is_killed: bool
) -> None:
    world.pass_s(3)
    world.happens("reversed", attempt=1, profit=-90.0)
    if is_killed:
        world.session.kill()
    else:
        world.session.end({}, "ended")
    for _ in range(2):
        world.restart()
        later(world, 9)
        later(world, 2)
    # Of a killed one it holds until its folder is finished.
    last = "begin lost" if is_killed else "end attempt_loss"
    assert world.texts == ["begin attempt_loss", last]


@pytest.mark.parametrize("is_known", [False, True])
def test_events_that_could_not_be_read_when_a_session_ended_are_reported_later(
    world: AlertWorld, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, position: object) -> None:
        raise InputError(f"{folder}: cannot be read: Permission denied")

    world.pass_s(3)
    if is_known:
        world.happens("missed", attempt=1)
        world.look()
    with monkeypatch.context() as locked:
        locked.setattr(watched_sessions, "read_events", refuse)
        world.happens("reversed", attempt=2, profit=-90.0)
        world.session.kill()
        if not is_known:
            world.restart()
        later(world, 9)
        later(world, 2)
        assert world.texts == ["begin lost"]
    for _ in range(3):
        later(world, 6)
    assert world.texts == ["begin lost", "begin attempt_loss"]


def test_events_before_the_first_status_are_taken_once(world: AlertWorld) -> None:
    for _ in range(3):
        world.happens("reversed", attempt=1, profit=0.0)
    world.look()
    assert world.texts == []
    world.pass_s(2)
    assert world.texts == ["begin reversed"]
    world.restart()
    world.pass_s(2)
    assert world.texts == ["begin reversed"]


def test_orders_that_the_venue_refused_are_found_also_while_no_watcher_runs(world: AlertWorld) -> None:
    world.pass_s()
    for number in range(25):
        world.happens("order", leg="a", order_id=number)
        if number in (3, 9):
            world.happens("rejected", leg="a", order_id=number)
    world.restart()
    world.pass_s()
    assert world.texts == ["begin orders_failed"]
    assert world.messages()[0]["text"] == "2 of the last 20 orders were refused; limit 5 percent"


def test_the_end_of_a_session_that_its_guard_reports_is_left_to_it_afterwards_too(world: AlertWorld) -> None:
    world.pass_s(3, reported=["halted", "failed", "lost"])
    world.session.end({}, "failed")
    world.restart()
    later(world, 2)
    later(world, 2)
    assert world.texts == []


def test_alarms_of_a_session_are_counted_once_over_restarts_of_the_watcher(world: AlertWorld) -> None:
    def alarms() -> dict[str, tuple[int, bool]]:
        return {
            name: (one.begun, one.is_over) for name, one in world.alerts.alarms(world.session.path).items()
        }

    world.pass_s(drawdown_quote=450.0)
    for kind in ("reversed", "hedged", "reversed"):
        world.happens(kind, attempt=1, profit=-90.0 if kind == "reversed" else 1.0)
    world.look()
    expected = {"drawdown": (1, False), "attempt_loss": (2, False)}
    assert alarms() == expected
    world.restart()
    world.pass_s(2)
    assert alarms() == expected
    world.pass_s(drawdown_quote=0.0)
    assert alarms() == expected | {"drawdown": (1, True)}
    assert world.store.known().alarms[scope_of(world.session.path)] == world.alerts.alarms(world.session.path)


def test_more_than_channels_can_have_waiting_is_sent_bit_by_bit(world: AlertWorld) -> None:
    world.pass_s()
    room = [0]
    world.alerts._room = lambda: room[0]
    for number in range(40):
        world.happens("reversed" if number % 2 else "hedged", attempt=1, profit=-90.0 if number % 2 else 1.0)
    world.look()
    assert world.texts == []
    for expected in (8, 16):
        room[0] = 8
        world.look()
        assert len(world.texts) == expected
    world.restart()
    world.look()
    assert len(world.texts) == 39
    assert len({message["id"] for message in world.messages()}) == 39


def test_the_first_watcher_of_all_reports_nothing_that_is_long_over(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path / "runs" / "run-0")
    folder.end({}, "failed")
    killed = WatchedFolder(tmp_path / "runs" / "run-9")
    killed.write_status(time_ns=1_767_225_600 * SECOND)
    killed.kill()
    os.utime(killed.path / "session.lock", (1_767_225_600, 1_767_225_600))
    world = AlertWorld(tmp_path)
    world.pass_s(3)
    assert world.texts == []
    world.close()


def test_the_end_of_a_session_ends_its_states_but_not_how_it_ended(world: AlertWorld) -> None:
    world.pass_s(drawdown_quote=450.0, halted="the drawdown")
    assert sorted(world.texts) == ["begin drawdown", "begin halted"]
    world.session.end({}, "halted")
    later(world, 2)
    later(world, 60)
    assert world.texts[2:] == ["end drawdown"]
    assert world.messages()[-1]["text"] == "the session has ended"
    world.session = WatchedFolder(world.root / "run-2")
    world.began_ns = world.now_ns
    world.changed.clear()
    world.pass_s(2)
    assert world.texts[3:] == ["end halted"]


def test_a_killed_session_keeps_its_states_until_its_folder_is_finished(world: AlertWorld) -> None:
    world.pass_s(6, unhedged_s=6.0)
    world.session.kill()
    later(world, 3)
    assert world.texts == ["begin unhedged", "begin lost"]
    assert world.messages()[-1]["text"] == "its process is gone without its end"
    (world.session.path / "session.lock").touch()
    world.session.end({}, "interrupted")
    later(world, 2)
    assert sorted(world.texts[2:]) == ["end lost", "end unhedged"]


def test_states_of_a_folder_that_is_gone_end(world: AlertWorld) -> None:
    world.pass_s(unhedged_s=6.0)
    for path in world.session.path.iterdir():
        path.unlink()
    world.session.path.rmdir()
    world.restart()
    later(world, 2)
    assert world.texts == ["begin unhedged", "end unhedged"]
    assert world.messages()[-1]["text"] == "its folder is gone"


def test_a_rule_that_is_switched_off_ends_its_state(world: AlertWorld) -> None:
    world.pass_s(unhedged_s=6.0)
    world.rules = [rule for rule in world.rules if rule.name != "unhedged"]
    world.restart()
    world.pass_s()
    assert world.texts == ["begin unhedged", "end unhedged"]


def test_a_channel_receives_what_is_for_it(tmp_path: Path) -> None:
    rules = [SHIPPED["unhedged"]._replace(to=("MAIL",)), SHIPPED["memory"]]
    world = AlertWorld(tmp_path, rules)
    world.pass_s(unhedged_s=6.0, memory_gb=9.0)
    world.pass_s(unhedged_s=0.0)
    assert world.texts == ["begin memory"]
    world._messages.clear()
    assert [one["rule"] for one in world.messages("apprise MAIL")] == ["unhedged", "memory", "unhedged"]
    world.close()


def test_a_state_that_flaps_is_held_as_its_rule_says(tmp_path: Path) -> None:
    world = AlertWorld(tmp_path, [SHIPPED["unhedged"]])
    world.rules = [rule._replace(every_s=60.0) for rule in world.rules]
    world.restart()
    for _ in range(5):
        world.pass_s(unhedged_s=6.0)
        world.pass_s(unhedged_s=0.0)
    assert world.texts == ["begin unhedged", "end unhedged"]
    world.pass_s(60)
    world.store.release(world.now_ns)
    assert world.texts == ["begin unhedged", "end unhedged"] * 2
    assert "4 times since the last message" in world.messages()[2]["text"]
    world.close()


def later(world: AlertWorld, seconds: float) -> None:
    """Time passes without a status."""
    world.now_ns += round(seconds * SECOND)
    world.look()


def test_the_page_lists_the_rules_and_metrics() -> None:
    lines = (ROOT / "docs" / "alerts.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert [row[:4] for row in rows if len(row) == 5] == [
        [f"`{rule.name}`", f"`{rule.when}`", f"{rule.for_s:g} s" if rule.for_s else "-", rule.level]
        for rule in SHIPPED.values()
    ]
    assert [row for row in rows if len(row) == 3] == [
        [f"`{name}`", metric.unit or "-", metric.text] for name, metric in METRICS.items()
    ]
    (stepped,) = [line for line in lines if "are compared at every event" in line]
    assert re.findall("`(.*?)`", stepped) == [name for name, metric in METRICS.items() if metric.is_stepped]
