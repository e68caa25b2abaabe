"""The rule `funds` where fees are charged in base or in a further asset: nothing held goes below zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, GTC, IOC, LIMIT, MARKET
from hftbacktest.types import (
    ALL_ASSETS,
)
from parity.money import book_rows, funds_limits
from support.dry_market import leg

from arb.bot.account import account_of
from arb.bot.codes import LIMIT_EXCEEDED, OK
from arb.bot.compilation import compile_strategy
from arb.leg import Leg
from arb.risk.limits import FUNDS, Limits
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot

pytestmark = pytest.mark.slow

#: Fees of the spot leg; a maker pays more.
MAKER, TAKER = 0.0016, 0.001


def spot_leg(asset: str, price: float = np.nan, price_leg: int = -1, **changes: Any) -> Leg:
    return leg(
        0, venue="binance_spot", is_spot=True, maker_fee=MAKER, taker_fee=TAKER, fee_asset=asset, fee_price=price,
        fee_price_leg=price_leg, **changes,
    )  # fmt: skip


def run(legs: Sequence[Leg], rows: Sequence[Any], strategy: Any, *arguments: Any) -> tuple[Any, Limits]:
    limits = funds_limits(legs)
    bot = DryRunBot(legs, limits)
    task = replay(bot, [[one] for one in rows], compile_strategy(strategy), (bot, *arguments))
    assert task.error is None, task.error
    bot.close()
    return task.value, limits


def gamble(bot, seed, start, least, codes_seen):
    """Random requests until the data end. start, least: base, quote, further units."""
    dice = seed
    order_id = 1
    while bot.elapse(30_000_000) == 0:
        dice = (dice * 1103515245 + 12345) & 0x7FFFFFFF
        depth = bot.depth(0)
        price = depth.best_bid + ((dice >> 3) % 9 - 4) * 5.0 * depth.tick_size
        qty = 0.25 * (1 + (dice >> 11) % 4)
        target = max(1, order_id - 1 - (dice >> 20) % 8)
        pick = (dice >> 16) % 16
        kind = MARKET if (dice >> 23) % 8 == 0 else LIMIT
        if pick < 6:
            code = bot.submit_buy_order(0, order_id, price, qty, (dice >> 6) % 4, kind, False)
            order_id += 1
        elif pick < 11:
            code = bot.submit_sell_order(0, order_id, price, qty, (dice >> 6) % 4, kind, False)
            order_id += 1
        elif pick < 14:
            code = bot.modify(0, target, price, qty, False)
        else:
            code = bot.cancel(0, target, False)
        codes_seen[code] += 1
        values, account = bot.state_values(0), account_of(bot, 0)
        least[0] = min(least[0], start[0] + values.position)
        least[1] = min(least[1], start[1] + values.balance - values.fee + account.other_value)
        least[2] = min(least[2], start[2] - account.other_fee)
        if pick == 0:
            bot.clear_inactive_orders(ALL_ASSETS)
    return 0


@pytest.mark.parametrize("asset", ["received", "BNB", "priced BNB"])
@pytest.mark.parametrize("seed", range(5))
def test_no_sequence_of_requests_overdraws_an_asset(asset: str, seed: int) -> None:
    dice = np.random.default_rng(seed)
    mids = 60_000.0 + 0.5 * np.cumsum(dice.integers(-20, 21, 3000))
    # The price of the fee asset moves by a fifth at a time, and is at times unknown.
    units = 600.0 * np.exp(np.clip(np.cumsum(dice.normal(0.0, 0.1, 3000)), -1.0, 1.0))
    units = np.where(dice.random(3000) < 0.05, np.nan, np.round(units, 1))
    held = {"base": 1.5, "quote": 60_000.0, "fee_units": 12.0 if asset != "received" else 0.0}
    if asset == "received":
        one = spot_leg(asset, **held)
    elif asset == "BNB":
        one = spot_leg("BNB", 600.0, **held)
    else:
        one = spot_leg("BNB", np.nan, 1, **held)
    other = leg(1, venue="other", is_spot=True, symbol="BNBUSDT", tick_size=0.1)
    start = np.array([one.base, one.quote, one.fee_units])
    least, seen = start.copy(), np.zeros(256, np.int64)

    _, limits = run(
        [one, other],
        [book_rows(mids.tolist()), book_rows(units.tolist())],
        gamble,
        seed + 1,
        start,
        least,
        seen,
    )

    assert (least > -1e-9).all(), least
    assert (least / np.maximum(start, 1e-9)).min() < 0.3, "the account was never nearly empty"
    assert seen[OK] > 200
    assert seen[LIMIT_EXCEEDED] == limits.refusals[0].sum()
    assert limits.refusals[0, FUNDS] > 100


def send_one(bot, side, price, qty, kind, codes_seen):
    bot.elapse(50_000_000)
    for number in range(len(codes_seen)):
        if side[number] == BUY:
            codes_seen[number] = bot.submit_buy_order(0, number + 1, price, qty[number], GTC, kind, True)
        else:
            codes_seen[number] = bot.submit_sell_order(0, number + 1, price, qty[number], IOC, kind, True)
    return 0


def codes(
    one: Leg, orders: Sequence[tuple[int, float]], price: float = 60_000.5, kind: int = LIMIT
) -> list[int]:
    """What orders at one price, each of (side, quantity), are answered, one after the other."""
    found = np.zeros(len(orders), np.int64)
    sides, quantities = (np.array([order[part] for order in orders], float) for part in (0, 1))
    run([one], [book_rows([60_000.0] * 100)], send_one, sides, price, quantities, np.uint8(kind), found)
    return found.tolist()


def test_a_purchase_that_pays_in_base_needs_its_price_alone() -> None:
    money = {"quote": 60_000.5, "base": 0.0}
    assert codes(spot_leg("quote", **money), [(1, 1.0)]) == [LIMIT_EXCEEDED]
    assert codes(spot_leg("received", **money), [(1, 1.0)]) == [OK]
    assert codes(spot_leg("BNB", 600.0, fee_units=1.0, **money), [(1, 1.0)]) == [OK]


def test_only_what_was_received_can_be_sold() -> None:
    one = spot_leg("received", quote=60_000.5, base=0.0)
    assert codes(one, [(1, 1.0), (-1, 1.0)], 60_000.5)[0] == OK
    assert codes(one, [(1, 1.0), (-1, 1.0)]) == [OK, LIMIT_EXCEEDED]
    assert codes(one, [(1, 1.0), (-1, 0.999)]) == [OK, OK]


def test_units_must_cover_twice_the_fees_of_what_is_working() -> None:
    # The larger fee, that of a maker, of one at 60,000.5 is 96.0008 quote, 0.160001 units.
    money = {"quote": 1e6, "base": 10.0}
    assert codes(spot_leg("BNB", 600.0, fee_units=0.3200, **money), [(1, 1.0)]) == [LIMIT_EXCEEDED]
    assert codes(spot_leg("BNB", 600.0, fee_units=0.3201, **money), [(1, 1.0)]) == [OK]
    # The first one, a taker, takes 0.1000 of 0.4; a half of the third is 0.08, twice that 0.16.
    one = spot_leg("BNB", 600.0, fee_units=0.4, **money)
    assert codes(one, [(1, 1.0), (1, 1.0), (-1, 0.5)]) == [OK, LIMIT_EXCEEDED, OK]


def test_a_sale_is_valued_at_the_mid() -> None:
    one = spot_leg("BNB", 600.0, fee_units=0.3199, quote=1e6, base=10.0)
    assert codes(one, [(-1, 1.0)], 100.0) == [LIMIT_EXCEEDED]
    assert codes(one, [(-1, 0.9)], 100.0) == [OK]


def test_without_a_known_price_nothing_is_sent() -> None:
    one = spot_leg("BNB", np.nan, 1, fee_units=1e6, quote=1e6, base=10.0)
    other = leg(1, venue="other", is_spot=True, symbol="BNBUSDT", tick_size=0.1)
    found = np.zeros(1, np.int64)
    for price, code in ((np.nan, LIMIT_EXCEEDED), (600.0, OK)):
        rows = [book_rows([60_000.0] * 100), book_rows([price, 600.0])]
        run([one, other], rows, send_one, np.array([1.0]), 60_000.5, np.array([1.0]), np.uint8(LIMIT), found)
        assert found[0] == code


def test_a_perpetual_pays_its_fee_in_units() -> None:
    changes = {
        "taker_fee": TAKER,
        "maker_fee": MAKER,
        "quote": 61_000.0,
        "fee_asset": "BNB",
        "fee_price": 600.0,
    }
    assert codes(leg(0, fee_units=0.3200, **changes), [(1, 1.0)]) == [LIMIT_EXCEEDED]
    assert codes(leg(0, fee_units=0.3201, **changes), [(1, 1.0)]) == [OK]
