"""Every shipped rule of alerts is fired and ended by a scripted session; without the rule nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.alert_world import AlertWorld
from support.watched_folders import LEGS, WatchedFolder

from arb.alerts.rules import SHIPPED
from connectors.units import SECOND

#: Makes a rule begin, and makes it end.
Scenario = tuple[Callable[[AlertWorld], None], Callable[[AlertWorld], None]]


def leg_state(after_s: float, **changed: object) -> Scenario:
    """The first leg differs for so long that the rule begins, and not before."""

    def begin(world: AlertWorld) -> None:
        world.legs(**changed)
        lasts(world, after_s)

    return begin, back_to("legs")


def figure(after_s: float, **changed: object) -> Scenario:
    """A figure of the status differs."""

    def begin(world: AlertWorld) -> None:
        world.changed.update(changed)
        lasts(world, after_s)

    return begin, back_to(*changed)


def lasts(world: AlertWorld, after_s: float) -> None:
    """It is so for `after_s`; nothing was sent before."""
    if after_s:
        world.pass_s(after_s)
        assert world.texts == []
    world.pass_s()


def back_to(*names: str) -> Callable[[AlertWorld], None]:
    """The figures are calm again."""

    def end(world: AlertWorld) -> None:
        for name in names:
            del world.changed[name]
        world.pass_s()

    return end


def edge_over(world: AlertWorld) -> None:
    world.edge(199.0)
    world.pass_s()
    assert world.texts == []
    world.edge(201.0)
    world.pass_s()


def slow_feed(world: AlertWorld) -> None:
    world.pass_s(60)
    world.legs(lag_ms=1_500.0)
    world.pass_s()


def fast_feed(world: AlertWorld) -> None:
    del world.changed["legs"]
    world.pass_s(301)


def odd_edge(world: AlertWorld) -> None:
    for second in range(610):
        world.edge(-20.0 + (second % 5))
        world.pass_s()
    assert world.texts == []
    world.edge(-5.0)
    world.pass_s()


def usual_edge(world: AlertWorld) -> None:
    world.edge(-18.0)
    world.pass_s()


def outcome(kind: str, times: int = 1, profit: float = 0.0) -> Callable[[AlertWorld], None]:
    """Attempts end so."""

    def happen(world: AlertWorld) -> None:
        world.pass_s()
        for _ in range(times):
            world.happens(kind, attempt=7, profit=profit)
        world.pass_s()

    return happen


def orders(count: int, kind: str = "order") -> Callable[[AlertWorld], None]:
    def happen(world: AlertWorld) -> None:
        for _ in range(count):
            world.happens(kind)
        world.pass_s()

    return happen


def failed_orders(world: AlertWorld) -> None:
    """Of orders that were sent, the venue refuses one; a limit keeps back another one."""
    for number in range(20):
        world.happens("order", leg=LEGS[number % 2], order_id=number)
    world.happens("rejected", leg=LEGS[1], order_id=7)
    world.pass_s()
    assert world.texts == []
    orders(1, "refused")(world)


def burst_of_orders(world: AlertWorld) -> None:
    for _ in range(11):
        world.happens("order")
        world.happens("order")
        world.pass_s(60)
    assert world.texts == []
    orders(12)(world)


def quiet_minute(world: AlertWorld) -> None:
    world.pass_s(61)


def silence(world: AlertWorld) -> None:
    world.pass_s()
    world.now_ns += 4 * SECOND
    world.look()
    assert world.texts == []
    world.now_ns += 2 * SECOND
    world.look()


def hung(world: AlertWorld) -> None:
    world.pass_s()
    world.changed["heartbeat_ns"] = world.now_ns
    lasts(world, 30)


def fails(world: AlertWorld) -> None:
    world.pass_s()
    world.session.end({}, "failed")
    later_look(world)


def later_look(world: AlertWorld) -> None:
    world.now_ns += 2 * SECOND
    world.look()


def next_session(world: AlertWorld) -> None:
    """A later session of the same command and legs runs."""
    world.session = WatchedFolder(world.root / "run-2")
    world.began_ns = world.now_ns
    world.pass_s(2)


SCENARIOS: dict[str, Scenario] = {
    "connection": leg_state(10, feed="down"),
    "book": leg_state(30, bid=None),
    "lag": (slow_feed, fast_feed),
    "edge": (edge_over, back_to("edges")),
    "spread": (odd_edge, usual_edge),
    "attempt_loss": (outcome("reversed", profit=-81.0), outcome("hedged", profit=1.0)),
    "day_loss": figure(0, day_loss_quote=251.0),
    "drawdown": figure(0, drawdown_quote=400.0),
    "unhedged": figure(0, unhedged_s=5.5),
    "orders_failed": (failed_orders, orders(30)),
    "balance": figure(10, attempts_affordable=0.9),
    "position": leg_state(5, off=-0.001),
    "exposure": leg_state(5, exposure_quote=2_900.0),
    "margin": figure(0, margin_pct=51.0),
    "leverage": figure(10, leverage_pct=96.0),
    "reversed": (outcome("reversed", 3), outcome("missed")),
    "orders": (burst_of_orders, quiet_minute),
    "processor": figure(60, processor_pct=91.0),
    "memory": figure(0, memory_gb=4.1),
    "disk": figure(0, disk_free_gb=1.9),
    "heartbeat": (hung, back_to("heartbeat_ns")),
    "halted": figure(0, halted="arb halt: a person"),
    "failed": (fails, next_session),
    "lost": (silence, AlertWorld.pass_s),
}


def test_every_shipped_rule_has_a_scenario() -> None:
    assert SCENARIOS.keys() == SHIPPED.keys()


def check(folder: Path, name: str, rules: list[str]) -> None:
    """The scenario of a rule sends its beginning and its end, and nothing else."""
    begin, end = SCENARIOS[name]
    world = AlertWorld(folder, [SHIPPED[rule] for rule in rules])
    try:
        begin(world)
        assert world.texts == [f"begin {name}"], world.messages()
        end(world)
        assert world.texts == [f"begin {name}", f"end {name}"]
        first, last = world.messages()
        assert last["id"] == f"{first['id']}-over"
        assert first["session"] == "run-1"
        assert first["level"] == SHIPPED[name].level
        assert first["next"] == SHIPPED[name].next
        assert first["text"]
    finally:
        world.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_shipped_rule_is_fired_and_ended(name: str, tmp_path: Path) -> None:
    check(tmp_path, name, list(SHIPPED))


@pytest.mark.parametrize("name", SCENARIOS)
def test_without_its_rule_the_test_of_a_rule_fails(name: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check(tmp_path, name, [rule for rule in SHIPPED if rule != name])
