"""Compares the executions of a session with the venues' own lists of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arb.leg import Leg
from arb.runtime.live_files import OrderRecords
from arb.verify.reconcile import Difference

#: What is compared of an execution.
_FIELDS = ("side", "tick", "lots", "is_maker", "fee", "fee_asset", "venue_ms")


def execution_differences(orders: OrderRecords, legs: Sequence[Leg]) -> tuple[list[Difference], int, int]:
    """The differences by venue, symbol and id, the number of executions of ours in the lists, and of others."""
    listed, foreign = _listed(orders.facts)
    ours = _ours(orders.executions, legs)
    found = []
    for key in sorted({*listed, *ours}):
        venue, symbol, execution_id = key
        where = f"{venue}:{symbol} execution {execution_id}"
        then, now = ours.get(key), listed.get(key)
        if then is None or now is None:
            found.append(Difference("execution", where, 0, _presence(then), _presence(now)))
            continue
        found += [
            Difference("execution", f"{where} {name}", 0, str(then[name]), str(now[name]))
            for name in _FIELDS
            if then[name] != now[name]
        ]
    return found, len(listed), foreign


def _listed(facts: Mapping[str, Any]) -> tuple[dict[tuple[str, str, str], dict[str, Any]], int]:
    listed: dict[tuple[str, str, str], dict[str, Any]] = {}
    foreign = 0
    for venue, own in facts.items():
        for one in own["executions"]:
            if one["is_ours"]:
                listed[venue, one["symbol"], one["id"]] = {**one, "is_maker": int(one["is_maker"])}
            else:
                foreign += 1
    return listed, foreign


def _ours(executions: Any, legs: Sequence[Leg]) -> dict[tuple[str, str, str], dict[str, Any]]:
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in executions:
        leg = legs[int(row["leg"])]
        values = {
            name: row[name].decode() if isinstance(row[name], bytes) else int(row[name]) for name in _FIELDS
        }
        key = (leg.venue, leg.symbol, row["id"].decode())
        if key in found:  # twice in the session is once too often
            values["lots"] += found[key]["lots"]
        found[key] = values
    return found


def _presence(row: object) -> str:
    return "none" if row is None else "there"
