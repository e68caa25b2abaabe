"""Bybit's error codes and texts: for refusals of requests, and for each `Reason` by category. Pure.

Source: bybit-exchange/docs v5 `error.mdx` (read 2026-07-24). Codes are the venue's; where its page has one text for
several causes, the cause follows the text. Clients should not compare texts.
"""

from __future__ import annotations

from arb.sandbox.faults import Fault
from arb.sandbox.trading.requests import Reason, RefusalError

PARAMETER = 10001
WINDOW = 10002
KEY = 10003
SIGN = 10004
PERMISSION = 10005
TOO_MANY = 10006
ADDRESS = 10010
SERVER = 10016
RESTARTING = 10019
TOO_MANY_OF_ADDRESS = 10403
RESTARTING_TEXT = (
    "ws trade service is restarting, do not accept new request, but the request in the process is not affected. "
    "You can build new connection to be routed to normal service"
)
UNKNOWN_OPERATION = 10404
REPEATED_AUTH = 20001
REPEATED_REQUEST = 20006

_Pair = tuple[int, str]


def _both(code: int, text: str) -> tuple[_Pair, _Pair]:
    """The same on linear and on spot."""
    return (code, text), (code, text)


#: Of several reasons.
_PRICE_RANGE = (110003, "Order price exceeds the allowable range.")
_TOO_LARGE = (PARAMETER, "The number of contracts exceeds maximum limit allowed: too large")
_REJECTED = (170210, "New order rejected.")
_TOO_LARGE_ON_SPOT = (170341, "Request order quantity exceeds maximum limit")
_PRICE = (PARAMETER, "Price invalid")
_QUANTITY = (PARAMETER, "Qty invalid")
_PRICE_ON_SPOT = (170134, "Order price decimal too long.")
_QUANTITY_ON_SPOT = (170137, "Order volume decimal too long")
_UNKNOWN_ORDER = (110001, "order not exists or too late to cancel")
_UNKNOWN_ON_SPOT = (170213, "Order does not exist.")
_BALANCE = (110007, "ab not enough for new order")
_BALANCE_ON_SPOT = (170131, "Balance insufficient")
_REDUCE_ONLY = (110017, "orderQty will be truncated to zero")
_PRICE_HIGH = (170132, "Order price too high.")
#: Reason: (code, text) on linear and on spot.
_CODES: dict[Reason, tuple[_Pair, _Pair]] = {
    Reason.UNKNOWN_SYMBOL: ((PARAMETER, "Not supported symbols"), (170121, "Invalid symbol.")),
    Reason.NOT_OPEN: ((110074, "This contract is not live"), (170151, "The trading pair is not open yet")),
    Reason.BOOK_NOT_READY: _both(SERVER, "Server error."),
    Reason.PRICE_PRECISION: (_PRICE, _PRICE_ON_SPOT),
    Reason.PRICE_TICK: (_PRICE, _PRICE_ON_SPOT),
    Reason.PRICE_BOUNDS: (_PRICE_RANGE, _PRICE_HIGH),
    Reason.QUANTITY_PRECISION: (_QUANTITY, _QUANTITY_ON_SPOT),
    Reason.QUANTITY_STEP: (_QUANTITY, _QUANTITY_ON_SPOT),
    Reason.QUANTITY_TOO_SMALL: (
        (PARAMETER, "The number of contracts exceeds minimum limit allowed"),
        (170136, "Order quantity lower than the minimum."),
    ),
    Reason.QUANTITY_TOO_LARGE: (_TOO_LARGE, _TOO_LARGE_ON_SPOT),
    Reason.MARKET_QUANTITY_TOO_LARGE: (_TOO_LARGE, _TOO_LARGE_ON_SPOT),
    Reason.NOTIONAL_TOO_SMALL: (
        (110094, "Order notional value below the lower limit"),
        (170140, "Order value exceeded lower limit"),
    ),
    Reason.NOTIONAL_TOO_LARGE: (_TOO_LARGE, (170124, "Order amount too large.")),
    Reason.BUY_PRICE_TOO_HIGH: (_PRICE_RANGE, (170193, "Buy order price cannot be higher than %s.")),
    Reason.SELL_PRICE_TOO_LOW: (_PRICE_RANGE, (170194, "Sell order price cannot be lower than %s.")),
    Reason.BUY_PRICE_TOO_LOW: (_PRICE_RANGE, (170133, "Order price lower than the minimum.")),
    Reason.SELL_PRICE_TOO_HIGH: (_PRICE_RANGE, _PRICE_HIGH),
    Reason.TOO_MANY_OPEN_ORDERS: (
        (110020, "Not allowed to have more than 500 active orders."),
        (170810, "Cannot exceed maximum of 500 conditional, TP/SL and active orders."),
    ),
    Reason.DUPLICATE_CLIENT_ID: ((110072, "OrderLinkedID is duplicate"), (170141, "Duplicate clientOrderId")),
    Reason.INSUFFICIENT_BALANCE: (_BALANCE, _BALANCE_ON_SPOT),
    Reason.INSUFFICIENT_MARGIN: (_BALANCE, _BALANCE_ON_SPOT),
    Reason.POSITION_TOO_LARGE: (
        (110090, "Order placement failed as your position may exceed the max limit."),
        _REJECTED,
    ),
    Reason.POSITION_SIDE: _both(PARAMETER, "position idx not match position mode"),
    Reason.REDUCE_ONLY: (_REDUCE_ONLY, _REJECTED),
    Reason.REDUCE_ONLY_IN_HEDGE_MODE: (_REDUCE_ONLY, _REJECTED),
    Reason.WOULD_TAKE: (
        (PARAMETER, "a PostOnly order would be executed immediately"),
        (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
    ),
    Reason.NO_LIQUIDITY: (
        (110118, "Unable to retrieve a pruce of the market order due to low liquidity"),
        _REJECTED,
    ),
    Reason.UNKNOWN_ORDER: (_UNKNOWN_ORDER, _UNKNOWN_ON_SPOT),
    Reason.ID_MISMATCH: (_UNKNOWN_ORDER, _UNKNOWN_ON_SPOT),
    Reason.ORDER_FILLED: (
        (110008, "The order has been completed or cancelled."),
        (170139, "Order has been filled."),
    ),
    Reason.ORDER_CANCELED: ((110010, "The order has been cancelled"), (170142, "Order has been cancelled")),
    Reason.NOT_AMENDABLE: (
        (110032, "Order is illegal"),
        (170312, "The current order does not support modification"),
    ),
    Reason.NO_CHANGE: _both(
        PARAMETER, "The order remains unchanged as the parameters entered match the existing ones."
    ),
    Reason.QUANTITY_NOT_SMALLER: (
        (110064, "The modified contract quantity cannot be less than or equal to the filled quantity."),
        (170313, "The modified contract quantity cannot be less than to the filled quantity"),
    ),
    Reason.MODE_UNCHANGED: _both(110025, "Position mode has not been modified."),
    Reason.MODE_HAS_ORDERS: _both(
        110028, "You have existing open orders, so the position mode cannot be switched."
    ),
    Reason.MODE_HAS_POSITION: _both(
        110024, "You have an existing position, so the position mode cannot be switched."
    ),
    Reason.LEVERAGE_UNCHANGED: _both(110043, "Set leverage has not been modified."),
    Reason.LEVERAGE_TOO_LARGE: _both(110013, "Cannot set leverage due to risk limit level."),
    Reason.LEVERAGE_MARGIN: _both(110044, "Available margin is insufficient."),
    Reason.MARGIN_TYPE_UNCHANGED: _both(110026, "Cross/isolated margin mode has not been modified."),
}
_OTHER = ((PARAMETER, "Request parameter error"), _REJECTED)


class RequestError(Exception):
    """A request is refused with a code and a text of the venue."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def parameter_error(why: str) -> RequestError:
    """The refusal of a parameter."""
    return RequestError(PARAMETER, f"params error: {why}")


def refused(refusal: RefusalError, category: str) -> RequestError:
    """The venue's answer to a refusal of the desk. category: "linear" or "spot"."""
    code, text = _CODES.get(refusal.reason, _OTHER)[category == "spot"]
    if "%s" in text:
        text = text.replace("%s", refusal.detail or "the limit")
    return RequestError(code, text)


_BY_FAULT = {
    WINDOW: "invalid request, please check your server timestamp or recv_window param",
    KEY: "API key is invalid.",
    SIGN: "error sign! please check your signature generation algorithm.",
    PERMISSION: "Permission denied, please check your API key permissions.",
    TOO_MANY: "Too many visits. Exceeded the API Rate Limit.",
    SERVER: "Server error.",
    RESTARTING: RESTARTING_TEXT,
}


def error_by(fault: Fault, category: str) -> RequestError:
    """The error that a fault gives: its code, by default that of the server, with the venue's text."""
    code = SERVER if fault.code is None else fault.code
    known = dict(pair[category == "spot"] for pair in reversed(_CODES.values())) | _BY_FAULT
    return RequestError(code, fault.message or known.get(code, "Unknown error"))
