"""Faults of order entry and accounts in the faults file: the keys of each kind, and values that fit it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from arb.sandbox.trading.fault_words import FILTERS, MODES

_ORDER = ("account", "symbol", "order", "count")
_REQUEST = (*_ORDER, "request")
_EVENT = (*_ORDER, "event")
_SHARE = ("account", "symbol", "share")
#: As `scenario.ARGUMENTS`.
ORDER_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("reject", "accepted_5xx"), (*_REQUEST, "code", "message", "status")),
    **dict.fromkeys(("lost_request", "accepted_no_answer"), (*_REQUEST, "then")),
    **dict.fromkeys(("duplicate_event", "reorder_event"), _EVENT),
    "late_event": (*_EVENT, "delay_s"),
    "partial_then_expire": (*_ORDER, "share"),
    "not_visible": (*_ORDER, "delay_s"),
    "pruned": _ORDER,
    "user_silent": ("account", "duration_s"),
    "balance_lag": ("account", "delay_s", "duration_s"),
    **dict.fromkeys(("trade_lost", "user_lost"), ("client", "code", "after_order")),
    "key_expired": ("client",),
    "restarting": ("client", "notice_s"),
    "key_revoked": ("account", "duration_s"),
    **dict.fromkeys(("self_trade", "liquidate", "adl"), _SHARE),
    "foreign_order": ("account", "symbol", "side", "quantity", "price_bps"),
    "transfer": ("account", "asset", "quantity"),
    "mode_switched": ("account", "symbol", "field", "value"),
    "filter_changed": ("symbol", "field", "value", "duration_s"),
    "cancel_only": ("symbol", "duration_s"),
    **dict.fromkeys(("delisted", "maintenance"), ("symbol", "notice_s", "duration_s")),
    "margin_call": ("account", "symbol"),
}
_NEEDED = {
    "reject": ("code",),
    "foreign_order": ("quantity",),
    "transfer": ("quantity",),
    "mode_switched": ("field", "value"),
    "filter_changed": ("field", "value"),
}
#: Kinds that concern positions.
_OF_POSITIONS = ("liquidate", "adl", "mode_switched", "margin_call")
_LINES = ("disconnect", "trade_lost", "user_lost")
_VALUES = {
    "leverage": (r"[1-9][0-9]{0,2}", 'a leverage such as "10"'),
    "position_mode": (r"one_way|hedge", '"one_way" or "hedge"'),
    "margin_mode": (r"cross|isolated", '"cross" or "isolated"'),
    "multi_assets": (r"on|off", '"on" or "off"'),
    "max_orders": (r"[0-9]{1,6}", 'a whole number such as "5"'),
}
_DECIMAL = (r"[0-9]{1,12}(\.[0-9]{1,12})?", 'a decimal in quotes such as "0.01"')


def mistakes(kind: str, venue: str, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) of a fault whose keys are those of its kind."""
    for name in _NEEDED.get(kind, ()):
        if name not in given:
            yield name, f"is missing; a fault of kind {kind} needs it"
            return
    if kind in _OF_POSITIONS and venue in ("binance_spot", "bybit_spot"):
        yield "venue", f'is "{venue}", where a fault of kind {kind} has no effect: it has no positions'
    code = given.get("code")
    if code is not None and kind in _LINES and (code in (1004, 1005, 1006, 1015) or not 1000 <= code <= 4999):
        yield (
            "code",
            f"is {code}, which no close frame may hold: give 1000 to 4999; without a code the line is cut",
        )
    if "status" in given and venue.startswith("bybit"):
        yield "status", f"has no effect at {venue}, which answers errors with status 200"
    if kind == "foreign_order" and given["quantity"].startswith("-"):
        yield "quantity", f'is "{given["quantity"]}"; it must be positive'
    if kind in ("mode_switched", "filter_changed"):
        yield from _field_mistakes(kind, venue, given["field"], given["value"])


def _field_mistakes(kind: str, venue: str, field: str, value: str) -> Iterator[tuple[str, str]]:
    known = MODES if kind == "mode_switched" else FILTERS
    if field not in known:
        yield "field", f'is "{field}"; it must be one of {", ".join(known)}'
        return
    pattern, form = _VALUES.get(field, _DECIMAL)
    if not re.fullmatch(pattern, value):
        yield "value", f'is "{value}"; for {field} it must be {form}'
    elif field == "multi_assets" and venue.startswith("bybit"):
        yield "field", f'is "multi_assets", which {venue} does not have'
