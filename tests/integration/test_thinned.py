"""Random sets of the spread strategy on a random market: thinned rows change no fill, decision, record or state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from parity.thinned import ENGINES, Drawn, draw, on_quiet
from support.dry_market import MS, dry_legs
from support.spread_params import spread_params

from arb.backtest.assets import LegData
from arb.sweep.quiet import quiet_rows
from arb.sweep.thin import thinned

pytestmark = pytest.mark.slow

SETS = 12


@pytest.mark.parametrize("engine", list(ENGINES))
def test_no_set_differs_on_thinned_rows(engine: str) -> None:
    market = dry_legs(3, steps=1_500)
    dice = np.random.default_rng(5)
    facts = vars(spread_params(max_position_size=0.5, position_limit=3.0, base=0.0, quote=1e6, is_spot=False))
    fills = refused = kept_quiet = 0
    for set_no in range(SETS):
        drawn = draw(dice, facts, [data.leg for data in market])
        # Thresholds of this market, and bounds of staleness that its rows exceed.
        stale_ns = (5, 12, 40, 2_000)[set_no % 4] * MS
        drawn = drawn._replace(params={**drawn.params, "stale_after_ns": stale_ns})
        whole = ENGINES[engine](drawn, [data.arrays for data in market])
        kept = ENGINES[engine](drawn, [[thin_rows(data, stale_ns)] for data in market])
        assert [name for name in kept._fields if getattr(kept, name) != getattr(whole, name)] == [], drawn
        rows = [thin_rows(data, stale_ns) for data in market]
        ticks = [(data.leg.tick_size, data.leg.lot_size) for data in market]
        quiet = on_quiet(drawn, quiet_rows(rows, ticks, drawn.params["record_interval_ns"]), ENGINES[engine])
        assert quiet is None or quiet == whole, drawn
        kept_quiet += quiet is not None
        fills += whole.count
        refused += bool(drawn.limits)
    assert fills > 100
    assert refused > 1
    assert kept_quiet > 1


def test_orders_without_latency_do_not_repeat_at_one_time() -> None:
    """A reversal that the venue's book has left behind is sent again later, not in the same nanosecond for ever."""
    market = dry_legs(3, steps=1_500)
    dice = np.random.default_rng(5)
    facts = vars(spread_params(max_position_size=0.5, position_limit=3.0, base=0.0, quote=1e6, is_spot=False))
    for _ in range(8):
        drawn = draw(dice, facts, [data.leg for data in market])
        legs = [replace(leg, entry_latency_ns=0, response_latency_ns=0) for leg in drawn.legs]
        own = {"slippage_tolerance": 0.0, "order_timeout_ns": 5 * MS, "stale_after_ns": 2_000 * MS}
        drawn = drawn._replace(params={**drawn.params, **own}, legs=legs)
        runs = [engine(drawn, [data.arrays for data in market]) for engine in ENGINES.values()]
        assert all(run.count < 5_000 for run in runs)


def thin_rows(data: LegData, stale_ns: int) -> Any:
    rows = thinned(data.arrays, data.leg.tick_size, data.leg.lot_size, stale_ns)
    assert len(rows) < sum(map(len, data.arrays))
    return rows


def test_a_drawn_set_is_one_of_many() -> None:
    facts = vars(spread_params())
    legs = [data.leg for data in dry_legs(3, steps=4)]
    drawn: list[Drawn] = [draw(np.random.default_rng(seed), facts, legs) for seed in range(20)]
    assert {one.params["is_convergence"] for one in drawn} == {True, False}
    assert len({one.params["min_spread_bps"] for one in drawn}) == len(drawn)
