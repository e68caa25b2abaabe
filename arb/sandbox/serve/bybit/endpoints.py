"""Every endpoint of Bybit's account side: by path of REST, and by operation of the trade socket. Pure."""

from __future__ import annotations

from collections.abc import Callable

from arb.sandbox.serve.bybit import account, modes, orders, queries
from arb.sandbox.serve.bybit.side import Call, Endpoint, Run

_TRADES = {"linear": frozenset({"Order"}), "spot": frozenset({"SpotTrade"})}
_EITHER = {"linear": frozenset({"Order", "SpotTrade"}), "spot": frozenset({"Order", "SpotTrade"})}
_POSITIONS = {"linear": frozenset({"Position"}), "spot": frozenset({"Position"})}


def _read(limit: str, prepare: Callable[[Call], Run]) -> Endpoint:
    return Endpoint("GET", limit, prepare)


_ENDPOINTS = (
    Endpoint("POST", "order/create", orders.create, _TRADES),
    Endpoint("POST", "order/amend", orders.amend, _TRADES),
    Endpoint("POST", "order/cancel", orders.cancel, _TRADES),
    Endpoint("POST", "order/cancel-all", orders.cancel_all, _TRADES),
    Endpoint("POST", "order/create-batch", orders.create_batch, _TRADES, is_batch=True),
    Endpoint("POST", "order/amend-batch", orders.amend_batch, _TRADES, is_batch=True),
    Endpoint("POST", "order/cancel-batch", orders.cancel_batch, _TRADES, is_batch=True),
    Endpoint("POST", "order/pre-check", orders.pre_check, _TRADES),
    Endpoint("POST", "order/disconnected-cancel-all", modes.disconnected_cancel_all, _EITHER),
    Endpoint("POST", "position/set-leverage", modes.set_leverage, _POSITIONS),
    Endpoint("POST", "position/switch-mode", modes.switch_mode, _POSITIONS),
    Endpoint("POST", "account/set-margin-mode", modes.set_margin_mode, _POSITIONS),
    _read("order/realtime", queries.realtime),
    _read("order/history", queries.history),
    _read("execution/list", queries.executions),
    _read("position/list", queries.positions),
    _read("account/wallet-balance", account.wallet_balance),
    _read("account/info", account.info),
    _read("account/fee-rate", account.fee_rate),
    _read("account/transaction-log", account.transaction_log),
    _read("account/query-dcp-info", account.query_dcp_info),
    _read("user/query-api", account.query_api),
    _read("asset/coin/query-info", account.coin_query_info),
)
#: By method and path.
ENDPOINTS = {(one.method, f"/v5/{one.limit}"): one for one in _ENDPOINTS}
#: By operation of the trade socket.
OPERATIONS = {
    one.limit.replace("/", "."): one
    for one in _ENDPOINTS
    if one.limit.removesuffix("-batch") in ("order/create", "order/amend", "order/cancel")
}
