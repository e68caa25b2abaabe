"""The start of a session that trades: when its venues count as up, and which accounts it refuses."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from arb.errors import InputError
from arb.execution.gateway import Gateway
from arb.runtime import orders_start
from arb.runtime.guard_process import NoGuard
from arb.runtime.live_orders import LiveOrders


class Desk:
    """A desk whose socket for orders is up after a number of looks."""

    def __init__(self, looks: int, mode: str = "one-way") -> None:
        self.is_up = self.is_compared = True
        self.differences: list[str] = []
        self.facts = SimpleNamespace(mode=mode)
        self.orders = SimpleNamespace(open={})
        self.looks = looks

    @property
    def has_socket(self) -> bool:
        self.looks -= 1
        return self.looks < 0


class Session:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, event: str, text: str) -> None:
        self.lines.append((event, text))


def orders_of(**desks: Desk) -> Any:
    """Orders without connections."""
    orders: Any = object.__new__(LiveOrders)
    orders.gateway = SimpleNamespace(desks=desks, fault=None)
    orders._guard = NoGuard()
    orders._lines = {venue: SimpleNamespace(takes_sockets=True, reason="refused") for venue in desks}
    return orders


def up(orders: Any, session: Any) -> None:
    asyncio.run(orders_start.until_up(orders.gateway, orders._lines, session))


def test_the_first_order_of_a_session_finds_its_socket_up() -> None:
    desk, session = Desk(looks=3), Session()
    up(orders_of(binance_spot=desk), session)
    assert (desk.looks, session.lines) == (-1, [])


def test_without_a_socket_orders_go_by_rest_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders_start, "_SOCKET_S", 0.0)
    session = Session()
    up(orders_of(binance_spot=Desk(looks=1 << 40), bybit_spot=Desk(looks=0)), session)
    text = "binance_spot: no socket for orders (refused): they go by REST until it is up"
    assert session.lines == [("warning", text)]


def test_an_account_in_hedge_mode_is_refused() -> None:
    with pytest.raises(InputError, match=r"^binance_usdm: the account is in hedge mode, .*: switch it"):
        up(orders_of(binance_usdm=Desk(0, "hedge"), bybit_spot=Desk(0)), Session())


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "none of its orders is open"),
        (1, "1 open order may stay at the venues, where nothing cancels them: look there"),
        (2, "2 open orders may stay at the venues, where nothing cancels them: look there"),
    ],
)
def test_what_happens_to_the_orders_of_a_strategy_that_never_returns(count: int, text: str) -> None:
    desk = Desk(0)
    desk.orders.open.update(dict.fromkeys(range(count)))
    assert orders_of(binance_spot=desk).hung_text() == text


def test_a_venue_with_open_orders_and_without_events_is_unattended() -> None:
    desks = {name: Desk(0) for name in ("binance_spot", "bybit_spot", "bybit_linear")}
    desks["binance_spot"].orders.open.update({1: 1})
    desks["bybit_spot"].orders.open.update({1: 1})
    desks["bybit_spot"].is_up = desks["bybit_linear"].is_up = False
    gateway: Any = SimpleNamespace(desks=desks)
    assert Gateway.unattended(gateway) == ["bybit_spot"]
