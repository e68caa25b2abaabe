"""Order requests of USD-M: parameters in, requests to the desk, answers out. Pure.

Sources: the saved pages of "Trade" (openxapi e2791e4, read 2025-11); codes from ccxt 4.5.90 (`binance.py`, comments of
its exceptions). Conditional orders, price matching and RPI are refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from arb.sandbox.accounts.amounts import ZERO, exact
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import Force
from arb.sandbox.serve.binance.api import Act, Call, Operation, Security
from arb.sandbox.serve.binance.errors import ApiError, Verb, not_required
from arb.sandbox.serve.binance.parameters import USDM_CLIENT_ID, Parameters
from arb.sandbox.serve.binance.usdm import answers
from arb.sandbox.serve.binance.usdm.words import FORCES, GOOD_TILL, MODIFY_ID, PREVENTIONS, good_till_of
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Amend, Cancel, Named, OrderKind, Place, RefusalError
from connectors.units import MILLISECOND

_SIDES = {"BUY": BUY, "SELL": SELL}
_POSITION_SIDES = {side.name: side for side in PositionSide}
_FORCES = {name: force for force, name in FORCES.items()} | {"GTD": Force.GTC}
_PREVENTIONS = {name: prevention for prevention, name in PREVENTIONS.items()}
_TYPES = {
    "LIMIT": OrderKind.LIMIT,
    "MARKET": OrderKind.MARKET,
    "STOP": None,
    "STOP_MARKET": None,
    "TAKE_PROFIT": None,
    "TAKE_PROFIT_MARKET": None,
    "TRAILING_STOP_MARKET": None,
}
#: Parameters of conditional orders, which other types must not have.
_CONDITIONAL = ("stopPrice", "activationPrice", "callbackRate")
ORDER = (
    "symbol side positionSide type timeInForce quantity reduceOnly price newClientOrderId stopPrice closePosition "
    "activationPrice callbackRate workingType priceProtect newOrderRespType priceMatch selfTradePreventionMode "
    "goodTillDate"
)
#: Bounds of the end of a GTD order: from now on, and in all.
_GOOD_TILL_MIN_MS, _GOOD_TILL_MAX_MS = 600_000, 253_402_300_799_000
#: Orders whose answer can be their result: others rest.
_IMMEDIATE = (Force.IOC, Force.FOK)


def rules_of(call: Call, symbol: str) -> InstrumentRules:
    return call.api.desk.instruments[symbol].rules


def ids(parameters: Parameters) -> tuple[str | None, str | None]:
    """The venue's and the client's id of an order; one of them is mandatory."""
    order_id, client_id = parameters.integer("orderId"), parameters.text("origClientOrderId", USDM_CLIENT_ID)
    if order_id is None and client_id is None:
        raise ApiError(-1102, "Either orderId or origClientOrderId must be sent, but both were empty/null!")
    return None if order_id is None else str(order_id), client_id


def named(call: Call) -> Named:
    """The order that a query names."""
    call.parameters.required("symbol")
    order_id, client_id = ids(call.parameters)
    return Named(call.account, call.parameters.symbol(call.api.desk.instruments), order_id, client_id)


def _placement(call: Call) -> tuple[Place, bool]:
    """A new order, and whether its answer is its result. Raises ApiError."""
    parameters = call.parameters
    parameters.required("symbol", "side", "type")
    client_id = parameters.text("newClientOrderId", USDM_CLIENT_ID)
    quantity, price = parameters.decimal("quantity"), parameters.decimal("price")
    force = parameters.choice("timeInForce", _FORCES, (-1115, "Invalid timeInForce."))
    kind = parameters.choice("type", _TYPES, (-1116, "Invalid orderType."))
    side = parameters.choice("side", _SIDES, (-1117, "Invalid side."))
    position_side = parameters.choice("positionSide", _POSITION_SIDES) or PositionSide.BOTH
    prevention = parameters.choice(
        "selfTradePreventionMode", _PREVENTIONS, (-5039, "Invalid self trade prevention mode")
    )
    is_result = parameters.choice("newOrderRespType", {"ACK": False, "RESULT": True})
    reduce_only = parameters.flag("reduceOnly")
    symbol = parameters.symbol(call.api.desk.instruments)
    _check_kind(parameters, kind)
    place = Place(
        account=call.account,
        symbol=symbol,
        side=side or 0,
        kind=kind or OrderKind.LIMIT,
        force=force or Force.GTC,
        price=price,
        quantity=quantity,
        client_id=client_id,
        reduce_only=reduce_only,
        position_side=position_side,
        prevention=prevention,
        extra=_good_till(call),
    )
    is_immediate = kind is OrderKind.MARKET or place.force in _IMMEDIATE
    return place, bool(is_result) and is_immediate


def _good_till(call: Call) -> dict[str, str]:
    """The end of a GTD order, to the second; without one nothing."""
    if call.parameters.values.get("timeInForce") != "GTD":
        return {}
    call.parameters.required(GOOD_TILL)
    end_ms = (call.parameters.integer(GOOD_TILL) or 0) // 1000 * 1000
    if not call.now_ms + _GOOD_TILL_MIN_MS < end_ms < _GOOD_TILL_MAX_MS:
        raise ApiError(
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than "
            f"{_GOOD_TILL_MAX_MS}",
        )
    return {GOOD_TILL: str(end_ms)}


def _end_later(call: Call, order: VenueOrder, at_ns: int) -> None:
    """Cancels a GTD order when its time is over."""
    desk, cancel = call.api.desk, Cancel(order.account, order.symbol, order.order_id)

    def end(now_ns: int) -> None:
        with suppress(RefusalError):  # it ended before
            desk.cancel(cancel, now_ns)

    left_ms = good_till_of(order) - call.api.exchange.venue_ms(at_ns)
    due_ns = at_ns + left_ms * MILLISECOND
    call.api.trading.at(due_ns, end, lambda: desk.is_open(order.account, order.order_id))


def _check_kind(parameters: Parameters, kind: OrderKind | None) -> None:
    """What is not served, and parameters that a type needs or must not have."""
    if kind is None:
        raise ApiError(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        )
    if parameters.values.get("priceMatch", "NONE") != "NONE":
        raise ApiError(-5037, "Invalid price match")
    if parameters.flag("closePosition"):
        raise ApiError(-4136, f"Target strategy invalid for orderType {kind.name},closePosition true")
    if kind is OrderKind.MARKET:
        parameters.required("quantity")
        unwanted = ["timeInForce", "price"]
    else:
        parameters.required("timeInForce", "quantity", "price")
        unwanted = []
    if parameters.values.get("timeInForce") != "GTD":
        unwanted.append(GOOD_TILL)
    for name in (*unwanted, *_CONDITIONAL):
        if parameters.values.get(name, "0") not in ("0", ""):
            raise not_required(name)


def _place(call: Call) -> Act:
    place, is_result = _placement(call)
    answer = answers.changed_order if is_result else answers.acknowledged_order

    def act(at_ns: int) -> Any:
        order = call.api.desk.place(place, at_ns)
        if order.is_open and good_till_of(order):
            _end_later(call, order, at_ns)
        with exact():
            return answer(order, rules_of(call, order.symbol), call.api.exchange.venue_ms)

    return act


def _test(call: Call) -> Act:
    place, _ = _placement(call)

    def act(at_ns: int) -> Any:
        call.api.desk.test(place, at_ns)
        rules = rules_of(call, place.symbol)
        order = VenueOrder(
            account=call.account,
            venue=call.api.venue,
            symbol=place.symbol,
            no=0,
            order_id="0",
            client_id=place.client_id or call.api.new_id("test"),
            side=place.side,
            kind=place.kind,
            force=place.force,
            price=place.price,
            quantity=place.quantity or ZERO,
            quote_quantity=None,
            reduce_only=place.reduce_only,
            position_side=place.position_side,
            prevention=rules.default_prevention if place.prevention is None else place.prevention,
            created_ns=at_ns,
            updated_ns=at_ns,
            extra=place.extra,
        )
        with exact():
            return answers.acknowledged_order(order, rules, call.api.exchange.venue_ms)

    return act


def _modify(call: Call) -> Act:
    parameters, desk = call.parameters, call.api.desk
    parameters.required("symbol", "side", "quantity")
    if parameters.values.get("priceMatch", "NONE") != "NONE":
        raise ApiError(-5037, "Invalid price match")
    parameters.required("price")
    order_id, client_id = ids(parameters)
    # The venue's id decides if both are sent.
    name = Named(
        call.account, parameters.symbol(desk.instruments), order_id, client_id if order_id is None else None
    )
    quantity, price = parameters.decimal("quantity"), parameters.decimal("price")
    side = parameters.choice("side", _SIDES, (-1117, "Invalid side."))
    modify_id = parameters.integer(MODIFY_ID)

    def act(at_ns: int) -> Any:
        before = desk.order(name)
        if before.side != side:
            raise ApiError(-1117, "Invalid side.")
        extra = {key: value for key, value in before.extra.items() if key != MODIFY_ID}
        if modify_id is not None:
            extra[MODIFY_ID] = str(modify_id)
        desk.count_order(call.account, at_ns)
        order = desk.amend(
            Amend(
                name.account,
                name.symbol,
                name.order_id,
                name.client_id,
                price=price,
                quantity=quantity,
                extra=extra,
            ),
            at_ns,
        )
        with exact():
            return answers.modified_order(
                order, rules_of(call, order.symbol), call.api.exchange.venue_ms, modify_id
            )

    return act


def _cancel(call: Call) -> Act:
    one = named(call)
    cancel = Cancel(one.account, one.symbol, one.order_id, one.client_id)
    return lambda at_ns: _changed(call, call.api.desk.cancel(cancel, at_ns))


def _changed(call: Call, order: VenueOrder) -> answers.Row:
    with exact():
        return answers.changed_order(order, rules_of(call, order.symbol), call.api.exchange.venue_ms)


def _cancel_all(call: Call) -> Act:
    symbol = call.parameters.symbol(call.api.desk.instruments)

    def act(at_ns: int) -> Any:
        call.api.desk.cancel_all(call.account, symbol, at_ns)
        return answers.ALL_CANCELED

    return act


def _count_down(call: Call) -> Act:
    call.parameters.required("symbol", "countdownTime")
    symbol = call.parameters.symbol(call.api.desk.instruments)
    countdown_ms = call.parameters.integer("countdownTime") or 0

    def act(at_ns: int) -> Any:
        call.api.trading.count_down(call.account, symbol, countdown_ms * MILLISECOND, at_ns)
        return answers.countdown(symbol, countdown_ms)

    return act


_NAMED = "symbol orderId origClientOrderId"
#: By the websocket API's method, or by a name of REST alone. A change of an order counts as a new order.
ORDER_OPERATIONS = {
    "order.place": Operation(_place, 0, Security.TRADE, ORDER, Verb.PLACE, shows_counts=True),
    "order.test": Operation(_test, 0, Security.TRADE, ORDER, Verb.PLACE),
    "order.modify": Operation(
        _modify,
        1,
        Security.TRADE,
        f"{_NAMED} side quantity price priceMatch modifyId positionSide origType",
        Verb.AMEND,
        shows_counts=True,
    ),
    "order.cancel": Operation(_cancel, 1, Security.TRADE, _NAMED, Verb.CANCEL),
    "allOpenOrders": Operation(_cancel_all, 1, Security.TRADE, "symbol", Verb.CANCEL),
    "countdownCancelAll": Operation(_count_down, 10, Security.TRADE, "symbol countdownTime"),
}
