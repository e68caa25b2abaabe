"""The arrays of a book: one range in every world, and what is said where prices leave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest import ROIVectorMarketDepthBacktest
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from numba import njit, types
from parity.worlds import DISORDER_NS
from support.dry_market import dry_legs, leg, received_rows

from arb.backtest.assets import LegData, array_ranges, backtest_bot, backtest_bot_for, make_asset
from arb.bot.bot import Bot
from arb.bot.compilation import compile_strategy
from arb.bot.numba_types import bot_type
from arb.bot.uses import Uses, uses_of
from arb.config import load, write_templates
from arb.engine.price_range import PriceRange, RangeFinder
from arb.errors import ConfigError, InputError
from arb.runtime.live_rows import LiveDriver
from arb.runtime.replay import replay
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.watermark import VenueSide

ARRAYS = Uses(arrays=True)
BID, ASK = DEPTH_EVENT | BUY_EVENT, DEPTH_EVENT | SELL_EVENT
S = 1_000_000_000

Row = tuple[int, int, float, float]


def events(*rows: Row) -> Any:
    """(seconds, kind and side, price, quantity), seen by both sides at once."""
    made = np.zeros(len(rows), event_dtype)
    for event, (at_s, kind, price, qty) in zip(made, rows, strict=True):
        event["ev"] = EXCH_EVENT | LOCAL_EVENT | kind
        event["exch_ts"] = event["local_ts"] = at_s * S
        event["px"], event["qty"] = price, qty
    return made


@njit
def put(out, value):
    out[0] += 1
    out[int(out[0])] = value


def look(hbt, out):
    """At the ends of the arrays before the first wait, then at every event at the arrays around the touch."""
    for asset_no in range(hbt.num_assets):
        depth = hbt.depth(asset_no)
        put(out, depth.roi_lb_tick)
        put(out, depth.roi_ub_tick)
        put(out, len(depth.bid_depth))
        put(out, len(depth.ask_depth))
    while hbt.wait_next_feed(True, 10_000_000_000) in (0, 2, 3):
        for asset_no in range(hbt.num_assets):
            depth = hbt.depth(asset_no)
            put(out, hbt.current_timestamp)
            if depth.best_bid_tick > 0:
                at = depth.best_bid_tick - depth.roi_lb_tick
                put(out, depth.bid_depth[at])
                put(out, depth.bid_depth[at - 50 : at + 50].sum())
                put(out, depth.bid_qty_at_tick(depth.best_bid_tick))
            if depth.best_ask_tick < 1_000_000_000:
                at = depth.best_ask_tick - depth.roi_lb_tick
                put(out, depth.ask_depth[at])
                put(out, depth.ask_depth[at - 50 : at + 50].sum())
            put(out, depth.bid_qty_at_tick(depth.roi_lb_tick - 1))
            put(out, depth.ask_qty_at_tick(depth.roi_ub_tick + 1))
    return True


def journal() -> Any:
    return np.zeros(1_000_000)


def written(out: Any) -> bytes:
    return bytes(out[: int(out[0]) + 1].tobytes())


def theirs(legs: list[LegData], ranges: list[PriceRange]) -> bytes:
    """hftbacktest's own bot, over the ranges."""
    assets = [
        make_asset(data, keep_trades=False).roi_lb(found.low).roi_ub(found.high)
        for data, found in zip(legs, ranges, strict=True)
    ]
    bot, out = ROIVectorMarketDepthBacktest(assets), journal()
    njit(look)(bot, out)
    bot.close()
    return written(out)


def in_backtest(legs: list[LegData], ranges: list[PriceRange]) -> bytes:
    out = journal()
    with backtest_bot(legs, None, keep_trades=False, ranges=ranges) as bot:
        compile_strategy(look)(bot, out)
    return written(out)


def in_dry_run(legs: list[LegData], ranges: list[PriceRange]) -> bytes:
    out = journal()
    bot = DryRunBot([data.leg for data in legs], arrays_over=ranges)
    task = replay(bot, [data.arrays for data in legs], compile_strategy(look), (bot, out))
    assert task.error is None
    return written(out)


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, {"roi_lb": 59_000.04, "roi_ub": 61_000.26}])
def test_the_arrays_are_the_same_in_every_world(given: dict[str, float]) -> None:
    legs = dry_legs(8, 1000, **given)
    ranges = array_ranges(legs, ARRAYS)
    assert ranges is not None
    if given:
        assert ranges == [PriceRange(59_000.04, 61_000.26)] * 2
    else:
        assert ranges[0].high / ranges[0].low == pytest.approx(1.5)
    known = theirs(legs, ranges)
    assert len(known) > 50_000
    assert in_backtest(legs, ranges) == known
    assert in_dry_run(legs, ranges) == known


@pytest.mark.slow
def test_a_backtest_has_the_range_that_is_asked_for() -> None:
    """Not the one in which the touch moves."""
    strategy, out, legs = compile_strategy(look), journal(), dry_legs(8, 100)
    strategy.compile((bot_type, types.float64[::1]))
    with backtest_bot_for(uses_of(strategy), legs, None) as bot:
        strategy(bot, out)
    ranges = array_ranges(legs, ARRAYS) or []
    ticks = [found.ticks(data.leg.tick_size) for found, data in zip(ranges, legs, strict=True)]
    assert [tuple(out[1:3]), tuple(out[5:7])] == ticks


@pytest.mark.slow
def test_levels_outside_the_range_are_ignored_as_hftbacktest_does() -> None:
    rows = events(
        (1, BID, 99.0, 1.0), (1, ASK, 101.0, 2.0), (2, BID, 40.0, 9.0), (2, ASK, 160.0, 9.0),
        (3, BID, 99.5, 0.0004), (3, ASK, 100.5, 0.0006), (4, BID, 99.0, 0.0), (4, ASK, 101.0, 0.0),
        (5, ASK, 100.5, 0.0), (6, BID, 99.5, 0.0), (7, DEPTH_CLEAR_EVENT, np.nan, 0.0), (8, BID, 90.0, 1.0),
        (9, DEPTH_SNAPSHOT_EVENT | BUY_EVENT, 90.1, 1.0),
    )  # fmt: skip
    legs, ranges = [LegData(leg(0), [rows])], [PriceRange(80.0, 120.0)]
    assert theirs(legs, ranges) == in_backtest(legs, ranges) == in_dry_run(legs, ranges)


def test_the_first_mid_is_that_of_a_whole_moment() -> None:
    """A snapshot may list its far levels first, and one side before the other."""
    finder = RangeFinder(leg(0))
    rows = events((1, BID, 50.0, 1.0), (1, BID, 99.0, 1.0), (1, ASK, 300.0, 1.0), (1, ASK, 101.0, 1.0))
    for cut in range(4):
        finder.follow(rows[cut : cut + 1])
    assert finder.range is None
    finder.follow(events((2, BID, 50.0, 2.0)))
    assert finder.range == PriceRange(80.0, 120.0)
    finder.follow(events((3, BID, 100.0, 2.0), (4, BID, 100.0, 2.0)))
    assert (finder.range, finder.outside) == (PriceRange(80.0, 120.0), "")


@pytest.mark.parametrize(
    ("changes", "rows", "said"),
    [
        (
            {},
            [(1, BID, 99.0, 1.0), (1, ASK, 101.0, 1.0), (2, ASK, 125.0, 1.0), (2, BID, 121.5, 1.0)],
            "binance_usdm:BTCUSDT: a best price of 125 is outside the range of bid_depth and ask_depth, 80 to 120: set "
            "roi_lb and roi_ub (prices) in [symbols.BTCUSDT] of the file of binance_usdm",
        ),
        (
            {"roi_lb": 100.0, "roi_ub": 110.0},
            [(1, BID, 99.0, 1.0), (1, ASK, 101.0, 1.0)],
            "a best price of 99 is outside the range of bid_depth and ask_depth, 100 to 110: set roi_lb and roi_ub",
        ),
        ({}, [(1, BID, 99.0, 1.0), (2, BID, 98.0, 1.0)], "there was no book with bids and asks, from which the range"),
        (
            {"tick_size": 1e-9},
            [(1, BID, 99.0, 1.0), (1, ASK, 101.0, 1.0)],
            "bid_depth and ask_depth from 80 to 120 would take 1192.1 GB of memory, more than 1 GB: set roi_lb and",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_line(changes: dict[str, Any], rows: list[Row], said: str) -> None:
    with pytest.raises(InputError) as caught:
        array_ranges([LegData(leg(0, **changes), [events(*rows)])], ARRAYS)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert array_ranges([LegData(leg(0, **changes), [events(*rows)])], Uses(trades=True, levels=True)) is None


class Session:
    """Rows as they come, of two legs, through a live driver whose strategy reads arrays."""

    def __init__(self, function: Any, **changes: Any) -> None:
        legs = [leg(number, **changes) for number in range(2)]
        self.bot = DryRunBot(legs, is_live=True)
        self.out = journal()
        self.task = StrategyTask(self.bot, compile_strategy(function), (self.bot, self.out))
        side = VenueSide(self.bot.exchanges, DISORDER_NS, 4 * DISORDER_NS)
        self.driver = LiveDriver(self.bot, self.task, side, [RangeFinder(each) for each in legs])

    def give(self, leg_no: int, rows: Any) -> None:
        self.driver.on_rows(leg_no, rows, int(rows["local_ts"][-1]))


@pytest.mark.slow
def test_a_session_begins_when_all_ranges_are_known() -> None:
    session, rows = Session(look), [received_rows(number, 3, 40) for number in range(2)]
    assert session.driver.start()
    session.give(0, rows[0])
    assert session.task.switches == 0
    assert session.driver.waits_for.startswith("bybit_linear:BTCUSDT: there was no book")
    later = rows[1].copy()
    later["local_ts"] += S
    later["exch_ts"] += S
    session.give(1, later)
    assert (session.driver.waits_for, session.driver.fault) == ("", None)
    # The clock begins there, and the books of before are whole at once.
    assert session.bot.world.start_ts == later["local_ts"][-1]
    low, high, bids, asks = session.out[1:5]
    assert bids == asks == high - low + 1
    assert high / low == pytest.approx(1.5, rel=1e-5)
    assert session.out[9] >= later["local_ts"][-1]
    assert session.driver.stop()


@pytest.mark.slow
def test_configured_ranges_hold_no_session_up() -> None:
    session = Session(look, roi_lb=59_000.0, roi_ub=61_000.0)
    assert session.driver.start()
    assert session.task.switches == 1
    assert list(session.out[1:5]) == [590_000, 610_000, 20_001, 20_001]
    session.give(0, received_rows(0, 3, 40))
    assert session.driver.fault is None
    at_s = 1_704_067_300
    far = events(
        (at_s, DEPTH_CLEAR_EVENT, np.nan, 0.0), (at_s, BID, 62_000.0, 1.0), (at_s + 1, BID, 59_000.0, 1.0)
    )
    far["ev"] &= ~np.uint64(LOCAL_EVENT | EXCH_EVENT)
    session.give(0, far)
    assert str(session.driver.fault).startswith(
        "binance_usdm:BTCUSDT: a best price of 62000 is outside the range of bid_depth and ask_depth, 59000 to 61000: "
    )
    assert session.driver.stop()


@pytest.mark.slow
def test_a_session_without_a_first_book_never_runs_its_strategy() -> None:
    session = Session(look)
    session.give(0, received_rows(0, 3, 40))
    assert session.driver.on_time(2_000_000_000 * S)
    assert session.driver.stop()
    assert (session.task.switches, session.out[0]) == (0, 0.0)


@pytest.mark.slow
def test_other_strategies_pay_for_no_arrays() -> None:
    legs = dry_legs(8, 50)
    bot = DryRunBot([data.leg for data in legs], arrays_over=array_ranges(legs, Uses()))
    widths = compile_strategy(ends)(bot)
    assert widths == (0, 0, 0, -1)
    assert isinstance(backtest_bot(legs, None, keep_trades=False), Bot)


def ends(bot):
    depth = bot.depth(0)
    return len(depth.bid_depth), len(depth.ask_depth), depth.roi_lb_tick, depth.roi_ub_tick


def test_the_range_of_a_symbol_is_configured(tmp_path: Path) -> None:
    write_templates(tmp_path)
    given = [f"binance_spot.symbols.BTCUSDT.{name}" for name in ("roi_lb=48000.0", "roi_ub=72000.0")]
    found = load(tmp_path / "arbitrage.toml", given).legs[0]
    assert (found.roi_lb, found.roi_ub) == (48_000.0, 72_000.0)
    assert load(tmp_path / "arbitrage.toml").legs[0].roi_lb is None
    for wrong, said in (
        (given[:1], "has roi_lb without roi_ub; write both or none"),
        (given[1:], "has roi_ub without roi_lb; write both or none"),
        ([*given, given[1].replace("72", "48")], "roi_lb is 48000.0, which is not below roi_ub, 48000.0"),
    ):
        with pytest.raises(ConfigError, match=said):
            load(tmp_path / "arbitrage.toml", wrong)
