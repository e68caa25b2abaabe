"""Closed orders, executions and incomes of an account: bounds, ids, listings."""

from __future__ import annotations

from dataclasses import dataclass

from support.sandbox_accounts import D, account

from arb.sandbox.accounts.history import ClosedOrders, Executions, incomes
from arb.sandbox.accounts.ledger import EntryCause


@dataclass
class Order:
    no: int
    client_id: str = "x"
    symbol: str = "BTCUSDT"
    created_ns: int = 0

    @property
    def order_id(self) -> str:
        return f"id-{self.no}"


@dataclass
class Execution:
    trade_id: int
    order_id: str = "a"
    symbol: str = "BTCUSDT"
    at_ns: int = 0


def test_the_oldest_closed_orders_leave() -> None:
    orders = ClosedOrders[Order](3)
    for no in (4, 2, 9, 1):
        orders.add(Order(no, "even" if no % 2 == 0 else f"odd-{no}"))
    assert [order.no for order in orders.listing()] == [1, 2, 9]
    assert [order.no for order in orders.newest_first()] == [1, 9, 2]
    assert orders.by_id("id-4") is None
    # Number 2 used the client id of number 4 again.
    assert orders.by_client_id("even") is orders.by_id("id-2")
    assert orders.remove(lambda order: order.client_id == "even") == 1
    assert orders.by_client_id("even") is None
    assert len(orders) == 2


def test_listings_of_orders_are_limited_to_the_newest() -> None:
    orders = ClosedOrders[Order]()
    for no in range(10):
        orders.add(Order(no, created_ns=no * 100, symbol="ETHUSDT" if no == 5 else "BTCUSDT"))
    assert [order.no for order in orders.listing("BTCUSDT", 300, 700)] == [3, 4, 6, 7]
    assert [order.no for order in orders.listing("BTCUSDT", 300, 700, 2)] == [6, 7]
    assert orders.listing(limit=0) == []


def test_the_oldest_executions_leave() -> None:
    done = Executions[Execution](3)
    for no, order in enumerate("aabcb"):
        done.add(Execution(no, order, at_ns=no * 10))
    assert [one.trade_id for one in done] == [2, 3, 4]
    assert done.of_order("a") == []
    assert [one.trade_id for one in done.of_order("b")] == [2, 4]
    assert [one.trade_id for one in done.listing(limit=2)] == [3, 4]
    assert [one.trade_id for one in done.listing(limit=2, from_id=1)] == [2, 3]
    assert [one.trade_id for one in done.listing("BTCUSDT", 30, 35)] == [3]
    assert done.listing("ETHUSDT") == done.listing(limit=0) == []


def test_incomes_are_entries_of_a_venue() -> None:
    one = account("bybit_spot", {"USDT": "100"})
    wallet = one.wallet("bybit_spot")
    one.ledger.post(wallet, 10, "bybit_spot", [("USDT", D(-1), EntryCause.FEE)], "BTCUSDT")
    one.ledger.post(wallet, 20, "bybit_linear", [("USDT", D(-2), EntryCause.FEE)], "BTCUSDT")
    one.ledger.post(wallet, 30, "bybit_linear", [("USDT", D(3), EntryCause.FUNDING)], "ETHUSDT")
    causes = {EntryCause.FEE, EntryCause.FUNDING}

    def amounts(*which: object) -> list[int]:
        return [int(entry.amount) for entry in incomes(one.ledger.entries, "bybit_linear", *which)]  # type: ignore[arg-type]

    assert amounts(causes) == [-2, 3]
    assert amounts({EntryCause.FUNDING}) == amounts(causes, "ETHUSDT") == amounts(causes, None, 25) == [3]
    assert amounts(causes, None, None, 20) == [-2]
