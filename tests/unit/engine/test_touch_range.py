"""The range of a touch, against the touch that hftbacktest's own book has on the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recording_files import make_leg

from arb.backtest.assets import LegData, backtest_bot, make_asset
from arb.backtest.bot import hashmap_bot
from arb.bot.bot import Bot
from arb.bot.cache import bot_compiled
from arb.engine.price_range import touch_range

pytestmark = pytest.mark.slow

TICK, LOT = 0.1, 0.001
LEG = make_leg("a", tick_size=TICK, lot_size=LOT)
BOTH = EXCH_EVENT | LOCAL_EVENT
BID, ASK = DEPTH_EVENT | BUY_EVENT, DEPTH_EVENT | SELL_EVENT

#: (kind and side, ticks, quantity)
Row = tuple[int, float, float]


def events(rows: list[Row]) -> np.ndarray[Any, Any]:
    made = np.zeros(len(rows), event_dtype)
    for n, (kind, ticks, qty) in enumerate(rows):
        made[n]["ev"] = kind if kind & (EXCH_EVENT | LOCAL_EVENT) else BOTH | kind
        made[n]["exch_ts"] = made[n]["local_ts"] = (n + 1) * 1000
        made[n]["px"] = ticks * TICK
        made[n]["qty"] = qty
    return made


@bot_compiled
def _follow(bot, out):
    """Bids and asks after every row; how many."""
    n = 0
    while n < len(out):
        is_last = bot.wait_next_feed(True, 1_000_000_000) == 1
        depth = bot.depth(0)
        out[n, 0], out[n, 1] = depth.best_bid, depth.best_ask
        out[n, 2], out[n, 3] = depth.best_bid_qty, depth.best_ask_qty
        n += 1
        if is_last:
            break
    return n


def followed(bot: Bot, count: int) -> np.ndarray[Any, Any]:
    with bot:
        out = np.full((count + 2, 4), np.nan)
        return out[: _follow(bot, out)]


def touches(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What a hash book, which knows every price, shows after every row."""
    return followed(hashmap_bot([make_asset(LegData(LEG, [rows]), keep_trades=False)], [rows]), len(rows))


sides = st.sampled_from([BUY_EVENT, SELL_EVENT])
kinds = st.sampled_from([DEPTH_EVENT, DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT])
quantities = st.sampled_from([0.0, 0.0, 0.0004, 0.0005, 0.0006, 1.0, 2.0])
near = st.integers(994, 1006)
far = st.integers(20, 4000)
clears: st.SearchStrategy[Row] = st.builds(
    lambda side: (DEPTH_CLEAR_EVENT | side, np.nan, 0.0), st.sampled_from([BUY_EVENT, SELL_EVENT, 0])
)
trades: st.SearchStrategy[Row] = st.builds(lambda side: (TRADE_EVENT | side, 700, 1.0), sides)


def levels(ticks: st.SearchStrategy[float]) -> st.SearchStrategy[Row]:
    return st.builds(lambda kind, side, at, qty: (kind | side, at, qty), kinds, sides, ticks, quantities)


rows_anywhere = st.lists(levels(near) | levels(near) | levels(far) | clears | trades, min_size=1, max_size=30)


@settings(max_examples=300, deadline=None)
@given(rows_anywhere, st.integers(0, 30))
def test_it_is_the_range_of_the_engines_touch(rows: list[Row], cut: int) -> None:
    data = events(rows)
    prices = touches(data)[:, :2]
    found = touch_range([data[:cut], data[cut:]], TICK, LOT)
    if found is None:
        assert np.isnan(prices).all()
    else:
        assert found.low == pytest.approx(np.nanmin(prices))
        assert found.high == pytest.approx(np.nanmax(prices))


@settings(max_examples=150, deadline=None)
@given(rows_anywhere)
def test_the_bot_shows_the_touch_of_the_hash_book_whatever_the_rows(rows: list[Row]) -> None:
    # Less than half a lot is no level, but stays in the vector book; product rows make it a deletion
    # (connectors.book.fused).
    data = events([(ev, at, 0.0 if qty < LOT / 2 else qty) for ev, at, qty in rows])
    seen = followed(backtest_bot([LegData(LEG, [data])], None, keep_trades=False), len(data))
    known = touches(data)
    np.testing.assert_array_equal(seen[:, :2], known[:, :2])
    # What a book answers for the quantity of a side that is not there is its own affair.
    is_known = ~np.isnan(known[:, :2])
    np.testing.assert_array_equal(seen[:, 2:][is_known], known[:, 2:][is_known])


BOOK: list[Row] = [(BID, 999, 1.0), (ASK, 1001, 1.0)]


def ranged(*rows: Row) -> tuple[float, float] | None:
    found = touch_range([events([*BOOK, *rows])], TICK, LOT)
    return None if found is None else (round(found.low, 6), round(found.high, 6))


def test_rows_of_the_exchange_alone_do_not_count() -> None:
    assert ranged((EXCH_EVENT | BID, 1000, 1.0)) == (99.9, 100.1)


def test_a_clear_of_a_part_and_no_rows_have_none() -> None:
    assert ranged((DEPTH_CLEAR_EVENT | BUY_EVENT, 995, 0.0)) is None
    assert touch_range([], TICK, LOT) is None
    assert touch_range([events([(TRADE_EVENT | BUY_EVENT, 1000, 1.0)])], TICK, LOT) is None
