"""The book at the end of a sequence of rows: what the next day carries on from."""

from __future__ import annotations

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)

from connectors.types import Rows

_KIND = np.uint64(0xFF)


def book_rows(rows: Rows) -> Rows:
    """The levels that are left after chained `rows` (whose clears empty a whole side), as snapshot rows, best first.

    Times are zero; the flags say that the rows are for both sides.
    """
    return np.concatenate([_side_rows(rows, BUY_EVENT), _side_rows(rows, SELL_EVENT)])


def _side_rows(rows: Rows, side: int) -> Rows:
    kind = rows["ev"] & _KIND
    is_side = (rows["ev"] & np.uint64(side)) != 0
    clears = np.flatnonzero(is_side & (kind == DEPTH_CLEAR_EVENT))
    start = int(clears[-1]) + 1 if len(clears) else 0
    is_level = is_side & ((kind == DEPTH_EVENT) | (kind == DEPTH_SNAPSHOT_EVENT))
    is_level[:start] = False
    index = np.flatnonzero(is_level)[::-1]
    px, newest = np.unique(rows["px"][index], return_index=True)
    qty = rows["qty"][index][newest]
    out = np.zeros(int((qty > 0).sum()), event_dtype)
    out["ev"] = EXCH_EVENT | LOCAL_EVENT | DEPTH_SNAPSHOT_EVENT | side
    out["px"], out["qty"] = px[qty > 0], qty[qty > 0]
    return out[::-1] if side == BUY_EVENT else out
