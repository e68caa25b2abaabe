"""Strategies in the manner of hftbacktest's tutorials: hftbacktest's own bot, a backtest and a dry-run are equal."""

from __future__ import annotations

import pytest
from parity.tutorials import FIVE, MARKETS, ONE, Market, run_case
from support.paths import RECORDINGS, needs_recordings

pytestmark = pytest.mark.slow


@needs_recordings
@pytest.mark.parametrize(
    ("market", "name"),
    [(MARKETS[0], "trade_momentum"), (ONE, "grid"), (FIVE, "quote")],
    ids=lambda one: getattr(one, "name", one),
)
def test_a_tutorial_strategy_is_equal_in_every_world(market: Market, name: str) -> None:
    # `python -m tests.parity.tutorials` runs all of them on all recordings.
    outcome = run_case(market, name, market.traded[-1], RECORDINGS, {})

    assert outcome.faults == []
    assert outcome.fills > 100
