"""Binance's limits on requests: the documented ones, and what answers and headers say is used of them. Pure.

Sources: rest-api.md "LIMITS" and web-socket-api.md "rateLimits" of binance-spot-api-docs (read 2026-07-21); USD-M:
"General Info", shared with COIN-M since 2026-06-30. Figures of exchangeInfo; an answer with other ones replaces them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from connectors.orders.limits import LimitKind, LimitUse, VenueLimit
from connectors.units import MINUTE, SECOND

_DAY = 1440 * MINUTE
_UNITS = {"SECOND": SECOND, "MINUTE": MINUTE, "HOUR": 60 * MINUTE, "DAY": _DAY}
_KINDS = {"ORDERS": LimitKind.ORDERS, "REQUEST_WEIGHT": LimitKind.WEIGHT}
_HEADER = re.compile(r"x-mbx-(used-weight|order-count)-(\d{1,4})([smhd])", re.ASCII | re.IGNORECASE)
_LETTERS = {name[0].lower(): unit for name, unit in _UNITS.items()}
_COUNT_MAX = 18

SPOT_LIMITS = (
    VenueLimit(LimitKind.ORDERS, 10 * SECOND, 50),
    VenueLimit(LimitKind.ORDERS, _DAY, 160_000),
    VenueLimit(LimitKind.WEIGHT, MINUTE, 6_000),
)
USDM_LIMITS = (
    VenueLimit(LimitKind.ORDERS, 10 * SECOND, 300),
    VenueLimit(LimitKind.ORDERS, MINUTE, 1_200),
    VenueLimit(LimitKind.WEIGHT, MINUTE, 2_400),
)


class RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    """An entry of `rateLimits`. Without `count` it says nothing about use."""

    rate_limit_type: str = ""
    interval: str = ""
    interval_num: int = 0
    limit: int = 0
    count: int | None = None


def uses_of(limits: Iterable[RateLimit]) -> tuple[LimitUse, ...]:
    """What an answer's `rateLimits` say is used."""
    found = []
    for one in limits:
        kind, unit = _KINDS.get(one.rate_limit_type), _UNITS.get(one.interval)
        if kind is not None and unit is not None and one.count is not None and one.interval_num > 0:
            found.append(LimitUse(kind, one.interval_num * unit, one.count, one.limit))
    return tuple(found)


def uses_of_headers(headers: Iterable[tuple[str, str]]) -> tuple[LimitUse, ...]:
    """What the headers of a REST response say is used. They do not say of how much."""
    found = []
    for name, text in headers:
        match = _HEADER.fullmatch(name)
        if match is not None and text.isdecimal() and text.isascii() and len(text) <= _COUNT_MAX:
            kind = LimitKind.WEIGHT if match[1].lower() == "used-weight" else LimitKind.ORDERS
            found.append(LimitUse(kind, int(match[2]) * _LETTERS[match[3].lower()], int(text)))
    return tuple(found)
