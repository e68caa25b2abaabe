"""One interface in every world: everything that the bot answers, at every event, in a backtest and in a dry-run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest import HashMapMarketDepthBacktest
from hftbacktest.order import GTC, LIMIT, MARKET
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    event_dtype,
)
from numba import njit
from parity import interface
from parity.differential import Agreement, compare_interface
from parity.interface import ask_all, ask_arrays
from support.bot_interface import GROUPS, members
from support.dry_market import MS, dry_legs, leg
from support.paths import RECORDINGS, ROOT, needs_recordings

from arb.backtest.assets import LegData, backtest_bot, make_asset
from arb.bot.bot import Bot
from arb.bot.codes import INVALID_ORDER_REQUEST, OK
from arb.bot.compilation import compile_strategy
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot

pytestmark = pytest.mark.slow

BOTH = [ask_all, ask_arrays]


def assert_agreement(found: Agreement, events: int) -> None:
    assert found.first < 0, f"event {found.first}: backtest {found.theirs}, dry-run {found.ours}"
    assert found.events > events


def test_the_probe_calls_everything_that_the_document_names() -> None:
    source = inspect.getsource(interface)
    for _, group, classes in GROUPS:
        for name in members(group, classes):
            said = {"__len__": "len(orders)", "__contains__": " in orders"}.get(name, f".{name}")
            assert said in source, name


@pytest.mark.parametrize("function", BOTH)
def test_both_worlds_answer_everything_alike(function: Callable[..., Any]) -> None:
    """With a book that is lost in the middle, and pieces that cut it anywhere."""
    assert_agreement(compare_interface(function, dry_legs(8, 1500), qty=0.01), 3_000)
    assert_agreement(compare_interface(function, dry_legs(5, 400), qty=0.01, piece_rows=37), 800)


def one_sided() -> Any:
    """Bids alone, asks alone, neither, levels far away, one below half a lot's worth of nothing, and crossed books."""
    steps = [
        (BUY_EVENT, 60_000.0, 1.0), (BUY_EVENT, 59_000.0, 2.0), (BUY_EVENT, 60_000.0, 0.0), (SELL_EVENT, 61_000.0, 1.0),
        (BUY_EVENT, 59_000.0, 0.0), (SELL_EVENT, 61_500.0, 3.0), (SELL_EVENT, 61_000.0, 0.0),
        (SELL_EVENT, 61_500.0, 0.0), (BUY_EVENT, 60_500.0, 1.0), (SELL_EVENT, 60_500.5, 1.0),
        (BUY_EVENT, 60_600.0, 1.5), (SELL_EVENT, 60_400.0, 1.5), (BUY_EVENT, 50_500.0, 7.0),
        (SELL_EVENT, 70_000.0, 8.0),
        (DEPTH_CLEAR_EVENT | BUY_EVENT, np.nan, 0.0), (DEPTH_CLEAR_EVENT | SELL_EVENT, np.nan, 0.0),
        (SELL_EVENT, 60_100.0, 1.0), (BUY_EVENT, 60_000.0, 1.0), (DEPTH_CLEAR_EVENT, np.nan, 0.0),
    ]  # fmt: skip
    made = np.zeros(len(steps), event_dtype)
    for n, (kind, px, qty) in enumerate(steps):
        event = made[n]
        event["ev"] = EXCH_EVENT | LOCAL_EVENT | (kind if kind & 0xFF else kind | DEPTH_EVENT)
        event["exch_ts"], event["local_ts"] = (100 + 10 * n) * MS, (103 + 10 * n) * MS
        event["px"], event["qty"] = px, qty
    return made


@pytest.mark.parametrize("function", BOTH)
def test_empty_and_one_sided_books_are_answered_alike(function: Callable[..., Any]) -> None:
    legs = [LegData(leg(0, roi_lb=48_000.0, roi_ub=72_000.0), [one_sided()])]
    assert_agreement(compare_interface(function, legs, qty=0.01), 15)


@needs_recordings
@pytest.mark.parametrize("function", BOTH)
def test_the_first_events_of_a_recording_are_answered_alike(
    function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it: `python -m tests.parity.differential`."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import strategy_on_bots as bots

    legs = bots.replayed(bots.example("spot_usdm", ()), Path(RECORDINGS))
    first = [data._replace(arrays=[np.ascontiguousarray(data.arrays[0][:20_000])]) for data in legs]
    assert_agreement(compare_interface(function, first, qty=0.01, snapshot_every=50), 500)


@njit
def look(hbt, out):
    """Quantities of an empty side and far away, and rows of a snapshot."""
    n = 0
    while hbt.wait_next_feed(True, 1_000_000_000) in (0, 2, 3):
        depth = hbt.depth(0)
        snapshot = depth.snapshot()
        out[n, 0], out[n, 1] = depth.best_bid_qty, depth.best_ask_qty
        out[n, 2], out[n, 3] = depth.bid_qty_at_tick(505_000), depth.ask_qty_at_tick(700_000)
        out[n, 4] = len(snapshot)
        depth.snapshot_free(snapshot)
        n += 1
    return n


def test_the_answers_are_those_of_hftbacktests_hash_map_bot() -> None:
    rows = one_sided()
    known, seen, dry = (np.full((len(rows), 5), np.nan) for _ in range(3))
    theirs = HashMapMarketDepthBacktest([make_asset(LegData(leg(0), [rows]), keep_trades=False)])
    count = look(theirs, known)
    theirs.close()
    strategy = compile_strategy(look)
    with backtest_bot([LegData(leg(0), [rows])], None, keep_trades=False, ranges=[None]) as bot:
        assert strategy(bot, seen) == count
    world = DryRunBot([leg(0)])
    assert replay(world, [[rows]], strategy, (world, dry)).value == count
    np.testing.assert_array_equal(seen, known)
    np.testing.assert_array_equal(dry, known)
    assert known[0, 1] == known[5, 0] == 0.0
    assert known[12, 2] == 7.0


def order_once(bot, price, qty, kind, out):
    """The code, and the position afterwards."""
    bot.elapse(3_000_000_000)
    out[0] = bot.submit_sell_order(0, 1, price, qty, GTC, kind, False)
    out[1] = bot.submit_buy_order(0, 2, bot.depth(0).best_bid - 100.0, 0.01, GTC, LIMIT, True)
    out[2] = bot.modify(0, 2, price, qty, False)
    out[3] = bot.elapse(1_000_000_000)
    order = bot.orders(0).get(1)
    out[4] = -1.0 if order is None else order.price_tick
    out[5] = bot.position(0)


@pytest.mark.parametrize(
    ("price", "qty", "code"),
    [
        (np.nan, 0.01, INVALID_ORDER_REQUEST),
        (-5.0, 0.01, INVALID_ORDER_REQUEST),
        (np.inf, 0.01, INVALID_ORDER_REQUEST),
        (1e300, 0.01, INVALID_ORDER_REQUEST),
        (61_000.0, np.nan, INVALID_ORDER_REQUEST),
        (61_000.0, -0.01, INVALID_ORDER_REQUEST),
        (61_000.0, np.inf, INVALID_ORDER_REQUEST),
        (61_000.0, 0.01, OK),
    ],
)
def test_an_order_that_cannot_be_is_refused_in_every_world(price: float, qty: float, code: int) -> None:
    """hftbacktest sends all of these; a sell order at NaN fills there."""
    assert code_of(price, qty, LIMIT) == code


@pytest.mark.parametrize("price", [np.nan, np.inf, -np.inf, 1e300, -5.0])
def test_the_price_of_a_market_order_is_not_read(price: float) -> None:
    assert code_of(price, 0.01, MARKET) == OK


def code_of(price: float, qty: float, kind: int) -> int:
    legs, strategy = dry_legs(3, 400), compile_strategy(order_once)
    seen, dry = np.zeros(6), np.zeros(6)
    made: Bot = backtest_bot(legs, None, keep_trades=False)
    with made as bot:
        strategy(bot, price, qty, kind, seen)
    world = DryRunBot([data.leg for data in legs])
    assert (
        replay(world, [data.arrays for data in legs], strategy, (world, price, qty, kind, dry)).error is None
    )
    np.testing.assert_array_equal(seen, dry)
    assert not np.isnan(seen[5])
    if kind == LIMIT:
        assert seen[2] == seen[0]
    return int(seen[0])
