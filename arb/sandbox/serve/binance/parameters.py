"""The parameters of one request of Binance, as texts, and their checks. Pure.

Source: rest-api.md ("General Information on Endpoints") and errors.md of binance-spot-api-docs (read 2026-07-21). The
ranges in texts of -1100 are those that the venue was seen to send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from arb.sandbox.serve.binance.errors import ApiError, mandatory
from arb.sandbox.serve.raw_request import RawRequest, decoded

T = TypeVar("T")

_INTEGER = "^[0-9]{1,20}$"
_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_SYMBOL = "^[A-Z0-9-_.]{1,20}$"
#: Of client ids on spot; those of USD-M may have more characters.
CLIENT_ID = "^[a-zA-Z0-9-_]{1,36}$"
USDM_CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_PATTERNS = {
    text: re.compile(text.replace("-_", r"\-_"))
    for text in (_INTEGER, _DECIMAL, _SYMBOL, CLIENT_ID, USDM_CLIENT_ID)
}
#: Most decimals of prices and quantities.
_PLACES_MAX = 8
#: Parameters that any signed request may have.
_COMMON = frozenset(("timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"))


class Parameters:
    """Names and values. Every reading method raises ApiError for a value that the venue refuses."""

    def __init__(self, values: Mapping[str, str], numbers: frozenset[str] = frozenset()) -> None:
        """numbers: names of values that cannot be decimals, since they were no JSON texts."""
        self.values = values
        self._numbers = numbers

    def expect(self, names: frozenset[str]) -> None:
        """Refuses parameters that the request does not have."""
        unknown = self.values.keys() - names - _COMMON
        if unknown:
            sent, read = len(self.values), len(self.values) - len(unknown)
            raise ApiError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
            )

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, pattern: str | None = None) -> str | None:
        """A value; None if it was not sent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not value:
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        if pattern is not None and not _PATTERNS[pattern].fullmatch(value):
            raise ApiError(
                -1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'."
            )
        return value

    def required(self, *names: str) -> None:
        """Refuses a request without one of these, or with an empty one."""
        for name in names:
            if not self.values.get(name):
                raise mandatory(name)

    def symbol(self, known: Mapping[str, object]) -> str:
        """The mandatory symbol."""
        self.required("symbol")
        symbol = self.text("symbol", _SYMBOL)
        if symbol is None or symbol not in known:
            raise ApiError(-1121, "Invalid symbol.")
        return symbol

    def optional_symbol(self, known: Mapping[str, object]) -> str | None:
        return self.symbol(known) if "symbol" in self.values else None

    def integer(self, name: str, least: int = 0) -> int | None:
        value = self.text(name, _INTEGER)
        if value is None:
            return None
        if int(value) < least or int(value) >= 1 << 63:
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """A price or quantity."""
        if name in self._numbers:
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        value = self.text(name, _DECIMAL)
        if value is None:
            return None
        if len(value.partition(".")[2].rstrip("0")) > _PLACES_MAX:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        return Decimal(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value.lower() == "true"

    def choice(self, name: str, choices: Mapping[str, T], error: tuple[int, str] | None = None) -> T | None:
        """One of several words. error: code and text of its own for others."""
        value = self.text(name)
        if value is None:
            return None
        if value not in choices:
            raise ApiError(*(error or (-1130, f"Data sent for parameter '{name}' is not valid.")))
        return choices[value]

    def limit(self, default: int = 500, most: int = 1000) -> int:
        """How many entries are asked for; more than the most are cut off."""
        return min(most, self.integer("limit", 1) or default)


def of_request(raw: RawRequest) -> Parameters:
    """The parameters of query and body; those of the query win. Raises ApiError."""
    body = raw.body.decode("utf-8", "surrogateescape")
    return Parameters(_unique(decoded(body)) | _unique(decoded(raw.query)))


def of_message(params: Mapping[str, msgspec.Raw], *, is_strict: bool = False) -> Parameters:
    """The parameters of a websocket request; null is a parameter that was not sent.

    is_strict: prices and quantities have to be JSON texts.
    """
    texts = {name: text_of(value) for name, value in params.items()}
    numbers = [name for name, value in params.items() if bytes(value)[:1] != b'"'] if is_strict else ()
    return Parameters({name: text for name, text in texts.items() if text is not None}, frozenset(numbers))


def text_of(value: msgspec.Raw) -> str | None:
    """A JSON value as signatures take it: strings by their content, others by their JSON text."""
    raw = bytes(value)
    if raw.startswith(b'"'):
        return str(msgspec.json.decode(raw))
    return None if raw == b"null" else raw.decode()


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ApiError(-1101, "Duplicate values for a parameter detected.")
    return values
