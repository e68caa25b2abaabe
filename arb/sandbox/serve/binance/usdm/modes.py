"""Settings of an account on USD-M: position mode, assets mode, leverage, margin type. Pure.

Sources: the saved pages of "Account" and "Trade" (openxapi e2791e4, read 2025-11); codes from ccxt 4.5.90
(`binance.py`, comments of its exceptions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arb.sandbox.accounts.modes import Modes
from arb.sandbox.serve.binance.api import Act, Call, Operation, Security
from arb.sandbox.serve.binance.errors import ApiError, Verb
from arb.sandbox.serve.binance.usdm import answers
from arb.sandbox.serve.binance.usdm.account_answers import VENUE
from arb.sandbox.serve.binance.usdm.orders import rules_of
from arb.sandbox.trading.requests import Reason, RefusalError

_FLAGS = {"true": True, "false": False}
_MARGIN_TYPES = {"ISOLATED": "isolated", "CROSSED": "cross"}
#: Codes and texts that only these settings have.
_ASSETS_ERRORS = {
    Reason.MODE_UNCHANGED: (
        -4171,
        "Adjusted asset mode is currently set and does not need to be adjusted repeatedly",
    ),
    Reason.MODE_HAS_ORDERS: (-4170, "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures"),
    Reason.NOT_SUPPORTED: (
        -4167,
        "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.",
    ),
}
_MARGIN_ERRORS = {
    Reason.MODE_HAS_ORDERS: (-4047, "Margin type cannot be changed if there exists open orders."),
    Reason.MODE_HAS_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    Reason.NOT_SUPPORTED: (-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."),
}


def _modes(call: Call) -> Modes:
    return call.api.trading.account(VENUE, call.account).modes


def _setting(answer: Callable[[Modes], answers.Row]) -> Callable[[Call], Act]:
    """A query of a setting."""
    return lambda call: lambda _: answer(_modes(call))


def _changing(errors: Mapping[Reason, tuple[int, str]], change: Callable[[], None]) -> Any:
    """Makes a change; refusals that have a code of their own here are raised with it."""
    try:
        change()
    except RefusalError as refusal:
        if refusal.reason in errors:
            raise ApiError(*errors[refusal.reason]) from None
        raise
    return answers.SUCCESS


def _set_position_mode(call: Call) -> Act:
    call.parameters.required("dualSidePosition")
    is_hedge = bool(call.parameters.choice("dualSidePosition", _FLAGS))
    modes = call.api.desk.modes
    return lambda _: _changing({}, lambda: modes.set_hedge(call.account, is_hedge))


def _set_multi_assets(call: Call) -> Act:
    call.parameters.required("multiAssetsMargin")
    flag = bool(call.parameters.choice("multiAssetsMargin", _FLAGS))
    modes = call.api.desk.modes
    return lambda at_ns: _changing(_ASSETS_ERRORS, lambda: modes.set_multi_assets(call.account, flag, at_ns))


def _set_margin_type(call: Call) -> Act:
    call.parameters.required("symbol", "marginType")
    symbol = call.parameters.symbol(call.api.desk.instruments)
    margin = call.parameters.choice("marginType", _MARGIN_TYPES) or ""
    modes = call.api.desk.modes
    return lambda _: _changing(_MARGIN_ERRORS, lambda: modes.set_margin_type(call.account, symbol, margin))


def _set_leverage(call: Call) -> Act:
    call.parameters.required("symbol", "leverage")
    symbol = call.parameters.symbol(call.api.desk.instruments)
    leverage = call.parameters.integer("leverage") or 0

    def act(at_ns: int) -> Any:
        call.api.desk.modes.set_leverage(call.account, symbol, leverage, at_ns)
        return answers.changed_leverage(rules_of(call, symbol), leverage)

    return act


def _account_config(call: Call) -> Act:
    group = call.api.trading.account(VENUE, call.account).group
    return lambda _: answers.account_config(_modes(call), group)


def _symbol_config(call: Call) -> Act:
    symbols = _chosen(call)
    return lambda _: [answers.symbol_config(rules_of(call, one), _modes(call)) for one in symbols]


def _leverage_brackets(call: Call) -> Act:
    symbols = _chosen(call)
    if "symbol" in call.parameters:
        return lambda _: answers.leverage_brackets(rules_of(call, symbols[0]))
    return lambda _: [answers.leverage_brackets(rules_of(call, one)) for one in symbols]


def _chosen(call: Call) -> list[str]:
    symbol = call.parameters.optional_symbol(call.api.desk.instruments)
    return list(call.api.desk.instruments) if symbol is None else [symbol]


def _change(run: Callable[[Call], Act], takes: str) -> Operation:
    return Operation(run, 1, Security.TRADE, takes, Verb.MODE)


#: By REST method and path.
MODE_OPERATIONS = {
    ("GET", "/fapi/v1/positionSide/dual"): Operation(
        _setting(lambda modes: {"dualSidePosition": modes.is_hedge}), 30
    ),
    ("POST", "/fapi/v1/positionSide/dual"): _change(_set_position_mode, "dualSidePosition"),
    ("GET", "/fapi/v1/multiAssetsMargin"): Operation(
        _setting(lambda modes: {"multiAssetsMargin": modes.is_multi_assets}), 30
    ),
    ("POST", "/fapi/v1/multiAssetsMargin"): _change(_set_multi_assets, "multiAssetsMargin"),
    ("GET", "/fapi/v1/feeBurn"): Operation(_setting(lambda modes: {"feeBurn": modes.fee_burn}), 30),
    ("POST", "/fapi/v1/leverage"): _change(_set_leverage, "symbol leverage"),
    ("POST", "/fapi/v1/marginType"): _change(_set_margin_type, "symbol marginType"),
    ("GET", "/fapi/v1/leverageBracket"): Operation(_leverage_brackets, 1, takes="symbol"),
    ("GET", "/fapi/v1/accountConfig"): Operation(_account_config, 5),
    ("GET", "/fapi/v1/symbolConfig"): Operation(_symbol_config, 5, takes="symbol"),
}
