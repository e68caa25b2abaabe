"""Small recordings on disk, of true histories of a book."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from arb.data.catalog.days import Recording, recording_path
from connectors.model import Kind
from connectors.parsing.scanner import DELTA_BID, SNAPSHOT_BID, TRADE_SELL
from support.streams import Event, History
from support.venues import VENUES

SYMBOL = "BTCUSDT"
DAY = date(2024, 8, 8)


def day_start_ns(day: date) -> int:
    """The first nanosecond of a UTC day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000


def frame_of(venue: str, event: Event, exch_ms: int) -> str:
    """The frame in which a venue would send an event."""
    bids, asks = (
        [[f"{px:.2f}", f"{qty:.3f}"] for ev, px, qty in event.parts if _is_level(ev, side)] for side in (1, 0)
    )
    if event.kind == Kind.TRADE:
        return _trade(venue, event, exch_ms)
    if venue.startswith("bybit"):
        data = {"s": SYMBOL, "b": bids, "a": asks, "u": event.last_id, "seq": event.last_id}
        kind = "snapshot" if event.kind == Kind.SNAPSHOT else "delta"
        return _json(
            {"topic": f"orderbook.50.{SYMBOL}", "type": kind, "ts": exch_ms, "data": data, "cts": exch_ms}
        )
    times = {"E": exch_ms, "T": exch_ms} if venue == "binance_usdm" else {}
    if event.kind == Kind.SNAPSHOT:
        return _json({"lastUpdateId": event.last_id, **times, "bids": bids, "asks": asks})
    ids = {"U": event.first_id, "u": event.last_id}
    ids |= {"pu": event.prev_id} if venue == "binance_usdm" else {}
    return _json({"e": "depthUpdate", "E": exch_ms, **times, "s": SYMBOL, **ids, "b": bids, "a": asks})


def _is_level(event: int, is_bid: int) -> bool:
    kind = event & 0xFF
    return kind in (DELTA_BID & 0xFF, SNAPSHOT_BID & 0xFF) and bool(event & DELTA_BID & ~0xFF) == bool(is_bid)


def _trade(venue: str, event: Event, exch_ms: int) -> str:
    [(side, px, qty)] = event.parts
    price, quantity = f"{px:.2f}", f"{qty:.3f}"
    if venue.startswith("bybit"):
        own = "Sell" if side == TRADE_SELL else "Buy"
        trade = {"T": exch_ms, "s": SYMBOL, "S": own, "v": quantity, "p": price}
        return _json({"topic": f"publicTrade.{SYMBOL}", "type": "snapshot", "ts": exch_ms, "data": [trade]})
    times = {"E": exch_ms, "T": exch_ms}
    return _json({"e": "trade", **times, "s": SYMBOL, "p": price, "q": quantity, "m": side == TRADE_SELL})


def _json(payload: object) -> str:
    return json.dumps(payload, separators=(",", ":"))


def write_recording(
    folder: Path,
    venue: str,
    events: Iterable[Event],
    day: date = DAY,
    *,
    lag_ms: int = -1270,
) -> Recording:
    """Events as a recording, 100 ms apart from ten seconds past midnight; received `lag_ms` after they were sent."""
    start_ms = day_start_ns(day) // 1_000_000 + 10_000
    lines = []
    for n, event in enumerate(events):
        local_ms = start_ms + n * 100
        lines.append(f"{local_ms * 1_000_000 + 17} {frame_of(venue, event, local_ms - lag_ms)}\n")
    path = recording_path(folder, venue, SYMBOL, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(lines).encode(), 1, mtime=0))
    return Recording(venue, SYMBOL, day, path)


class Days:
    """A history recorded over three days: a snapshot on the first only."""

    def __init__(self, venue: str, seed: int = 1) -> None:
        self.venue = venue
        self.history = History(VENUES[venue].sequence_rule, random.Random(seed), 900)
        self.third = 300

    def events(self, number: int) -> list[Event]:
        """What is received on a day: its changes, a trade after every tenth, and on day 0 the snapshot."""
        changes = self.history.events[number * self.third : (number + 1) * self.third]
        stream = [changes[0], self.history.snapshot(changes[0].last_id)] if number == 0 else changes[:1]
        for n, change in enumerate(changes[1:]):
            stream.append(change)
            if n % 10 == 0:
                stream.append(Event(Kind.TRADE, 0, 0, 0, [(TRADE_SELL, 100.0 + n / 100, 0.5)]))
        return stream
