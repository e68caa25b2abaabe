"""Fees taken from what is bought, on real recordings: what a spot leg received is what the other leg hedges.

From the files of each run alone: fills and fees of `trades.csv`, ends of attempts of the decision log.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.paths import RECORDINGS, ROOT, needs_recordings

from arb.commands.backtest import run_backtest
from arb.config import load
from arb.leg import Leg
from arb.strategies.spread.decisions import Decision

pytestmark = [needs_recordings, pytest.mark.slow]

MS = 1_000_000
DAY = date(2024, 8, 8)
RECEIVED = 'binance_spot.fees.asset="received"'
ETH = ('strategy.symbol="ETHUSDT"', "strategy.max_position_size=1.0", "risk.position_limit=20.0")
#: Half a lot of BTC an attempt and ten lots; a spread that is held, in ETH.
CASES = {
    "btc": (RECEIVED, "binance_spot.fees.taker=0.00001"),
    "btc of a larger fee": (
        RECEIVED, "binance_spot.fees.taker=0.00004", "strategy.min_spread_bps=0.2", "strategy.max_position_size=1.0",
        "risk.position_limit=5.0", "risk.max_failures=0",
    ),
    "eth": (RECEIVED, "binance_spot.fees.taker=0.00003", *ETH, "strategy.min_spread_bps=0.3"),
    "eth, held": (RECEIVED, *ETH, "strategy.mode='convergence'"),
}  # fmt: skip


class Ended(NamedTuple):
    """A run: its legs, (time, attempt, base received or given) of each fill, and the spans of its attempts."""

    legs: tuple[Leg, ...]
    timeout_ns: int
    fills: list[tuple[int, int, float]]
    spans: dict[int, tuple[int, int]]
    base_fees: list[float]


@pytest.fixture(scope="module", params=CASES)
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    settings = [*CASES[request.param], f"data.directory='{RECORDINGS}'"]
    config = load(ROOT / "examples" / "spot_usdm" / "arbitrage.toml", settings)
    folder = run_backtest(config, DAY, DAY, tmp_path_factory.mktemp("run") / "run", has_report=False).folder
    with np.load(folder / "records.npz") as file:
        decisions = file["decisions"]
    return Ended(
        config.legs,
        config.value("execution.order_timeout_ms") * MS,
        sorted(_fills(folder)),
        dict(_spans(decisions)),
        [float(line["fee_amount"]) for line in _lines(folder) if line["fee_asset"] == "base"],
    )


def _lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "trades.csv").open() as file:
        return list(csv.DictReader(file))


def _fills(folder: Path) -> Iterator[tuple[int, int, float]]:
    for line in _lines(folder):
        qty = float(line["quantity"])
        if line["side"] == "sell":
            qty = -qty
        elif line["fee_asset"] == "base":
            qty -= float(line["fee_amount"])
        yield int(line["exch_ts"]), int(line["attempt"]), qty


def _spans(decisions: Any) -> Iterator[tuple[int, tuple[int, int]]]:
    """Attempt, and when it began and ended."""
    began = decisions[decisions["code"] == Decision.ATTEMPT]
    ends = (Decision.HEDGED, Decision.REVERSED, Decision.MISSED)
    over = decisions[np.isin(decisions["code"], ends)]
    for first, last in zip(began, over, strict=True):
        assert first["attempt"] == last["attempt"]
        yield int(first["attempt"]), (int(first["timestamp"]), int(last["timestamp"]))


def _is_tradable(legs: tuple[Leg, ...], residual: float) -> bool:
    """Whether an order of either leg could trade it; the prices of that day."""
    for leg in legs:
        price = 61_500.0 if leg.symbol == "BTCUSDT" else 2_680.0
        lots = np.floor(abs(residual) / leg.lot_size + 1e-6)
        if (
            lots >= 1
            and lots * leg.lot_size >= leg.min_qty
            and lots * leg.lot_size * price >= leg.min_notional
        ):
            return True
    return False


def test_purchases_cost_base(ended: Ended) -> None:
    assert len(ended.spans) > 20
    assert len(ended.base_fees) > 10
    assert min(ended.base_fees) > 0.0


def test_no_attempt_leaves_what_an_order_could_trade(ended: Ended) -> None:
    left = 0.0
    by_attempt: dict[int, float] = {}
    for _, attempt, qty in ended.fills:
        by_attempt[attempt] = by_attempt.get(attempt, 0.0) + qty
    for attempt in ended.spans:
        left += by_attempt.get(attempt, 0.0)
        assert not _is_tradable(ended.legs, left), (attempt, left)


def test_what_could_be_traded_is_gone_within_the_timeouts(ended: Ended) -> None:
    """A short leg is chased for one timeout, and the long one reversed within another."""
    held, since, longest = 0.0, None, 0
    for ts, _, qty in ended.fills:
        held += qty
        if not _is_tradable(ended.legs, held):
            longest = max(longest, ts - since if since is not None else 0)
            since = None
        elif since is None:
            since = ts
    assert since is None
    assert longest <= 2 * ended.timeout_ns
