"""Runs the spread strategy over the same rows on our bot and on hftbacktest's own, for the benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hftbacktest import ROIVectorMarketDepthBacktest
from numba import njit

from arb.backtest.assets import LegData, backtest_bot, make_asset, vector_range
from arb.bot.bot import Bot
from arb.commands.legs import KnownGrids, instrument_of, legs_of
from arb.commands.strategy_facts import facts_of
from arb.config import Config, load, on_data_grid
from arb.config.adapters import load_adapter
from arb.data.catalog.days import find_recordings
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.leg import Leg
from arb.risk.limits import Limits
from arb.strategies.arguments import Arguments, params_record
from arb.strategies.loader import load_strategy

EXAMPLES = Path(__file__).parents[1] / "examples"
#: What the examples' headers say for ETH.
ETH = ('strategy.symbol="ETHUSDT"', "strategy.max_position_size=1.0", "risk.position_limit=20.0")


def example(name: str, overrides: tuple[str, ...] = ()) -> Config:
    """A configuration of `examples`, for its recorded days."""
    return on_data_grid(load(EXAMPLES / name / "arbitrage.toml", overrides))


def replayed(config: Config, folder: Path, rows: int | None = None) -> list[LegData]:
    """Both legs with their rows of 2024-08-08, all or the first `rows`."""
    legs = legs_of(config)
    recordings = find_recordings(folder)
    grids = KnownGrids.of_config(config)
    feeds = [
        Feed(
            load_adapter(config.venues[configured.venue]),
            [_first_day(recordings, leg)],
            leg.feed_latency_ns,
            instrument_of(leg),
            *grids.source(config.venues[configured.venue], leg.symbol),
        )
        for configured, leg in zip(config.legs, legs, strict=True)
    ]
    files = convert(feeds, RowCache()).files
    return [
        LegData(leg, [array[:rows] for array in days[0].load(is_first=True)])
        for leg, days in zip(legs, files, strict=True)
    ]


def _first_day(recordings: list[Any], leg: Leg) -> Any:
    return next(r for r in recordings if (r.venue, r.symbol) == (leg.venue, leg.symbol))


def params_of(config: Config) -> Any:
    """The spread strategy's parameters."""
    strategy = load_strategy(config.strategy.function)
    return params_record(Arguments(strategy, facts_of(config), config.strategy.params).params)


def our_bot(legs: list[LegData], limits: Limits | None) -> Bot:
    """The product's bot over the legs."""
    return backtest_bot(legs, limits, keep_trades=False)


def peer_bot(legs: list[LegData]) -> Any:
    """hftbacktest's own jitclass bot over the same assets."""
    assets = []
    for leg in legs:
        asset = make_asset(leg, keep_trades=False)
        price_range = vector_range(leg)
        if price_range is None:
            raise ValueError("the recording does not fit a vector book")
        assets.append(asset.roi_lb(price_range.low).roi_ub(price_range.high))
    return ROIVectorMarketDepthBacktest(assets)


@njit(nogil=True)
def bare_loop(bot: Any) -> int:
    """Nothing but waking up; how often."""
    wakes = 0
    while bot.wait_next_feed(True, 1_000_000_000) != 1:
        wakes += 1
    return wakes
