"""Queries of USD-M: orders, executions, incomes, balances, positions, rates. Pure.

Sources: the saved pages of "Trade" and "Account" (openxapi e2791e4, read 2025-11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from arb.sandbox.accounts.amounts import ZERO, exact
from arb.sandbox.accounts.history import incomes
from arb.sandbox.serve.binance.api import Act, Call, Operation
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.pages import Times, between, paged
from arb.sandbox.serve.binance.parameters import Parameters
from arb.sandbox.serve.binance.usdm import account_answers, answers
from arb.sandbox.serve.binance.usdm.account_answers import VENUE, State
from arb.sandbox.serve.binance.usdm.orders import named, rules_of
from arb.sandbox.trading.order_state import OrderStatus, VenueOrder
from arb.sandbox.trading.requests import Reason, RefusalError
from connectors.units import DAY

_WEEK_MS = 7 * 86_400_000
#: Orders that ended without a fill are found for 3 days, others for 90. Source: "Query Order".
_UNFILLED_NS, _KEPT_NS = 3 * DAY, 90 * DAY
_INCOMES = {kind: cause for cause, kind in answers.INCOMES.items()}
_ENDED = (OrderStatus.CANCELED, OrderStatus.EXPIRED)


def state_of(call: Call) -> State:
    """The account with its margin at present prices."""
    desk = call.api.desk
    rules = {symbol: one.rules for symbol, one in desk.instruments.items()}

    def mark(symbol: str) -> Decimal:
        return desk.instruments[symbol].mark or ZERO

    account = call.api.trading.account(VENUE, call.account)
    margin = desk.margin(call.account)
    margin = replace(margin, wallet=account.wallet(VENUE).total(margin.asset))  # it may lag, by a fault
    return State(account, margin, rules, mark, call.api.exchange.venue_ms)


def _of_account(answer: Callable[[State], Any]) -> Callable[[Call], Act]:
    """A query whose answer needs the account alone."""

    def run(call: Call) -> Act:
        def act(_: int) -> Any:
            with exact():
                return answer(state_of(call))

        return act

    return run


def _of_positions(answer: Callable[[State, str | None], Any]) -> Callable[[Call], Act]:
    def run(call: Call) -> Act:
        symbol = call.parameters.optional_symbol(call.api.desk.instruments)

        def act(_: int) -> Any:
            with exact():
                return answer(state_of(call), symbol)

        return act

    return run


def _is_kept(order: VenueOrder, at_ns: int) -> bool:
    age_ns = at_ns - order.created_ns
    return age_ns <= (_KEPT_NS if order.filled or order.status not in _ENDED else _UNFILLED_NS)


def _queried(call: Call, order: VenueOrder) -> answers.Row:
    with exact():
        return answers.queried_order(order, rules_of(call, order.symbol), call.api.exchange.venue_ms)


def _order(call: Call) -> Act:
    name = named(call)

    def act(at_ns: int) -> Any:
        order = call.api.desk.order(name)
        if not _is_kept(order, at_ns):
            raise RefusalError(Reason.UNKNOWN_ORDER)
        return _queried(call, order)

    return act


def _open_order(call: Call) -> Act:
    name = named(call)

    def act(_: int) -> Any:
        order = call.api.desk.order(name)
        if not order.is_open:
            raise RefusalError(Reason.UNKNOWN_ORDER)
        return _queried(call, order)

    return act


def _open_orders(call: Call) -> Act:
    symbol = call.parameters.optional_symbol(call.api.desk.instruments)
    return lambda _: [_queried(call, one) for one in call.api.desk.open_orders(call.account, symbol)]


def _all_orders(call: Call) -> Act:
    parameters, desk, clock = call.parameters, call.api.desk, call.api.exchange.venue_ms
    symbol = parameters.symbol(desk.instruments)
    first_id, times, limit = parameters.integer("orderId"), _times(parameters), parameters.limit()

    def act(at_ns: int) -> Any:
        orders = [*desk.closed_orders(call.account, symbol), *desk.open_orders(call.account, symbol)]
        orders = [
            one
            for one in sorted(orders, key=lambda one: one.no)
            if _is_kept(one, at_ns) and (first_id is None or int(one.order_id) >= first_id)
        ]
        found = paged(orders, lambda one: clock(one.created_ns), times, first_id, limit)
        return [_queried(call, one) for one in found]

    return act


def _user_trades(call: Call) -> Act:
    parameters, desk, clock = call.parameters, call.api.desk, call.api.exchange.venue_ms
    symbol = parameters.symbol(desk.instruments)
    order_id, first_id = parameters.integer("orderId"), parameters.integer("fromId")
    times, limit = _times(parameters), parameters.limit()
    if first_id is not None and times != (None, None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")

    def act(_: int) -> Any:
        trades = [
            one
            for one in desk.executions(call.account, symbol)
            # Funding payments have no order.
            if one.order_id
            and order_id in (None, int(one.order_id))
            and (first_id is None or one.trade_id >= first_id)
        ]
        found = paged(trades, lambda one: clock(one.at_ns), times, first_id, limit)
        with exact():
            return [answers.user_trade(one, rules_of(call, symbol), clock) for one in found]

    return act


def _income(call: Call) -> Act:
    parameters, clock = call.parameters, call.api.exchange.venue_ms
    symbol = parameters.optional_symbol(call.api.desk.instruments)
    kind = parameters.choice("incomeType", {name: name for name in _INCOMES})
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    page, limit = parameters.integer("page", 1) or 1, parameters.limit(100)
    causes = [cause for cause, name in answers.INCOMES.items() if kind in (None, name)]

    def act(_: int) -> Any:
        account = call.api.trading.account(VENUE, call.account)
        entries = incomes(account.ledger.entries, VENUE, causes, symbol)
        entries = between(entries, lambda one: clock(one.at_ns), (start_ms, end_ms))
        first = (page - 1) * limit
        if start_ms is None and end_ms is None and page == 1:
            first = max(0, len(entries) - limit)  # the newest ones
        with exact():
            return [answers.income(one, clock) for one in entries[first : first + limit]]

    return act


def _times(parameters: Parameters) -> Times:
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    if start_ms is not None and end_ms is not None and not 0 <= end_ms - start_ms <= _WEEK_MS:
        raise ApiError(-4165, "Invalid time interval. Maximum time interval is 7 days")
    return start_ms, end_ms


def _commission_rate(call: Call) -> Act:
    symbol = call.parameters.symbol(call.api.desk.instruments)

    def act(_: int) -> Any:
        rule = call.api.trading.account(VENUE, call.account).fee_rules[VENUE]
        return answers.commission_rate(symbol, rule.maker, rule.taker)

    return act


def _order_limits(call: Call) -> Act:
    return lambda _: call.api.order_limits()


_NAMED = "symbol orderId origClientOrderId"
#: By the websocket API's method, or by a name of REST alone.
QUERY_OPERATIONS = {
    "order.status": Operation(_order, 1, takes=_NAMED),
    "openOrder": Operation(_open_order, 1, takes=_NAMED),
    "openOrders": Operation(
        _open_orders, lambda parameters: 1 if "symbol" in parameters else 40, takes="symbol"
    ),
    "allOrders": Operation(_all_orders, 5, takes="symbol orderId startTime endTime limit"),
    "userTrades": Operation(_user_trades, 5, takes="symbol orderId startTime endTime fromId limit"),
    "income": Operation(_income, 30, takes="symbol incomeType startTime endTime page limit"),
    "account.balance": Operation(_of_account(account_answers.balances), 5),
    "account.status": Operation(_of_account(account_answers.account_v2), 5),
    "v2/account.status": Operation(_of_account(account_answers.account_v3), 5),
    "account.position": Operation(_of_positions(account_answers.positions_v2), 5, takes="symbol"),
    "v2/account.position": Operation(_of_positions(account_answers.socket_positions_v3), 5, takes="symbol"),
    "positionRisk": Operation(_of_positions(account_answers.positions_v3), 5, takes="symbol"),
    "commissionRate": Operation(_commission_rate, 20, takes="symbol"),
    "rateLimit/order": Operation(_order_limits, 1),
}
