"""Converts configured legs to assets of hftbacktest's engine, and creates the bot over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hftbacktest import BacktestAsset

from arb.backtest.bot import hashmap_bot, roivec_bot
from arb.bot.bot import Bot
from arb.bot.uses import Uses
from arb.engine.price_range import BYTES_MAX, PriceRange, RangeFinder, touch_range
from arb.leg import Leg
from arb.risk.limits import Limits
from connectors.model import Rows

#: The vector book covers the touch's range plus this share of the price on both sides, for orders far from the touch.
_MARGIN = 0.1
#: A best price this many times another one is wrong, and would make vector books large: hash maps are used.
_RATIO_MAX = 4.0
#: Initial capacity of a leg's buffer of trades, if the strategy reads them.
_TRADES_CAPACITY = 10_000

_QUEUES: dict[str, Callable[[BacktestAsset, float], BacktestAsset]] = {
    "risk_adverse": lambda asset, _: asset.risk_adverse_queue_model(),
    "log_prob": lambda asset, _: asset.log_prob_queue_model(),
    "log_prob2": lambda asset, _: asset.log_prob_queue_model2(),
    "power_prob": lambda asset, power: asset.power_prob_queue_model(power),
    "power_prob2": lambda asset, power: asset.power_prob_queue_model2(power),
    "power_prob3": lambda asset, power: asset.power_prob_queue_model3(power),
}


class LegData(NamedTuple):
    """A leg with the arrays of rows that it replays, in order."""

    leg: Leg
    arrays: Sequence[Rows]


def array_ranges(legs: Sequence[LegData], uses: Uses) -> list[PriceRange] | None:
    """The range of every leg's arrays; None for a strategy that reads none. Raises InputError.

    Checks every row: a best price outside the range would look like an empty book.
    """
    if not uses.arrays:
        return None
    found = []
    for data in legs:
        finder = RangeFinder(data.leg)
        for array in data.arrays:
            finder.follow(array)
        found.append(finder.finish())
    return found


def backtest_bot_for(uses: Uses, legs: Sequence[LegData], limits: Limits | None) -> Bot:
    """`backtest_bot` for a strategy with these uses. Raises InputError, as `array_ranges`."""
    return backtest_bot(
        legs,
        limits,
        keep_trades=uses.trades,
        arrays_over=array_ranges(legs, uses),
        is_far_seen=uses.levels,
    )


def backtest_bot(
    legs: Sequence[LegData],
    limits: Limits | None,
    *,
    keep_trades: bool,
    arrays_over: Sequence[PriceRange] | None = None,
    is_far_seen: bool = False,
) -> Bot:
    """A bot that replays the legs: on vector books if the prices of all legs permit, otherwise on hash maps.

    arrays_over: the ranges of a strategy that reads arrays (`array_ranges`), used for vector books. is_far_seen: the
    strategy reads levels at any price, which only hash maps keep.
    """
    ranges: Sequence[PriceRange | None]
    if arrays_over is not None:
        ranges = arrays_over
    else:
        ranges = [None if is_far_seen else vector_range(data) for data in legs]
    arrays = [array for data in legs for array in data.arrays]
    assets = []
    for data, price_range in zip(legs, ranges, strict=True):
        asset = make_asset(data, keep_trades=keep_trades)
        if price_range is not None:
            asset.roi_lb(price_range.low).roi_ub(price_range.high)
        assets.append(asset)
    make_bot = hashmap_bot if None in ranges else roivec_bot
    return make_bot(assets, arrays, limits=limits)


def make_asset(data: LegData, *, keep_trades: bool) -> BacktestAsset:
    """The engine's asset of a leg: no partial fills, constant or measured order latency, fees of the value traded."""
    leg = data.leg
    asset = (
        BacktestAsset()
        .data(list(data.arrays))
        .linear_asset(leg.contract_size)
        .no_partial_fill_exchange()
        .trading_value_fee_model(leg.maker_fee, leg.taker_fee)
        .tick_size(leg.tick_size)
        .lot_size(leg.lot_size)
    )
    if leg.order_latency_file is None:
        asset.constant_order_latency(leg.entry_latency_ns, leg.response_latency_ns)
    else:
        asset.intp_order_latency(leg.order_latency_file)
    if keep_trades:
        asset.last_trades_capacity(_TRADES_CAPACITY)
    return _QUEUES[leg.queue_model](asset, leg.queue_power)


def vector_range(data: LegData) -> PriceRange | None:
    """The price range that a vector book must cover; None if it would be too large, or there is no touch."""
    touched = touch_range(data.arrays, data.leg.tick_size, data.leg.lot_size)
    if touched is None or touched.high > _RATIO_MAX * touched.low:
        return None
    low = max(touched.low * (1.0 - _MARGIN), data.leg.tick_size)
    high = touched.high * (1.0 + _MARGIN)
    found = PriceRange(low, high)
    return found if found.bytes(data.leg.tick_size) <= BYTES_MAX else None
