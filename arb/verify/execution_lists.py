"""Compares the executions of a session with the venues' own lists of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from arb.leg import Leg
from arb.runtime.live_files import OrderRecords
from arb.runtime.order_records import number_fills
from arb.verify.reconcile import Difference

#: Most places that are listed as different: later ones follow from the first.
_SHOWN = 3
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


def place_differences(orders: OrderRecords, fills: Any, legs: Sequence[Leg]) -> list[Difference]:
    """Of the places of answers and executions in the log of fills, and of the executions' order.

    fills: the log of the replay, which has the fills that the session's had.
    """
    found = []
    responses, executions = orders.responses.copy(), orders.executions.copy()
    responses["fill_no"] = executions["fill_no"] = -1
    number_fills(responses, executions, fills)
    for what, then, now in (
        ("answer", orders.responses, responses),
        ("execution", orders.executions, executions),
    ):
        found += [
            Difference(what, f"number {place} of {legs[int(then[place]['leg'])].name} fill_no", 0,
                       str(then[place]["fill_no"]), str(now[place]["fill_no"]))
            for place in map(int, np.flatnonzero(then["fill_no"] != now["fill_no"])[:_SHOWN])
        ]  # fmt: skip
    # Executions are listed as the answers that report them.
    if not np.array_equal(responses["leg"][responses["row"]["fill_qty"] > 0.0], executions["leg"]):
        found.append(Difference("execution", "order of the rows", 0, "other", "as answers report them"))
    return found


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
