"""Order requests of Binance spot: parameters in, requests to the desk, answers out. Pure.

Source: rest-api.md of binance-spot-api-docs, "Trading endpoints" (read 2026-07-21).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from arb.sandbox.accounts.amounts import padded
from arb.sandbox.matching.orders import Force
from arb.sandbox.serve.binance.api import Act, Api, Call, Operation, Security
from arb.sandbox.serve.binance.errors import FILTERED, ApiError, Verb, not_required, unsupported
from arb.sandbox.serve.binance.parameters import CLIENT_ID, Parameters
from arb.sandbox.serve.binance.spot import answers
from arb.sandbox.serve.binance.spot.words import FORCES, PREVENTIONS, SIDES
from arb.sandbox.trading.order_state import Replaced
from arb.sandbox.trading.requests import (
    Amend,
    Cancel,
    Named,
    OrderKind,
    Place,
    Reason,
    RefusalError,
    Replace,
)

_TYPES = {
    "LIMIT": OrderKind.LIMIT,
    "LIMIT_MAKER": OrderKind.LIMIT,
    "MARKET": OrderKind.MARKET,
    "STOP_LOSS": None,
    "STOP_LOSS_LIMIT": None,
    "TAKE_PROFIT": None,
    "TAKE_PROFIT_LIMIT": None,
}
#: Parameters of orders that no symbol here allows, and what they make.
_UNSUPPORTED = {
    "icebergQty": "Iceberg orders",
    "trailingDelta": "Trailing stop orders",
    "pegPriceType": "Pegged orders",
    "pegOffsetType": "Pegged orders",
    "pegOffsetValue": "Pegged orders",
}
_STRATEGY_TYPE_MIN = 1_000_000
_RESTRICTIONS = {"ONLY_NEW": True, "ONLY_PARTIALLY_FILLED": False}
#: Parameters of a new order.
ORDER = (
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId strategyId strategyType stopPrice "
    "trailingDelta icebergQty newOrderRespType selfTradePreventionMode pegPriceType pegOffsetValue pegOffsetType"
)


def placement(call: Call) -> tuple[Place, str]:
    """A new order and the form of its answer. Raises ApiError."""
    parameters, desk = call.parameters, call.api.desk
    parameters.required("symbol", "side", "type")
    client_id = parameters.text("newClientOrderId", CLIENT_ID)
    quantity, quote_quantity = parameters.decimal("quantity"), parameters.decimal("quoteOrderQty")
    price, strategy_type = parameters.decimal("price"), parameters.integer("strategyType")
    parameters.integer("strategyId")
    force = parameters.choice("timeInForce", FORCES, (-1115, "Invalid timeInForce."))
    kind = parameters.choice("type", _TYPES, (-1116, "Invalid orderType."))
    side = parameters.choice("side", SIDES, (-1117, "Invalid side."))
    prevention = parameters.choice("selfTradePreventionMode", PREVENTIONS)
    form = parameters.choice("newOrderRespType", {name: name for name in answers.FORMS})
    symbol = parameters.symbol(desk.instruments)
    name = parameters.values["type"]
    if kind is None:
        raise unsupported(f"{name.replace('_', ' ').capitalize()} orders")
    for parameter, what in _UNSUPPORTED.items():
        if parameter in parameters:
            raise unsupported(what)
    _check_combination(parameters, name)
    if strategy_type is not None and strategy_type < _STRATEGY_TYPE_MIN:
        raise ApiError(-1134, "`strategyType` was less than 1000000.")
    place = Place(
        account=call.account,
        symbol=symbol,
        side=side or 0,
        kind=kind,
        force=Force.POST_ONLY if name == "LIMIT_MAKER" else force or Force.GTC,
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        client_id=client_id,
        prevention=prevention,
        extra={one: parameters.values[one] for one in ("strategyId", "strategyType") if one in parameters},
    )
    return place, form or ("ACK" if name == "LIMIT_MAKER" else "FULL")


def _check_combination(parameters: Parameters, kind: str) -> None:
    """Parameters that a type of order needs, and those that it must not have."""
    if kind == "MARKET":
        if "quantity" not in parameters and "quoteOrderQty" not in parameters:
            raise ApiError(
                -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
            )
        unwanted = ["timeInForce", "price"] + ["quoteOrderQty"] * ("quantity" in parameters)
    else:
        parameters.required(*(["timeInForce"] if kind == "LIMIT" else []), "quantity", "price")
        unwanted = ["quoteOrderQty"] + ["timeInForce"] * (kind == "LIMIT_MAKER")
    for name in (*unwanted, "stopPrice"):
        if name in parameters:
            raise not_required(name)


def _place(call: Call) -> Act:
    place, form = placement(call)

    def act(at_ns: int) -> Any:
        return answers.FORMS[form](call.api.desk.place(place, at_ns), call.api.exchange.venue_ms)

    return act


def _test(call: Call) -> Act:
    place, _ = placement(call)
    shows_rates = call.parameters.flag("computeCommissionRates")

    def act(at_ns: int) -> Any:
        call.api.desk.test(place, at_ns)
        return _commission(call) if shows_rates else {}

    return act


def _commission(call: Call) -> dict[str, Any]:
    """The rates of the account, as `order.test` shows them."""
    rates = commission_rates(call)
    return {
        "standardCommissionForOrder": rates,
        "specialCommissionForOrder": _NO_RATES,
        "taxCommissionForOrder": _NO_RATES,
        "discount": discount(call),
    }


_NO_RATES = {"maker": "0.00000000", "taker": "0.00000000"}


def commission_rates(call: Call) -> dict[str, str]:
    """Maker and taker rate of the account."""
    rule = call.api.trading.account(call.api.venue, call.account).fee_rules[call.api.venue]
    return {"maker": padded(rule.maker), "taker": padded(rule.taker)}


def discount(call: Call) -> dict[str, Any]:
    """The discount of fees that are paid in BNB."""
    account = call.api.trading.account(call.api.venue, call.account)
    reduction = 1 - account.fee_rules[call.api.venue].bnb_factor
    return {
        "enabledForAccount": account.modes.is_bnb_discount,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": padded(reduction),
    }


def ids(parameters: Parameters, order: str, client: str) -> tuple[str | None, str | None]:
    """The venue's and the client's id of an order; one of them is mandatory."""
    order_id, client_id = parameters.integer(order), parameters.text(client, CLIENT_ID)
    if order_id is None and client_id is None:
        raise ApiError(-1102, f"Param '{client}' or '{order}' must be sent, but both were empty/null!")
    return None if order_id is None else str(order_id), client_id


def _cancellation(call: Call, order: str, client: str, own: str) -> Cancel:
    parameters = call.parameters
    parameters.required("symbol")
    order_id, client_id = ids(parameters, order, client)
    request_id = parameters.text(own, CLIENT_ID)
    restriction = parameters.choice(
        "cancelRestrictions", _RESTRICTIONS, (-1145, "Invalid cancelRestrictions")
    )
    symbol = parameters.symbol(call.api.desk.instruments)
    return Cancel(
        call.account,
        symbol,
        order_id,
        client_id,
        request_id=request_id,
        only_unfilled=restriction,
    )


def _cancel(call: Call) -> Act:
    cancel = _cancellation(call, "orderId", "origClientOrderId", "newClientOrderId")

    def act(at_ns: int) -> Any:
        return answers.cancelled(call.api.desk.cancel(cancel, at_ns), call.api.exchange.venue_ms)

    return act


def _cancel_all(call: Call) -> Act:
    symbol = call.parameters.symbol(call.api.desk.instruments)

    def act(at_ns: int) -> Any:
        orders = call.api.desk.cancel_all(call.account, symbol, at_ns)
        if not orders and call.api.assumed.cancel_all_empty_refused:
            raise RefusalError(Reason.UNKNOWN_ORDER)
        return [answers.cancelled(order, call.api.exchange.venue_ms) for order in orders]

    return act


def _replace(call: Call) -> Act:
    parameters, api = call.parameters, call.api
    parameters.required("symbol", "side", "type", "cancelReplaceMode")
    stops = parameters.choice("cancelReplaceMode", {"STOP_ON_FAILURE": True, "ALLOW_FAILURE": False})
    cancels_always = parameters.choice(
        "orderRateLimitExceededMode", {"DO_NOTHING": False, "CANCEL_ONLY": True}
    )
    place, form = placement(call)
    cancel = _cancellation(call, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId")

    def act(at_ns: int) -> Any:
        is_over = False
        try:  # filters and order counts are evaluated before anything is done
            api.desk.test(place, at_ns)
        except RefusalError as refusal:
            is_over = refusal.reason in _COUNTS
            if refusal.reason in _EARLY or (is_over and not cancels_always):
                raise
        done = api.desk.replace(Replace(cancel, place, stops_on_failure=bool(stops)), at_ns)
        if done.placed is None and done.place_refusal is None and not is_over:
            api.desk.count_order(call.account, at_ns)  # also if it was not attempted
        if done.cancelled is not None and done.place_refusal is not None:
            if done.place_refusal.reason in _OF_ENGINE:
                api.desk.report_rejection(place, done.place_refusal.reason, at_ns)
        return _replaced(api, done, form, 429 if is_over and stops else None)

    return act


def _replaced(api: Api, done: Replaced, form: str, status: int | None) -> dict[str, Any]:
    """The answer if both parts succeeded. Raises ApiError otherwise. status: of that error; None: by the outcome."""
    data: dict[str, Any] = {"cancelResult": "FAILURE", "newOrderResult": "FAILURE"}
    clock = api.exchange.venue_ms
    if done.cancelled is not None:
        data |= {"cancelResult": "SUCCESS", "cancelResponse": answers.cancelled(done.cancelled, clock)}
    elif done.cancel_refusal is not None:
        data["cancelResponse"] = api.error(done.cancel_refusal, Verb.CANCEL).body
    if done.placed is not None:
        data |= {"newOrderResult": "SUCCESS", "newOrderResponse": answers.FORMS[form](done.placed, clock)}
    elif done.place_refusal is not None:
        data["newOrderResponse"] = api.error(done.place_refusal, Verb.PLACE).body
    else:
        data |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
    successes = (done.cancelled is not None) + (done.placed is not None)
    if successes == 2:
        return data
    if successes:
        raise ApiError(-2021, "Order cancel-replace partially failed.", status or 409, data)
    raise ApiError(-2022, "Order cancel-replace failed.", status or 400, data)


#: Refusals of the matching engine.
_OF_ENGINE = (Reason.INSUFFICIENT_BALANCE, Reason.WOULD_TAKE)
_COUNTS = (Reason.TOO_MANY_ORDERS_10S, Reason.TOO_MANY_ORDERS_1M, Reason.TOO_MANY_ORDERS_1D)
#: Refusals before the matching engine.
_EARLY = FILTERED.keys() | {Reason.BOOK_NOT_READY, Reason.PREVENTION_MODE}


def _amend(call: Call) -> Act:
    parameters = call.parameters
    parameters.required("symbol")
    order_id, client_id = ids(parameters, "orderId", "origClientOrderId")
    parameters.required("newQty")
    quantity = parameters.decimal("newQty") or Decimal(0)
    symbol = parameters.symbol(call.api.desk.instruments)
    new_id = parameters.text("newClientOrderId", CLIENT_ID) or call.api.new_id("amend")
    named = Named(call.account, symbol, order_id, client_id)

    def act(at_ns: int) -> Any:
        before = call.api.desk.order(named)
        order = call.api.desk.amend(
            Amend(
                call.account,
                symbol,
                order_id,
                client_id,
                quantity=quantity,
                keeps_place=True,
                new_client_id=new_id,
            ),
            at_ns,
        )
        return answers.amended(order, before.client_id, order.amendments, call.api.exchange.venue_ms)

    return act


#: Order requests by method of the websocket API.
ORDER_OPERATIONS = {
    "order.place": Operation(_place, 1, Security.TRADE, ORDER, Verb.PLACE, is_order=True, shows_counts=True),
    "order.test": Operation(
        _test,
        lambda parameters: 20 if parameters.flag("computeCommissionRates") else 1,
        Security.TRADE,
        f"{ORDER} computeCommissionRates",
        Verb.PLACE,
    ),
    "order.cancel": Operation(
        _cancel,
        1,
        Security.TRADE,
        "symbol orderId origClientOrderId newClientOrderId cancelRestrictions",
        Verb.CANCEL,
        is_order=True,
    ),
    "order.cancelReplace": Operation(
        _replace,
        1,
        Security.TRADE,
        f"{ORDER} cancelReplaceMode cancelNewClientOrderId cancelOrigClientOrderId cancelOrderId "
        "cancelRestrictions orderRateLimitExceededMode",
        Verb.PLACE,
        is_order=True,
        shows_counts=True,
    ),
    "order.amend.keepPriority": Operation(
        _amend, 4, Security.TRADE, "symbol orderId origClientOrderId newClientOrderId newQty", Verb.AMEND
    ),
    "openOrders.cancelAll": Operation(_cancel_all, 1, Security.TRADE, "symbol", Verb.CANCEL),
}
