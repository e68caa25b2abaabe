"""Bybit's settings of the account: leverage, position mode, margin mode, protection after disconnects. Pure.

Source: bybit-exchange/docs v5 `position/{leverage,position-mode}.mdx`, `account/set-margin-mode.mdx`, `order/dcp.mdx`
(read 2026-07-24).
"""

from __future__ import annotations

from arb.sandbox.serve.bybit.account import PRODUCTS
from arb.sandbox.serve.bybit.errors import RequestError, parameter_error
from arb.sandbox.serve.bybit.side import Answer, Call, Run
from arb.sandbox.trading.requests import Reason, RefusalError
from connectors.units import SECOND

_MODES = {0: False, 3: True}
_MARGIN_MODES = ("REGULAR_MARGIN", "ISOLATED_MARGIN")


def set_leverage(call: Call) -> Run:
    """POST /v5/position/set-leverage: one leverage for both sides."""
    _linear(call)
    symbol = call.fields.text("symbol", None)
    buy, sell = call.fields.decimal("buyLeverage"), call.fields.decimal("sellLeverage")
    if buy is None or sell is None:
        raise parameter_error("buyLeverage and sellLeverage are required")
    if buy != sell:
        raise parameter_error("buyLeverage must be equal to sellLeverage")
    if buy < 1 or buy % 1:
        raise parameter_error("leverage must be a whole number of at least 1 in this sandbox")
    desk = call.side.desk("linear")

    def run(now_ns: int) -> Answer:
        desk.instrument(symbol)
        if call.side.account(call.account).modes.leverage(symbol) == buy:
            raise RefusalError(Reason.LEVERAGE_UNCHANGED)
        desk.modes.set_leverage(call.account, symbol, int(buy), now_ns)
        return Answer({})

    return run


def switch_mode(call: Call) -> Run:
    """POST /v5/position/switch-mode: of the whole account here, whichever symbol or coin is named."""
    _linear(call)
    symbol, coin = call.fields.text("symbol"), call.fields.text("coin")
    if not symbol and not coin:
        raise parameter_error("symbol or coin is required")
    mode = call.fields.integer("mode", -1, 0, 3)
    if mode not in _MODES:
        raise parameter_error("mode must be 0 or 3")
    desk = call.side.desk("linear")

    def run(now_ns: int) -> Answer:
        if symbol:
            desk.instrument(symbol)
        desk.modes.set_hedge(call.account, _MODES[mode])
        return Answer({})

    return run


def set_margin_mode(call: Call) -> Run:
    """POST /v5/account/set-margin-mode."""
    mode = call.fields.text("setMarginMode", None)
    if mode == "PORTFOLIO_MARGIN":
        raise RequestError(110073, "Set margin mode failed")
    if mode not in _MARGIN_MODES:
        raise parameter_error(f"setMarginMode must be one of {', '.join(_MARGIN_MODES)}")
    desk = call.side.desk("linear")

    def run(now_ns: int) -> Answer:
        desk.modes.set_margin_mode(call.account, mode)
        return Answer({"reasons": []})

    return run


def disconnected_cancel_all(call: Call) -> Run:
    """POST /v5/order/disconnected-cancel-all: the time without a `dcp` connection after which orders are cancelled."""
    product = call.fields.text("product", "OPTIONS")
    if product not in (*PRODUCTS.values(), "OPTIONS"):
        raise parameter_error("product must be OPTIONS, DERIVATIVES or SPOT")
    window_s = call.fields.integer("timeWindow", -1, 3, 300)

    def run(now_ns: int) -> Answer:
        for category, name in PRODUCTS.items():
            if name == product:
                protection = call.side.trading.protection(call.account, f"bybit_{category}")
                protection.window_ns = window_s * SECOND
        return Answer({}, text="success")

    return run


def _linear(call: Call) -> None:
    if call.fields.category() != "linear":
        raise parameter_error("category must be linear")
