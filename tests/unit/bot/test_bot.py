"""Our bot: one compilation for all worlds, stop and close, the guards, the limits and the fill log."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, FILLED, GTC, GTX, IOC, LIMIT
from hftbacktest.types import ALL_ASSETS

from arb.backtest import bot as backtest
from arb.backtest.bot import HASHMAP, MissingSymbolError, engine_addresses, hashmap_bot, roivec_bot
from arb.bot import codes
from arb.bot.bot import Bot
from arb.bot.cache import bot_callback, bot_compiled
from arb.bot.compilation import compile_strategy
from arb.bot.function_table import SLOTS
from arb.bot.numba_types import callback_signature
from arb.bot.stubs import empty_addresses
from arb.risk.limits import AssetLimits, Limits

MS = 1_000_000
MAKERS = {"hashmap": hashmap_bot, "roi": roivec_bot}


def trade_loop(bot):
    """A strategy: buys at each market event, and sums what it sees of the touch."""
    seen = 0.0
    order_id = 1
    while True:
        code = bot.wait_next_feed(True, 10_000_000)
        if code == 1:
            break
        # An order at every answer too would keep the clock going for ever.
        if code != 2:
            continue
        depth = bot.depth(0)
        seen += depth.best_bid_qty + depth.best_ask_qty
        bot.submit_buy_order(0, order_id, depth.best_ask, 1.0, GTC, LIMIT, False)
        bot.clear_inactive_orders(0)
        order_id += 1
    return seen


def test_one_compilation_serves_all_worlds(make: Any) -> None:
    strategy = compile_strategy(trade_loop)

    results = [strategy(make(maker)) for maker in (hashmap_bot, roivec_bot)]

    assert results[0] == results[1] > 0
    assert len(strategy.signatures) == 1
    assert sum(strategy.stats.cache_hits.values()) + sum(strategy.stats.cache_misses.values()) == 1


def test_a_strategy_under_a_plain_njit_is_compiled_with_our_flags() -> None:
    from numba import njit

    strategy = compile_strategy(njit(trade_loop))

    assert strategy.targetoptions["nogil"]
    assert strategy.py_func is trade_loop


def quantities(bot):
    depth = bot.depth(0)
    return depth.best_bid_qty, depth.best_ask_qty, depth.best_bid, depth.best_ask


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_the_touch_shows_quantities_not_prices(make: Any, maker: Any) -> None:
    bot = make(maker)

    assert bot_compiled(quantities)(bot) == pytest.approx((5.0, 5.0, 99.9, 100.1))


def order_facts(bot):
    order = bot.orders(0).get(1)
    if order is None:
        return 0.0, False
    return order.tick_size, order.maker


def test_an_order_tells_its_tick_size(call: Any, make: Any) -> None:
    bot = make()
    call.submit(bot, BUY, 1, 100.1, 1.0, GTC, LIMIT, True)

    assert bot_compiled(order_facts)(bot) == (0.1, False)


# The guard against requests on finished orders.


@pytest.mark.parametrize("request_again", ["cancel", "modify"])
def test_a_filled_order_is_not_filled_again_by_a_request(call: Any, make: Any, request_again: str) -> None:
    bot = make()
    assert call.submit(bot, BUY, 1, 100.1, 1.0, GTC, LIMIT, True) == codes.OK
    assert call.status(bot, 1) == FILLED

    if request_again == "cancel":
        code = call.cancel(bot, 0, 1)
    else:
        code = call.modify(bot, 0, 1, 100.0, 2.0)

    assert code == codes.ORDER_NOT_FOUND
    call.wake(bot, 20 * MS)
    assert call.position(bot) == 1.0


def test_an_expired_and_a_cancelled_order_are_not_found(call: Any, make: Any) -> None:
    bot = make()
    call.submit(bot, BUY, 1, 99.0, 1.0, IOC, LIMIT, True)
    call.submit(bot, BUY, 2, 99.0, 1.0, GTC, LIMIT, True)
    assert call.cancel(bot, 0, 2) == codes.OK

    assert call.cancel(bot, 0, 1) == codes.ORDER_NOT_FOUND
    assert call.modify(bot, 0, 2, 98.0, 1.0) == codes.ORDER_NOT_FOUND


def test_an_order_on_its_way_is_in_process(call: Any, make: Any) -> None:
    bot = make()
    call.submit(bot, BUY, 1, 99.0, 1.0, GTC, LIMIT, False)

    assert call.cancel(bot, 0, 1) == codes.REQUEST_IN_PROCESS
    assert call.modify(bot, 0, 1, 98.0, 1.0) == codes.REQUEST_IN_PROCESS


def test_requests_for_an_unknown_asset_raise(call: Any, make: Any) -> None:
    bot = make()

    for request in (
        lambda: call.cancel(bot, 7, 1),
        lambda: call.modify(bot, -1, 1, 99.0, 1.0),
        lambda: call.submit_to(bot, 7),
        lambda: call.clear(bot, 7),
    ):
        with pytest.raises(IndexError, match="asset_no"):
            request()
    call.clear(bot, ALL_ASSETS)


@pytest.mark.parametrize(("time_in_force", "order_type"), [(4, LIMIT), (254, LIMIT), (GTC, 2), (GTC, 254)])
def test_bytes_that_mean_nothing_are_refused(
    call: Any, make: Any, time_in_force: int, order_type: int
) -> None:
    bot = make()

    assert (
        call.submit(bot, BUY, 1, 99.0, 1.0, time_in_force, order_type, False) == codes.INVALID_ORDER_REQUEST
    )
    assert call.status(bot, 1) == -1


def cancel_all(bot):
    """Cancels and submits inside the loop, and leaves it early: nothing of that is allowed in hftbacktest."""
    count = 0
    values = bot.orders(0).values()
    while values.has_next():
        order = values.get()
        bot.cancel(0, order.order_id, True)
        bot.clear_inactive_orders(0)
        for extra in range(50):
            bot.submit_buy_order(0, 1000 + 50 * count + extra, 98.0, 1.0, GTC, LIMIT, False)
        count += 1
        if count == 5:
            break
    return count, len(bot.orders(0))


def test_the_orders_may_change_while_they_are_walked(call: Any, make: Any) -> None:
    bot = make()
    for order_id in range(1, 9):
        call.submit(bot, BUY, order_id, 99.0, 1.0, GTX, LIMIT, True)

    assert bot_compiled(cancel_all)(bot) == (5, 8 - 5 + 5 * 50)


def get_without_next(bot):
    return bot.orders(0).values().get().order_id


def test_an_iterator_that_stands_nowhere_raises(make: Any) -> None:
    with pytest.raises(RuntimeError):
        bot_compiled(get_without_next)(make())


# Stop and close.


def endless(bot, started):
    started[0] = 1
    count = 0
    while bot.elapse(0) != 1:
        count += 1
    return count


def test_stop_ends_a_running_strategy_from_another_thread(make: Any) -> None:
    bot = make()
    strategy = compile_strategy(endless)
    started = np.zeros(1, np.int64)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(strategy(bot, started)))
    thread.start()
    while not started[0]:
        thread.join(0.001)

    bot.stop()

    thread.join(10)
    assert not thread.is_alive()
    assert results[0] >= 0
    assert bot.is_stopped


def all_waits(bot):
    return (
        bot.elapse(1),
        bot.elapse_bt(1),
        bot.wait_next_feed(True, 1),
        bot.wait_order_response(0, 1, 1),
        bot._goto_end(),
        bot.submit_buy_order(0, 9, 99.0, 1.0, GTC, LIMIT, True),
        bot.submit_sell_order(0, 9, 99.0, 1.0, GTC, LIMIT, True),
        bot.modify(0, 1, 99.0, 1.0, True),
        bot.current_timestamp,
        len(bot.orders(0)),
    )


def test_a_stopped_bot_only_cancels(call: Any, make: Any) -> None:
    bot = make(limits=Limits([AssetLimits(qty_max=0.5)]))
    assert call.submit(bot, BUY, 1, 99.0, 0.5, GTC, LIMIT, True) == codes.OK
    before = bot_compiled(all_waits)(bot)[-2]
    bot.stop()
    bot.stop()

    answers = bot_compiled(all_waits)(bot)

    assert answers[:8] == (codes.END_OF_DATA,) * 8
    assert answers[8:] == (before, 1)
    assert call.cancel(bot, 0, 1) == codes.OK


def look(bot):
    depth = bot.depth(0)
    state = bot.state_values(0)
    orders = bot.orders(0)
    count = 0
    values = orders.values()
    while values.has_next():
        count += 1
    bot.clear_inactive_orders(ALL_ASSETS)
    bot.clear_last_trades(ALL_ASSETS)
    snapshot = depth.snapshot()
    depth.snapshot_free(snapshot)
    return (
        (bot.elapse(1), bot.submit_buy_order(0, 5, 99.0, 1.0, GTC, LIMIT, True), bot.num_assets),
        (depth.best_bid_tick, depth.best_ask_tick, depth.best_bid, depth.best_ask_qty, depth.tick_size),
        (depth.roi_lb_tick, depth.roi_ub_tick, len(depth.bid_depth), len(snapshot), len(bot.last_trades(0))),
        (state.position, state.num_trades, bot.position(0), len(orders), count, 1 in orders),
        (bot.feed_latency(0) is None, bot.order_latency(0) is None, orders.get(1) is None),
    )


@pytest.mark.parametrize("by", ["python", "strategy"])
def test_a_closed_bot_answers_with_nothing(call: Any, make: Any, by: str) -> None:
    bot = make()
    call.submit(bot, BUY, 1, 100.1, 1.0, GTC, LIMIT, True)

    assert (bot.close() if by == "python" else call.close(bot)) == codes.OK

    assert bot.is_closed
    assert (bot.close(), call.close(bot), bot.close()) == (codes.OK,) * 3
    requests, touch, arrays, state, latencies = bot_compiled(look)(bot)
    assert requests[0] == codes.END_OF_DATA
    assert requests[1] != codes.OK
    assert requests[2] == 0
    assert touch[:2] == (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    assert np.isnan(touch[2])
    assert arrays == (0, -1, 0, 0, 0)
    assert state == (0.0, 0, 0.0, 0, 0, False)
    assert latencies == (True, True, True)
    assert len(bot.fills) == 1


def test_a_strategy_that_closes_a_hosted_bot_leaves_its_last_state(call: Any, make: Any) -> None:
    bot = make()
    bot.host()
    call.submit(bot, BUY, 1, 100.1, 1.0, GTC, LIMIT, True)
    position = bot_compiled(look)(bot)[3][0]
    bot = make()
    bot.host()
    call.submit(bot, BUY, 1, 100.1, 1.0, GTC, LIMIT, True)

    assert (call.close(bot), call.close(bot)) == (codes.OK, codes.OK)

    assert not bot.is_closed
    requests, *_, state, _ = bot_compiled(look)(bot)
    assert requests[:2] == (codes.END_OF_DATA, codes.END_OF_DATA)
    assert state[0] == position == 1.0
    assert len(bot.fills) == 1
    assert bot.close() == codes.OK
    assert bot.is_closed


def test_a_bot_is_a_context_that_closes(make: Any) -> None:
    with make() as bot:
        assert not bot.is_closed

    assert bot.is_closed


def test_a_forgotten_bot_is_freed_and_its_arrays_live_until_then(
    call: Any, make: Any, asset: Any, calm_market: Any
) -> None:
    array = calm_market.copy()
    bot = hashmap_bot([asset(array)], [array])
    alive = weakref.ref(array)
    del array
    gc.collect()
    assert alive() is not None
    assert call.wake(bot, 50 * MS) == codes.OK

    del bot
    gc.collect()

    assert alive() is None

    held = [asset(calm_market.copy())]
    bot = hashmap_bot(held, held)
    held.append(bot)  # as a gateway that its bot keeps, and that knows the session of the bot
    freed = weakref.ref(bot)
    del bot, held
    gc.collect()
    assert freed() is None


# The table.


def test_a_world_of_callbacks_is_a_bot() -> None:
    @bot_callback(callback_signature("num_assets"))
    def num_assets(world):
        return 2

    @bot_callback(callback_signature("elapse"))
    def elapse(world, duration):
        return duration + world

    @bot_callback(callback_signature("feed_latency"))
    def feed_latency(world, asset_no, exch_ts, local_ts):
        exch_ts[0] = world
        local_ts[0] = world + asset_no
        return 1

    @bot_callback(callback_signature("wait_next_feed"))
    def wait_next_feed(world, include_order_resp, timeout):
        return timeout + include_order_resp

    bot = Bot(
        40,
        {
            "num_assets": num_assets.address,
            "elapse": elapse.address,
            "feed_latency": feed_latency.address,
            "wait_next_feed": wait_next_feed.address,
        },
        keep=(num_assets, elapse, feed_latency, wait_next_feed),
    )

    assert bot_compiled(look_around)(bot) == (42, 81, 11, 11, 10, 1)


def look_around(bot):
    latency = bot.feed_latency(1)
    total = 0
    if latency is not None:
        exch_ts, local_ts = latency
        total = exch_ts + local_ts
    return (
        bot.elapse(2),
        total,
        bot.wait_next_feed(True, 10),
        bot.wait_next_feed(timeout=10, include_order_resp=5),
        bot.wait_next_feed(0, 10.0),
        bot.cancel(0, 1, False) // 12,
    )


def test_no_slot_of_a_bot_is_empty(make: Any) -> None:
    for maker in MAKERS.values():
        assert (make(maker)._table[: len(SLOTS)] != 0).all()


def test_a_missing_symbol_is_named() -> None:
    library = SimpleNamespace(**{name: SimpleNamespace() for name in ("orders_get",)})

    with pytest.raises(MissingSymbolError, match=r"hftbacktest 9\.9 does not export .*oddbt_cancel"):
        engine_addresses(
            library, "oddbt", "odddepth", frozenset(s.name for s in SLOTS if "orders_" in s.name), "9.9"
        )


def test_the_engine_is_asked_for_every_function_it_has() -> None:
    ours = {"account_values"}

    assert HASHMAP.keys() | backtest.ROIVEC.keys() == {slot.name for slot in SLOTS} - ours
    assert empty_addresses().keys() == {slot.name for slot in SLOTS}


def test_an_unknown_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="no such slots: fly"):
        Bot(0, {"fly": 1})


def test_a_bot_of_no_assets_and_scattered_arrays_are_refused(asset: Any, calm_market: Any) -> None:
    with pytest.raises(ValueError, match="at least one asset"):
        hashmap_bot([])
    with pytest.raises(ValueError, match="contiguous"):
        hashmap_bot([asset(calm_market)], [calm_market[::2]])
