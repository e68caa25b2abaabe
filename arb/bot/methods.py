"""The bot's methods in compiled code: names, arguments and return codes of hftbacktest's own bot.

Importing this module registers the whole interface with Numba, depth and orders included. A method that is just one
function of the world is bound directly; requests go through `requests`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.order import BUY, SELL
from hftbacktest.types import event_dtype
from numba import carray
from numba.extending import overload_method

import arb.bot.depth  # noqa: F401
import arb.bot.orders  # noqa: F401
from arb.bot import requests
from arb.bot.memory import as_pointer
from arb.bot.numba_types import (
    RAW,
    BotType,
    Member,
    address_of,
    bind_attribute,
    bind_method,
    depth_type,
    handle_of,
    orders_type,
    state_values_type,
)

for _name in ("current_timestamp", "num_assets"):
    bind_attribute(BotType, _name, RAW[_name])
for _name in (
    "position",
    "clear_last_trades",
    "wait_order_response",
    "wait_next_feed",
    "elapse",
    "elapse_bt",
):
    bind_method(BotType, _name, RAW[_name])
bind_method(BotType, "_goto_end", RAW["goto_end"])
bind_method(BotType, "depth", Member(RAW["depth"].slot, depth_type, handle_of))
bind_method(BotType, "orders", Member(RAW["orders"].slot, orders_type, handle_of))
bind_method(BotType, "state_values", Member(RAW["state_values"].slot, state_values_type, address_of))


@overload_method(BotType, "last_trades")
def _last_trades(bot: Any, asset_no: Any) -> Any:
    def impl(bot: Any, asset_no: Any) -> Any:
        requests.check_asset(bot, asset_no)
        address, length = bot.c_last_trades(asset_no)
        return carray(as_pointer(address), length, event_dtype)

    return impl


@overload_method(BotType, "feed_latency")
def _feed_latency(bot: Any, asset_no: Any) -> Any:
    def impl(bot: Any, asset_no: Any) -> Any:
        requests.check_asset(bot, asset_no)
        known, exch_ts, local_ts = bot.c_feed_latency(asset_no)
        if known != 0:
            return exch_ts, local_ts
        return None

    return impl


@overload_method(BotType, "order_latency")
def _order_latency(bot: Any, asset_no: Any) -> Any:
    def impl(bot: Any, asset_no: Any) -> Any:
        requests.check_asset(bot, asset_no)
        known, req_ts, exch_ts, resp_ts = bot.c_order_latency(asset_no)
        if known != 0:
            return req_ts, exch_ts, resp_ts
        return None

    return impl


# The casts fix one signature for the compiled function, so that it is compiled and cached once.


def _bind_submit(name: str, side: int) -> None:
    def submit(
        bot: Any,
        asset_no: Any,
        order_id: Any,
        price: Any,
        qty: Any,
        time_in_force: Any,
        order_type: Any,
        wait: Any,
    ) -> Any:
        return requests.submit(
            bot,
            np.int64(side),
            np.uint64(asset_no),
            np.uint64(order_id),
            np.float64(price),
            np.float64(qty),
            np.uint8(time_in_force),
            np.uint8(order_type),
            bool(wait),
        )

    def submit_of_types(
        bot: Any,
        asset_no: Any,
        order_id: Any,
        price: Any,
        qty: Any,
        time_in_force: Any,
        order_type: Any,
        wait: Any,
    ) -> Any:
        return submit

    overload_method(BotType, name)(submit_of_types)


_bind_submit("submit_buy_order", BUY)
_bind_submit("submit_sell_order", SELL)


@overload_method(BotType, "modify")
def _modify(bot: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, wait: Any) -> Any:
    def impl(bot: Any, asset_no: Any, order_id: Any, price: Any, qty: Any, wait: Any) -> Any:
        return requests.modify(
            bot, np.uint64(asset_no), np.uint64(order_id), np.float64(price), np.float64(qty), bool(wait)
        )

    return impl


@overload_method(BotType, "cancel")
def _cancel(bot: Any, asset_no: Any, order_id: Any, wait: Any) -> Any:
    def impl(bot: Any, asset_no: Any, order_id: Any, wait: Any) -> Any:
        return requests.cancel(bot, np.uint64(asset_no), np.uint64(order_id), bool(wait))

    return impl


@overload_method(BotType, "clear_inactive_orders")
def _clear_inactive_orders(bot: Any, asset_no: Any) -> Any:
    def impl(bot: Any, asset_no: Any) -> Any:
        requests.clear_inactive_orders(bot, np.int64(asset_no))

    return impl


@overload_method(BotType, "close")
def _close(bot: Any) -> Any:
    def impl(bot: Any) -> Any:
        return requests.close(bot)

    return impl
