"""The small form of chaos with money: seeds with faults and crashes between them, on simulated time."""

from __future__ import annotations

import pytest
from soak.chaos_money import line_of, run_seed, table
from support.chaos_cases import PAIRS, scenario_of

pytestmark = pytest.mark.slow

#: The disk is full between the legs of an attempt.
FULL_DISK = 174
#: Of all pairs. 365: a send raises while a halt closes positions; 734: a halt while an order is in doubt at a
#: venue that was gone; 863: a venue closes a leg in the middle of an attempt.
SEEDS = (1, 17, 23, 44, 65, 72, 365, 734, 863, FULL_DISK)


def test_whatever_goes_wrong_the_books_agree_and_nothing_stays_unhedged() -> None:
    found = [run_seed(seed) for seed in SEEDS]
    assert [line_of(one) for one in found if one.wrong] == []
    assert {one.scenario.pair for one in found} == set(PAIRS)
    assert sum(one.hedged > 0 for one in found) >= len(found) // 2, table(found)
    assert all(one.executions for one in found)
    assert sum(one.crashes for one in found) >= 2
    full = found[SEEDS.index(FULL_DISK)]
    assert full.hits == {32: 1}
    assert "disk is full" in full.outcome
    assert len({case for one in found for case in one.hits}) >= 5


def test_a_seed_gives_the_same_run_again() -> None:
    first, second = run_seed(1), run_seed(1)
    assert first._replace(seconds=0.0) == second._replace(seconds=0.0)
    assert scenario_of(1).pair == first.scenario.pair
