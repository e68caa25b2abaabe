"""Random rows with everything that thinning must follow, and what both readers see of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)

from arb.data.rows.order import EventOrder
from arb.engine.blocks import Blocks
from arb.engine.book import NO_ASK, NO_BID, book_at, make_book, qty_at
from arb.engine.book_rows import apply_depth
from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows
from support.blocks import free

TICK, LOT = 0.5, 0.25
#: What a reader sees after a row: its time, best bid and ask in ticks, their quantities, and the row's latency.
SEEN = np.dtype(
    [("ts", "i8"), ("bid", "i8"), ("ask", "i8"), ("bid_qty", "f8"), ("ask_qty", "f8"), ("latency", "i8")]
)
FLAGS = {"venue": EXCH_EVENT, "local": LOCAL_EVENT}


def random_rows(seed: int, messages: int = 300) -> Rows:
    """Rows of a leg in hftbacktest's order: levels of a narrow market, crossed ones, clears, silences, trades, funding.

    Several rows and messages share a time, messages overtake each other, and some arrive late.
    """
    dice = np.random.default_rng(seed)
    made: list[tuple[int, int, int, float, float, int]] = []
    local_ts = 1_000
    for _ in range(messages):
        local_ts += int(dice.choice([0, 1, 3, 10, 80, 400], p=[0.1, 0.3, 0.3, 0.2, 0.08, 0.02]))
        exch_ts = local_ts - int(dice.choice([0, 1, 4, 20, 150], p=[0.2, 0.3, 0.3, 0.17, 0.03]))
        kind = dice.random()
        if kind < 0.02:
            sides = (
                [BUY_EVENT, SELL_EVENT]
                if dice.random() < 0.5
                else [int(dice.choice([BUY_EVENT, SELL_EVENT]))]
            )
            made += [(DEPTH_CLEAR_EVENT | side, exch_ts, local_ts, np.nan, 0.0, 0) for side in sides]
        elif kind < 0.04:
            made += [
                (DEPTH_CLEAR_EVENT | side, local_ts, local_ts, np.nan, 0.0, LOCAL_ONLY)
                for side in (BUY_EVENT, SELL_EVENT)
            ]
        elif kind < 0.12:
            side = int(dice.choice([BUY_EVENT, SELL_EVENT]))
            made.append((TRADE_EVENT | side, exch_ts, local_ts, 10 * TICK, LOT, 0))
        elif kind < 0.16:
            made.append((FUNDING_EVENT, exch_ts, local_ts, 10.0, 0.0, exch_ts + 50))
        else:
            for _ in range(int(dice.integers(1, 6))):
                side, middle = (BUY_EVENT, 8) if dice.random() < 0.5 else (SELL_EVENT, 12)
                tick = middle + int(dice.integers(-5, 6))
                qty = float(dice.choice([0.0, 0.1, LOT, 2 * LOT, 3 * LOT]))
                made.append((DEPTH_EVENT | side, exch_ts, local_ts, tick * TICK, qty, 0))
    rows = np.zeros(len(made), event_dtype)
    for row, (ev, exch_ts, local_ts, px, qty, mark) in zip(rows, made, strict=True):
        row["ev"], row["exch_ts"], row["local_ts"] = ev, exch_ts, local_ts
        row["px"], row["qty"], row["ival"] = px, qty, mark
    return EventOrder().feed(rows).copy()


def seen(rows: Rows, reader: str) -> Any:
    """What a reader sees after each of its rows, of dtype SEEN."""
    blocks = Blocks()
    found = np.zeros(len(rows), SEEN)
    count = _see(make_book(blocks, TICK, LOT), rows, np.uint64(FLAGS[reader]), reader == "venue", found)
    free(blocks)
    return found[:count]


def at_ends(found: Any) -> Any:
    """The last of each time."""
    return found[np.append(found["ts"][1:] != found["ts"][:-1], True)] if len(found) else found


def changes(found: Any) -> Any:
    """Of those at the end of a time, the ones with another touch than before; without their latencies."""
    touch = at_ends(found).copy()
    touch["latency"] = 0
    before = np.zeros(len(touch), SEEN)
    before[1:] = touch[:-1]
    before[:1] = (0, NO_BID, NO_ASK, 0.0, 0.0, 0)
    is_other = np.zeros(len(touch), bool)
    for field in ("bid", "ask", "bid_qty", "ask_qty"):
        is_other |= touch[field] != before[field]
    return touch[is_other]


@compiled
def _see(address, rows, flag, is_venue, found):
    book = book_at(address)
    count = 0
    for index in range(len(rows)):
        row = rows[index]
        if not row.ev & flag:
            continue
        apply_depth(book, row)
        one = found[count]
        one.ts = row.exch_ts if is_venue else row.local_ts
        one.bid, one.ask = book.best_bid, book.best_ask
        one.bid_qty = qty_at(book, True, book.best_bid) if book.best_bid != NO_BID else 0.0
        one.ask_qty = qty_at(book, False, book.best_ask) if book.best_ask != NO_ASK else 0.0
        one.latency = row.local_ts - row.exch_ts
        count += 1
    return count
