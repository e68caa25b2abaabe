"""Bybit's queries of orders, executions and positions, with the venue's retention. Pure.

Source: bybit-exchange/docs v5 `order/{open-order,order-list,execution}.mdx`, `position/position.mdx` (read
2026-07-24).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.accounts.liquidation import liquidation_price
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.serve.bybit import answers
from arb.sandbox.serve.bybit.answers import Clock, Row
from arb.sandbox.serve.bybit.errors import parameter_error
from arb.sandbox.serve.bybit.parameters import CATEGORIES, Fields
from arb.sandbox.serve.bybit.side import Answer, Call, Run, Side
from arb.sandbox.trading.order_state import Execution, VenueOrder
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.sandbox.trading.desk import Desk

T = TypeVar("T")

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
            return _empty(category)
        desk = call.side.desk(category)
        if order_id or link_id:
            found = call.side.find(category, call.account, order_id, link_id)
            orders = [found] if found is not None and (found.is_open or _is_recent(desk, found)) else []
        elif is_closed:
            orders = _recent(desk, call.account)
        else:
            orders = desk.open_orders(call.account)
        if not (order_id or link_id):
            orders = [one for one in orders if is_wanted(one.symbol)]
        return _listed(call, category, _newest_first(orders), page, answers.open_order)

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
            return _empty(category)
        clock = call.side.clock(category)
        first_ms, last_ms = span(clock(now_ns))
        if order_id or link_id:
            found = call.side.find(category, call.account, order_id, link_id)
            orders = [found] if found is not None and not found.is_open else []
        else:
            orders = [
                one
                for one in call.side.desk(category).closed_orders(call.account)
                if is_wanted(one.symbol)
                and first_ms <= clock(one.created_ns) <= last_ms
                and status in ("", answers.order_status(one, category))
            ]
        kept = [one for one in orders if one.filled or now_ns - one.updated_ns < _DAY_NS]
        return _listed(call, category, _newest_first(kept), page, answers.past_order)

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
            return _empty(category)
        desk = call.side.desk(category)
        clock = call.side.clock(category)
        first_ms, last_ms = span(clock(now_ns))
        found = [
            one
            for one in reversed(desk.executions(call.account))
            if (
                one.order_id == order_id
                if order_id
                else one.client_id == link_id
                if link_id
                else is_wanted(one.symbol)
                and first_ms <= clock(one.at_ns) <= last_ms
                and kind in ("", answers.EXECUTION_TYPES[one.kind])
            )
        ]

        def row(one: Execution, category: str, clock: Clock) -> Row:
            order = call.side.find(category, call.account, one.order_id)
            return answers.execution(one, order, category, clock)

        return _listed(call, category, found, page, row)

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
            return _empty(category)
        rows = []
        for name, instrument in call.side.desk("linear").instruments.items():
            if symbol not in ("", name) or (not symbol and instrument.rules.settle != settle):
                continue
            for side in sides_of(call.side, call.account):
                row = position_row(call.side, call.account, name, side)
                if symbol or row["size"] != "0":
                    rows.append(row)
        return _listed(call, category, rows, page, lambda row, *_: row)

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
    times_ns = position.opened_ns, position.updated_ns
    margin = side.desk("linear").margin(account)
    own = next((one for one in margin.positions if (one.symbol, one.side) == (symbol, position_side)), None)
    liquidation = liquidation_price(margin, own, instrument.rules) if own is not None else ZERO
    return answers.position(view, instrument.rules, taker, times_ns, side.clock("linear"), liquidation)


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
    start = fields.time("startTime")
    end = fields.time("endTime")
    if start is not None and end is not None and not 0 <= end - start <= _WEEK_MS:
        raise parameter_error("the time range between startTime and endTime cannot exceed 7 days")

    def span(now_ms: int) -> tuple[int, int]:
        if start is None:
            last = now_ms if end is None else end
            return last - _WEEK_MS, last
        return start, start + _WEEK_MS if end is None else end

    return span


def _is_recent(desk: Desk, order: VenueOrder) -> bool:
    """Whether a closed order is one of the last ones of its category."""
    return any(one.no == order.no for one in _recent(desk, order.account))


def _recent(desk: Desk, account: str) -> list[VenueOrder]:
    """The last closed orders, of those since the venue's last restart."""
    closed = desk.closed_orders(account, last=_RECENT_MAX)
    return [one for one in closed if one.updated_ns >= desk.restarted_ns]


def _newest_first(orders: Sequence[VenueOrder]) -> list[VenueOrder]:
    return sorted(orders, key=lambda one: one.no, reverse=True)


def _listed(
    call: Call, category: str, found: Sequence[T], page: tuple[int, int], row: Callable[[T, str, Clock], Row]
) -> Answer:
    """One page of what was found."""
    start, count = page
    cursor = str(start + count) if start + count < len(found) else ""
    clock = call.side.clock(category)
    rows = [row(one, category, clock) for one in found[start : start + count]]
    return Answer({"list": rows, "nextPageCursor": cursor, "category": category})


def _empty(category: str) -> Answer:
    """Of a category without instruments here."""
    return Answer({"list": [], "nextPageCursor": "", "category": category})
