"""Bybit's limits on requests: the documented ones, and what headers say is left of them. Pure.

Each endpoint has a limit of its own per UID, over a rolling second, shared by REST and websockets; an address may send
600 REST requests in 5 seconds. Source: bybit-exchange/docs v5 `rate-limit/rate-limit.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.orders.limits import LimitKind, LimitUse, VenueLimit
from connectors.orders.model import Act
from connectors.units import MILLISECOND, SECOND

_ADDRESS = VenueLimit(LimitKind.WEIGHT, 5 * SECOND, 600)
SPOT_LIMITS = (
    VenueLimit(LimitKind.ORDERS, SECOND, 20),
    VenueLimit(LimitKind.AMENDS, SECOND, 10),
    VenueLimit(LimitKind.CANCELS, SECOND, 20),
    _ADDRESS,
)
LINEAR_LIMITS = (
    VenueLimit(LimitKind.ORDERS, SECOND, 10),
    VenueLimit(LimitKind.AMENDS, SECOND, 10),
    VenueLimit(LimitKind.CANCELS, SECOND, 10),
    _ADDRESS,
)
_KINDS = {Act.PLACE: LimitKind.ORDERS, Act.AMEND: LimitKind.AMENDS, Act.CANCEL: LimitKind.CANCELS}
_DIGITS_MAX = 15


def uses_of_header(act: Act, headers: Mapping[str, str]) -> tuple[LimitUse, ...]:
    """What an answer's header says is used of its endpoint's limit. headers: names in lower case."""
    kind = _KINDS.get(act)
    most, left = _number_of(headers.get("x-bapi-limit")), _number_of(headers.get("x-bapi-limit-status"))
    reset_ms = _number_of(headers.get("x-bapi-limit-reset-timestamp"))
    if kind is None or most <= 0 or left < 0:
        return ()
    # The time of the reset is the present while requests are left.
    return (
        LimitUse(kind, SECOND, max(0, most - left), most, max(reset_ms, 0) * MILLISECOND if left == 0 else 0),
    )


def _number_of(text: str | None) -> int:
    """A number of a header; -1 if it is missing or none."""
    if text is None or not (text.isdecimal() and text.isascii() and len(text) <= _DIGITS_MAX):
        return -1
    return int(text)
