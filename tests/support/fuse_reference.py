"""hftbacktest's FuseMarketDepth over rows, one by one: what the fused book is compared with."""

from __future__ import annotations

from typing import Any

from hftbacktest.data import FuseMarketDepth
from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT

from connectors.model import Rows
from support.books import BUY, SELL, PlainBook

#: Best bid and ask; None for an empty side.
Ticks = tuple[int | None, int | None]


def reference_touches(rows: Rows, tick_size: float, lot_size: float) -> list[Ticks]:
    """The touch of hftbacktest's fused events after each row, kept in a plain book."""
    fuse = FuseMarketDepth(tick_size, lot_size)
    book, done, touches = PlainBook(), 0, []
    for number in range(len(rows)):
        fuse.process_event(rows, number, True)
        events = fuse.fused_events
        for event in events[done:]:
            apply(book, event)
        done = len(events)
        touches.append(touch_of(book, tick_size))
    fuse.close()
    return touches


def apply(book: PlainBook, row: Any) -> None:
    """Applies one row that came out of a fused book."""
    side = BUY if int(row["ev"]) & BUY_EVENT else SELL
    if int(row["ev"]) & 0xFF == DEPTH_CLEAR_EVENT:
        book.sides[side].clear()
    else:
        book.set(side, float(row["px"]), float(row["qty"]))


def touch_of(book: PlainBook, tick_size: float) -> Ticks:
    """Best bid and ask; None for an empty side."""
    bids, asks = book.sides[BUY], book.sides[SELL]
    return (round(max(bids) / tick_size) if bids else None, round(min(asks) / tick_size) if asks else None)
