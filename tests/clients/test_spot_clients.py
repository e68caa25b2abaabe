"""ccxt, ccxt.pro and Binance's own client at Binance spot: what they report equals the ledger, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from clients.harness import Reported, RunningSandbox, equal, run_program, source_line
from support.paths import ROOT

from arb.sandbox.accounts.amounts import rounded
from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS

pytestmark = pytest.mark.slow

VENUE = "binance_spot"
HMAC, ED25519, _ = test_keys(7)
ORDERS = ("amend", "cancel", "limit_ioc", "post_only", "market", "limit_gtc", "query")
LISTS = ("cancel_all", "open_orders", "history")
CELLS = ("load_markets", *ORDERS, *LISTS, "fills", "balance", "fees", "stream")
#: Program and key of each client.
CLIENTS: dict[str, tuple[str, TestKey]] = {
    "ccxt-hmac": ("spot_ccxt", HMAC),
    "ccxt-ed25519": ("spot_ccxt", ED25519),
    "ccxt.pro-hmac": ("spot_ccxt_pro", HMAC),
    "ccxt.pro-ed25519": ("spot_ccxt_pro", ED25519),
    "sdk-rest-hmac": ("spot_sdk_rest", HMAC),
    "sdk-rest-ed25519": ("spot_sdk_rest", ED25519),
    "sdk-ws-hmac": ("spot_sdk_ws", HMAC),
    "sdk-ws-ed25519": ("spot_sdk_ws", ED25519),
    # With delays by which most events arrive before the answers of their requests.
    "ccxt.pro-late-answers": ("spot_ccxt_pro", HMAC),
    "sdk-ws-late-answers": ("spot_sdk_ws", HMAC),
}
LATE_ANSWERS = Delays(arrival_ns=(MS, 5 * MS), answer_ns=(10 * MS, 40 * MS), event_ns=(0, 15 * MS))
#: What a client does not have: the line of its source that says so, and a word of that line. Of Binance's client: the
#: last of its four groups of REST requests, none of which is about user data.
MISSING = {
    ("spot_ccxt", "stream"): ("ccxt/base/exchange.py:2988", "watchOrders"),
    ("spot_ccxt_pro", "fees"): ("ccxt/pro/binance.py:69", "'fetchTradingFeesWs': False"),
    ("spot_sdk_rest", "stream"): ("binance_sdk_spot/rest_api/api/__init__.py:14", "TradeApi"),
}


class Rehearsal:
    """One run of a client, with what the sandbox's ledger was at its end."""

    def __init__(self, reported: Reported, sandbox: RunningSandbox) -> None:
        self.reported = reported

        def settled(trading: Any) -> None:
            desk, account = trading.desks[VENUE], trading.account(VENUE, "main")
            account.ledger.check()
            self.open = {one.order_id: one for one in desk.open_orders("main")}
            closed = {one.order_id: one for one in desk.closed_orders("main")}
            self.orders = self.open | closed
            self.executions = {str(one.trade_id): one for one in desk.executions("main")}
            wallet = account.wallet(VENUE)
            self.balances = {asset: (wallet.free(asset), wallet.locked(asset)) for asset in ("BTC", "USDT")}
            self.rule = account.fee_rules[VENUE]

        sandbox.ask(settled)


@cache
def rehearsal(client: str) -> Rehearsal:
    """Runs a client once, in a sandbox of its own."""
    program, key = CLIENTS[client]
    delays = {VENUE: LATE_ANSWERS} if "late" in client else {}
    setup = TradingSetup((usual_account(),), (HMAC.key, ED25519.key), delays=delays)
    with RunningSandbox(setup, VENUE) as sandbox:
        reported = run_program(
            sandbox,
            program,
            address=sandbox.addresses[VENUE],
            key=key.key.id,
            secret=key.private,
            is_ed25519=key is ED25519,
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
        assert {"BTC/USDT", "BTCUSDT"} & set(value)
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
    if view["average"] is not None:  # the client's own quotient, with more decimals
        assert rounded(Decimal(str(view["average"]))) == order.average
    if view["fees"] is not None:
        fees = {asset: sum_of(fee) for asset, fee in view["fees"].items()}
        assert fees.keys() == order.fees.keys()
        assert all(equal(fee, order.fees[asset]) for asset, fee in fees.items())
    if cell != "amend":  # cancelled later
        assert view["status"] == status_of(order)
    expected_status = {"limit_ioc": "FILLED", "market": "FILLED", "cancel": "CANCELED", "amend": "CANCELED"}
    assert order.status.name == expected_status.get(cell, order.status.name)
    if cell == "post_only":
        assert (order.force, order.status) == (Force.POST_ONLY, OrderStatus.NEW)
    if cell == "market":
        assert order.kind is OrderKind.MARKET


def sum_of(fee: Any) -> Any:
    """A fee, or the sum of those of the fills."""
    return sum(map(Decimal, fee), Decimal(0)) if isinstance(fee, list) else fee


def status_of(order: VenueOrder) -> str:
    if order.is_open:
        return "open"
    return {OrderStatus.FILLED: "closed", OrderStatus.CANCELED: "canceled"}.get(order.status, "expired")


def check_list(cell: str, views: list[dict[str, Any]], run: Rehearsal) -> None:
    found = {view["id"] for view in views}
    expected = {"open_orders": run.open.keys(), "history": run.orders.keys(), "cancel_all": found}[cell]
    assert found == set(expected)
    assert len(views) >= 2
    for view in views:
        check_order(cell, view, run)
        assert cell != "cancel_all" or run.orders[view["id"]].status is OrderStatus.CANCELED


def check_fills(views: list[dict[str, Any]], run: Rehearsal) -> None:
    assert sorted(view["id"] for view in views) == sorted(run.executions)
    assert len(views) >= 2
    for view in views:
        one = run.executions[view["id"]]
        found = (view["order"], view["is_maker"], view["fee_asset"])
        assert found == (one.order_id, one.is_maker, one.fee_asset)
        for name, expected in (
            ("price", one.price), ("amount", one.quantity), ("cost", one.value), ("fee", one.fee),
        ):  # fmt: skip
            assert equal(view[name], expected), name


def check_balance(value: dict[str, Any], run: Rehearsal) -> None:
    for asset, (free, locked) in run.balances.items():
        assert equal(value[asset][0], free)
        assert equal(value[asset][1], locked)
    assert run.balances["USDT"][1] > 0


def check_fees(value: list[Any], run: Rehearsal) -> None:
    assert equal(value[0], run.rule.maker)
    assert equal(value[1], run.rule.taker)


def check_stream(value: dict[str, Any], run: Rehearsal) -> None:
    """The last state of every order, all executions, and the last balances."""
    assert value["orders"].keys() == run.orders.keys()
    for view in value["orders"].values():
        check_order("stream", view, run)
    check_fills(value["fills"], run)
    check_balance(value["balance"], run)


CHECKS = {"fills": check_fills, "balance": check_balance, "fees": check_fees, "stream": check_stream}


#: The rows of the table in docs/sandbox-binance-spot.md.
ROWS = {
    "load_markets": "load markets", "limit_gtc": "place: limit GTC", "limit_ioc": "place: limit IOC",
    "post_only": "place: post-only", "market": "place: market", "cancel_all": "cancel all",
    "open_orders": "open orders", "fees": "fee rates", "stream": "stream of own orders",
}  # fmt: skip


def test_the_table_of_the_docs_has_the_cells() -> None:
    text = (ROOT / "docs" / "sandbox-binance-spot.md").read_text(encoding="utf-8")
    for cell in CELLS:
        marks = ["none" if (program, cell) in MISSING else "yes" for program, _ in CLIENTS.values()]
        assert f"| {ROWS.get(cell, cell)} | {' | '.join(marks)} |" in text
