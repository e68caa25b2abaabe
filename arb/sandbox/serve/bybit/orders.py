"""Bybit's order entry: create, amend, cancel, cancel-all, pre-check, and batches. Answers have ids only. Pure.

Source: bybit-exchange/docs v5 `order/*.mdx` (read 2026-07-24).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from arb.sandbox.accounts.amounts import ZERO, divided
from arb.sandbox.accounts.margin import Margin
from arb.sandbox.serve.bybit import errors
from arb.sandbox.serve.bybit.errors import RequestError, parameter_error
from arb.sandbox.serve.bybit.parameters import Fields, amend_request, cancel_request, place_request
from arb.sandbox.serve.bybit.side import Answer, Call, Run, outcome_of
from arb.sandbox.serve.bybit.wallet import added_margin
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Cancel, Named, Reason, RefusalError

#: Most orders of a batch, and most that `cancel-all` of linear cancels.
_BATCH_MAX = {"linear": 20, "spot": 10}
_CANCELED_MAX = 500

Ids = dict[str, str]


def create(call: Call) -> Run:
    """POST /v5/order/create."""
    run = _create(call, call.fields, call.fields.category())
    return lambda now_ns: Answer(run(now_ns))


def amend(call: Call) -> Run:
    """POST /v5/order/amend."""
    run = _amend(call, call.fields, call.fields.category())
    return lambda now_ns: Answer(run(now_ns))


def cancel(call: Call) -> Run:
    """POST /v5/order/cancel."""
    run = _cancel(call, call.fields, call.fields.category())
    return lambda now_ns: Answer(run(now_ns))


def cancel_all(call: Call) -> Run:
    """POST /v5/order/cancel-all."""
    fields = call.fields
    category = fields.category()
    symbol, base, settle = fields.text("symbol"), fields.text("baseCoin"), fields.text("settleCoin")
    if category == "linear" and not (symbol or base or settle):
        raise parameter_error("symbol, baseCoin or settleCoin is required")
    if category == "spot" and settle:
        raise parameter_error("settleCoin is not for spot")
    if fields.text("orderFilter", "Order") not in ("Order", "OpenOrder"):
        return lambda now_ns: Answer({"list": [], "success": "1"})
    desk = call.side.desk(category)

    def run(now_ns: int) -> Answer:
        orders = desk.open_orders(call.account, symbol or None, all=True)
        if symbol:
            desk.instrument(symbol)
        elif settle and not base:
            orders = [one for one in orders if desk.instruments[one.symbol].rules.settle == settle]
        elif base and category == "spot":
            orders = [one for one in orders if desk.instruments[one.symbol].rules.base == base]
        if category == "linear" and len(orders) > _CANCELED_MAX:
            # The venue picks them at random; here by a hash of their ids, so that a replay picks the same.
            orders = sorted(orders, key=_hash)[:_CANCELED_MAX]
        cancelled = []
        for one in orders:
            try:
                cancelled.append(desk.cancel(Cancel(call.account, one.symbol, order_id=one.order_id), now_ns))
            except RefusalError:
                continue  # the end of another one ended it
        return Answer({"list": [_ids(one) for one in cancelled], "success": "1"})

    return run


def pre_check(call: Call) -> Run:
    """POST /v5/order/pre-check: rates of margin before and after the order, in 1/10,000."""
    category = call.fields.category()
    if category == "spot":
        raise parameter_error("category spot is not supported")
    place = place_request(call.fields, call.account, category)
    desk = call.side.desk(category)

    def run(now_ns: int) -> Answer:
        desk.test(place, now_ns)
        before = desk.margin(call.account)
        added = added_margin(call.side, place)
        rules = desk.instruments[place.symbol].rules
        value = added * call.side.account(call.account).modes.leverage(place.symbol)
        maintenance = value * (rules.brackets[0].maintenance if rules.brackets else ZERO)
        initial = before.initial + before.order_margin
        result: dict[str, object] = {
            "orderId": "",
            "orderLinkId": place.client_id or "",
            "preImrE4": _rate(initial, before),
            "preMmrE4": _rate(before.maintenance, before),
            "postImrE4": _rate(initial + added, before),
            "postMmrE4": _rate(before.maintenance + maintenance, before),
        }
        if added > before.available:
            raise RefusalError(Reason.INSUFFICIENT_MARGIN)
        return Answer(result)

    return run


def create_batch(call: Call) -> Run:
    """POST /v5/order/create-batch."""
    return _batch(call, _create, has_time=True)


def amend_batch(call: Call) -> Run:
    """POST /v5/order/amend-batch."""
    return _batch(call, _amend)


def cancel_batch(call: Call) -> Run:
    """POST /v5/order/cancel-batch."""
    return _batch(call, _cancel)


_Leg = Callable[[Call, Fields, str], Callable[[int], Ids]]


def _create(call: Call, fields: Fields, category: str) -> Callable[[int], Ids]:
    request = place_request(fields, call.account, category)
    desk = call.side.desk(category)
    return lambda now_ns: _ids(desk.place(request, now_ns))


def _amend(call: Call, fields: Fields, category: str) -> Callable[[int], Ids]:
    request = amend_request(fields, call.account)
    desk = call.side.desk(category)

    def run(now_ns: int) -> Ids:
        if request.quantity is not None:
            order = desk.order(Named(call.account, request.symbol, request.order_id, request.client_id))
            if order.is_open and request.quantity <= order.filled:
                raise RefusalError(Reason.QUANTITY_NOT_SMALLER)
        return _ids(desk.amend(request, now_ns))

    return run


def _cancel(call: Call, fields: Fields, category: str) -> Callable[[int], Ids]:
    request = cancel_request(fields, call.account)
    desk = call.side.desk(category)
    sent = call.side.find(category, call.account, request.order_id or "", request.client_id or "")
    was_open = sent is not None and sent.is_open

    def run(now_ns: int) -> Ids:
        try:
            return _ids(desk.cancel(request, now_ns))
        except RefusalError as refusal:
            if refusal.reason is not Reason.ORDER_FILLED or not was_open:
                raise
            # It was filled while the request was on its way: accepted, then reported as filled once more.
            order = desk.order(request)
            call.side.report_lost_cancel(order, now_ns)
            return _ids(order)

    return run


def _batch(call: Call, leg: _Leg, *, has_time: bool = False) -> Run:
    category = call.fields.category()
    legs = call.fields.values.get("request")
    if not isinstance(legs, list) or not legs or not all(isinstance(one, dict) for one in legs):
        raise parameter_error("request must be a list of orders")
    if len(legs) > _BATCH_MAX[category]:
        raise parameter_error(f"request has more than {_BATCH_MAX[category]} orders")

    def run(now_ns: int) -> Answer:
        rows, codes = [], []
        for no, one in enumerate(legs):
            outcome: Answer | RequestError
            if no >= call.admitted:
                outcome = RequestError(errors.TOO_MANY, "Too many visits. Exceeded the API Rate Limit.")
            else:
                outcome = outcome_of(_prepared(call, leg, Fields(one), category), category, now_ns)
            is_done = isinstance(outcome, Answer)
            ids: Any = outcome.result if isinstance(outcome, Answer) else _sent_ids(one, is_new=has_time)
            row = {"category": category, "symbol": str(one.get("symbol") or ""), **ids}
            if has_time:
                row["createAt"] = str(call.side.clock(category)(now_ns)) if is_done else ""
            rows.append(row)
            refusal = outcome if isinstance(outcome, RequestError) else None
            codes.append({"code": refusal.code if refusal else 0, "msg": refusal.text if refusal else "OK"})
        return Answer({"list": rows}, {"list": codes})

    return run


def _prepared(call: Call, leg: _Leg, fields: Fields, category: str) -> Run:
    """Checks the parameters of a leg when it is its turn: a wrong one refuses itself alone."""
    return lambda now_ns: Answer(leg(call, fields, category)(now_ns))


def _sent_ids(leg: dict[str, Any], *, is_new: bool) -> Ids:
    order_id = "" if is_new else leg.get("orderId") or ""
    return {"orderId": str(order_id), "orderLinkId": str(leg.get("orderLinkId") or "")}


def _ids(order: VenueOrder) -> Ids:
    return {"orderId": order.order_id, "orderLinkId": order.client_id}


def _hash(order: VenueOrder) -> bytes:
    return hashlib.sha256(order.order_id.encode()).digest()


def _rate(part: Any, margin: Margin) -> int:
    if margin.cross_balance <= 0:
        return 0
    return int(divided(part * 10_000, margin.cross_balance, 4))
