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


def book_ranges(legs: Sequence[LegData], uses: Uses) -> list[PriceRange | None]:
    """The price range of every leg's vector book; None where the book must be a hash map, or would be too large.

    They follow from the rows and from what the strategy reads: not from its parameters. Raises InputError, as
    `array_ranges`.
    """
    arrays_over = array_ranges(legs, uses)
    if arrays_over is not None:
        return list(arrays_over)
    # Only hash maps keep levels at any price.
    return [None if uses.levels else vector_range(data) for data in legs]


def backtest_bot_for(uses: Uses, legs: Sequence[LegData], limits: Limits | None) -> Bot:
    """`backtest_bot` for a strategy with these uses. Raises InputError, as `array_ranges`."""
    return backtest_bot(legs, limits, keep_trades=uses.trades, ranges=book_ranges(legs, uses))


def backtest_bot(
    legs: Sequence[LegData],
    limits: Limits | None,
    *,
    keep_trades: bool,
    ranges: Sequence[PriceRange | None] | None = None,
) -> Bot:
    """A bot that replays the legs: on vector books if all legs have a range, otherwise on hash maps.

    ranges: see `book_ranges`; without them those of a strategy that reads touches alone.
    """
    if ranges is None:
        ranges = book_ranges(legs, Uses())
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
