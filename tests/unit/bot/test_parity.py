"""hftbacktest's own bots and ours, the same function over the same data: every answer is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest import HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest
from hftbacktest.order import GTC, LIMIT, MARKET, NONE
from hftbacktest.types import ALL_ASSETS, SELL_EVENT, TRADE_EVENT
from numba import njit
from parity.strategies import put

from arb.backtest.bot import hashmap_bot, roivec_bot
from arb.bot.compilation import compile_strategy

pytestmark = pytest.mark.slow

MS = 1_000_000
WORLDS = {
    "hashmap": (HashMapMarketDepthBacktest, hashmap_bot),
    "roi": (ROIVectorMarketDepthBacktest, roivec_bot),
}


@njit
def put_order(out, order):
    put(out, order.order_id)
    put(out, order.side)
    put(out, order.status)
    put(out, order.req)
    put(out, order.order_type)
    put(out, order.time_in_force)
    put(out, order.price)
    put(out, order.price_tick)
    put(out, order.qty)
    put(out, order.leaves_qty)
    put(out, order.exec_qty)
    put(out, order.exec_price)
    put(out, order.exec_price_tick)
    put(out, order.exch_timestamp)
    put(out, order.local_timestamp)
    put(out, order.cancellable)


@njit
def put_market(out, bot):
    put(out, bot.current_timestamp)
    put(out, bot.num_assets)
    for asset_no in range(bot.num_assets):
        depth = bot.depth(asset_no)
        put(out, depth.best_bid_tick)
        put(out, depth.best_ask_tick)
        put(out, depth.best_bid)
        put(out, depth.best_ask)
        put(out, depth.tick_size)
        put(out, depth.lot_size)
        put(out, depth.bid_qty_at_tick(depth.best_bid_tick - 1))
        put(out, depth.ask_qty_at_tick(price_tick=depth.best_ask_tick + 1))
        put(out, bot.position(asset_no))
        state = bot.state_values(asset_no)
        put(out, state.position)
        put(out, state.balance)
        put(out, state.fee)
        put(out, state.num_trades)
        put(out, state.trading_volume)
        put(out, state.trading_value)
        trades = bot.last_trades(asset_no)
        put(out, len(trades))
        for index in range(len(trades)):
            put(out, trades[index].px)
            put(out, trades[index].qty)
            put(out, trades[index].ev)
        latency = bot.feed_latency(asset_no)
        if latency is None:
            put(out, -1)
        else:
            exch_ts, local_ts = latency
            put(out, local_ts - exch_ts)
        times = bot.order_latency(asset_no)
        if times is None:
            put(out, -2)
        else:
            # Of two answers in one nanosecond, hftbacktest's hash order decides which is the last one.
            _, processed, answered = times
            put(out, processed)
            put(out, answered)


@njit
def put_orders(out, bot, ids):
    for asset_no in range(bot.num_assets):
        orders = bot.orders(asset_no)
        put(out, len(orders))
        found = 0.0
        values = orders.values()
        while values.has_next():
            found += values.get().order_id
        values = orders.values()
        while True:
            order = values.next()
            if order is None:
                break
            found += order.price_tick
        put(out, found)
        for order_id in range(1, ids):
            put(out, order_id in orders)
            order = orders.get(order_id)
            if order is not None:
                put_order(out, order)


@njit
def is_over(bot, asset_no, order_id):
    """Whether the order is finished: our cancel and modify answer 12, hftbacktest's may count a fill twice."""
    order = bot.orders(asset_no).get(order_id)
    return order is not None and order.req == NONE and not order.cancellable


@njit
def submit_random(bot, ids, dice):
    asset_no = dice % 2
    depth = bot.depth(asset_no)
    price = depth.best_bid + ((dice >> 3) % 5 - 2) * depth.tick_size
    time_in_force = (dice >> 6) % 4
    order_type = MARKET if (dice >> 9) % 17 == 0 else LIMIT
    qty = 1.0 + (dice >> 11) % 3
    # Every ninth id was used before, so some are still there.
    order_id = ids - 1 if dice % 9 == 0 else ids
    wait = (dice >> 14) % 4 == 0
    if (dice >> 17) % 2 == 0:
        return bot.submit_buy_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
    return bot.submit_sell_order(
        asset_no=asset_no,
        order_id=order_id,
        price=price,
        qty=qty,
        time_in_force=time_in_force,
        order_type=order_type,
        wait=wait,
    )


def random_session(bot, out, seed):
    """Random requests of every kind until the data ends; everything that can be read is written down."""
    put_market(out, bot)
    put(out, bot.elapse(3_000_000))
    dice = seed
    ids = 1
    code = 0
    while code != 1 and out[0] < len(out) - 20_000:
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        pick = (dice >> 16) % 10
        target = max(1, ids - (dice >> 20) % 6)
        asset_no = (dice >> 8) % 2
        if pick < 4:
            put(out, submit_random(bot, ids, dice))
            ids += 1
        elif pick == 4 and not is_over(bot, asset_no, target):
            put(out, bot.cancel(asset_no, target, dice % 2 == 0))
        elif pick == 5 and not is_over(bot, asset_no, target):
            price = bot.depth(asset_no).best_bid - 0.1 * (dice % 3)
            put(out, bot.modify(asset_no, target, price, 1.0 + dice % 2, dice % 3 == 0))
        elif pick == 6:
            bot.clear_last_trades(ALL_ASSETS if dice % 2 else asset_no)
        elif pick == 7:
            bot.clear_inactive_orders(ALL_ASSETS if dice % 2 else asset_no)
        elif pick == 8:
            put(out, bot.wait_order_response(asset_no, target, 2_500_000))
        put_market(out, bot)
        put_orders(out, bot, min(ids, 12))
        kind = (dice >> 12) % 4
        if kind == 0:
            code = bot.elapse(1_700_000)
        elif kind == 1:
            code = bot.elapse_bt(300_000)
        elif kind == 2:
            code = bot.wait_next_feed(True, 1_000_000)
        else:
            code = bot.wait_next_feed(include_order_resp=False, timeout=700_000)
        put(out, code)
    put_market(out, bot)
    put_orders(out, bot, ids)
    put(out, bot.close())
    return ids


def journals(world: str, function: Any, assets: Any, args: tuple[Any, ...]) -> list[Any]:
    """What the function wrote down with hftbacktest's bot and with ours. `assets` makes fresh (assets, arrays)."""
    theirs, ours = WORLDS[world]
    found = []
    out = np.zeros(3_000_000)
    made, arrays = assets()
    njit(function)(theirs(made), out, *args)
    found.append(out[: int(out[0]) + 1])
    out = np.zeros(3_000_000)
    made, arrays = assets()
    compile_strategy(function)(ours(made, arrays), out, *args)
    found.append(out[: int(out[0]) + 1])
    return found


def test_random_sessions_give_the_same_answers(random_market: Any, asset: Any) -> None:
    def assets() -> Any:
        arrays = [random_market(1, 1500), random_market(2, 1500)]
        return [asset(array) for array in arrays], arrays

    theirs, ours = journals("hashmap", random_session, assets, (7,))

    assert len(theirs) > 100_000
    # Fills of one nanosecond are summed in the order of a randomly seeded hash map: the last bit may differ.
    np.testing.assert_allclose(theirs, ours, rtol=1e-12)
    assert {0.0, 2.0, 3.0, 10.0, 11.0, 12.0} <= set(ours)


def partial_fills(bot, out):
    """An order that fills in parts, and then completely."""
    bot.elapse(3_000_000)
    put(out, bot.order_latency(0) is None)
    put(out, bot.submit_buy_order(0, 1, 100.1, 8.0, GTC, LIMIT, True))
    for _ in range(8):
        put_orders(out, bot, 3)
        put_market(out, bot)
        put(out, bot.elapse(5_000_000))
    times = bot.order_latency(0)
    if times is not None:
        requested, _, _ = times
        put(out, requested)


@pytest.mark.parametrize("world", WORLDS)
def test_partial_fills_look_the_same(world: str, calm_market: Any, asset: Any) -> None:
    theirs, ours = journals(
        world, partial_fills, lambda: ([asset(calm_market, partial=True)], [calm_market]), ()
    )

    np.testing.assert_array_equal(theirs, ours)


def refused_by_exchange(bot, out):
    """A time in force that the exchange model does not take: 13 from the next wait."""
    bot.elapse(3_000_000)
    put(out, bot.submit_buy_order(0, 1, 90.0, 1.0, 255, LIMIT, False))
    put(out, bot.elapse(10_000_000))
    put_orders(out, bot, 3)


@pytest.mark.parametrize("world", WORLDS)
def test_an_unsupported_time_in_force_gives_13(world: str, calm_market: Any, asset: Any) -> None:
    theirs, ours = journals(world, refused_by_exchange, lambda: ([asset(calm_market)], [calm_market]), ())

    np.testing.assert_array_equal(theirs, ours)
    assert 13.0 in ours


def hashmap_only(bot, out):
    bot.elapse(50_000_000)
    depth = bot.depth(0)
    put(out, depth.best_bid_qty)
    put(out, depth.best_ask_qty)
    snapshot = depth.snapshot()
    put(out, len(snapshot))
    for index in range(len(snapshot)):
        put(out, snapshot[index].px)
        put(out, snapshot[index].qty)
        put(out, snapshot[index].ev)
    depth.snapshot_free(snapshot)
    put(out, bot._goto_end())
    put_market(out, bot)


def test_what_only_the_hashmap_world_has(random_market: Any, asset: Any) -> None:
    def assets() -> Any:
        array = random_market(3, 300)
        return [asset(array)], [array]

    theirs, ours = journals("hashmap", hashmap_only, assets, ())

    np.testing.assert_array_equal(theirs, ours)
    assert ours[3] > 2


def roi_only(bot, out):
    bot.elapse(50_000_000)
    depth = bot.depth(0)
    put(out, depth.roi_lb_tick)
    put(out, depth.roi_ub_tick)
    bids = depth.bid_depth
    asks = depth.ask_depth
    put(out, len(bids))
    put(out, len(asks))
    for index in range(len(bids)):
        put(out, bids[index])
        put(out, asks[index])


def test_what_only_the_roi_world_has(random_market: Any, asset: Any) -> None:
    def assets() -> Any:
        array = random_market(3, 300)
        return [asset(array)], [array]

    theirs, ours = journals("roi", roi_only, assets, ())

    np.testing.assert_array_equal(theirs, ours)
    assert ours[5:].sum() > 0


def zombie(bot, out):
    """The partial-fill exchange keeps an exactly filled order, and fails at the next trade with it."""
    bot.elapse(3_000_000)
    put(out, bot.submit_buy_order(0, 1, 99.8, 3.0, GTC, LIMIT, True))
    for _ in range(3):
        put(out, bot.elapse(30_000_000))


def test_an_impossible_state_gives_14(events: Any, touch: Any, asset: Any) -> None:
    rows = [row for step in range(1, 101) for row in touch(step * MS, 999, 1001)]
    rows[40:40] = [
        (20 * MS, TRADE_EVENT | SELL_EVENT, 99.8, 3.0),
        (20 * MS, TRADE_EVENT | SELL_EVENT, 99.8, 3.0),
    ]
    array = events(rows)

    theirs, ours = journals("hashmap", zombie, lambda: ([asset(array, partial=True)], [array]), ())

    np.testing.assert_array_equal(theirs, ours)
    assert 14.0 in ours
