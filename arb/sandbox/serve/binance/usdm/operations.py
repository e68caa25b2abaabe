"""The operations of USD-M by REST path and by method of its websocket API. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from arb.sandbox.serve.binance.api import Api, Operation
from arb.sandbox.serve.binance.market import Market
from arb.sandbox.serve.binance.usdm.events import event_texts
from arb.sandbox.serve.binance.usdm.listen_keys import ListenKeys, listen_key_operations
from arb.sandbox.serve.binance.usdm.modes import MODE_OPERATIONS
from arb.sandbox.serve.binance.usdm.orders import ORDER_OPERATIONS
from arb.sandbox.serve.binance.usdm.prices import PRICE_OPERATIONS
from arb.sandbox.serve.binance.usdm.queries import QUERY_OPERATIONS
from arb.sandbox.serve.binance.usdm.user_stream import UserStream
from arb.sandbox.serve.binance.ws_api import SESSION_METHODS
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import Limits, Weights

_PATHS = {
    ("POST", "v1/order"): "order.place",
    ("GET", "v1/order"): "order.status",
    ("PUT", "v1/order"): "order.modify",
    ("DELETE", "v1/order"): "order.cancel",
    ("POST", "v1/order/test"): "order.test",
    ("GET", "v1/openOrder"): "openOrder",
    ("GET", "v1/openOrders"): "openOrders",
    ("GET", "v1/allOrders"): "allOrders",
    ("GET", "v1/userTrades"): "userTrades",
    ("DELETE", "v1/allOpenOrders"): "allOpenOrders",
    ("POST", "v1/countdownCancelAll"): "countdownCancelAll",
    ("POST", "v1/listenKey"): "userDataStream.start",
    ("PUT", "v1/listenKey"): "userDataStream.ping",
    ("DELETE", "v1/listenKey"): "userDataStream.stop",
    ("GET", "v1/commissionRate"): "commissionRate",
    ("GET", "v1/rateLimit/order"): "rateLimit/order",
    ("GET", "v1/income"): "income",
    ("GET", "v2/balance"): "account.balance",
    ("GET", "v3/balance"): "account.balance",
    ("GET", "v2/account"): "account.status",
    ("GET", "v3/account"): "v2/account.status",
    ("GET", "v2/positionRisk"): "account.position",
    ("GET", "v3/positionRisk"): "positionRisk",
}
_METHODS = (
    "order.place", "order.modify", "order.cancel", "order.status", "account.status", "account.balance",
    "account.position", "v2/account.status", "v2/account.position",
)  # fmt: skip


def usdm_market(
    exchange: Exchange, limits: Limits, weights: Weights, public: Mapping[str, Operation]
) -> Market:
    """The market. public: methods that need no account; of them USD-M's websocket API has `ping` alone."""
    api = Api(exchange, limits, weights)
    keys, texts = ListenKeys(api), event_texts(api)
    user_data = listen_key_operations(keys)
    known = ORDER_OPERATIONS | QUERY_OPERATIONS | user_data
    paths = {(method, f"/fapi/{path}"): known[name] for (method, path), name in _PATHS.items()}
    methods = {name: known[name] for name in _METHODS} | user_data
    methods["v2/account.balance"] = known["account.balance"]
    if api.assumed.session_logon:
        methods |= SESSION_METHODS
    return Market(
        api,
        paths | MODE_OPERATIONS | PRICE_OPERATIONS,
        methods,
        "/ws-fapi/v1",
        version="",
        ws_weight=5,
        user_stream=lambda opening: UserStream(api, keys, texts, opening),
    )
