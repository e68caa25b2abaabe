"""The venues' own dead-man's switches, on simulated time: orders are gone when neither session nor guard live."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import live_net
from support.live_world import config_of
from support.resting_lines import VENUES, RestingLines, Still

from arb.commands.order_setup import switches_of
from arb.errors import ConfigError
from arb.runtime.order_lines import switch_reasons
from arb.sandbox.faults import Fault, FaultKind


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_net, "SeededTape", Still)


@pytest.mark.parametrize("venues", [VENUES, ("bybit_spot", "bybit_linear")])
def test_orders_are_gone_when_session_and_guard_are_dead(tmp_path: Path, venues: tuple[str, ...]) -> None:
    world = RestingLines(tmp_path, venues=venues)
    assert sorted(world.notes) == sorted(
        "on: after 10 s without a renewal the venue cancels all orders of "
        + {"binance_usdm": "BTCUSDT", "bybit_linear": "DERIVATIVES", "bybit_spot": "SPOT"}[venue]
        + ", anybody's"
        for venue in venues
    )
    world.pass_time(35.0)
    assert world.open_at == list(venues)
    for lines in world.lines.values():  # the process is gone: nothing is said any more
        lines.stop()
    world.pass_time(6.9)
    assert world.open_at == list(venues)
    world.pass_time(3.2)
    assert world.open_at == []


def test_a_clean_end_stops_the_countdown(tmp_path: Path) -> None:
    world = RestingLines(tmp_path)
    switch = world.lines["binance_usdm"].switch
    assert switch is not None
    switch.stop()
    assert not switch.is_over
    world.pass_time(0.5)
    assert switch.is_over
    world.lines["binance_usdm"].stop()
    world.pass_time(30.0)
    assert "binance_usdm" in world.open_at, "an order of somebody else"


def test_a_renewal_that_fails_is_reported_and_opens_nothing_where_it_is_required(tmp_path: Path) -> None:
    refusing = Fault(FaultKind.REST_429, venue="binance_usdm", at_s=6.5, duration_s=4.0, retry_after_s=1)
    world = RestingLines(tmp_path, refusing, switch="require")
    on = sorted(world.notes, reverse=True)[1:]
    assert switch_reasons(world.lines) == {}
    world.pass_time(7.7)
    assert list(switch_reasons(world.lines)) == ["binance_usdm"]
    assert len(world.notes) == 3
    assert world.notes[2].startswith("not renewed: -1003 ")
    world.pass_time(6.0)
    assert (switch_reasons(world.lines), world.notes[3:]) == ({}, [on[0]])
    assert world.open_at == list(VENUES), "it was renewed in time"


def test_renewals_stay_inside_the_venue_s_limits(tmp_path: Path) -> None:
    world = RestingLines(tmp_path)
    world.room = False
    world.pass_time(3.5)
    assert world.notes[2:] == ["not renewed: no room in the venue's limits on requests"] * 2
    assert switch_reasons(world.lines) == {}, "it is not required"
    world.pass_time(10.0)
    assert world.open_at == ["bybit_linear"], "a connection that is up protects its orders"


def test_a_protection_that_the_account_does_not_have_is_reported(tmp_path: Path) -> None:
    world = RestingLines(tmp_path, switch="require")
    world.net.trading.protection("main", "bybit_linear").window_ns = 0
    world.pass_time(1.5)
    assert world.notes[2:] == ["not renewed: 0 the account's protection of DERIVATIVES is not on"]
    world.pass_time(1.0)
    assert len(world.notes) == 4
    assert "DERIVATIVES" in world.notes[3]


def test_switches_that_cannot_be(tmp_path: Path) -> None:
    spot = config_of(("binance_spot", "bybit_spot"), "account.binance_spot.switch='warn'")
    with pytest.raises(ConfigError, match=r"\[account\.binance_spot\] switch is warn: the venue has none"):
        switches_of(spot)
    many = config_of(VENUES, "strategy.symbols=['BTCUSDT', 'ETHUSDT']", "account.binance_usdm.switch='warn'")
    assert switches_of(many)["binance_usdm"].window_ms == 10_000
    with pytest.raises(ConfigError, match=r"switch_s is 3: renewals for 2 symbols .* write 4 or more"):
        switches_of(
            config_of(
                VENUES,
                "strategy.symbols=['BTCUSDT', 'ETHUSDT']",
                "account.binance_usdm={switch='warn', switch_s=3.0}",
            )
        )


def test_a_venue_that_announces_its_restart_is_known_to_close_connections(tmp_path: Path) -> None:
    restart = Fault(FaultKind.RESTARTING, venue="binance_spot", at_s=3.0, notice_s=2.0)
    world = RestingLines(tmp_path, restart, switch="off", venues=("binance_spot", "bybit_spot"))
    spot, other = world.desks.values()
    assert spot.closing == set()
    world.pass_time(1.5)
    assert {where[0] for where in spot.closing} == {"t", "u"}
    assert other.closing == set()
    world.pass_time(3.0)
    assert spot.closing == set(), "they are gone"
