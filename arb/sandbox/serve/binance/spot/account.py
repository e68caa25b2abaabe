"""Queries of Binance spot: orders, executions, balances, rates, rules of execution. Pure.

Source: rest-api.md of binance-spot-api-docs, "Account Endpoints" (read 2026-07-21).
"""

from __future__ import annotations

from typing import Any

from arb.sandbox.accounts.amounts import exact, padded
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.serve.binance.api import Act, Call, Operation, Security
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.exchange_info import chosen_symbols
from arb.sandbox.serve.binance.pages import Times, paged
from arb.sandbox.serve.binance.parameters import Parameters
from arb.sandbox.serve.binance.spot import answers
from arb.sandbox.serve.binance.spot.orders import commission_rates, discount, ids
from arb.sandbox.trading.requests import Named
from connectors.units import MILLISECOND

_DAY_MS = 86_400_000
_ZERO = "0.00000000"
#: Parameters by which executions may be selected, besides the symbol.
_TRADE_FILTERS = ("orderId", "startTime", "endTime", "fromId")
_TRADE_COMBINATIONS = (
    (), ("orderId",), ("startTime",), ("endTime",), ("fromId",), ("startTime", "endTime"), ("orderId", "fromId"),
)  # fmt: skip
#: Weight of execution rules: of one symbol, and at most.
_RULES_WEIGHT, _RULES_WEIGHT_MAX = 2, 40


def _order(call: Call) -> Act:
    call.parameters.required("symbol")
    order_id, client_id = ids(call.parameters, "orderId", "origClientOrderId")
    symbol = call.parameters.symbol(call.api.desk.instruments)
    named = Named(call.account, symbol, order_id, client_id)
    return lambda _: answers.queried(call.api.desk.order(named), call.api.exchange.venue_ms)


def _open_orders(call: Call) -> Act:
    symbol = call.parameters.optional_symbol(call.api.desk.instruments)
    clock = call.api.exchange.venue_ms
    return lambda _: [answers.queried(one, clock) for one in call.api.desk.open_orders(call.account, symbol)]


def _all_orders(call: Call) -> Act:
    parameters, desk, clock = call.parameters, call.api.desk, call.api.exchange.venue_ms
    symbol = parameters.symbol(desk.instruments)
    first_id, times, limit = parameters.integer("orderId"), _times(parameters), parameters.limit()

    def act(_: int) -> Any:
        orders = [*desk.closed_orders(call.account, symbol), *desk.open_orders(call.account, symbol)]
        orders.sort(key=lambda one: one.no)
        if first_id is not None:
            orders = [one for one in orders if int(one.order_id) >= first_id]
        found = paged(orders, lambda one: clock(one.created_ns), times, first_id, limit)
        return [answers.queried(one, clock) for one in found]

    return act


def _my_trades(call: Call) -> Act:
    parameters, desk, clock = call.parameters, call.api.desk, call.api.exchange.venue_ms
    symbol = parameters.symbol(desk.instruments)
    if tuple(name for name in _TRADE_FILTERS if name in parameters) not in _TRADE_COMBINATIONS:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    order_id, first_id = parameters.integer("orderId"), parameters.integer("fromId")
    times, limit = _times(parameters), parameters.limit()

    def act(_: int) -> Any:
        trades = desk.executions(call.account, symbol)
        if order_id is not None:
            trades = [one for one in trades if int(one.order_id) == order_id]
        if first_id is not None:
            trades = [one for one in trades if one.trade_id >= first_id]
        found = paged(trades, lambda one: clock(one.at_ns), times, first_id, limit)
        return [answers.traded(one, clock) for one in found]

    return act


def _times(parameters: Parameters) -> Times:
    start_ms, end_ms = (_milliseconds(parameters.integer(name)) for name in ("startTime", "endTime"))
    if start_ms is not None and end_ms is not None:
        if end_ms < start_ms:
            raise ApiError(-1130, "Data sent for parameter 'startTime' is not valid.")
        if end_ms - start_ms > _DAY_MS:
            raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return start_ms, end_ms


def _milliseconds(time: int | None) -> int | None:
    """A time parameter, in ms or us."""
    return time if time is None or time < 10**14 else time // 1000


def _account(call: Call) -> Act:
    api = call.api
    omits_zero = call.parameters.flag("omitZeroBalances")
    rates = commission_rates(call)

    def act(at_ns: int) -> Any:
        account = api.trading.account(api.venue, call.account)
        wallet = account.wallet(api.venue)
        balances = [
            {"asset": asset, "free": padded(wallet.free(asset)), "locked": padded(wallet.locked(asset))}
            for asset in wallet.assets()
            if wallet.total(asset) or not omits_zero
        ]
        rule = account.fee_rules[api.venue]
        return {
            "makerCommission": int(rule.maker * 10_000),
            "takerCommission": int(rule.taker * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {**rates, "buyer": _ZERO, "seller": _ZERO},
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": api.exchange.venue_ms(at_ns),
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": account.uid,
        }

    return act


def _commission(call: Call) -> Act:
    symbol = call.parameters.symbol(call.api.desk.instruments)
    none = {"maker": _ZERO, "taker": _ZERO, "buyer": _ZERO, "seller": _ZERO}
    return lambda _: {
        "symbol": symbol,
        "standardCommission": {**commission_rates(call), "buyer": _ZERO, "seller": _ZERO},
        "specialCommission": none,
        "taxCommission": none,
        "discount": discount(call),
    }


def _order_counts(call: Call) -> Act:
    return lambda at_ns: call.api.order_limits(call.api.desk.order_counts(call.account, at_ns))


def _execution_rules(call: Call) -> Act:
    rules = {name: one.rules for name, one in call.api.desk.instruments.items()}
    chosen = chosen_symbols(rules, call.parameters)
    return lambda _: {
        "symbolRules": [{"symbol": symbol, "rules": _range_of(rules[symbol])} for symbol in chosen]
    }


def _range_of(rules: InstrumentRules) -> list[dict[str, str]]:
    if rules.execution_range is None:
        return []
    (bid_up, bid_down), (ask_up, ask_down) = rules.execution_range
    return [
        {
            "ruleType": "PRICE_RANGE",
            "bidLimitMultUp": str(bid_up),
            "bidLimitMultDown": str(bid_down),
            "askLimitMultUp": str(ask_up),
            "askLimitMultDown": str(ask_down),
        }
    ]


def _rules_weight(parameters: Parameters) -> int:
    if "symbol" in parameters:
        return _RULES_WEIGHT
    return (
        min(_RULES_WEIGHT_MAX, _RULES_WEIGHT * parameters.values["symbols"].count('"') // 2)
        if "symbols" in parameters
        else _RULES_WEIGHT_MAX
    )


def _reference_price(call: Call) -> Act:
    symbol = call.parameters.symbol(call.api.desk.instruments)

    def act(at_ns: int) -> Any:
        instrument = call.api.desk.instruments[symbol]
        with exact():
            price = (
                instrument.reference.value(at_ns) if instrument.rules.execution_range is not None else None
            )
        if price is None:
            raise ApiError(-2043, "This symbol doesn't have a reference price.")
        return {
            "symbol": symbol,
            "referencePrice": padded(price),
            "timestamp": call.api.exchange.venue_ms(at_ns // MILLISECOND * MILLISECOND),
        }

    return act


#: Queries by method of the websocket API.
ACCOUNT_OPERATIONS = {
    "order.status": Operation(_order, 4, takes="symbol orderId origClientOrderId"),
    "openOrders.status": Operation(
        _open_orders, lambda parameters: 6 if "symbol" in parameters else 80, takes="symbol"
    ),
    "allOrders": Operation(_all_orders, 20, takes="symbol orderId startTime endTime limit"),
    "myTrades": Operation(
        _my_trades,
        lambda parameters: 5 if "orderId" in parameters else 20,
        takes="symbol orderId startTime endTime fromId limit",
    ),
    "account.status": Operation(_account, 20, takes="omitZeroBalances"),
    "account.commission": Operation(_commission, 20, takes="symbol"),
    "account.rateLimits.orders": Operation(_order_counts, 40),
}
#: Those that only REST has here.
RULE_OPERATIONS = {
    "executionRules": Operation(
        _execution_rules, _rules_weight, Security.NONE, "symbol symbols symbolStatus"
    ),
    "referencePrice": Operation(_reference_price, 2, Security.NONE, "symbol"),
}
