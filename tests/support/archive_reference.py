"""What the files of archives mean, read by the csv and json modules, a line at a time: slow, and written by itself."""

from __future__ import annotations

import csv
import io
import json
import math
from decimal import Decimal
from typing import NamedTuple

from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_BBO_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
)

from arb.data.catalog.archived import ArchiveKind

_HEADERLESS = {
    ArchiveKind.TRADES: ["id", "price", "qty", "quote", "time", "maker", "best"],
    ArchiveKind.AGG_TRADES: ["id", "price", "qty", "first", "last", "time", "maker", "best"],
}


class Row(NamedTuple):
    """An event row. NaN prices are None, so that rows compare."""

    event: int
    exch_ts: int
    local_ts: int
    px: float | None
    qty: float


def expected_rows(source: str, kind: ArchiveKind, text: bytes) -> list[Row]:
    """The decoded rows of a file, before any id rule, clock or book."""
    if source == "bybit" and kind == ArchiveKind.BOOK:
        return [row for line in text.decode().splitlines() for row in _bybit_frame(json.loads(line))]
    lines = list(csv.reader(io.StringIO(text.decode())))
    names = lines.pop(0) if not lines[0][0][:1].isdigit() else _HEADERLESS[kind]
    columns = [dict(zip(names, line, strict=False)) for line in lines]
    if source == "binance":
        return _binance_touch(columns) if kind == ArchiveKind.TOUCH else _binance_trades(columns)
    if source == "bybit":
        return [
            Row(
                TRADE_EVENT | (BUY_EVENT if c["side"].lower() == "buy" else SELL_EVENT),
                _ns(c["timestamp"]),
                _ns(c["timestamp"]),
                float(c["price"]),
                float(c["size"] if "size" in c else c["volume"]),
            )
            for c in columns
        ]
    return {
        ArchiveKind.BOOK: _tardis_book,
        ArchiveKind.TRADES: _tardis_trades,
        ArchiveKind.TOUCH: _tardis_touch,
    }[kind](columns)


def _ns(text: str) -> int:
    number = Decimal(text)
    digits = len(str(int(number)))
    return int(number * {10: 10**9, 13: 10**6, 16: 10**3}[digits])


def _binance_trades(columns: list[dict[str, str]]) -> list[Row]:
    rows = []
    last = None
    for c in columns:
        number = c.get("id", c.get("agg_trade_id"))
        at = _ns(c.get("time", c.get("transact_time", "")))
        is_maker = c.get("is_buyer_maker", c.get("maker", "")).lower() == "true"
        qty = float(c.get("qty", c.get("quantity", "")))
        if number != last and float(c["price"]) > 0:
            rows.append(
                Row(TRADE_EVENT | (SELL_EVENT if is_maker else BUY_EVENT), at, at, float(c["price"]), qty)
            )
        last = number
    return rows


def _binance_touch(columns: list[dict[str, str]]) -> list[Row]:
    rows = []
    for c in columns:
        at, sent = _ns(c["transaction_time"]), _ns(c["event_time"])
        for name, side in (("bid", BUY_EVENT), ("ask", SELL_EVENT)):
            px, qty = float(c[f"best_{name}_price"]), float(c[f"best_{name}_qty"])
            rows.append(Row(DEPTH_BBO_EVENT | side, at, max(at, sent), px, qty))
    return rows


def _bybit_frame(frame: dict[str, object]) -> list[Row]:
    at, sent = int(str(frame["cts"])) * 10**6, int(str(frame["ts"])) * 10**6
    data = frame["data"]
    assert isinstance(data, dict)
    rows = []
    for key, side in (("b", BUY_EVENT), ("a", SELL_EVENT)):
        levels = data.get(key, [])
        event = DEPTH_EVENT
        if frame["type"] == "snapshot":
            event = DEPTH_SNAPSHOT_EVENT
            rows.append(Row(DEPTH_CLEAR_EVENT | side, at, sent, float(levels[-1][0]), 0.0))
        rows += [Row(event | side, at, sent, float(px), float(qty)) for px, qty in levels]
    return rows


def _tardis_book(columns: list[dict[str, str]]) -> list[Row]:
    rows = []
    was_snapshot = False
    for c in columns:
        at, local = int(c["timestamp"]) * 1_000, int(c["local_timestamp"]) * 1_000
        is_snapshot = c["is_snapshot"] == "true"
        if is_snapshot and not was_snapshot:
            rows += [Row(DEPTH_CLEAR_EVENT | side, at, local, None, 0.0) for side in (BUY_EVENT, SELL_EVENT)]
        was_snapshot = is_snapshot
        side = BUY_EVENT if c["side"] == "bid" else SELL_EVENT
        event = DEPTH_SNAPSHOT_EVENT if is_snapshot else DEPTH_EVENT
        rows.append(Row(event | side, at, local, float(c["price"]), float(c["amount"])))
    return rows


def _tardis_trades(columns: list[dict[str, str]]) -> list[Row]:
    return [
        Row(
            TRADE_EVENT | (BUY_EVENT if c["side"] == "buy" else SELL_EVENT),
            int(c["timestamp"]) * 1_000,
            int(c["local_timestamp"]) * 1_000,
            float(c["price"]),
            float(c["amount"]),
        )
        for c in columns
        if c["side"] != "unknown"
    ]


def _tardis_touch(columns: list[dict[str, str]]) -> list[Row]:
    rows = []
    for c in columns:
        at, local = int(c["timestamp"]) * 1_000, int(c["local_timestamp"]) * 1_000
        for name, side in (("bid", BUY_EVENT), ("ask", SELL_EVENT)):
            px, qty = float(c[f"{name}_price"] or 0), float(c[f"{name}_amount"] or 0)
            rows.append(Row(DEPTH_BBO_EVENT | side, at, local, px, qty))
    return rows


def plain(rows: object) -> list[Row]:
    """Event rows of NumPy as the reference writes them."""
    found = []
    for event, exch_ts, local_ts, px, qty, *_ in rows.tolist():  # type: ignore[attr-defined]
        found.append(Row(event, exch_ts, local_ts, None if math.isnan(px) else px, qty))
    return found
