"""The live bot's table: every slot is ours, and what a strategy may do wrong is harmless."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import EXPIRED, GTC, GTX, LIMIT, MARKET
from parity.worlds import dry_run, hashmap_backtest
from support.dry_market import dry_legs, leg

from arb.bot import codes
from arb.bot.cache import bot_compiled
from arb.bot.compilation import compile_strategy
from arb.bot.function_table import SLOTS
from arb.bot.stubs import empty_addresses
from arb.engine import functions
from arb.engine.functions import live_addresses
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.timeline import advance_callback
from arb.engine.world import NEVER
from arb.risk.limits import AssetLimits, Limits
from arb.runtime.replay import replay
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.timeline import serve_callback

pytestmark = pytest.mark.slow


def run_over(bot: DryRunBot, legs: Any, function: Any, *arguments: Any) -> Any:
    task = replay(bot, [data.arrays for data in legs], compile_strategy(function), (bot, *arguments))
    assert task.error is None, task.error
    return task.value


def test_every_slot_is_a_function_of_our_own() -> None:
    made, empty = live_addresses(), empty_addresses()

    assert list(made) == [slot.name for slot in SLOTS]
    assert all(made.values())
    assert not set(made.values()) & set(empty.values())


def test_a_later_process_compiles_none_of_them() -> None:
    live_addresses()

    for callback in (*functions._kept, advance_callback(), serve_callback()):
        target = callback._targetdescr.target_context
        assert callback._cache.load_overload(callback._sig, target) is not None, callback.__name__


def snapshots(bot, out, duration):
    """Snapshots of both legs after a while; how many levels."""
    bot.elapse(duration)
    place = 0
    for asset_no in range(2):
        levels = bot.depth(asset_no).snapshot()
        for index in range(len(levels)):
            out[place, 0] = levels[index].ev
            out[place, 1] = levels[index].px
            out[place, 2] = levels[index].qty
            place += 1
        bot.depth(asset_no).snapshot_free(levels)
    return place


@pytest.mark.parametrize("duration", [1, 2_000_000_000, 12_000_000_000])
def test_a_snapshot_is_hftbacktests(duration: int) -> None:
    legs = dry_legs(5, 800)
    theirs, ours = np.zeros((5000, 3)), np.zeros((5000, 3))
    engine = hashmap_backtest(legs)
    count = compile_strategy(snapshots)(engine, theirs, duration)
    engine.close()

    for width in (1 << 15, 16):
        assert run_over(dry_run(legs, book_width=width), legs, snapshots, ours, duration) == count
        assert ours.tobytes() == theirs.tobytes()
    assert count > 10 or duration == 1


def free_anything(bot, out):
    """Frees a part, a copy and twice, and goes on reading."""
    bot.elapse(2_000_000_000)
    depth = bot.depth(0)
    levels = depth.snapshot()
    first = levels[0].px
    for freed in (levels[1:], levels.copy(), levels, levels):
        depth.snapshot_free(freed)
    bot.elapse(2_000_000_000)
    out[0] = levels[0].px - first
    return len(levels)


def test_no_snapshot_that_is_freed_wrongly_ends_the_process() -> None:
    legs = dry_legs(5, 800)
    out = np.ones(1)
    engine = hashmap_backtest(legs)
    assert compile_strategy(free_anything)(engine, out) > 4
    engine.close()
    assert out[0] == 0.0

    assert run_over(dry_run(legs), legs, free_anything, out) > 4
    assert out[0] == 0.0


def keep_views(bot, out):
    """Goes on reading an order and the first trades when there are thousands of trades more."""
    bot.elapse(100_000_000)
    bot.submit_buy_order(0, 1, 0.1, 1.0, GTC, LIMIT, False)
    order = bot.orders(0).get(1)
    for number in range(2, 4_000):
        bot.submit_buy_order(0, number, 0.1, 1.0, GTC, LIMIT, False)
    trades = bot.last_trades(0)
    while len(trades) == 0:
        if bot.elapse(10_000_000) != 0:
            return -1
        trades = bot.last_trades(0)
    before = trades[0].px
    while bot.elapse(100_000_000) == 0:
        pass
    out[0] = trades[0].px - before
    out[1] = order.order_id
    return len(bot.last_trades(0))


def test_what_a_strategy_keeps_stays_readable() -> None:
    legs, out = dry_legs(5, 20_000), np.ones(2)
    assert run_over(dry_run(legs), legs, keep_views, out) > 4_096, "the trades have outgrown a first block"
    assert out.tolist() == [0.0, 1.0]


def unknown_asset(bot, out):
    """What code that does not check, as ours, is answered about an asset that is not there."""
    bot.elapse(2_000_000_000)
    depth = bot.depth(9)
    out[0] = depth.best_bid
    out[1] = depth.tick_size
    out[2] = depth.best_bid_qty + bot.position(9) + bot.state_values(9).fee
    out[3] = len(bot.orders(9))
    out[4] = len(depth.bid_depth) + depth.roi_lb_tick + depth.roi_ub_tick
    bot.clear_last_trades(9)
    return bot.wait_order_response(9, 1, 1_000)


def test_an_asset_that_is_not_there_is_harmless_to_our_own_code() -> None:
    legs, out = dry_legs(5, 300), np.zeros(5)

    bot = dry_run(legs)
    task = replay(bot, [data.arrays for data in legs], bot_compiled(unknown_asset), (bot, out))
    assert (task.error, task.value) == (None, codes.OK)
    assert np.isnan(out[:2]).all()
    assert list(out[2:]) == [0.0, 0, -1]


def too_soon(bot, out):
    """Waits that need a clock before there is one."""
    out[0] = bot.wait_order_response(0, 1, 1_000_000)
    out[1] = bot.current_timestamp == np.iinfo(np.int64).max
    out[2] = bot.elapse(np.iinfo(np.int64).max)
    return bot._goto_end()


def test_waits_before_the_first_row_and_for_ever() -> None:
    legs, out = dry_legs(5, 100), np.zeros(3)

    assert run_over(dry_run(legs), legs, too_soon, out) == codes.END_OF_DATA
    assert list(out) == [codes.END_OF_DATA, 1, codes.END_OF_DATA]


def refused(bot, out):
    """Orders that a limit refuses, and one that it lets through."""
    bot.elapse(2_000_000_000)
    price = bot.depth(0).best_bid
    out[0] = bot.submit_buy_order(0, 1, price, 2.0, GTC, LIMIT, True)
    out[1] = bot.submit_buy_order(0, 2, price, 1.0, GTC, LIMIT, True)
    out[2] = bot.submit_buy_order(0, 2, price, 1.0, GTC, LIMIT, True)
    return len(bot.orders(0))


def test_limits_hold_in_the_live_bot_too() -> None:
    legs, out = dry_legs(5, 300), np.zeros(3)
    limits = Limits([AssetLimits(qty_max=1.5), AssetLimits()])

    assert run_over(dry_run(legs, limits), legs, refused, out) == 1
    assert list(out) == [codes.LIMIT_EXCEEDED, codes.OK, codes.ORDER_ID_EXISTS]
    assert limits.refusals_by_rule(0)["qty"] == 1


def wait_long(bot, out):
    out[0] = bot.elapse(1_000_000_000_000)
    return 5


def test_a_bot_that_is_closed_ends_the_wait() -> None:
    bot, out = DryRunBot([leg(0)], is_live=True), np.zeros(1)
    task = StrategyTask(bot, compile_strategy(wait_long), (bot, out))
    assert task.resume()

    assert bot.close() == 0
    assert not task.resume()
    assert (task.value, out[0]) == (5, codes.END_OF_DATA)
    assert bot.close() == 0


def count_wakes(bot, out):
    while bot.wait_next_feed(False, 60_000_000_000) != 1:
        out[0] += 1
    return 3


def test_without_a_host_a_wait_ends() -> None:
    legs, out = dry_legs(5, 100), np.zeros(1)
    bot, strategy = dry_run(legs), compile_strategy(count_wakes)
    assert strategy(bot, out) == 3
    assert out[0] == 0

    bot = dry_run(legs)
    for number, data in enumerate(legs):
        bot.world.streams[number].append(data.arrays[0])
        bot.exchanges.streams[number].append(data.arrays[0])
    bot.set_horizon(NEVER)
    assert strategy(bot, out) == 3
    assert out[0] > 100, "what there is can be gone through without one"


def test_a_task_that_is_gone_leaves_a_bot_whose_waits_end() -> None:
    legs, out = dry_legs(5, 100), np.zeros(1)
    bot, strategy = dry_run(legs), compile_strategy(count_wakes)
    task = StrategyTask(bot, strategy, (bot, out))
    task.resume()
    assert task.stop()
    del task
    gc.collect()

    assert strategy(bot, out) == 3


def market_without_touch(bot, out):
    bot.elapse(1)
    out[0] = bot.submit_buy_order(0, 1, 60_000.0, 0.01, GTX, LIMIT, True)
    order = bot.orders(0).get(1)
    if order is not None:
        out[1] = order.status
    out[2] = bot.submit_buy_order(0, 2, 60_000.0, 0.01, 77, LIMIT, True)
    out[3] = bot.submit_buy_order(0, 3, 60_000.0, 0.01, GTC, MARKET + 5, True)
    return 0


def test_orders_that_no_world_knows_are_refused_at_once() -> None:
    legs, out = dry_legs(5, 300), np.zeros(4)

    run_over(dry_run(legs), legs, market_without_touch, out)

    assert out[1] in (1.0, float(EXPIRED))
    assert list(out[2:]) == [codes.INVALID_ORDER_REQUEST] * 2


def test_a_world_is_checked() -> None:
    with pytest.raises(ValueError, match="at least one asset"):
        LiveWorld([])
    world = LiveWorld([leg(0)])
    with pytest.raises(ValueError, match="nothing is attached"):
        LiveBot(world)
    world.attach(serve_callback().address)
    with pytest.raises(ValueError, match="limits for 2 assets"):
        LiveBot(world, limits=Limits([AssetLimits(), AssetLimits()]))
