"""Order-level limits, as a strategy meets them in the bot's own methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, GTC, LIMIT, MARKET, SELL
from hftbacktest.types import ALL_ASSETS

from arb.backtest.bot import hashmap_bot, roivec_bot
from arb.bot import codes
from arb.bot.compilation import compile_strategy
from arb.risk.limits import AssetLimits, Limits

MS = 1_000_000
MAKERS = {"hashmap": hashmap_bot, "roi": roivec_bot}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_refused_order_is_not_sent(call: Any, make: Any, maker: Any) -> None:
    limits = Limits([AssetLimits(qty_max=1.0)])
    bot = make(maker, limits=limits)

    assert call.submit(bot, BUY, 1, 99.0, 1.5, GTC, LIMIT, False) == codes.LIMIT_EXCEEDED

    assert call.status(bot, 1) == -1
    assert limits.refusals_by_rule(0)["qty"] == 1


def test_working_orders_count_towards_the_position(call: Any, make: Any) -> None:
    bot = make(limits=Limits([AssetLimits(position_max=3.0)]))
    assert call.submit(bot, BUY, 1, 99.0, 2.0, GTC, LIMIT, False) == codes.OK
    assert call.submit(bot, BUY, 2, 99.0, 1.5, GTC, LIMIT, False) == codes.LIMIT_EXCEEDED
    assert call.submit(bot, SELL, 3, 101.0, 3.0, GTC, LIMIT, True) == codes.OK
    assert call.submit(bot, BUY, 4, 99.0, 1.0, GTC, LIMIT, True) == codes.OK
    assert call.cancel(bot, 0, 1) == codes.OK

    assert call.submit(bot, BUY, 5, 99.0, 2.0, GTC, LIMIT, True) == codes.OK


def test_a_position_at_its_limit_can_be_reduced(call: Any, make: Any) -> None:
    bot = make(limits=Limits([AssetLimits(position_max=2.0)]))
    assert call.submit(bot, BUY, 1, 100.1, 2.0, GTC, LIMIT, True) == codes.OK
    assert call.position(bot) == 2.0

    assert call.submit(bot, BUY, 2, 100.1, 0.1, GTC, LIMIT, True) == codes.LIMIT_EXCEEDED
    assert call.submit(bot, SELL, 3, 99.9, 4.0, GTC, LIMIT, True) == codes.OK
    assert call.position(bot) == -2.0


def test_a_modify_counts_what_the_order_becomes(call: Any, make: Any) -> None:
    bot = make(limits=Limits([AssetLimits(position_max=3.0, notional_max=200.0)]))
    assert call.submit(bot, BUY, 1, 99.0, 1.0, GTC, LIMIT, True) == codes.OK
    assert call.submit(bot, BUY, 2, 99.0, 1.0, GTC, LIMIT, True) == codes.OK

    assert call.modify(bot, 0, 1, 99.0, 2.01) == codes.LIMIT_EXCEEDED
    assert call.modify(bot, 0, 1, 99.0, 2.0) == codes.OK
    assert call.modify(bot, 0, 2, 99.0, 1.5) == codes.LIMIT_EXCEEDED
    assert call.modify(bot, 0, 2, 99.0, 0.5) == codes.OK


def test_a_market_order_needs_a_touch(call: Any, make: Any, asset: Any, events: Any, touch: Any) -> None:
    array = events([row for step in range(1, 20) for row in touch(step * MS, 999, 1001)][::2])
    limits = Limits([AssetLimits()])
    bot = hashmap_bot([asset(array)], [array], limits=limits)
    call.wake(bot, 3 * MS)

    assert call.submit(bot, BUY, 1, 0.0, 1.0, GTC, MARKET, True) == codes.LIMIT_EXCEEDED
    assert call.submit(bot, SELL, 2, 0.0, 1.0, GTC, MARKET, True) == codes.OK
    assert limits.refusals_by_rule(0)["invalid"] == 1


def test_the_rate_is_counted_over_the_bots_clock(call: Any, make: Any) -> None:
    bot = make(limits=Limits([AssetLimits()], orders_max=2, window_ns=10 * MS))
    assert [call.submit(bot, BUY, n, 99.0, 1.0, GTC, LIMIT, False) for n in (1, 2, 3)] == [0, 0, 20]
    call.wake(bot, 10 * MS)

    assert call.submit(bot, BUY, 3, 99.0, 1.0, GTC, LIMIT, False) == codes.OK


def gamble(bot, seed):
    """Random submits, modifies and cancels until the data ends; the largest position seen and the codes' counts."""
    dice = seed
    largest = 0.0
    codes_seen = np.zeros(128, np.int64)
    order_id = 1
    while bot.elapse(300_000) == 0:
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        depth = bot.depth(0)
        price = depth.best_bid + ((dice >> 3) % 5 - 2) * depth.tick_size
        qty = 0.5 + (dice >> 11) % 4
        target = max(1, order_id - 1 - (dice >> 20) % 8)
        pick = (dice >> 16) % 8
        if pick < 3:
            code = bot.submit_buy_order(0, order_id, price, qty, (dice >> 6) % 4, (dice >> 9) % 9 == 0, False)
            order_id += 1
        elif pick < 5:
            code = bot.submit_sell_order(
                0, order_id, price, qty, (dice >> 6) % 4, (dice >> 9) % 9 == 0, False
            )
            order_id += 1
        elif pick < 7:
            code = bot.modify(0, target, price, qty, False)
        else:
            code = bot.cancel(0, target, False)
        codes_seen[code] += 1
        largest = max(largest, abs(bot.position(0)))
        if pick == 0:
            bot.clear_inactive_orders(ALL_ASSETS)
    return largest, codes_seen


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_requests_passes_the_position_limit(
    random_market: Any, asset: Any, maker: Any, seed: int
) -> None:
    array = random_market(seed, 3000)
    bot = maker([asset(array)], [array], limits=Limits([AssetLimits(position_max=5.0)]))

    largest, seen = compile_strategy(gamble)(bot, seed + 1)

    assert 4.0 <= largest <= 5.0
    assert seen[codes.OK] > 300
    assert seen[codes.LIMIT_EXCEEDED] > 100
    assert bot.close() == codes.OK
    assert len(bot.fills) > 50


def test_limits_must_cover_every_asset(asset: Any, calm_market: Any) -> None:
    with pytest.raises(ValueError, match="limits for 2 assets, but the bot has 1"):
        hashmap_bot([asset(calm_market)], [calm_market], limits=Limits([AssetLimits()] * 2))
