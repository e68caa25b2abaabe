"""Two simulated legs as event rows: a common price, books of some depth, trades, disorder, and a gap."""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)

from arb.backtest.assets import LegData
from arb.data.rows.order import EventOrder
from arb.leg import Leg

MS = 1_000_000
START_NS = 1_704_067_200_000_000_000


def leg(number: int, **changes: Any) -> Leg:
    """A leg of BTC: ticks of 0.1 and 0.5, lots of 0.001."""
    facts: dict[str, Any] = {
        "venue": ("binance_usdm", "bybit_linear")[number],
        "symbol": "BTCUSDT",
        "is_spot": False,
        "tick_size": (0.1, 0.5)[number],
        "lot_size": 0.001,
        "min_qty": 0.001,
        "min_notional": 5.0,
        "contract_size": 1.0,
        "maker_fee": 0.0001,
        "taker_fee": 0.0004,
        "feed_latency_ns": 5 * MS,
        "entry_latency_ns": 10 * MS,
        "response_latency_ns": 10 * MS,
        "queue_model": "power_prob3",
        "queue_power": 3.0,
        "base": 0.0,
        "quote": 1e6,
    }
    return Leg(**{**facts, **changes})


def received_rows(number: int, seed: int, steps: int) -> Any:
    """One leg's rows in the order of receipt, without flags; both legs of a seed follow the same price."""
    common, own = np.random.default_rng(seed), np.random.default_rng([seed, number])
    tick = leg(number).tick_size
    path = 60_000.0 * np.exp(np.cumsum(common.normal(0.0, 6e-6, steps)))
    basis = np.cumsum(own.normal(0.0, 5e-6, steps))
    basis -= np.linspace(0.0, basis[-1], steps)
    rows: list[Any] = []
    bids: dict[int, float] = {}
    asks: dict[int, float] = {}
    for step in range(steps):
        exch_ts = START_NS + step * 20 * MS + int(own.integers(0, 3)) * MS
        mid = round(path[step] * (1.0 + basis[step]) / tick)
        said = rows.__len__()
        if step == steps // 2:
            bids.clear()
            asks.clear()
            rows += [(DEPTH_CLEAR_EVENT | side, exch_ts, np.nan, 0.0) for side in (BUY_EVENT, SELL_EVENT)]
        kind = DEPTH_SNAPSHOT_EVENT if step in (0, steps // 2 + 3) else DEPTH_EVENT
        for levels, side, sign in ((bids, BUY_EVENT, -1), (asks, SELL_EVENT, 1)):
            for gone in [t for t in levels if (t - mid) * sign <= 0 or abs(t - mid) > 400]:
                del levels[gone]
                rows.append((DEPTH_EVENT | side, exch_ts, gone * tick, 0.0))
            for _ in range(12 if kind == DEPTH_SNAPSHOT_EVENT else int(own.integers(1, 5))):
                at = mid + sign * int(1 + own.exponential(6.0))
                qty = float(own.integers(0, 4000)) / 1000.0
                if qty == 0.0:
                    levels.pop(at, None)
                else:
                    levels[at] = qty
                rows.append((kind | side, exch_ts, at * tick, qty))
        if own.random() < 0.4:
            side = BUY_EVENT if own.random() < 0.5 else SELL_EVENT
            at = mid + int(own.integers(1, 8)) * (1 if side == BUY_EVENT else -1)
            rows.append((TRADE_EVENT | side, exch_ts, at * tick, float(own.integers(1, 3000)) / 1000.0))
        # Trades and books come by streams of their own, one faster than the other.
        delay = int(own.exponential(6.0) * MS) + 2 * MS
        rows[said:] = [
            (*row, row[1] + delay // (2 if row[0] & 0xFF == TRADE_EVENT else 1)) for row in rows[said:]
        ]
    made = np.zeros(len(rows), event_dtype)
    for event, (kind, exch_ts, price, qty, local_ts) in zip(made, rows, strict=True):
        event["ev"], event["exch_ts"], event["local_ts"] = kind, exch_ts, local_ts
        event["px"], event["qty"] = price, qty
    return made[np.argsort(made["local_ts"], kind="stable")]


def dry_legs(seed: int, steps: int = 3000, **changes: Any) -> list[LegData]:
    """Both legs with their rows in hftbacktest's order of events."""
    return [
        LegData(leg(number, **changes), [EventOrder().feed(received_rows(number, seed, steps))])
        for number in range(2)
    ]
