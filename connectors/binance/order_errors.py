"""What an error of Binance says about the request that it answers. Pure.

Only codes that are known to mean "not done" are refusals. With any other the request may or may not have been done.

Sources: errors.md of binance-spot-api-docs (read 2026-07-21); USD-M codes from ccxt 4.5.90 (`binance.py`, comments of
its exceptions).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from connectors.orders.model import RefusedFor, Verdict

_TEXT_MAX = 200
#: With these statuses -1003, too many requests, is given before anything is done.
_LIMIT_STATUSES = (418, 429)
#: Refused before the matching engine: filter, order count, unsupported, time, signature, connections, key.
_REFUSED_BY_BOTH = frozenset((-1013, -1015, -1020, -1021, -1022, -1034, -2014, -2015))
#: Parameters that are missing or not valid.
_BAD_PARAMETERS = range(-1199, -1099)
_SPOT_REFUSED = frozenset((-2010, -2011, -2038, -2039))
_USDM_REFUSED = frozenset((-2018, -2019, -2020, -2021, -2022, -2025, -2027))
_USDM_FILTERS = range(-4999, -3999)
#: Of the engine: post-only, fill-or-kill, changes, self-trade prevention; -5028: too late for its window.
_USDM_ENGINE = range(-5040, -5020)
#: Outside the receive window, or ahead of the venue's clock.
_WRONG_TIME = -1021
#: Of the engine: fill-or-kill, post-only.
_BY_MARKET = frozenset((-5021, -5022))
#: The symbol is being delivered or settled, or is closed.
_CLOSED = frozenset((-4108, -4140, -4141))
#: Texts on which a code of spot depends.
_DUPLICATE, _UNKNOWN_ORDER, _RESTRICTED = "duplicate order sent", "unknown order sent", "cancel restrictions"
_WOULD_TAKE, _MARKET_CLOSED = "immediately match and take", "market is closed"


class VenueError(msgspec.Struct, frozen=True):
    """`error` of a websocket answer, or the body of a REST response."""

    code: int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()

    @property
    def text(self) -> str:
        return self.msg[:_TEXT_MAX]


def reason_of(error: VenueError) -> RefusedFor:
    """The reason of a refusal."""
    text = error.msg.lower()
    if error.code in _BY_MARKET or (error.code == -2010 and _WOULD_TAKE in text):
        return RefusedFor.MARKET
    if error.code == _WRONG_TIME:
        return RefusedFor.TIME
    is_closed = error.code in _CLOSED or (error.code in (-1013, -2010) and _MARKET_CLOSED in text)
    return RefusedFor.CLOSED if is_closed else RefusedFor.OTHER


#: What an error with this status means.
Judge = Callable[[VenueError, int], Verdict]


def spot_verdict(error: VenueError, status: int) -> Verdict:
    """What an error of spot means. -2021 and -2022 are judged by their parts, see `order_answers`."""
    verdict = _verdict_of_both(error.code, status)
    if verdict is not None:
        return verdict
    code, text = error.code, error.msg.lower()
    if code == -2010 and _DUPLICATE in text:
        return Verdict.EXISTS
    if (code == -2038 and _UNKNOWN_ORDER in text) or (code == -2011 and _RESTRICTED not in text):
        return Verdict.NOT_OPEN
    return Verdict.REFUSED if code in _SPOT_REFUSED else Verdict.UNKNOWN


def usdm_verdict(error: VenueError, status: int) -> Verdict:
    """What an error of USD-M means. NOT_FOUND is of a query, or of the amendment of an order that is not open."""
    verdict = _verdict_of_both(error.code, status)
    if verdict is not None:
        return verdict
    code = error.code
    if code == -4116:
        return Verdict.EXISTS
    if code == -2011:
        return Verdict.NOT_OPEN
    is_refused = code in _USDM_REFUSED or code in _USDM_FILTERS or code in _USDM_ENGINE
    return Verdict.REFUSED if is_refused else Verdict.UNKNOWN


def _verdict_of_both(code: int, status: int) -> Verdict | None:
    """The verdict where the markets agree, by code and by the status of HTTP or of the websocket answer."""
    if code == -1008:
        return Verdict.REFUSED
    if not 400 <= status < 500:
        return Verdict.UNKNOWN
    if code == -1003:
        return Verdict.REFUSED if status in _LIMIT_STATUSES else Verdict.UNKNOWN
    if code == -2013:
        return Verdict.NOT_FOUND
    return Verdict.REFUSED if code in _REFUSED_BY_BOTH or code in _BAD_PARAMETERS else None
