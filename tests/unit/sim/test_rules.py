"""What only a dry-run's exchange refuses, and latencies that only it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, EXPIRED, FILLED, GTC, LIMIT, MARKET, NEW
from parity.strategies import random_orders
from parity.worlds import compare
from support.dry_market import MS, dry_legs, leg

from arb.bot.compilation import compile_strategy
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot, SimulatedLeg
from arb.simulation.latency import Latency
from arb.simulation.venue_rules import Rules

pytestmark = pytest.mark.slow

FILTERS = Rules(lot_size=0.001, min_qty=0.002, min_notional=100.0)
SPOT = FILTERS._replace(checks_funds=True, base=0.5, quote=60_000.0, taker_fee=0.001)


def send_all(bot, orders, out):
    """Sends orders (side, qty, ticks below the own touch, is market) one by one; their status."""
    bot.elapse(2_000_000_000)
    for number in range(len(orders)):
        side, qty, ticks, is_market = orders[number]
        depth = bot.depth(0)
        price = depth.best_bid if side > 0 else depth.best_ask
        price -= side * ticks * depth.tick_size
        kind = MARKET if is_market else LIMIT
        if side == BUY:
            bot.submit_buy_order(0, number + 1, price, qty, GTC, kind, True)
        else:
            bot.submit_sell_order(0, number + 1, price, qty, GTC, kind, True)
        order = bot.orders(0).get(number + 1)
        if order is not None:
            out[number] = order.status
    return 0


def statuses(rules: Rules | None, orders: list[Any], **options: Any) -> tuple[list[int], DryRunBot]:
    legs = dry_legs(5, 400)
    bot = DryRunBot([SimulatedLeg(legs[0].leg, rules=rules, **options), SimulatedLeg(legs[1].leg)])
    out = np.zeros(len(orders))
    strand = replay(
        bot, [data.arrays for data in legs], compile_strategy(send_all), (bot, np.array(orders), out)
    )
    assert strand.error is None
    return [int(status) for status in out], bot


def test_sizes_and_notionals() -> None:
    orders = [
        (1.0, 0.001, 100.0, 0.0),
        (1.0, 0.0025, 100.0, 0.0),
        (1.0, 0.002, 100.0, 0.0),
        (-1.0, 0.002, 0.0, 1.0),
        (1.0, 0.002, 200_000.0, 0.0),
    ]
    found, bot = statuses(FILTERS, orders)

    assert found == [EXPIRED, EXPIRED, NEW, FILLED, EXPIRED]
    assert bot.refusals(0) == {"size": 2, "notional": 1, "funds": 0}
    assert bot.refusals(1) == {"size": 0, "notional": 0, "funds": 0}


def test_without_rules_all_of_them_stand() -> None:
    found, bot = statuses(None, [(1.0, 0.001, 100.0, 0.0), (-1.0, 5.0, 0.0, 1.0)])

    assert found == [NEW, FILLED]
    assert sum(bot.refusals(0).values()) == 0


def test_funds_are_bound_by_resting_orders_and_moved_by_fills() -> None:
    orders = [
        (-1.0, 0.6, 0.0, 1.0),
        (-1.0, 0.3, 100.0, 0.0),
        (-1.0, 0.3, 100.0, 0.0),
        (-1.0, 0.2, 0.0, 1.0),
        (1.0, 1.3, 0.0, 1.0),
        (1.0, 1.15, 0.0, 1.0),
        (-1.0, 1.0, 0.0, 1.0),
    ]
    found, bot = statuses(SPOT, orders)

    # 0.5 base: 0.3 rest, 0.2 are sold for about 12,000, which then buys 1.15 for about 69,000.
    assert found == [EXPIRED, NEW, EXPIRED, FILLED, EXPIRED, FILLED, FILLED]
    assert bot.refusals(0) == {"size": 0, "notional": 0, "funds": 3}


def told(seed: int, **latency: Any) -> Any:
    legs = dry_legs(5, 800)
    bot = DryRunBot([SimulatedLeg(each.leg, Latency(5 * MS, 7 * MS, seed=seed, **latency)) for each in legs])
    journal = np.zeros(1_000_000)
    strategy, arguments = compile_strategy(random_orders), (bot, journal, 3, 60, 1, 0.001, 0.001)
    assert replay(bot, [each.arrays for each in legs], strategy, arguments).error is None
    return bot.world.answers.copy()


def test_a_tail_is_seeded() -> None:
    first, again, other = told(1, tail_ns=3e6), told(1, tail_ns=3e6), told(2, tail_ns=3e6)

    assert first.tobytes() == again.tobytes() != other.tobytes()
    asked = first[first["request_no"] > 0]
    entry = asked["exch_ts"] - asked["request_ts"]
    assert (entry >= 5 * MS).all()
    assert len(np.unique(entry)) > len(entry) / 2


def test_measured_latencies_are_drawn_from() -> None:
    samples = np.array([[4, 6], [40, 60], [5, 9]]) * MS
    answers = told(1, samples=samples)
    asked = answers[answers["request_no"] == 1]

    assert set(asked["exch_ts"] - asked["request_ts"]) <= set(samples[:, 0])
    every = answers[answers["request_no"] > 0]
    entries = every["exch_ts"] - every["request_ts"]
    # What was sent later never arrives earlier, so some waited for the one before.
    assert np.isin(entries, samples[:, 0]).mean() > 0.7
    assert len(np.unique(entries)) > 1
    with pytest.raises(ValueError, match="at least one pair"):
        DryRunBot([SimulatedLeg(leg(0), Latency(0, 0, samples=np.zeros((0, 2))))])


def test_a_request_that_is_turned_down_on_its_way() -> None:
    legs = dry_legs(5, 800, entry_latency_ns=-4 * MS)

    compared = compare(random_orders, legs, lambda bot, _, journal: (bot, journal, 3, 60, 1, 0.001, 0.001))

    assert compared.differing == []
    assert compared.fills == 0
