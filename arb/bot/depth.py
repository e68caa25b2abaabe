"""`bot.depth(asset_no)` in compiled code: the touch, quantities by tick, and the whole book where the world
has it.

Everything is one call through the table. The quantities at the touch come from the world's own functions,
also for the range-of-interest book, where hftbacktest's Python class returns prices by mistake.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import event_dtype
from numba import carray, types
from numba.extending import overload_attribute, overload_method

from arb.bot.handle import RAW, DepthType, bind_attribute, bind_method
from arb.bot.memory import as_pointer, data_address

for _name in ("best_bid_tick", "best_ask_tick", "roi_lb_tick", "roi_ub_tick"):
    bind_attribute(DepthType, _name, RAW[_name])
for _name in ("best_bid", "best_ask", "best_bid_qty", "best_ask_qty", "tick_size", "lot_size"):
    bind_attribute(DepthType, _name, RAW[_name])
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


@overload_method(DepthType, "snapshot")
def _snapshot(depth: Any) -> Any:
    def impl(depth: Any) -> Any:
        address, length = depth.c_snapshot()
        return carray(as_pointer(address), length, event_dtype)

    return impl


@overload_method(DepthType, "snapshot_free")
def _snapshot_free(depth: Any, arr: Any) -> Any:
    if not isinstance(arr, types.Array):
        return None

    def impl(depth: Any, arr: Any) -> Any:
        # An empty array may have no address; the engine must not be asked to free that.
        if len(arr) > 0:
            depth.c_snapshot_free(data_address(arr), len(arr))

    return impl
