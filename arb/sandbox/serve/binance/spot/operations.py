"""The tables of Binance spot: operations by method of the websocket API, and by REST method and path. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from arb.sandbox.serve.binance.api import Act, Api, Call, Operation, Security
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.market import Market
from arb.sandbox.serve.binance.spot.account import ACCOUNT_OPERATIONS, RULE_OPERATIONS
from arb.sandbox.serve.binance.spot.events import SpotEvents
from arb.sandbox.serve.binance.spot.orders import ORDER_OPERATIONS
from arb.sandbox.serve.binance.spot.subscriptions import subscription_operations
from arb.sandbox.serve.binance.spot.wallet_api import wallet_operations
from arb.sandbox.serve.binance.ws_api import SESSION_METHODS
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import Limits, Weights

_BASE = "/api/v3"


def _retired(call: Call) -> Act:
    raise ApiError(-1020, "This operation is not supported.")


#: Listen keys were switched off on 2026-02-20; what is answered since is not documented.
_RETIRED = Operation(_retired, 1, Security.NONE, "listenKey")
METHODS = {
    **ORDER_OPERATIONS,
    **ACCOUNT_OPERATIONS,
    **{f"userDataStream.{name}": _RETIRED for name in ("start", "ping", "stop")},
}
_OPERATIONS = {**METHODS, **RULE_OPERATIONS, "retired": _RETIRED}
_PATHS = {
    ("POST", "order"): "order.place",
    ("GET", "order"): "order.status",
    ("DELETE", "order"): "order.cancel",
    ("POST", "order/test"): "order.test",
    ("POST", "order/cancelReplace"): "order.cancelReplace",
    ("PUT", "order/amend/keepPriority"): "order.amend.keepPriority",
    ("GET", "openOrders"): "openOrders.status",
    ("DELETE", "openOrders"): "openOrders.cancelAll",
    ("GET", "allOrders"): "allOrders",
    ("GET", "myTrades"): "myTrades",
    ("GET", "account"): "account.status",
    ("GET", "account/commission"): "account.commission",
    ("GET", "rateLimit/order"): "account.rateLimits.orders",
    ("GET", "executionRules"): "executionRules",
    ("GET", "referencePrice"): "referencePrice",
    ("POST", "userDataStream"): "retired",
    ("PUT", "userDataStream"): "retired",
    ("DELETE", "userDataStream"): "retired",
}


def spot_market(
    exchange: Exchange, limits: Limits, weights: Weights, public: Mapping[str, Operation]
) -> Market:
    """The market. public: methods that need no account."""
    api = Api(exchange, limits, weights)
    paths = {(method, f"{_BASE}/{path}"): _OPERATIONS[name] for (method, path), name in _PATHS.items()}
    methods = {**public, **SESSION_METHODS, **METHODS, **subscription_operations(SpotEvents(api))}
    return Market(
        api, paths | wallet_operations(api.assumed.sapi_weight), methods, "/ws-api/v3", "v3/", ws_weight=2
    )
