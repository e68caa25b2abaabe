"""Rows as a recorder derives them, written by hand in ticks and lots, with steps of 1."""

from __future__ import annotations

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

from arb.sandbox.events import BUY
from connectors.model import Rows

#: One row: kind, side, tick, lots.
Row = tuple[int, int, float, float]


def level(side: int, tick: int, lots: int) -> Row:
    """A change of a level of the bids (side 0) or asks (side 1)."""
    return DEPTH_EVENT, side, tick, lots


def trade(side: int, tick: int, lots: int) -> Row:
    """A public trade; `side` is the aggressor's."""
    return TRADE_EVENT, side, tick, lots


def clear(side: int) -> Row:
    """A side without levels."""
    return DEPTH_CLEAR_EVENT, side, np.nan, 0


def rows_of(*parts: Row, at_ns: int = 0) -> Rows:
    """Rows of one frame of this venue and local time."""
    flags = EXCH_EVENT | LOCAL_EVENT
    rows = np.zeros(len(parts), event_dtype)
    for row, (kind, side, tick, lots) in zip(rows, parts, strict=True):
        row["ev"] = kind | flags | (BUY_EVENT if side == BUY else SELL_EVENT)
        row["exch_ts"] = row["local_ts"] = at_ns
        row["px"], row["qty"] = tick, lots
    return rows
