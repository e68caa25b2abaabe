"""Compares the executions of a session with the venues' own lists of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from arb.leg import Leg
from arb.runtime.live_files import OrderRecords
from arb.verify.reconcile import Difference

#: What is compared of an execution.
_FIELDS = ("side", "tick", "lots", "is_maker", "fee", "fee_asset", "venue_ms")
_NOT_LISTED = "the venue did not answer the query of its executions at the end"
#: Venue, symbol, id and the venue's id of the order: both orders of a trade with oneself have its id.
_Key = tuple[str, str, str, str]


def execution_differences(orders: OrderRecords, legs: Sequence[Leg]) -> tuple[list[Difference], int, int]:
    """The differences by execution, the number of executions of ours in the lists, and of others."""
    listed, foreign = _listed(orders.facts)
    ours = _ours(orders.executions, legs)
    found = []
    for key in sorted({*listed, *ours}):
        venue, symbol, execution_id, _ = key
        where = f"{venue}:{symbol} execution {execution_id}"
        then, now = ours.get(key), listed.get(key)
        if then is None or now is None:
            is_unlisted = now is None and "executions" in orders.facts.get(venue, {}).get("missing", ())
            cause = _NOT_LISTED if is_unlisted else ""
            found.append(Difference("execution", where, 0, _presence(then), _presence(now), cause))
            continue
        found += [
            Difference("execution", f"{where} {name}", 0, str(then[name]), str(now[name]))
            for name in _FIELDS
            if _value(name, then[name]) != _value(name, now[name])
        ]
    return found, len(listed), foreign


def _listed(facts: Mapping[str, Any]) -> tuple[dict[_Key, dict[str, Any]], int]:
    listed: dict[_Key, dict[str, Any]] = {}
    foreign = 0
    for venue, own in facts.items():
        for one in own.get("executions", ()):
            if one.get("is_ours"):
                # What a damaged file lacks is no execution of ours.
                symbol, execution, order = (str(one.get(name)) for name in ("symbol", "id", "venue_order_id"))
                values = {name: one.get(name) for name in _FIELDS}
                listed[venue, symbol, execution, order] = {
                    **values,
                    "is_maker": int(bool(one.get("is_maker"))),
                }
            else:
                foreign += 1
    return listed, foreign


def _ours(executions: Any, legs: Sequence[Leg]) -> dict[_Key, dict[str, Any]]:
    found: dict[_Key, dict[str, Any]] = {}
    for row in executions:
        leg = legs[int(row["leg"])]
        values = {
            name: _word(row[name]) if isinstance(row[name], bytes) else int(row[name]) for name in _FIELDS
        }
        key = (leg.venue, leg.symbol, _word(row["id"]), _word(row["venue_order_id"]))
        if key in found:  # twice in the session is once too often
            values["lots"] += found[key]["lots"]
        found[key] = values
    return found


def _word(text: bytes) -> str:
    return text.decode(errors="replace")


def _value(name: str, value: Any) -> Any:
    """A fee by its amount: messages may write it with different numbers of decimals."""
    if name != "fee":
        return value
    try:
        return Decimal(value)
    except (InvalidOperation, TypeError, ValueError):  # in a damaged file
        return value


def _presence(row: object) -> str:
    return "none" if row is None else "there"
