"""ccxt, ccxt.pro and pybit at Bybit spot and linear: what they report equals the sandbox's own ledger, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from clients.harness import Reported, RunningSandbox, equal, run_program, source_line
from support.paths import ROOT

from arb.sandbox.accounts.keys import ApiKey, KeyKind
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.serve.bybit.answers import execution_id
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

PERMISSIONS = frozenset({"Order", "Position", "SpotTrade", "AccountTransfer"})
KEY = ApiKey("test-key", "bybit", KeyKind.HMAC, "main", secret=b"test-secret", permissions=PERMISSIONS)
SYMBOLS = {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"}
ORDERS = ("amend", "cancel", "limit_ioc", "post_only", "market", "reduce_only", "limit_gtc", "query")
LISTS = ("cancel_all", "open_orders", "history")
CELLS = ("load_markets", *ORDERS, *LISTS, "fills", "balance", "position", "leverage", "modes", "stream")
#: Cells that are of perpetuals only.
OF_LINEAR = ("reduce_only", "position", "leverage", "modes")
#: What a client does not have: the line of its source that says so, and a word of that line.
MISSING = {
    ("bybit_ccxt", "stream"): ("ccxt/base/exchange.py:2988", "'watchOrders': None"),
    ("bybit_ccxt_pro", "cancel_all"): ("ccxt/pro/bybit.py:36", "'cancelAllOrdersWs': False"),
    ("bybit_pybit_http", "stream"): ("pybit/unified_trading.py:75", "class WebSocket("),
} | {
    ("bybit_pybit_sockets", cell): ("pybit/unified_trading.py:448", "class WebSocketTrading(")
    for cell in (
        "load_markets", "query", "open_orders", "history", "fills", "balance", "position", "leverage", "modes",
    )
}  # fmt: skip
CLIENTS = ("bybit_ccxt", "bybit_ccxt_pro", "bybit_pybit_http", "bybit_pybit_sockets")


class Rehearsal:
    """One run of a client, with what the sandbox's ledger was at its end."""

    def __init__(self, reported: Reported, sandbox: RunningSandbox, category: str) -> None:
        self.reported = reported
        venue = f"bybit_{category}"

        def settled(trading: Any) -> None:
            desk, account = trading.desks[venue], trading.account(venue, "main")
            account.ledger.check()
            self.open = {one.order_id: one for one in desk.open_orders("main")}
            self.closed = {one.order_id: one for one in desk.closed_orders("main")}
            self.executions = {execution_id(one): one for one in desk.executions("main")}
            wallet = account.wallet(venue)
            self.balances = {asset: wallet.total(asset) for asset in ("BTC", "USDT")}
            self.position = account.positions.view("BTCUSDT", PositionSide.BOTH, 0)
            self.modes = account.modes

        sandbox.ask(settled)

    @property
    def orders(self) -> dict[str, VenueOrder]:
        return self.open | self.closed


@cache
def rehearsal(client: str, category: str) -> Rehearsal:
    """Runs a client once, in a sandbox of its own."""
    # pybit's WebSocketTrading registers the callback of a request after it was sent: an answer must not be sooner.
    late = Delays(answer_ns=(50 * MILLISECOND,) * 2) if client == "bybit_pybit_sockets" else Delays()
    setup = TradingSetup(
        (usual_account(),), (KEY,), delays=dict.fromkeys(("bybit_spot", "bybit_linear"), late)
    )
    with RunningSandbox(setup, "bybit_spot", "bybit_linear") as sandbox:
        # Each client uses the address of the other category: both are doors to one account.
        door = {"spot": "bybit_linear", "linear": "bybit_spot"}[category]
        reported = run_program(
            sandbox,
            client,
            address=sandbox.addresses[door],
            symbol=SYMBOLS[category],
            category=category,
            key=KEY.id,
            secret=KEY.secret.decode(),
        )
        return Rehearsal(reported, sandbox, category)


def cells() -> Iterator[Any]:
    for client in CLIENTS:
        for category in SYMBOLS:
            for cell in CELLS:
                if category == "linear" or cell not in OF_LINEAR:
                    yield pytest.param(client, category, cell, id=f"{client}-{category}-{cell}")


@pytest.mark.parametrize(("client", "category", "cell"), list(cells()))
def test_what_a_client_reports_is_in_the_ledger(client, category, cell):
    if (client, cell) in MISSING:
        place, word = MISSING[client, cell]
        assert word in source_line(place)
        return
    run = rehearsal(client, category)
    assert cell in run.reported.cells, run.reported.error or "not reported"
    value = run.reported.cells[cell]
    if cell in ORDERS:
        check_order(cell, value, run)
    elif cell in LISTS:
        check_list(cell, value, run)
    elif cell == "load_markets":
        assert SYMBOLS[category] in value
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
    assert view["fees"].keys() == order.fees.keys()
    assert all(equal(fee, order.fees[asset]) for asset, fee in view["fees"].items())
    if cell != "amend":
        assert view["status"] == status_of(order)
    if cell in ("limit_ioc", "market", "reduce_only"):
        assert order.status is OrderStatus.FILLED


def status_of(order: VenueOrder) -> str:
    if order.is_open:
        return "open"
    return "closed" if order.status is OrderStatus.FILLED else "canceled"


def check_list(cell: str, views: list[dict[str, Any]], run: Rehearsal) -> None:
    found = {view["id"] for view in views}
    expected = {"open_orders": run.open.keys(), "history": run.closed.keys(), "cancel_all": found}[cell]
    assert found == set(expected)
    assert views
    for view in views:
        check_order(cell, view, run)
        assert cell != "cancel_all" or run.orders[view["id"]].status is OrderStatus.CANCELED


def check_fills(views: list[dict[str, Any]], run: Rehearsal) -> None:
    assert {view["id"] for view in views} == run.executions.keys()
    for view in views:
        one = run.executions[view["id"]]
        assert (view["order"], view["is_maker"], view["fee_asset"]) == (
            one.order_id,
            one.is_maker,
            one.fee_asset,
        )
        for name, expected in (
            ("price", one.price), ("amount", one.quantity), ("cost", one.value), ("fee", one.fee),
        ):  # fmt: skip
            assert equal(view[name], expected), name


def check_balance(value: dict[str, Any], run: Rehearsal) -> None:
    assert value.keys() == run.balances.keys()
    assert all(equal(total, run.balances[asset]) for asset, total in value.items())


def check_position(value: dict[str, Any], run: Rehearsal) -> None:
    assert value["side"] == "long"
    assert equal(value["contracts"], run.position.quantity)
    assert equal(value["entryPrice"], run.position.entry)
    assert float(value["leverage"]) == run.position.leverage == 5


def check_leverage(value: Any, run: Rehearsal) -> None:
    assert float(value) == run.modes.leverage("BTCUSDT") == 5


def check_modes(value: dict[str, Any], run: Rehearsal) -> None:
    assert value == {"is_hedge": run.modes.is_hedge, "margin": run.modes.margin}


def check_stream(value: dict[str, Any], run: Rehearsal) -> None:
    """The last state of every order, all executions, and the last balances."""
    assert value["orders"].keys() == run.orders.keys()
    for view in value["orders"].values():
        check_order("stream", view, run)
    check_fills(value["fills"], run)
    # A message has the coins that changed.
    assert "USDT" in value["balance"]
    assert all(equal(total, run.balances[asset]) for asset, total in value["balance"].items())
    if "position" in value:
        assert equal(value["position"], run.position.quantity)


CHECKS = {
    "fills": check_fills,
    "balance": check_balance,
    "position": check_position,
    "leverage": check_leverage,
    "modes": check_modes,
    "stream": check_stream,
}


#: The rows of the table in docs/sandbox-bybit.md.
ROWS = {
    "load_markets": "load markets", "limit_gtc": "place: limit GTC", "limit_ioc": "place: limit IOC",
    "post_only": "place: post-only", "market": "place: market", "reduce_only": "place: reduce-only",
    "cancel_all": "cancel all", "open_orders": "open orders", "stream": "stream of own orders",
}  # fmt: skip


def test_the_table_of_the_docs_has_the_cells():
    text = (ROOT / "docs" / "sandbox-bybit.md").read_text(encoding="utf-8")
    for cell in CELLS:
        marks = ["none" if (client, cell) in MISSING else "yes" for client in CLIENTS]
        assert f"| {ROWS.get(cell, cell)} | {' | '.join(marks)} |" in text
