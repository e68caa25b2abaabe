"""Synthetic markets for the bot's tests: event arrays and hftbacktest assets made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hftbacktest import BacktestAsset
from hftbacktest.order import BUY, GTC, LIMIT
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)

from arb.backtest.bot import hashmap_bot
from arb.bot import codes
from arb.bot.bot import Bot
from arb.bot.cache import bot_compiled

TICK = 0.1
MS = 1_000_000
BOTH = EXCH_EVENT | LOCAL_EVENT

#: (exch_ts, kind and side, price, quantity)
Row = tuple[int, int, float, float]


def _events(rows: Iterable[Row], feed_latency: int = MS // 2) -> np.ndarray[Any, Any]:
    listed = list(rows)
    events = np.zeros(len(listed), event_dtype)
    for event, (exch_ts, kind, price, qty) in zip(events, listed, strict=True):
        event["ev"] = BOTH | kind
        event["exch_ts"] = exch_ts
        event["local_ts"] = exch_ts + feed_latency
        event["px"] = price
        event["qty"] = qty
    return events


def _touch(exch_ts: int, bid_tick: int, ask_tick: int, qty: float = 5.0) -> list[Row]:
    return [
        (exch_ts, DEPTH_EVENT | BUY_EVENT, bid_tick * TICK, qty),
        (exch_ts, DEPTH_EVENT | SELL_EVENT, ask_tick * TICK, qty),
    ]


def _random_rows(seed: int, steps: int) -> list[Row]:
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    bids: set[int] = set()
    asks: set[int] = set()
    mid = 1000
    for step in range(1, steps + 1):
        now = step * MS
        mid += int(random.integers(-1, 2))
        for levels, side, sign in ((bids, BUY_EVENT, -1), (asks, SELL_EVENT, 1)):
            # What the mid has passed goes first, so that the book is never crossed.
            for tick in sorted(tick for tick in levels if (tick - mid) * sign <= 0):
                levels.discard(tick)
                rows.append((now, DEPTH_EVENT | side, tick * TICK, 0.0))
            tick = mid + sign * int(random.integers(1, 4))
            levels.add(tick)
            rows.append((now, DEPTH_EVENT | side, tick * TICK, float(random.integers(1, 9))))
        if step % 3 == 0:
            side = BUY_EVENT if random.integers(2) else SELL_EVENT
            tick = mid + (1 if side == BUY_EVENT else -1)
            rows.append((now, TRADE_EVENT | side, tick * TICK, float(random.integers(1, 9))))
    return rows


def _asset(data: np.ndarray[Any, Any], *, partial: bool = False, latency: int = 2 * MS) -> BacktestAsset:
    asset = BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(latency, latency)
    asset = asset.risk_adverse_queue_model()
    asset = asset.partial_fill_exchange() if partial else asset.no_partial_fill_exchange()
    asset = asset.trading_value_fee_model(-0.0001, 0.0007).tick_size(TICK).lot_size(0.001)
    return asset.roi_lb(50.0).roi_ub(150.0).last_trades_capacity(100)


@bot_compiled
def _wake(bot, duration):
    return bot.elapse(duration)


@bot_compiled
def _submit(bot, side, order_id, price, qty, time_in_force, order_type, wait):
    if side == BUY:
        return bot.submit_buy_order(0, order_id, price, qty, time_in_force, order_type, wait)
    return bot.submit_sell_order(0, order_id, price, qty, time_in_force, order_type, wait)


@bot_compiled
def _cancel(bot, asset_no, order_id):
    return bot.cancel(asset_no, order_id, True)


@bot_compiled
def _modify(bot, asset_no, order_id, price, qty):
    return bot.modify(asset_no, order_id, price, qty, True)


@bot_compiled
def _clear(bot, asset_no):
    bot.clear_inactive_orders(asset_no)


@bot_compiled
def _close(bot):
    return bot.close()


@bot_compiled
def _position(bot):
    return bot.position(0)


@bot_compiled
def _status(bot, order_id):
    order = bot.orders(0).get(order_id)
    return -1 if order is None else order.status


@bot_compiled
def _submit_to(bot, asset_no):
    return bot.submit_buy_order(asset_no, 1, 99.0, 1.0, GTC, LIMIT, False)


@pytest.fixture(scope="session")
def call() -> SimpleNamespace:
    """Compiled functions that do one request or look up one thing; orders are of asset 0."""
    return SimpleNamespace(
        wake=_wake,
        submit=_submit,
        cancel=_cancel,
        modify=_modify,
        clear=_clear,
        close=_close,
        position=_position,
        status=_status,
        submit_to=_submit_to,
    )


@pytest.fixture(scope="session")
def events() -> Callable[..., np.ndarray[Any, Any]]:
    """Event array of rows (exch_ts, kind and side, price, quantity); local half a millisecond later."""
    return _events


@pytest.fixture(scope="session")
def touch() -> Callable[..., list[Row]]:
    """Rows that set one bid and one ask level."""
    return _touch


@pytest.fixture(scope="session")
def random_market() -> Callable[[int, int], np.ndarray[Any, Any]]:
    """Event array of a random, never crossed book with trades: (seed, steps of a millisecond)."""
    return lambda seed, steps: _events(_random_rows(seed, steps))


@pytest.fixture(scope="session")
def asset() -> Callable[..., BacktestAsset]:
    """hftbacktest's asset over an event array, with two milliseconds to the exchange and back."""
    return _asset


@pytest.fixture
def calm_market(events: Any, touch: Any) -> np.ndarray[Any, Any]:
    """One bid at 99.9 and one ask at 100.1, five each, sent again every millisecond for 200 of them."""
    return events([row for step in range(1, 201) for row in touch(step * MS, 999, 1001)])


@pytest.fixture
def make(calm_market: Any, asset: Any) -> Any:
    """Makes a bot over the calm market, at its first book."""

    def build(maker: Any = hashmap_bot, **options: Any) -> Bot:
        bot = maker([asset(calm_market)], [calm_market], **options)
        assert _wake(bot, 3 * MS) == codes.OK
        return bot

    return build
