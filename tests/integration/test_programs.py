"""Random programs over the bot's interface give the same answers in a backtest and in a dry-run."""

from __future__ import annotations

import pytest
from parity.programs import BATCH, check

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, BATCH], ids=["levels", "arrays"])
def test_random_programs_see_the_same_in_both_worlds(seed: int) -> None:
    # `python -m tests.parity.programs` runs 10,000.
    assert check(75, seed) < 40
