"""Parameters of Bybit's requests: types, words and the requests of the desk that they become. Pure.

Decimals are strings, as the venue requires; null is the same as an absent parameter. Source: bybit-exchange/docs v5
`order/{create,amend,cancel}-order.mdx`, `enum.mdx` (read 2026-07-24).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import Force, Prevention
from arb.sandbox.serve.bybit.errors import RequestError, parameter_error
from arb.sandbox.trading.requests import Amend, Cancel, OrderKind, Place

CATEGORIES = ("linear", "spot")
#: Categories of the venue that have no instruments here: queries return empty lists.
EMPTY_CATEGORIES = ("inverse", "option")

SIDES = {"Buy": BUY, "Sell": SELL}
SIDE_NAMES = {side: name for name, side in SIDES.items()}
FORCES = {"GTC": Force.GTC, "IOC": Force.IOC, "FOK": Force.FOK, "PostOnly": Force.POST_ONLY}
FORCE_NAMES = {force: name for name, force in FORCES.items()}
PREVENTIONS = {
    "None": Prevention.NONE,
    "CancelMaker": Prevention.EXPIRE_MAKER,
    "CancelTaker": Prevention.EXPIRE_TAKER,
    "CancelBoth": Prevention.EXPIRE_BOTH,
}
PREVENTION_NAMES = {prevention: name for name, prevention in PREVENTIONS.items()}
POSITION_SIDES = {0: PositionSide.BOTH, 1: PositionSide.LONG, 2: PositionSide.SHORT}
POSITION_INDEXES = {side: index for index, side in POSITION_SIDES.items()}

_DECIMAL = re.compile(r"\d{1,24}(\.\d{1,18})?", re.ASCII)
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)
#: Parameters of orders that the venue has and this sandbox does not: conditional orders, take profit and stop loss,
#: prices relative to the book, slippage tolerance, options.
_ABSENT = (
    "triggerPrice", "triggerDirection", "triggerBy", "takeProfit", "stopLoss", "tpTriggerBy", "slTriggerBy",
    "tpslMode", "tpLimitPrice", "slLimitPrice", "tpOrderType", "slOrderType", "bboSideType", "bboLevel",
    "slippageToleranceType", "slippageTolerance", "orderIv", "trailingStop", "activePrice",
)  # fmt: skip


class Fields:
    """The parameters of a request, read by name and type. All methods raise RequestError."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Values of a query, all texts, or of a JSON object."""
        self.values = {name: value for name, value in values.items() if value is not None}

    @staticmethod
    def of_body(body: bytes) -> Fields:
        """Parameters of a JSON body."""
        try:
            values = msgspec.json.decode(body or b"{}")
        except (msgspec.DecodeError, UnicodeError):
            raise parameter_error("the body is not JSON") from None
        if not isinstance(values, dict):
            raise parameter_error("the body is not a JSON object")
        return Fields(values)

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str | None = "") -> str:
        """A text. default None: it is required."""
        value = self.values.get(name)
        if value is None or value == "":
            if default is None:
                raise parameter_error(f"{name} is required")
            return default
        if not isinstance(value, str):
            raise parameter_error(f"{name} must be a string")
        return value

    def choice(self, name: str, choices: Mapping[str, Any], default: str | None = None) -> Any:
        """The value of one of some words."""
        text = self.text(name, default)
        if text not in choices:
            raise parameter_error(f"{name} must be one of {', '.join(choices)}")
        return choices[text]

    def decimal(self, name: str) -> Decimal | None:
        """A decimal in plain digits, as a string; None if it is absent."""
        text = self.text(name)
        if not text:
            return None
        if not _DECIMAL.fullmatch(text):
            raise parameter_error(f"{name} must be a decimal in plain digits")
        return Decimal(text)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An integer within bounds; queries have them as texts."""
        value = self.values.get(name, default)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise parameter_error(f"{name} must be an integer of {low} to {high}")
        return value

    def time(self, name: str) -> int | None:
        """A time in ms; None if it is absent."""
        return self.integer(name, 0, 0, 10**14) if self.has(name) else None

    def flag(self, name: str) -> bool:
        """True or false; false if it is absent."""
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise parameter_error(f"{name} must be true or false")
        return value

    def category(self, *, takes_empty: bool = False) -> str:
        """linear or spot. takes_empty: also the categories without instruments."""
        text = self.text("category", None)
        if text in CATEGORIES or (takes_empty and text in EMPTY_CATEGORIES):
            return text
        if text in EMPTY_CATEGORIES:
            raise parameter_error(f"category {text} is not in this sandbox")
        raise parameter_error("Category is illegal")

    def page(self, limit: int, limit_max: int) -> tuple[int, int]:
        """Position of the first item and number of items, by `cursor` and `limit`."""
        cursor = self.text("cursor")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 9):
            raise parameter_error("cursor is not of a response")
        return int(cursor or 0), self.integer("limit", limit, 1, limit_max)

    def link_id(self, name: str = "orderLinkId") -> str | None:
        """A client's order id; None if it is absent."""
        text = self.text(name)
        if text and not _LINK_ID.fullmatch(text):
            raise parameter_error(f"{name} must be 1 to 36 letters, digits, dashes and underscores")
        return text or None


def place_request(fields: Fields, account: str, category: str) -> Place:
    """A new order."""
    _refuse_absent(fields)
    is_spot = category == "spot"
    symbol = fields.text("symbol", None)
    side = fields.choice("side", SIDES)
    kind = fields.choice("orderType", {"Limit": OrderKind.LIMIT, "Market": OrderKind.MARKET})
    if fields.text("timeInForce") == "RPI":
        raise RequestError(
            170355 if is_spot else 110119, "RPI orders are restricted to approved market makers only"
        )
    force = fields.choice("timeInForce", FORCES, "GTC")
    quantity, price = fields.decimal("qty"), fields.decimal("price")
    if quantity is None:
        raise parameter_error("qty is required")
    reduce_only, closes = fields.flag("reduceOnly"), fields.flag("closeOnTrigger")
    if is_spot and reduce_only:
        raise parameter_error("reduceOnly is not for spot")
    closes_all = not quantity and reduce_only and closes and not is_spot
    if not quantity and not closes_all:
        raise parameter_error("qty must be positive")
    index = fields.integer("positionIdx", 0, 0, 2)
    if is_spot and index:
        raise parameter_error("positionIdx is not for spot")
    if fields.integer("isLeverage", 0, 0, 1):
        raise RequestError(170037, "Cross Margin Trading not yet supported by the selected coin")
    if is_spot and fields.text("orderFilter", "Order") != "Order":
        raise parameter_error("orderFilter: only Order is in this sandbox")
    if kind is OrderKind.MARKET:
        force, price = Force.IOC, None
    elif not price:
        raise parameter_error("price is required")
    in_quote = kind is OrderKind.MARKET and is_spot and _is_in_quote(fields, side)
    extra = {"closeOnTrigger": "true"} if closes else {}
    if kind is OrderKind.MARKET and is_spot:
        extra["marketUnit"] = "quoteCoin" if in_quote else "baseCoin"
    return Place(
        account,
        symbol,
        side,
        kind,
        force,
        price=price,
        quantity=None if in_quote or closes_all else quantity,
        quote_quantity=quantity if in_quote else None,
        client_id=fields.link_id(),
        reduce_only=reduce_only,
        position_side=POSITION_SIDES[index],
        prevention=fields.choice("smpType", PREVENTIONS, "None"),
        closes_all=closes_all,
        extra=extra,
    )


def cancel_request(fields: Fields, account: str) -> Cancel:
    """The cancellation of an order."""
    return Cancel(account, fields.text("symbol", None), *_ids(fields))


def amend_request(fields: Fields, account: str) -> Amend:
    """New price or quantity of an order."""
    _refuse_absent(fields)
    price, quantity = fields.decimal("price"), fields.decimal("qty")
    if price is None and quantity is None:
        raise parameter_error("price or qty is required")
    if price == 0 or quantity == 0:
        raise parameter_error("price and qty must be positive")
    return Amend(account, fields.text("symbol", None), *_ids(fields), price=price, quantity=quantity)


def _ids(fields: Fields) -> tuple[str | None, str | None]:
    """The venue's id, or else the client's: the venue ignores the second of two."""
    order_id, link_id = fields.text("orderId"), fields.text("orderLinkId")
    if not order_id and not link_id:
        raise parameter_error("orderId or orderLinkId is required")
    return (order_id, None) if order_id else (None, link_id)


def _is_in_quote(fields: Fields, side: int) -> bool:
    unit = fields.text("marketUnit", "quoteCoin" if side == BUY else "baseCoin")
    if unit not in ("baseCoin", "quoteCoin"):
        raise parameter_error("marketUnit must be baseCoin or quoteCoin")
    return unit == "quoteCoin"


def _refuse_absent(fields: Fields) -> None:
    for name in _ABSENT if not fields.values.keys().isdisjoint(_ABSENT) else ():
        # Clients send "0" or "" where they do not use the parameter.
        if fields.values.get(name) not in (None, "", "0", 0):
            raise parameter_error(f"{name} is not in this sandbox")
