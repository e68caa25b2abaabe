"""ccxt, ccxt.pro and Binance's own connector at USD-M: what they report equals the ledger, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from clients.harness import Reported, RunningSandbox, equal, run_program, source_line

from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

VENUE = "binance_usdm"
HMAC, ED25519, _ = test_keys(7)
ORDERS = ("amend", "cancel", "limit_ioc", "post_only", "market", "reduce_only", "limit_gtc", "query")
LISTS = ("cancel_all", "open_orders", "history")
CELLS = ("load_markets", *ORDERS, *LISTS, "fills", "balance", "position", "leverage", "modes", "stream")
#: Program and key of each client.
CLIENTS: dict[str, tuple[str, TestKey]] = {
    "ccxt-hmac": ("usdm_ccxt", HMAC),
    "ccxt-ed25519": ("usdm_ccxt", ED25519),
    "ccxt.pro-hmac": ("usdm_ccxt_pro", HMAC),
    "ccxt.pro-ed25519": ("usdm_ccxt_pro", ED25519),
    "connector-hmac": ("usdm_connector", HMAC),
    "connector-ed25519": ("usdm_connector", ED25519),
    "connector-ws-hmac": ("usdm_connector_ws", HMAC),
    "connector-ws-ed25519": ("usdm_connector_ws", ED25519),
}
_OF_REST = ("load_markets", *LISTS, "fills", "leverage", "modes", "stream")
_CONNECTOR = "binance_sdk_derivatives_trading_usds_futures/websocket_api/api"
#: What a client does not have: the line of its source that says so, and a word of that line. Of the connector's
#: websocket API: the last of its requests about orders.
MISSING = {
    ("usdm_ccxt", "stream"): ("ccxt/base/exchange.py:2988", "watchOrders"),
    **{("usdm_connector_ws", cell): (f"{_CONNECTOR}/trade_api.py:749", "query_order") for cell in _OF_REST},
}


class Rehearsal:
    """One run of a client, with what the sandbox's ledger was at its end."""

    def __init__(self, reported: Reported, sandbox: RunningSandbox) -> None:
        self.reported = reported

        def settled(trading: Any) -> None:
            desk, account = trading.desks[VENUE], trading.account(VENUE, "main")
            account.ledger.check()
            self.open = {one.order_id: one for one in desk.open_orders("main")}
            self.closed = {one.order_id: one for one in desk.closed_orders("main")}
            self.executions = {str(one.trade_id): one for one in desk.executions("main")}
            self.usdt = account.wallet(VENUE).total("USDT")
            self.position = account.positions.view(
                "BTCUSDT", PositionSide.BOTH, desk.instruments["BTCUSDT"].mark
            )
            self.modes = account.modes

        sandbox.ask(settled)

    @property
    def orders(self) -> dict[str, VenueOrder]:
        return self.open | self.closed


@cache
def rehearsal(client: str) -> Rehearsal:
    """Runs a client once, in a sandbox of its own."""
    program, key = CLIENTS[client]
    setup = TradingSetup((usual_account(),), (HMAC.key, ED25519.key))
    with RunningSandbox(setup, "binance_spot", VENUE) as sandbox:
        bid, ask = sandbox.ask(lambda trading: trading.desks[VENUE].instruments["BTCUSDT"].touch())
        reported = run_program(
            sandbox,
            program,
            spot=sandbox.addresses["binance_spot"],
            usdm=sandbox.addresses[VENUE],
            key=key.key.id,
            secret=key.private,
            is_ed25519=key is ED25519,
            bid=float(bid),
            ask=float(ask),
        )
        return Rehearsal(reported, sandbox)


def cells() -> Iterator[Any]:
    for client in CLIENTS:
        for cell in CELLS:
            yield pytest.param(client, cell, id=f"{client}-{cell}")


@pytest.mark.parametrize(("client", "cell"), list(cells()))
def test_what_a_client_reports_is_in_the_ledger(client: str, cell: str) -> None:
    if (CLIENTS[client][0], cell) in MISSING:
        place, word = MISSING[CLIENTS[client][0], cell]
        assert word in source_line(place)
        return
    run = rehearsal(client)
    assert cell in run.reported.cells, run.reported.error or "not reported"
    value = run.reported.cells[cell]
    if cell in ORDERS:
        check_order(cell, value, run)
    elif cell in LISTS:
        check_list(cell, value, run)
    elif cell == "load_markets":
        assert {"BTC/USDT:USDT", "BTCUSDT"} & set(value)
    else:
        CHECKS[cell](value, run)


def check_order(cell: str, view: dict[str, Any], run: Rehearsal) -> None:
    order = run.orders[view["id"]]
    for name, expected in (
        ("price", order.price),
        ("amount", order.quantity),
        ("filled", order.filled),
        ("cost", order.value),
    ):
        assert view[name] is None or equal(view[name], expected), name
    assert view["client_id"] == order.client_id
    assert (view["average"] is None) == (not order.filled)
    assert view["average"] is None or equal(view["average"], order.average)
    if cell != "amend":  # cancelled later
        assert view["status"] == status_of(order)
    if cell in ("limit_ioc", "market", "reduce_only"):
        assert order.status is OrderStatus.FILLED
    assert order.reduce_only == (cell == "reduce_only") or cell in (*LISTS, "stream")
    if cell == "post_only":
        assert (order.force, order.status) == (Force.POST_ONLY, OrderStatus.NEW)
    if cell == "market":
        assert order.kind is OrderKind.MARKET


def status_of(order: VenueOrder) -> str:
    if order.is_open:
        return "open"
    return {OrderStatus.FILLED: "closed", OrderStatus.CANCELED: "canceled"}.get(order.status, "expired")


def check_list(cell: str, views: list[dict[str, Any]], run: Rehearsal) -> None:
    found = {view["id"] for view in views}
    expected = {"open_orders": run.open.keys(), "history": run.closed.keys(), "cancel_all": found}[cell]
    assert found == set(expected)
    assert len(views) >= 2
    for view in views:
        check_order(cell, view, run)
        assert cell != "cancel_all" or run.orders[view["id"]].status is OrderStatus.CANCELED


def check_fills(views: list[dict[str, Any]], run: Rehearsal) -> None:
    assert sorted(view["id"] for view in views) == sorted(run.executions)
    assert len(views) >= 3
    for view in views:
        one = run.executions[view["id"]]
        found = (view["order"], view["is_maker"], view["fee_asset"])
        assert found == (one.order_id, one.is_maker, one.fee_asset)
        for name, expected in (
            ("price", one.price), ("amount", one.quantity), ("cost", one.value), ("fee", one.fee),
        ):  # fmt: skip
            assert (name == "cost" and view[name] is None) or equal(view[name], expected), name


def check_balance(value: dict[str, Any], run: Rehearsal) -> None:
    assert equal(value["USDT"], run.usdt)


def check_position(value: dict[str, Any], run: Rehearsal) -> None:
    assert value["side"] == "long"
    assert equal(value["contracts"], run.position.quantity)
    assert equal(value["entryPrice"], run.position.entry)


def check_leverage(value: Any, run: Rehearsal) -> None:
    assert value == run.modes.leverage("BTCUSDT") == 5


def check_modes(value: list[Any], run: Rehearsal) -> None:
    """While they were changed, and at the end."""
    assert value == [True, "isolated", "cross"]
    assert (run.modes.is_hedge, run.modes.margin_of("BTCUSDT")) == (False, "cross")


def check_stream(value: dict[str, Any], run: Rehearsal) -> None:
    """The last state of every order, all executions, and the last balance."""
    assert value["orders"].keys() == run.orders.keys()
    for view in value["orders"].values():
        check_order("stream", view, run)
    check_fills(value["fills"], run)
    check_balance(value["balance"], run)


CHECKS = {
    "fills": check_fills,
    "balance": check_balance,
    "position": check_position,
    "leverage": check_leverage,
    "modes": check_modes,
    "stream": check_stream,
}
