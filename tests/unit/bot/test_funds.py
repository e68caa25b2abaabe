"""The rule `funds`, as a strategy meets it in the bot's own methods: what an account holds bounds its orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, GTC, IOC, LIMIT, MARKET, SELL
from hftbacktest.types import ALL_ASSETS

from arb.backtest.bot import hashmap_bot, roivec_bot
from arb.bot import codes
from arb.bot.cache import bot_compiled
from arb.bot.compilation import compile_strategy
from arb.risk.funds import CHANGES_MAX, AssetFunds
from arb.risk.limits import FUNDS, AssetLimits, Limits

MS = 1_000_000
#: The engine's taker fee in these tests.
FEE = 0.0007
OK, REFUSED = codes.OK, codes.LIMIT_EXCEEDED


def limits_of(*funds: AssetFunds) -> Limits:
    return Limits([AssetLimits()] * len(funds), funds=funds)


def spot(base: float = 0.0, quote: float = 0.0) -> AssetFunds:
    return AssetFunds("spot", True, base, quote, 0.1, 0.001, fee=FEE)


def perpetual(quote: float, leverage: float = 1.0) -> AssetFunds:
    return AssetFunds("perpetual", False, 0.0, quote, 0.1, 0.001, fee=FEE, leverage=leverage)


@bot_compiled
def send(bot, asset_no, side, order_id, price, qty, time_in_force, wait):
    if side == BUY:
        return bot.submit_buy_order(asset_no, order_id, price, qty, time_in_force, LIMIT, wait)
    return bot.submit_sell_order(asset_no, order_id, price, qty, time_in_force, LIMIT, wait)


@bot_compiled
def change(bot, order_id, price, qty):
    return bot.modify(0, order_id, price, qty, False)


def test_no_more_is_sold_than_is_held_and_working_sales_count(call: Any, make: Any) -> None:
    limits = limits_of(spot(base=2.0))
    bot = make(limits=limits)
    assert call.submit(bot, SELL, 1, 101.0, 0.5, GTC, LIMIT, True) == OK
    assert call.submit(bot, SELL, 2, 101.0, 1.6, GTC, LIMIT, False) == REFUSED
    assert call.submit(bot, SELL, 3, 99.9, 1.5, IOC, LIMIT, True) == OK
    assert call.submit(bot, SELL, 4, 99.9, 0.001, IOC, LIMIT, True) == REFUSED
    assert call.cancel(bot, 0, 1) == OK
    assert call.submit(bot, SELL, 5, 99.9, 0.5, IOC, LIMIT, True) == OK
    assert call.position(bot) == -2.0
    assert limits.refusals[0, FUNDS] == limits.refusals.sum() == 2


def test_no_more_is_bought_than_is_paid_for_with_its_fee(call: Any, make: Any) -> None:
    bot = make(limits=limits_of(spot(quote=300.0)))
    # Three at 99.9 cost 299.91 with the fee, three at 100.0 would cost 300.21.
    assert call.submit(bot, BUY, 1, 100.0, 3.0, GTC, LIMIT, True) == REFUSED
    assert call.submit(bot, BUY, 2, 99.9, 3.0, GTC, LIMIT, False) == OK
    assert call.submit(bot, BUY, 3, 99.9, 0.001, GTC, LIMIT, False) == REFUSED
    call.wake(bot, 10 * MS)
    assert call.cancel(bot, 0, 2) == OK
    assert call.submit(bot, BUY, 4, 100.1, 2.0, IOC, LIMIT, True) == OK
    assert call.submit(bot, BUY, 5, 100.1, 1.0, IOC, LIMIT, True) == REFUSED
    # The ask may be up to a twentieth higher when a market order arrives: 99.66 pay for 0.947.
    assert call.submit(bot, BUY, 6, 0.0, 0.95, GTC, MARKET, True) == REFUSED
    assert call.submit(bot, BUY, 7, 0.0, 0.94, GTC, MARKET, True) == OK


def test_what_was_sold_pays_and_what_was_bought_is_held(call: Any, make: Any) -> None:
    bot = make(limits=limits_of(spot(base=1.0)))
    assert call.submit(bot, BUY, 1, 100.1, 0.1, IOC, LIMIT, True) == REFUSED
    assert call.submit(bot, SELL, 2, 99.9, 1.0, IOC, LIMIT, True) == OK
    assert call.submit(bot, BUY, 3, 100.1, 0.9, IOC, LIMIT, True) == OK
    assert call.submit(bot, SELL, 4, 99.9, 0.9, IOC, LIMIT, True) == OK
    assert call.submit(bot, SELL, 5, 99.9, 0.1, IOC, LIMIT, True) == REFUSED


def test_an_exact_rest_can_be_sold_in_lots(call: Any, make: Any) -> None:
    bot = make(limits=limits_of(spot(base=0.3)))
    sold = [call.submit(bot, SELL, n, 99.9, 0.1, IOC, LIMIT, True) for n in (1, 2, 3, 4)]
    assert sold == [OK, OK, OK, REFUSED]


def test_a_purchase_made_cheaper_binds_its_old_price_until_that_is_answered(call: Any, make: Any) -> None:
    bot = make(limits=limits_of(spot(quote=100.0)))
    assert call.submit(bot, BUY, 1, 99.0, 1.0, GTC, LIMIT, True) == OK
    assert change(bot, 1, 50.0, 1.0) == OK
    assert call.submit(bot, BUY, 2, 99.0, 0.4, GTC, LIMIT, False) == REFUSED
    call.wake(bot, 10 * MS)
    assert call.submit(bot, BUY, 3, 99.0, 0.4, GTC, LIMIT, True) == OK
    assert change(bot, 1, 70.0, 1.0) == REFUSED
    assert change(bot, 1, 60.0, 1.0) == OK


def test_more_changes_at_a_time_than_are_kept_are_refused(make: Any, call: Any) -> None:
    bot = make(limits=limits_of(spot(quote=1e9)))

    def change_all() -> list[int]:
        return [change(bot, n, 98.0, 0.001) for n in range(1, CHANGES_MAX + 2)]

    for n in range(1, CHANGES_MAX + 2):
        assert call.submit(bot, BUY, n, 99.0, 0.001, GTC, LIMIT, False) == OK
    call.wake(bot, 10 * MS)
    assert change_all() == [OK] * CHANGES_MAX + [REFUSED]
    call.wake(bot, 10 * MS)
    assert change(bot, CHANGES_MAX + 1, 98.0, 0.001) == OK


@pytest.mark.parametrize("maker", [hashmap_bot, roivec_bot])
def test_assets_of_one_account_share_its_cash(asset: Any, calm_market: Any, call: Any, maker: Any) -> None:
    funds = [spot(quote=150.0), spot(quote=150.0)]
    bot = maker([asset(calm_market), asset(calm_market)], [calm_market], limits=limits_of(*funds))
    call.wake(bot, 3 * MS)
    assert send(bot, 1, BUY, 1, 99.0, 1.0, GTC, False) == OK
    assert send(bot, 0, BUY, 1, 99.0, 1.0, GTC, False) == REFUSED
    assert send(bot, 0, BUY, 2, 99.0, 0.5, GTC, True) == OK
    call.wake(bot, 10 * MS)
    assert call.cancel(bot, 1, 1) == OK
    assert send(bot, 0, BUY, 3, 99.0, 1.0, GTC, True) == OK


def test_accounts_do_not_share(asset: Any, calm_market: Any, call: Any) -> None:
    funds = [spot(quote=100.0), AssetFunds("other", True, 0.0, 100.0, 0.1, 0.001, fee=FEE)]
    bot = hashmap_bot([asset(calm_market), asset(calm_market)], [calm_market], limits=limits_of(*funds))
    call.wake(bot, 3 * MS)
    assert [send(bot, n, BUY, 1, 99.0, 1.0, GTC, False) for n in (0, 1)] == [OK, OK]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_margin_bounds_the_position_and_the_way_out_stays_open(call: Any, make: Any, side: int) -> None:
    bot = make(limits=limits_of(perpetual(quote=300.0, leverage=2.0)))
    taking = 100.1 if side == BUY else 99.9
    # The mid is 100: 5.9 need 590.4 of 600 with the fee.
    assert call.submit(bot, side, 1, taking, 6.0, IOC, LIMIT, True) == REFUSED
    assert call.submit(bot, side, 2, taking, 5.9, IOC, LIMIT, True) == OK
    assert call.submit(bot, side, 3, taking, 0.2, IOC, LIMIT, True) == REFUSED
    other = 99.9 if side == BUY else 100.1
    assert call.submit(bot, -side, 4, other, 5.9, IOC, LIMIT, True) == OK
    assert call.position(bot) == 0.0


def test_working_orders_of_either_side_need_margin(call: Any, make: Any) -> None:
    bot = make(limits=limits_of(perpetual(quote=300.0)))
    assert call.submit(bot, BUY, 1, 99.0, 2.0, GTC, LIMIT, False) == OK
    assert call.submit(bot, BUY, 2, 99.0, 2.0, GTC, LIMIT, False) == REFUSED
    # Only one of the two sides can come to be the position.
    assert call.submit(bot, SELL, 3, 101.0, 2.5, GTC, LIMIT, False) == OK
    assert call.submit(bot, SELL, 4, 101.0, 0.6, GTC, LIMIT, True) == REFUSED


def test_a_perpetual_account_is_covered_by_all_its_positions(asset: Any, calm_market: Any, call: Any) -> None:
    funds = [perpetual(300.0), perpetual(300.0)]
    bot = hashmap_bot([asset(calm_market), asset(calm_market)], [calm_market], limits=limits_of(*funds))
    call.wake(bot, 3 * MS)
    assert send(bot, 1, SELL, 1, 99.9, 2.0, IOC, True) == OK
    assert send(bot, 0, BUY, 1, 100.1, 1.0, IOC, True) == REFUSED
    assert send(bot, 0, BUY, 2, 100.1, 0.9, IOC, True) == OK


def test_funds_must_cover_every_asset() -> None:
    with pytest.raises(ValueError, match="funds of 1 assets, but limits of 2"):
        Limits([AssetLimits()] * 2, funds=[spot()])


def gamble(bot, seed, base, quote):
    """Random requests until the data ends; the least base and cash seen, and the codes' counts."""
    dice = seed
    least_base, least_cash = base, quote
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
            code = bot.submit_buy_order(0, order_id, price, qty, (dice >> 6) % 4, LIMIT, False)
            order_id += 1
        elif pick < 5:
            code = bot.submit_sell_order(0, order_id, price, qty, (dice >> 6) % 4, LIMIT, False)
            order_id += 1
        elif pick < 7:
            code = bot.modify(0, target, price, qty, False)
        else:
            code = bot.cancel(0, target, False)
        codes_seen[code] += 1
        values = bot.state_values(0)
        least_base = min(least_base, base + values.position)
        least_cash = min(least_cash, quote + values.balance - values.fee)
        if pick == 0:
            bot.clear_inactive_orders(ALL_ASSETS)
    return least_base, least_cash, codes_seen


@pytest.mark.parametrize("maker", [hashmap_bot, roivec_bot])
@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_requests_overdraws_an_account(
    random_market: Any, asset: Any, maker: Any, seed: int
) -> None:
    array = random_market(seed, 3000)
    bot = maker([asset(array)], [array], limits=limits_of(spot(base=5.0, quote=500.0)))

    base, cash, seen = compile_strategy(gamble)(bot, seed + 1, 5.0, 500.0)

    assert -1e-9 < base < 2.0
    assert -1e-6 < cash < 200.0
    assert seen[OK] > 300
    assert seen[REFUSED] > 100
    bot.close()
