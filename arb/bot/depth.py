"""`bot.depth(asset_no)` in compiled code: the touch, quantities by tick, and the whole book if the world has it.

Every access is one call through the table. The quantities at the touch are from the world's own functions, also for the
range-of-interest book, where hftbacktest's Python class returns prices by mistake.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from numba import carray, types
from numba.extending import overload_attribute, overload_method

from arb.bot.cache import bot_compiled
from arb.bot.memory import allocate_zeroed, as_pointer, release
from arb.bot.numba_types import RAW, DepthType, Member, bind_attribute, bind_method, zero_for_nan

#: Event flags of a snapshot's rows, for bids and asks.
BID_LEVEL = EXCH_EVENT | LOCAL_EVENT | BUY_EVENT | DEPTH_SNAPSHOT_EVENT
ASK_LEVEL = EXCH_EVENT | LOCAL_EVENT | SELL_EVENT | DEPTH_SNAPSHOT_EVENT

_EVENT_BYTES = event_dtype.itemsize

for _name in ("best_bid_tick", "best_ask_tick", "roi_lb_tick", "roi_ub_tick"):
    bind_attribute(DepthType, _name, RAW[_name])
for _name in ("best_bid", "best_ask", "tick_size", "lot_size"):
    bind_attribute(DepthType, _name, RAW[_name])
for _name in ("best_bid_qty", "best_ask_qty"):
    # For an empty side the engine's vector book returns 0.0 for bids and NaN for asks, its hash-map book 0.0 for both.
    bind_attribute(DepthType, _name, Member(RAW[_name].slot, types.float64, zero_for_nan))
for _name in ("bid_qty_at_tick", "ask_qty_at_tick"):
    bind_method(DepthType, _name, RAW[_name])


@overload_attribute(DepthType, "bid_depth")
def _bid_depth(depth: Any) -> Any:
    def impl(depth: Any) -> Any:
        address, length = depth.c_bid_depth()
        return carray(as_pointer(address), length, np.float64)

    return impl


@overload_attribute(DepthType, "ask_depth")
def _ask_depth(depth: Any) -> Any:
    def impl(depth: Any) -> Any:
        address, length = depth.c_ask_depth()
        return carray(as_pointer(address), length, np.float64)

    return impl


@bot_compiled
def _has_range(depth):
    """Whether the book has a fixed price range."""
    return depth.own_roi_ub_tick() >= depth.own_roi_lb_tick()


@bot_compiled
def _snapshot_of_range(depth):
    """(address, rows) of the levels of a book with a fixed range, for which hftbacktest has no snapshot."""
    bid_address, width = depth.own_bid_depth()
    ask_address, _ = depth.own_ask_depth()
    bids = carray(as_pointer(bid_address), width, np.float64)
    asks = carray(as_pointer(ask_address), width, np.float64)
    low = depth.own_roi_lb_tick()
    # Without a best price, the end or start is beyond the range, and no level of that side is copied.
    bids_end = min(max(depth.c_best_bid_tick(), low - 1), low + width - 1) - low
    asks_start = min(max(depth.c_best_ask_tick(), low), low + width) - low
    rows = np.count_nonzero(bids[: bids_end + 1] > 0.0) + np.count_nonzero(asks[asks_start:] > 0.0)
    address = allocate_zeroed(rows * _EVENT_BYTES) if rows > 0 else 0
    if address == 0:
        return np.int64(0), np.int64(0)
    events = carray(as_pointer(address), rows, event_dtype)
    count = 0
    for place in range(bids_end, -1, -1):
        if bids[place] > 0.0:
            _put_level(events[count], BID_LEVEL, (low + place) * depth.tick_size, bids[place])
            count += 1
    for place in range(asks_start, width):
        if asks[place] > 0.0:
            _put_level(events[count], ASK_LEVEL, (low + place) * depth.tick_size, asks[place])
            count += 1
    return np.int64(address), np.int64(rows)


@bot_compiled
def _put_level(event, ev, price, qty):
    event.ev = ev
    event.px = price
    event.qty = qty


@overload_method(DepthType, "snapshot")
def _snapshot(depth: Any) -> Any:
    def impl(depth: Any) -> Any:
        is_ours = _has_range(depth)
        address, length = _snapshot_of_range(depth) if is_ours else depth.c_snapshot()
        # A copy with its own lifetime: whatever a strategy frees or does not free, it cannot crash the process.
        levels = carray(as_pointer(address), length, event_dtype).copy()
        # An empty array may have no address, which the engine must not free.
        if length > 0:
            if is_ours:
                release(address)
            else:
                depth.c_snapshot_free(address, length)
        return levels

    return impl


@overload_method(DepthType, "snapshot_free")
def _snapshot_free(depth: Any, arr: Any) -> Any:
    """Does nothing: snapshots are copies and need no freeing."""
    if not isinstance(arr, types.Array):
        return None

    def impl(depth: Any, arr: Any) -> Any:
        return None

    return impl
