"""One run of a client and the sandbox's ledger at its end: the checks that every venue's clients share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from clients.harness import Reported, RunningSandbox

from arb.sandbox.accounts.amounts import rounded
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.matching.orders import Force
from arb.sandbox.serve.bybit.answers import execution_id
from arb.sandbox.trading.order_state import Execution, OrderStatus, VenueOrder
from arb.sandbox.trading.requests import OrderKind
from arb.sandbox.trading.state import Trading

ORDERS = ("amend", "cancel", "limit_ioc", "post_only", "market", "limit_gtc", "query")
LISTS = ("cancel_all", "open_orders", "history")
#: The states of the orders of a cell at the end of the program.
STATES = {
    "amend": OrderStatus.CANCELED,
    "cancel": OrderStatus.CANCELED,
    "cancel_all": OrderStatus.CANCELED,
    "query": OrderStatus.CANCELED,
    "limit_ioc": OrderStatus.FILLED,
    "market": OrderStatus.FILLED,
    "reduce_only": OrderStatus.FILLED,
    "post_only": OrderStatus.NEW,
    "limit_gtc": OrderStatus.NEW,
    "open_orders": OrderStatus.NEW,
}


def _sums_of(executions: Sequence[Execution]) -> dict[str, Decimal]:
    """Their fees by asset."""
    sums: dict[str, Decimal] = {}
    for one in executions:
        sums[one.fee_asset] = sums.get(one.fee_asset, Decimal(0)) + one.fee
    return sums


class Rehearsal(ABC):
    """A venue adds `check_` and the name of each cell that it does not share with others."""

    #: Whether the venue's list of past orders has open ones too.
    past_has_open = True
    states = STATES
    #: Whether every order of a client has its fees.
    has_fees = False

    def __init__(self, reported: Reported, sandbox: RunningSandbox, venue: str) -> None:
        self.reported = reported
        self.venue = venue
        self.is_spot = venue.endswith("spot")
        sandbox.ask(self._read)

    def _read(self, trading: Trading) -> None:
        desk, account = trading.desks[self.venue], trading.account(self.venue, "main")
        account.ledger.check()
        self.open = {one.order_id: one for one in desk.open_orders("main")}
        self.orders = self.open | {one.order_id: one for one in desk.closed_orders("main")}
        name = execution_id if self.venue.startswith("bybit") else lambda one: str(one.trade_id)
        self.executions = {name(one): one for one in desk.executions("main")}
        wallet = account.wallet(self.venue)
        #: (total, locked)
        self.balances = {asset: (wallet.total(asset), wallet.locked(asset)) for asset in ("BTC", "USDT")}
        self.fee_rule = account.fee_rules[self.venue]
        self.modes = account.modes
        mark = desk.instruments["BTCUSDT"].mark or Decimal(0)
        self.position = account.positions.view("BTCUSDT", PositionSide.BOTH, mark)

    def check(self, cell: str) -> None:
        """Compares a cell with the ledger."""
        assert cell in self.reported.cells, self.reported.error or "not reported"
        value = self.reported.cells[cell]
        if cell in LISTS:
            self._check_list(cell, value)
        elif hasattr(self, f"check_{cell}"):
            getattr(self, f"check_{cell}")(value)
        else:
            self._check_order(cell, value)

    def check_absent(self, cell: str) -> None:
        """Nothing of the client's methods is for this cell."""
        assert self.reported.cells.get(cell, self.reported.error) == {"has": []}

    def _check_order(self, cell: str, view: dict[str, Any]) -> None:
        order = self.orders[view["id"]]
        assert view["client_id"] == order.client_id
        for name, expected in (("price", order.price), ("amount", order.quantity), ("filled", order.filled)):
            assert equal(view[name], expected), name
        # Clients leave out what they do not report.
        assert "cost" not in view or equal(view["cost"], order.value)
        assert "average" not in view or self._is_average(view["average"], order)
        if self.has_fees or "fees" in view:
            self._check_fees(cell, view.get("fees", {}), order)
        if cell != "amend":  # cancelled later
            assert view["status"] == self.status_of(order)
        assert order.status is self.states.get(cell, order.status)
        if cell in ("history", "stream"):
            return
        assert order.reduce_only == (cell == "reduce_only")
        assert (order.kind is OrderKind.MARKET) == (cell == "market")
        assert (order.force is Force.POST_ONLY) == (cell == "post_only") or cell == "open_orders"
        assert (order.force is Force.IOC) == (cell in ("limit_ioc", "reduce_only")) or cell == "market"
        assert (order.client_id == "kept-open") == (cell == "limit_gtc") or cell == "open_orders"
        assert (order.quantity == Decimal("0.02")) == (
            cell in ("amend", "cancel", "query")
        ) or cell == "query"

    def _check_fees(self, cell: str, fees: dict[str, Any], order: VenueOrder) -> None:
        possible = [dict(order.fees)]
        if cell == "stream" and len(order.executions) > 1 and not self.has_fees:
            # A report of Binance has the fee of its own execution. ccxt.pro adds, as floats, those before that it has.
            fees = {asset: rounded(Decimal(str(fee))) for asset, fee in fees.items()}
            possible = [_sums_of(order.executions[first:]) for first in range(len(order.executions))]
        assert any(
            fees.keys() == expected.keys() and all(equal(fee, expected[asset]) for asset, fee in fees.items())
            for expected in possible
        ), fees

    def _is_average(self, found: object, order: VenueOrder) -> bool:
        if found is None or not order.filled:
            return found is None and not order.filled
        if self.venue == "binance_spot":  # the client's own quotient, with more decimals
            return rounded(Decimal(str(found))) == order.average
        return equal(found, order.average)

    def status_of(self, order: VenueOrder) -> str:
        """A state in ccxt's words."""
        if order.is_open:
            return "open"
        return {OrderStatus.FILLED: "closed", OrderStatus.CANCELED: "canceled"}.get(order.status, "expired")

    def _check_list(self, cell: str, views: list[dict[str, Any]]) -> None:
        found = [view["id"] for view in views]
        past = self.orders.keys() if self.past_has_open else self.orders.keys() - self.open.keys()
        expected = {"open_orders": self.open.keys(), "history": past, "cancel_all": set(found)}[cell]
        assert sorted(found) == sorted(expected)
        assert len(found) >= (2 if cell != "open_orders" else 1)
        for view in views:
            self._check_order(cell, view)

    def check_fills(self, views: list[dict[str, Any]]) -> None:
        assert sorted(view["id"] for view in views) == sorted(self.executions)
        assert len(views) >= (2 if self.is_spot else 3)
        for view in views:
            one = self.executions[view["id"]]
            found = (view["order"], view["is_maker"], view["fee_asset"])
            assert found == (one.order_id, one.is_maker, one.fee_asset)
            for name, expected in (("price", one.price), ("amount", one.quantity), ("fee", one.fee)):
                assert equal(view[name], expected), name
            assert "cost" not in view or equal(view["cost"], one.value)

    def check_position(self, value: dict[str, Any]) -> None:
        assert value["side"] == "long"
        assert equal(value["contracts"], self.position.quantity)
        assert equal(value["entryPrice"], self.position.entry)
        assert "leverage" not in value or float(value["leverage"]) == self.position.leverage

    def check_leverage(self, value: Any) -> None:
        assert float(value) == self.modes.leverage("BTCUSDT") == 5

    def check_stream(self, value: dict[str, Any]) -> None:
        """The last state of every order, all executions, and the last balances."""
        assert value["orders"].keys() == self.orders.keys()
        for view in value["orders"].values():
            self._check_order("stream", view)
        self.check_fills(value["fills"])
        self.check_stream_balance(value["balance"])

    @abstractmethod
    def check_balance(self, value: Any) -> None:
        """The balances that a client reports are those of the account."""

    def check_stream_balance(self, value: Any) -> None:
        self.check_balance(value)


def equal(found: object, expected: Decimal | None) -> bool:
    """Whether a client's number, which may be a float, is the sandbox's decimal."""
    if found is None or expected is None:
        return found is expected
    if isinstance(found, float):
        return found == float(expected)
    return Decimal(str(found)) == expected
