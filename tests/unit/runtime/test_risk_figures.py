"""Figures of a session's risk: for how long legs are open, what balances pay for, and leverage."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arb.bot.recorder import RECORD
from arb.leg import Leg
from arb.runtime.risk_figures import RiskWatch
from connectors.units import SECOND


def leg(venue: str, **changed: Any) -> Leg:
    own: dict[str, Any] = {
        "venue": venue,
        "symbol": "BTCUSDT",
        "pair": 0,
        "tick_size": 0.1,
        "contract_size": 1.0,
        "lot_size": 0.001,
        "min_qty": 0.001,
        "min_notional": 10.0,
        "maker_fee": 0.0,
        "taker_fee": 0.0,
        **dict.fromkeys(("feed_latency_ns", "entry_latency_ns", "response_latency_ns"), 0),
        "queue_model": "",
        "queue_power": 1.0,
    }
    return Leg(**{**own, **changed})


def state(*legs: tuple[float, float], price: float = 10_000.0, base_fee: float = 0.0) -> Any:
    """Of each leg its position and its cash."""
    rows = np.zeros(len(legs), RECORD)
    rows["position"], rows["balance"] = zip(*legs, strict=True)
    rows["price"], rows["base_fee"] = price, base_fee
    return rows


SPOT = (leg("a", is_spot=True, base=1.0, quote=5_000.0), leg("b", is_spot=True, base=0.25, quote=20_000.0))


def watch_of(*legs: Leg, has_pairs: bool = True, max_leverage: float = 1.0) -> RiskWatch:
    return RiskWatch(legs, has_pairs=has_pairs, max_leverage=max_leverage)


def test_legs_are_open_from_what_an_order_can_trade_on() -> None:
    watch = watch_of(*SPOT)
    spans = [
        watch.follow(state((first, 0.0), (second, 0.0)), second_no * SECOND).unhedged_s
        for second_no, (first, second) in enumerate(
            [(0.0, 0.0), (0.1, 0.0), (0.1, -0.05), (0.1, -0.0995), (0.1, -0.1), (0.1, -0.099)], start=1
        )
    ]
    assert spans == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert watch.follow(state((0.1, 0.0), (-0.099, 0.0)), 9 * SECOND).unhedged_s == 3.0


def test_base_that_fees_have_cost_is_not_held() -> None:
    rows = state((0.101, 0.0), (-0.1, 0.0))
    rows["base_fee"] = (0.001, 0.0)
    assert watch_of(*SPOT).follow(rows, SECOND).unhedged_s == 0.0
    assert watch_of(*SPOT, has_pairs=False).follow(state((1.0, 0.0), (0.0, 0.0)), SECOND).unhedged_s == 0.0


def test_attempts_are_counted_in_the_better_direction() -> None:
    # Buy at a for 5,000 and sell 0.25 at b, or buy at b for 20,000 and sell 1 at a; the least is 0.001, worth 10.
    assert watch_of(*SPOT).follow(state((0.0, 0.0), (0.0, 0.0)), SECOND).attempts_affordable == 1_000.0
    spent = watch_of(*SPOT).follow(state((-1.0, 10_000.0), (1.9999, -19_999.0)), SECOND)
    assert spent.attempts_affordable == pytest.approx(1_500.0)
    nothing = watch_of(*(replace(one, base=0.0) for one in SPOT))
    assert nothing.follow(state((0.0, 0.0), (0.0, 0.0)), SECOND).attempts_affordable == 0.0
    unknown = watch_of(*SPOT).follow(state((0.0, 0.0), (0.0, 0.0), price=math.nan), SECOND)
    assert math.isnan(unknown.attempts_affordable)


def test_leverage_is_that_of_the_venue_nearest_to_its_limit() -> None:
    perpetuals = tuple(leg(name, is_spot=False, base=0.0, quote=10_000.0) for name in ("a", "b"))
    watch = watch_of(*perpetuals, max_leverage=2.0)
    # At a 1.5 for 15,000 of 20,000; b has lost 5,000 and holds half of what its equity of 5,000 allows.
    figures = watch.follow(state((1.5, -15_000.0), (0.5, -10_000.0)), SECOND)
    assert figures.leverage_pct == pytest.approx(75.0)
    assert math.isnan(watch_of(*SPOT).follow(state((0.0, 0.0), (0.0, 0.0)), SECOND).leverage_pct)
    gone = watch.follow(state((1.5, -30_000.0), (0.0, 0.0)), SECOND)
    assert gone.leverage_pct == math.inf
