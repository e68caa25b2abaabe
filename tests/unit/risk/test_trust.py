"""A venue's score falls with what goes wrong there, and rises with time."""

from __future__ import annotations

import pytest

from arb.risk.trust import BEST, COSTS, RISE_NS, VenueTrust

NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize("cause", COSTS)
def test_each_cause_has_its_cost_and_time_pays_it_back(cause: str) -> None:
    trust = VenueTrust()
    trust.lower(cause, 2, NOW)
    assert trust.score(NOW) == BEST - 2 * COSTS[cause]
    back_ns = round(2 * COSTS[cause] * RISE_NS)
    assert trust.score(NOW + back_ns // 2) == pytest.approx(BEST - COSTS[cause])
    assert trust.score(NOW + back_ns - RISE_NS // 10) == pytest.approx(BEST - 0.1)
    assert trust.score(NOW + 10 * back_ns) == BEST


def test_it_is_never_below_zero_so_that_it_is_best_again_after_a_minute() -> None:
    trust = VenueTrust()
    trust.lower("doubts", 50, NOW)
    assert trust.score(NOW) == 0.0
    assert trust.score(NOW + 3 * RISE_NS) == pytest.approx(3.0)
    assert trust.score(NOW + 10 * RISE_NS) == BEST


def test_what_lowered_it_is_shown_until_it_is_best_again() -> None:
    trust = VenueTrust()
    trust.lower("gaps", 1, NOW)
    trust.lower("refusals", 3, NOW)
    assert trust.shown(NOW) == "7.5 of 10 (3 refusals, 1 gaps)"
    trust.lower("doubts", 1, NOW + 15 * RISE_NS)
    assert trust.shown(NOW + 15 * RISE_NS) == "8.0 of 10 (1 doubts)"
