"""The venues' published rules for following a book, in plain Python over raw JSON; nothing of the project is used.

Source: as `connectors.book.sync`. What comes out is what may be applied, message by message.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

Levels = list[list[str]]


class Applied(NamedTuple):
    """One change or snapshot that may be applied, known at `local_ts`."""

    local_ts: int
    last_id: int
    is_snapshot: bool
    bids: Levels
    asks: Levels


class Touch(NamedTuple):
    """One bookTicker: its id, and price and quantity of both sides."""

    update_id: int
    quote: tuple[float, float, float, float]


def raw_messages(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Local time and payload of every line; of combined frames the inner one."""
    with gzip.open(path) as file:
        for line in file:
            payload = json.loads(line[20:])
            yield int(line[:19]), payload["data"] if "stream" in payload else payload


def follow_binance(
    messages: list[tuple[int, dict[str, Any]]], *, is_usdm: bool, known: int | None = None
) -> list[Applied]:
    """Binance's rule: hold changes until the snapshot, drop what it holds, bridge, then every id must join.

    `known`: the id of the book of the day before. Fails at a gap.
    """
    held: list[tuple[int, dict[str, Any]]] = []
    applied: list[Applied] = []
    is_bridged = known is not None

    def change(local_ts: int, event: dict[str, Any]) -> None:
        nonlocal known, is_bridged
        if event["u"] < known if is_usdm else event["u"] <= known:
            return
        if is_usdm:
            assert event["pu"] == known if is_bridged else event["U"] <= known <= event["u"], event
        else:
            assert event["U"] == known + 1 if is_bridged else event["U"] <= known + 1 <= event["u"], event
        if not is_bridged:
            # Nothing but the change that joins it says that the snapshot belongs to the chain.
            applied[-1] = applied[-1]._replace(local_ts=max(applied[-1].local_ts, local_ts))
        is_bridged = True
        known = event["u"]
        applied.append(Applied(local_ts, known, False, event["b"], event["a"]))

    for local_ts, payload in messages:
        if "lastUpdateId" in payload:
            known = payload["lastUpdateId"]
            applied.append(Applied(local_ts, known, True, payload["bids"], payload["asks"]))
            for _, event in held:
                change(local_ts, event)
            held = []
        elif payload.get("e") == "depthUpdate":
            if known is None:
                held.append((local_ts, payload))
            else:
                change(local_ts, payload)
    return applied


def follow_bybit(messages: list[tuple[int, dict[str, Any]]]) -> list[Applied]:
    """Bybit's rule: a snapshot replaces the book, u grows by one. Fails at a gap."""
    applied: list[Applied] = []
    for local_ts, payload in messages:
        if not payload.get("topic", "").startswith("orderbook."):
            continue
        data = payload["data"]
        is_snapshot = payload["type"] == "snapshot"
        assert is_snapshot or data["u"] == applied[-1].last_id + 1
        applied.append(Applied(local_ts, data["u"], is_snapshot, data["b"], data["a"]))
    return applied


def book_tickers(messages: list[tuple[int, dict[str, Any]]]) -> list[Touch]:
    """All touches that Binance sends."""
    return [
        Touch(m["u"], (float(m["b"]), float(m["B"]), float(m["a"]), float(m["A"])))
        for _, m in messages
        if "A" in m and m.get("e", "bookTicker") == "bookTicker"
    ]


def trades(messages: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, bool, float, float]]:
    """Local time, whether the taker bought, price, quantity."""
    found = []
    for local_ts, m in messages:
        if m.get("e") == "trade" and m.get("X", "MARKET") == "MARKET":
            found.append((local_ts, not m["m"], float(m["p"]), float(m["q"])))
        elif m.get("topic", "").startswith("publicTrade."):
            found += [(local_ts, t["S"] == "Buy", float(t["p"]), float(t["v"])) for t in m["data"]]
    return found
