"""Bybit's queries of orders, executions and positions, with the venue's retention. Pure.

Source: bybit-exchange/docs v5 `order/{open-order,order-list,execution}.mdx`, `position/position.mdx` (read
2026-07-24).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.serve.bybit import answers
from arb.sandbox.serve.bybit.answers import Row
from arb.sandbox.serve.bybit.errors import parameter_error
from arb.sandbox.serve.bybit.parameters import CATEGORIES, Fields
from arb.sandbox.serve.bybit.side import Answer, Call, Run, Side
from arb.sandbox.trading.order_state import VenueOrder
from connectors.units import MILLISECOND, SECOND

#: Closed orders of a category that `order/realtime` finds.
_RECENT_MAX = 500
_DAY_NS = 86_400 * SECOND
_WEEK_MS = 7 * 86_400_000

Filter = Callable[[str], bool]


def realtime(call: Call) -> Run:
    """GET /v5/order/realtime."""
    fields = call.fields
    category = fields.category(takes_empty=True)
    order_id, link_id = fields.text("orderId"), fields.text("orderLinkId")
    is_wanted = _symbols(call.side, fields, category, is_required=not (order_id or link_id))
    is_closed = fields.integer("openOnly", 0, 0, 1) == 1
    has_stops = fields.text("orderFilter", "Order") != "Order"
    page = fields.page(20, 50)

    def run(now_ns: int) -> Answer:
        if category not in CATEGORIES or has_stops:
            return _listed(category, [], page)
        desk = call.side.desk(category)
        orders = [] if is_closed else desk.open_orders(call.account)
        if is_closed or order_id or link_id:
            orders += desk.closed_orders(call.account)[-_RECENT_MAX:]
        if order_id or link_id:
            orders = _by_id(orders, order_id, link_id)
        else:
            orders = [one for one in orders if is_wanted(one.symbol)]
        rows = [answers.open_order(one, category) for one in _newest_first(orders)]
        return _listed(category, rows, page)

    return run


def history(call: Call) -> Run:
    """GET /v5/order/history."""
    fields = call.fields
    category = fields.category(takes_empty=True)
    order_id, link_id = fields.text("orderId"), fields.text("orderLinkId")
    is_wanted = _symbols(call.side, fields, category, is_required=False)
    status = fields.text("orderStatus")
    has_stops = fields.text("orderFilter", "Order") != "Order"
    page, span = fields.page(20, 50), _span(fields)

    def run(now_ns: int) -> Answer:
        if category not in CATEGORIES or has_stops:
            return _listed(category, [], page)
        first_ms, last_ms = span(now_ns)
        orders = [
            one
            for one in call.side.desk(category).closed_orders(call.account)
            if one.filled or now_ns - one.updated_ns < _DAY_NS
        ]
        if order_id or link_id:
            orders = _by_id(orders, order_id, link_id)
        else:
            orders = [
                one
                for one in orders
                if is_wanted(one.symbol)
                and first_ms <= one.created_ns // MILLISECOND <= last_ms
                and status in ("", answers.order_status(one, category))
            ]
        rows = [answers.past_order(one, category) for one in _newest_first(orders)]
        return _listed(category, rows, page)

    return run


def executions(call: Call) -> Run:
    """GET /v5/execution/list."""
    fields = call.fields
    category = fields.category(takes_empty=True)
    order_id, link_id = fields.text("orderId"), fields.text("orderLinkId")
    is_wanted = _symbols(call.side, fields, category, is_required=False)
    kind = fields.text("execType")
    page, span = fields.page(50, 100), _span(fields)

    def run(now_ns: int) -> Answer:
        if category not in CATEGORIES:
            return _listed(category, [], page)
        desk = call.side.desk(category)
        first_ms, last_ms = span(now_ns)
        found = [
            one
            for one in reversed(desk.executions(call.account))
            if (
                one.order_id == order_id
                if order_id
                else one.client_id == link_id
                if link_id
                else is_wanted(one.symbol)
                and first_ms <= one.at_ns // MILLISECOND <= last_ms
                and kind in ("", answers.EXECUTION_TYPES[one.kind])
            )
        ]
        start, count = page
        shown = {one.order_id for one in found[start : start + count]}
        kept = [*desk.open_orders(call.account), *desk.closed_orders(call.account)]
        orders = {one.order_id: one for one in kept if one.order_id in shown}
        rows = [answers.execution(one, orders.get(one.order_id), category) for one in found]
        return _listed(category, rows, page)

    return run


def positions(call: Call) -> Run:
    """GET /v5/position/list. With a symbol, empty positions too."""
    fields = call.fields
    category = fields.category(takes_empty=True)
    if category == "spot":
        raise parameter_error("category spot has no positions")
    symbol, settle = fields.text("symbol"), fields.text("settleCoin")
    if category == "linear" and not symbol and not settle:
        raise parameter_error("symbol or settleCoin is required")
    page = fields.page(20, 200)

    def run(now_ns: int) -> Answer:
        if category != "linear":
            return _listed(category, [], page)
        rows = []
        for name, instrument in call.side.desk("linear").instruments.items():
            if symbol not in ("", name) or (not symbol and instrument.rules.settle != settle):
                continue
            for side in sides_of(call.side, call.account):
                row = position_row(call.side, call.account, name, side)
                if symbol or row["size"] != "0":
                    rows.append(row)
        return _listed(category, rows, page)

    return run


def sides_of(side: Side, account: str) -> tuple[PositionSide, ...]:
    """The positions of a symbol in the account's mode."""
    if side.account(account).modes.is_hedge:
        return PositionSide.LONG, PositionSide.SHORT
    return (PositionSide.BOTH,)


def position_row(side: Side, account: str, symbol: str, position_side: PositionSide) -> Row:
    """A position as it is now."""
    one = side.account(account)
    instrument = side.desk("linear").instruments[symbol]
    position = one.positions.get(symbol, position_side)
    view = one.positions.view(symbol, position_side, instrument.mark or ZERO)
    taker = one.fee_rules["bybit_linear"].taker
    return answers.position(view, instrument.rules, taker, (position.opened_ns, position.updated_ns))


def _symbols(side: Side, fields: Fields, category: str, *, is_required: bool) -> Filter:
    """Which symbols `symbol`, `baseCoin` or `settleCoin` name, in this order of priority."""
    symbol, base, settle = fields.text("symbol"), fields.text("baseCoin"), fields.text("settleCoin")
    if category == "linear" and is_required and not (symbol or base or settle):
        raise parameter_error("symbol, baseCoin or settleCoin is required")
    if symbol or category not in CATEGORIES:
        return lambda name: name == symbol
    instruments = side.desk(category).instruments
    if base:
        return lambda name: instruments[name].rules.base == base
    if settle and category == "linear":
        return lambda name: instruments[name].rules.settle == settle
    return lambda name: True


def _span(fields: Fields) -> Callable[[int], tuple[int, int]]:
    """First and last ms of `startTime` and `endTime`, by the present time: at most 7 days, by default the last ones."""
    start = fields.integer("startTime", -1, 0, 10**14) if fields.has("startTime") else None
    end = fields.integer("endTime", -1, 0, 10**14) if fields.has("endTime") else None
    if start is not None and end is not None and not 0 <= end - start <= _WEEK_MS:
        raise parameter_error("the time range between startTime and endTime cannot exceed 7 days")

    def span(now_ns: int) -> tuple[int, int]:
        if start is None:
            last = now_ns // MILLISECOND if end is None else end
            return last - _WEEK_MS, last
        return start, start + _WEEK_MS if end is None else end

    return span


def _by_id(orders: Sequence[VenueOrder], order_id: str, link_id: str) -> list[VenueOrder]:
    if order_id:
        return [one for one in orders if one.order_id == order_id]
    return [one for one in orders if one.client_id == link_id]


def _newest_first(orders: Sequence[VenueOrder]) -> list[VenueOrder]:
    return sorted(orders, key=lambda one: one.no, reverse=True)


def _listed(category: str, rows: Sequence[Row], page: tuple[int, int]) -> Answer:
    start, count = page
    cursor = str(start + count) if start + count < len(rows) else ""
    return Answer({"list": list(rows[start : start + count]), "nextPageCursor": cursor, "category": category})
