"""The venues' own dead-man's switches, on simulated time: orders are gone when neither session nor guard live."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import live_net
from support.dry_market import START_NS
from support.live_faults import NetFaults
from support.live_world import account_of, config_of, network_of, signers_of
from support.venue_rows import level, rows_of

from arb.commands.order_setup import order_setup, switches_of
from arb.errors import ConfigError
from arb.execution.ids import SessionIds
from arb.runtime.order_lines import OrderLines, Sockets, switch_reasons
from arb.runtime.private_log import PrivateLog
from arb.sandbox.accounts.keys import test_keys as keys_of
from arb.sandbox.events import ASK, BID, BUY, Listing
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.requests import OrderKind, Place
from connectors.orders.blanking import blanked
from connectors.units import MILLISECOND, SECOND

VENUES = ("binance_usdm", "bybit_linear")


class Still:
    """A market in which nothing happens."""

    start_ns = START_NS
    has_ended = False

    def __init__(self, listings: Sequence[Listing], *_: Any) -> None:
        self.listings = listings

    def advance(self, to_ns: int) -> list[Any]:
        return []

    def snapshot(self, no: int) -> str | None:
        return None

    def source_of(self, no: int, key: str) -> str | None:
        return None


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_net, "SeededTape", Still)


class World:
    """The lines of a session at two venues, each with an order that rests."""

    def __init__(self, folder: Path, *faults: Fault, switch: str = "warn", venues: Any = VENUES) -> None:
        config = config_of(venues, *(f"account.{venue}.switch='{switch}'" for venue in venues))
        legs = list(config.legs)
        self.net = network_of(config, 1, "levels", account_of(config))
        self.timers = self.net.timers
        if faults:
            NetFaults(self.net, faults, 1)
        ids = SessionIds("tests1", 1, START_NS // MILLISECOND)
        setup = order_setup(config, legs, signers_of(legs, keys_of(1)), ids)
        self.desks = setup.desks()
        self.notes: list[str] = []
        self.room = True
        self.lines = {
            venue: OrderLines(
                venue,
                Sockets(f"ws://{venue}", f"ws://{venue}", net, net, self.timers, lambda: 0.5),
                setup.protocols(venue),
                self.desks[venue],
                PrivateLog(folder / venue, blanked),
                setup.times,
                now_of=lambda local_ts: local_ts,
                earliest=lambda: 0,
                failed=pytest.fail,
                apply=lambda *_: None,
                terms=setup.switches.get(venue),
                on_switch=self.notes.append,
                has_room=lambda: self.room,
            )
            for venue, net in self.net.venues.items()
        }
        for lines in self.lines.values():
            lines.start()
        self.pass_time(2.0)
        for leg in legs:
            desk = self.net.trading.desks[leg.venue]
            rows = rows_of(level(BID, 422_799, 5), level(ASK, 422_801, 5), at_ns=self.timers.now)
            desk.instruments[leg.symbol].matcher.receive(rows, self.timers.now)
            desk.place(
                Place(
                    account="main", symbol=leg.symbol, side=BUY, kind=OrderKind.LIMIT, force=Force.GTC,
                    price=Decimal(40_000), quantity=Decimal("0.01"), client_id="arb-tests1-1-0-1",
                ),
                self.timers.now,
            )  # fmt: skip

    def pass_time(self, seconds: float) -> None:
        self.timers.run(self.timers.now + round(seconds * SECOND))

    @property
    def open_at(self) -> list[str]:
        """The venues where an order is open."""
        return [venue for venue in self.lines if self.net.trading.desks[venue].open_orders("main", all=True)]


@pytest.mark.parametrize("venues", [VENUES, ("bybit_spot", "bybit_linear")])
def test_orders_are_gone_when_session_and_guard_are_dead(tmp_path: Path, venues: tuple[str, ...]) -> None:
    world = World(tmp_path, venues=venues)
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
    world = World(tmp_path)
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
    world = World(tmp_path, refusing, switch="require")
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
    world = World(tmp_path)
    world.room = False
    world.pass_time(3.5)
    assert world.notes[2:] == ["not renewed: no room in the venue's limits on requests"] * 2
    assert switch_reasons(world.lines) == {}, "it is not required"
    world.pass_time(10.0)
    assert world.open_at == ["bybit_linear"], "a connection that is up protects its orders"


def test_a_protection_that_the_account_does_not_have_is_reported(tmp_path: Path) -> None:
    world = World(tmp_path, switch="require")
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
    world = World(tmp_path, restart, switch="off", venues=("binance_spot", "bybit_spot"))
    spot, other = world.desks.values()
    assert spot.closing == set()
    world.pass_time(1.5)
    assert {where[0] for where in spot.closing} == {"t", "u"}
    assert other.closing == set()
    world.pass_time(3.0)
    assert spot.closing == set(), "they are gone"
