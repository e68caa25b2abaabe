"""Latencies that are drawn, and requests that are rejected on their way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.strategies import random_orders
from parity.worlds import compare
from support.dry_market import MS, dry_legs, leg

from arb.bot.compilation import compile_strategy
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import Latency

pytestmark = pytest.mark.slow


def answers_with(latency: Latency) -> Any:
    legs = dry_legs(5, 800)
    bot = DryRunBot([each.leg for each in legs], latencies=[latency] * 2)
    journal = np.zeros(1_000_000)
    strategy, arguments = compile_strategy(random_orders), (bot, journal, 3, 60, 1, 0.001, 0.001)
    assert replay(bot, [each.arrays for each in legs], strategy, arguments).error is None
    return bot.world.answers.copy()


def test_measured_latencies_are_drawn_from() -> None:
    samples = np.array([[4, 6], [40, 60], [5, 9]]) * MS
    answers = answers_with(Latency(0, 0, samples=samples))
    asked = answers[answers["request_no"] == 1]

    assert set(asked["exch_ts"] - asked["request_ts"]) <= set(samples[:, 0])
    every = answers[answers["request_no"] > 0]
    entries = every["exch_ts"] - every["request_ts"]
    # What was sent later never arrives earlier, so some waited for the one before.
    assert np.isin(entries, samples[:, 0]).mean() > 0.7
    assert len(np.unique(entries)) > 1
    with pytest.raises(ValueError, match="at least one pair"):
        DryRunBot([leg(0)], latencies=[Latency(0, 0, samples=np.zeros((0, 2)))])


def test_a_request_that_is_rejected_on_its_way() -> None:
    legs = dry_legs(5, 800, entry_latency_ns=-4 * MS)

    compared = compare(random_orders, legs, lambda bot, _, journal: (bot, journal, 3, 60, 1, 0.001, 0.001))

    assert compared.differing == []
    assert compared.fills == 0
