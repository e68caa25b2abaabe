"""Binance's error codes: errors of requests, and the code and text of each `Reason`, for spot and USD-M. Pure.

Source: errors.md of binance-spot-api-docs (read 2026-07-21); USD-M codes from ccxt 4.5.90 (comments of its
exceptions in `binance.py`), since its own error page is not stored.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from arb.sandbox.faults import Fault
from arb.sandbox.trading.requests import Reason, RefusalError
from arb.sandbox.trading.undocumented import Undocumented


class ApiError(Exception):
    """A request is answered with an error. `status` is that of HTTP, and of websocket answers."""

    def __init__(
        self, code: int, msg: str, status: int = 400, data: Any = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        #: Of 429 and 418.
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "msg": self.msg}
        return body if self.data is None else body | {"data": self.data}


class Verb:
    """What a refused request was about: some codes depend on it."""

    PLACE, CANCEL, AMEND, QUERY, MODE = range(5)
    #: As faults name them.
    WORDS = ("place", "cancel", "amend", "query", "mode")


class _Text(NamedTuple):
    code: int
    msg: str
    status: int = 400


BAD_SYMBOL = "Invalid symbol."
BUSY = "Server is currently overloaded with other requests. Please try again in a few minutes."
_BUSY = _Text(-1008, BUSY, 503)
_UNKNOWN = "Unknown order sent."


def mandatory(name: str) -> ApiError:
    """A parameter is missing."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def not_required(name: str) -> ApiError:
    """A parameter does not fit the others."""
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def unsupported(what: str) -> ApiError:
    """A kind of order that no symbol here allows."""
    return ApiError(-1013, f"{what} are not supported for this symbol.")


#: Refusals by filters of spot, by name of the filter. -1111 is for more than 8 decimals, which `parameters` refuses.
_FILTERS = {
    "PRICE_FILTER": (Reason.PRICE_PRECISION, Reason.PRICE_TICK, Reason.PRICE_BOUNDS),
    "LOT_SIZE": (
        Reason.QUANTITY_PRECISION, Reason.QUANTITY_STEP, Reason.QUANTITY_TOO_SMALL, Reason.QUANTITY_TOO_LARGE,
    ),
    "MARKET_LOT_SIZE": (Reason.MARKET_QUANTITY_TOO_LARGE,),
    "NOTIONAL": (Reason.NOTIONAL_TOO_SMALL, Reason.NOTIONAL_TOO_LARGE),
    "PERCENT_PRICE_BY_SIDE": (
        Reason.BUY_PRICE_TOO_HIGH, Reason.BUY_PRICE_TOO_LOW, Reason.SELL_PRICE_TOO_HIGH, Reason.SELL_PRICE_TOO_LOW,
    ),
    "MAX_NUM_ORDERS": (Reason.TOO_MANY_OPEN_ORDERS,),
}  # fmt: skip
#: Their names, by reason.
FILTERED = {reason: name for name, reasons in _FILTERS.items() for reason in reasons}
_SPOT = {reason: _Text(-1013, f"Filter failure: {name}") for reason, name in FILTERED.items()} | {
    Reason.UNKNOWN_SYMBOL: _Text(-1121, BAD_SYMBOL),
    Reason.NOT_OPEN: _Text(-2010, "Market is closed."),
    Reason.BOOK_NOT_READY: _BUSY,
    Reason.DUPLICATE_CLIENT_ID: _Text(-2010, "Duplicate order sent."),
    Reason.INSUFFICIENT_BALANCE: _Text(-2010, "Account has insufficient balance for requested action."),
    Reason.WOULD_TAKE: _Text(-2010, "Order would immediately match and take."),
    Reason.NO_LIQUIDITY: _Text(-2010, "Order book liquidity is less than symbol minimum quantity."),
    Reason.PREVENTION_MODE: _Text(
        -1013, "This symbol does not allow the specified self-trade prevention mode."
    ),
    Reason.ID_MISMATCH: _Text(-2039, "Client order ID is not correct for this order ID."),
    Reason.CANCEL_RESTRICTION: _Text(-2011, "Order was not canceled due to cancel restrictions."),
    Reason.NOT_AMENDABLE: _Text(-2038, "Order amend is not supported for this symbol."),
    Reason.NO_CHANGE: _Text(-2038, "The requested action would change no state; rejecting."),
    Reason.QUANTITY_NOT_SMALLER: _Text(-2038, "Order amend (quantity increase) is not supported."),
}
_PRECISION = _Text(-1111, "Precision is over the maximum defined for this asset.")
_PERCENT_PRICE = _Text(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
_USDM = {
    Reason.UNKNOWN_SYMBOL: _Text(-1121, BAD_SYMBOL),
    Reason.NOT_OPEN: _Text(-4140, "Invalid symbol status for opening position."),
    Reason.BOOK_NOT_READY: _BUSY,
    Reason.PRICE_PRECISION: _PRECISION,
    Reason.PRICE_TICK: _Text(-4014, "Price not increased by tick size."),
    Reason.PRICE_BOUNDS: _Text(-4002, "Price greater than max price."),
    Reason.QUANTITY_PRECISION: _PRECISION,
    Reason.QUANTITY_STEP: _Text(-4023, "Quantity not increased by step size."),
    Reason.QUANTITY_TOO_SMALL: _Text(-4004, "Quantity less than min quantity."),
    Reason.QUANTITY_TOO_LARGE: _Text(-4005, "Quantity greater than max quantity."),
    Reason.MARKET_QUANTITY_TOO_LARGE: _Text(-4005, "Quantity greater than max quantity."),
    Reason.NOTIONAL_TOO_SMALL: _Text(
        -4164, "Order's notional must be no smaller than %s (unless you choose reduce only)."
    ),
    Reason.BUY_PRICE_TOO_HIGH: _PERCENT_PRICE,
    Reason.SELL_PRICE_TOO_LOW: _PERCENT_PRICE,
    Reason.TOO_MANY_OPEN_ORDERS: _Text(-2025, "Reach max open order limit."),
    Reason.DUPLICATE_CLIENT_ID: _Text(-4116, "ClientOrderId is duplicated."),
    Reason.INSUFFICIENT_BALANCE: _Text(-2018, "Balance is insufficient."),
    Reason.INSUFFICIENT_MARGIN: _Text(-2019, "Margin is insufficient."),
    Reason.POSITION_TOO_LARGE: _Text(-2027, "Exceeded the maximum allowable position at current leverage."),
    Reason.POSITION_SIDE: _Text(-4061, "Order's position side does not match user's setting."),
    Reason.REDUCE_ONLY: _Text(-2022, "ReduceOnly Order is rejected."),
    Reason.REDUCE_ONLY_IN_HEDGE_MODE: _Text(-1106, "Parameter 'reduceonly' sent when not required."),
    Reason.WOULD_TAKE: _Text(
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Reason.NOT_FILLABLE: _Text(
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    Reason.NO_LIQUIDITY: _Text(-2020, "Unable to fill."),
    Reason.PREVENTION_MODE: _Text(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
    Reason.NOT_AMENDABLE: _Text(-5025, "Only limit order is supported"),
    Reason.NO_CHANGE: _Text(-5027, "No need to modify the order."),
    Reason.MODE_UNCHANGED: _Text(-4059, "No need to change position side."),
    Reason.MODE_HAS_ORDERS: _Text(-4067, "Position side cannot be changed if there exists open orders."),
    Reason.MODE_HAS_POSITION: _Text(-4068, "Position side cannot be changed if there exists position."),
    Reason.LEVERAGE_TOO_LARGE: _Text(-4028, "Leverage %s is not valid"),
    Reason.LEVERAGE_MARGIN: _Text(-2028, "Leverage is smaller than permitted: insufficient margin balance."),
    Reason.MARGIN_TYPE_UNCHANGED: _Text(-4046, "No need to change margin type."),
}
#: An order that is not open any more is unknown to a cancellation, as one that never was.
_GONE = (Reason.UNKNOWN_ORDER, Reason.ORDER_FILLED, Reason.ORDER_CANCELED)
_GONE_TEXTS = {
    Verb.QUERY: _Text(-2013, "Order does not exist."),
    Verb.CANCEL: _Text(-2011, _UNKNOWN),
}
_COUNTED = {
    Reason.TOO_MANY_ORDERS_10S: "10 SECOND",
    Reason.TOO_MANY_ORDERS_1M: "1 MINUTE",
    Reason.TOO_MANY_ORDERS_1D: "1 DAY",
}


def error_of(venue: str, refusal: RefusalError, verb: int) -> ApiError:
    """The venue's error for a refusal. A text with a figure has the refusal's detail."""
    reason = refusal.reason
    if reason in _COUNTED:
        text = f"Too many new orders; current limit is {refusal.detail} orders per {_COUNTED[reason]}."
        return ApiError(-1015, text, 429)
    is_spot = venue == "binance_spot"
    if reason in _GONE:
        amend = _Text(-2038, _UNKNOWN) if is_spot else _Text(-2013, "Order does not exist.")
        found = _GONE_TEXTS.get(verb, amend)
    elif reason == Reason.ID_MISMATCH and not is_spot:
        found = _GONE_TEXTS.get(verb, _Text(-2013, "Order does not exist."))
    else:
        found = (_SPOT if is_spot else _USDM).get(reason, _Text(-1020, "This operation is not supported."))
    return ApiError(found.code, found.msg.replace("%s", refusal.detail), found.status)


#: Errors of no `Reason` that faults may give.
_BY_FAULT = {
    one.code: one
    for one in (
        _Text(-1003, "Too many requests.", 429),
        _Text(-1006, "An unexpected response was received from the message bus. Execution status unknown."),
        _Text(
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        ),
        _Text(-1015, "Too many new orders.", 429),
        _Text(-1021, "Timestamp for this request is outside of the recvWindow."),
        _Text(-1022, "Signature for this request is not valid."),
        _Text(-2010, "Account has insufficient balance for requested action."),
        _Text(-2014, "API-key format invalid.", 401),
        _Text(-2015, "Invalid API-key, IP, or permissions for action.", 401),
    )
}
_TIMEOUTS = (-1006, -1007)


def error_by(fault: Fault, venue: str, assumed: Undocumented) -> ApiError:
    """The error that a fault gives: its code, by default a timeout, with the venue's text and status."""
    code = -1007 if fault.code is None else fault.code
    table = (_SPOT if venue == "binance_spot" else _USDM).values()
    found = _BY_FAULT.get(code) or next(
        (one for one in table if one.code == code), _Text(code, "Unknown error.")
    )
    status = assumed.timeout_status if code in _TIMEOUTS else found.status
    return ApiError(code, fault.message or found.msg, fault.status or status)
