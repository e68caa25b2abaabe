"""Strategies in the manner of hftbacktest's tutorials: hftbacktest's own bot, a backtest and a dry-run are equal."""

from __future__ import annotations

import pytest
from parity.tutorials import MARKETS, run_case
from support.paths import RECORDINGS, needs_recordings

pytestmark = pytest.mark.slow


@needs_recordings
@pytest.mark.parametrize("name", ["depth_imbalance", "trade_momentum"])
def test_a_tutorial_strategy_is_equal_in_every_world(name: str) -> None:
    # `python -m tests.parity.tutorials` runs all of them on all recordings.
    outcome = run_case(MARKETS[0], name, 2, RECORDINGS, {})

    assert outcome.faults == []
    assert outcome.fills > 100
