"""The fused touch on the real recordings: FuseMarketDepth's after every row, and every touch's own prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.data import FuseMarketDepth
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_BBO_EVENT,
    DEPTH_CLEAR_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit
from support.books import BUY, SELL, PlainBook, by_tick
from support.paths import RECORDINGS, needs_recordings
from support.venues import VENUES

from arb.data.catalog.days import find_recordings
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.npy import load_rows
from arb.data.text import read_pieces
from connectors.book import fused as fuse
from connectors.book.rows import COVERS_BBO, book_rows
from connectors.book.sync import BookSync
from connectors.book.timestamps import RowClock
from connectors.jit.compilation import compiled
from connectors.model import Instrument, Rows, SequenceRule
from connectors.parsing.lines import LineDecoder

pytestmark = [needs_recordings, pytest.mark.slow]

OFFSET_NS, LATENCY_NS = 1_276_159_997, 10_000_000
FILES = [
    ("binance_usdm", "btcusdt", 0.1, 0.001),
    ("binance_usdm", "ethusdt", 0.01, 0.001),
    ("binance_spot", "btcusdt", 0.01, 0.00001),
    ("binance_spot", "ethusdt", 0.01, 0.0001),
    ("bybit_linear", "btcusdt", 0.1, 0.001),
    ("bybit_linear", "ethusdt", 0.01, 0.001),
]


def chained_rows(venue_name: str, symbol: str) -> Rows:
    """The rows of a book as they go into the fused one: proven by their ids and stamped, trades left out; all days."""
    venue = VENUES[venue_name]
    sync = BookSync(venue.sequence_rule, keep_bbo=True)
    clock = RowClock(OFFSET_NS, LATENCY_NS)
    pieces = []
    for path in sorted((RECORDINGS / venue_name).glob(f"{symbol}_*.gz")):
        for rows, messages in LineDecoder(venue, symbol.upper()).decode(read_pieces(path)):
            piece = sync.receive(rows, messages).copy()
            clock.stamp(piece)
            pieces.append(piece)
    rows = np.concatenate(pieces)
    return rows[rows["ev"] & np.uint64(0xFF) != TRADE_EVENT]


@njit
def _reference(fused: Any, rows: Any, counts: Any) -> None:
    """How many fused events there are after each row."""
    for number in range(len(rows)):
        fused.process_event(rows, number, True)
        counts[number] = len(fused.fused_events)


@njit
def _touches(
    events: Any, counts: Any, tick: float, lot: float, base: int, ticks: int, touches: Any, quantities: Any
) -> None:
    """The touch of a plain book of events after each row, in ticks above `base`; -1 and `ticks` for none."""
    is_bid, is_ask = np.zeros(ticks, np.bool_), np.zeros(ticks, np.bool_)
    bid_qty, ask_qty = np.zeros(ticks), np.zeros(ticks)
    bid, ask, done = -1, ticks, 0
    for number in range(len(counts)):
        while done < counts[number]:
            event = events[done]
            done += 1
            is_buy = event.ev & np.uint64(BUY_EVENT) != 0
            if np.int64(event.ev) & 0xFF == DEPTH_CLEAR_EVENT:
                if is_buy:
                    is_bid[:] = False
                    bid = -1
                else:
                    is_ask[:] = False
                    ask = ticks
                continue
            t = np.int64(np.rint(event.px / tick)) - base
            if not 0 <= t < ticks:
                continue
            is_set = np.rint(event.qty / lot) > 0.0
            if is_buy:
                is_bid[t] = is_set
                bid_qty[t] = event.qty
                bid = max(bid, t) if is_set else bid
                while bid >= 0 and not is_bid[bid]:
                    bid -= 1
            else:
                is_ask[t] = is_set
                ask_qty[t] = event.qty
                ask = min(ask, t) if is_set else ask
                while ask < ticks and not is_ask[ask]:
                    ask += 1
        touches[number, 0], touches[number, 1] = bid, ask
        quantities[number, 0] = bid_qty[bid] if bid >= 0 else 0.0
        quantities[number, 1] = ask_qty[ask] if ask < ticks else 0.0


@compiled
def _fuse_one_by_one(
    rows: Any,
    done: int,
    counts: Any,
    out: Any,
    tick: float,
    lot: float,
    is_window: bool,
    bids: Any,
    asks: Any,
    state: Any,
    notes: Any,
    noted: Any,
    scratch: Any,
) -> int:
    """Fuses a row at a time from `done` on, until a table has no room; the number of the first that was not fused."""
    n = counts[done - 1] if done else 0
    while done < len(rows) and fuse.fits(n, 1, bids, asks, state, notes, noted, out):
        one = rows[done : done + 1]
        went, n = fuse.fuse_rows(
            one, 0, n, tick, lot, is_window, bids, asks, state, notes, noted, scratch, out
        )
        counts[done] = n
        done += went
    return done


def reference_touches(rows: Rows, tick: float, lot: float, base: int, ticks: int) -> Any:
    """The touch of hftbacktest's fused book after each row."""
    rows = rows.copy()
    # FuseMarketDepth takes a clear up to a price; ours clears the whole side, whose end is beyond any price.
    is_clear = rows["ev"] & np.uint64(0xFF) == DEPTH_CLEAR_EVENT
    rows["px"][is_clear & (rows["ev"] & np.uint64(BUY_EVENT) != 0)] = 0.0
    rows["px"][is_clear & (rows["ev"] & np.uint64(SELL_EVENT) != 0)] = 1e9
    counts, touches = np.zeros(len(rows), np.int64), np.zeros((len(rows), 2), np.int64)
    fused = FuseMarketDepth(tick, lot)
    _reference(fused, rows, counts)
    _touches(fused.fused_events.copy(), counts, tick, lot, base, ticks, touches, np.zeros((len(rows), 2)))
    fused.close()
    return touches


def fused_touches(rows: Rows, tick: float, lot: float, base: int, ticks: int, *, is_window: bool) -> Any:
    """The touch of our fused book after each row, by the rows that it gives; its ticks and its quantities.

    And how many levels went back to what the depth stream says without a row of its own.
    """
    book = fuse.FusedBook(tick, lot, is_window=is_window)
    out, counts = np.zeros(8 * len(rows), event_dtype), np.zeros(len(rows), np.int64)
    before, done = -1, 0
    while before < done < len(rows):
        book.make_room(1)
        before, done = done, _fuse_one_by_one(book_rows(rows), done, counts, book_rows(out), *book.arguments)
    assert done == len(rows)
    touches, quantities = np.zeros((len(rows), 2), np.int64), np.zeros((len(rows), 2))
    _touches(out[: counts[-1]], counts, tick, lot, base, ticks, touches, quantities)
    return touches, quantities, book.settled_count


@pytest.mark.parametrize(("venue", "symbol", "tick", "lot"), FILES[::2])
def test_the_fused_touch_is_hftbacktests_and_the_venues(
    venue: str, symbol: str, tick: float, lot: float
) -> None:
    rows = chained_rows(venue, symbol)
    reference = float(rows["px"][rows["qty"] > 0][0])
    base, ticks = round(reference / 2 / tick), round(reference / tick)
    is_window = VENUES[venue].sequence_rule == SequenceRule.INCREMENT
    ours, quantities, settled = fused_touches(rows, tick, lot, base, ticks, is_window=is_window)
    # Binance tells every level that it touched, so nothing ever has to go back: both rules show the same here.
    assert settled == 0
    assert np.count_nonzero(rows["ival"] == COVERS_BBO) > 5_000 or venue == "bybit_linear"
    rows["ival"] = 0
    assert (ours == reference_touches(rows, tick, lot, base, ticks)).all()

    is_bbo = rows["ev"] & np.uint64(0xFF) == DEPTH_BBO_EVENT
    is_bid = is_bbo & (rows["ev"] & np.uint64(BUY_EVENT) != 0)
    bids = np.flatnonzero(is_bid)
    assert (rows["ev"][bids + 1] & np.uint64(SELL_EVENT) != 0).all(), "the ask follows its bid"
    own = np.stack([np.rint(rows["px"][bids] / tick), np.rint(rows["px"][bids + 1] / tick)], axis=1) - base
    assert (ours[bids + 1] == own).all()
    assert (quantities[bids + 1] == np.stack([rows["qty"][bids], rows["qty"][bids + 1]], axis=1)).all()
    assert len(bids) > 20_000 or venue == "bybit_linear"


@pytest.mark.parametrize(("venue", "symbol", "tick", "lot"), FILES)
def test_what_a_day_leaves_to_the_next_is_the_book_of_its_rows(
    tmp_path: Path, venue: str, symbol: str, tick: float, lot: float
) -> None:
    days = [day for day in find_recordings(RECORDINGS) if (day.venue, day.symbol) == (venue, symbol.upper())]
    instrument = Instrument(venue, symbol.upper(), tick, lot)
    (files,) = convert([Feed(VENUES[venue], days, LATENCY_NS, instrument)], RowCache(tmp_path)).files
    assert files
    for file in files:
        rows = np.concatenate(file.load(is_first=bool(file.carry_path)))
        book, left = PlainBook(), PlainBook()
        book.apply(by_tick(rows[rows["ev"] & np.uint64(LOCAL_EVENT) != 0], tick))
        left.apply(by_tick(load_rows(Path(file.book_path)), tick))
        assert left == book
        assert max(left.sides[BUY]) < min(left.sides[SELL])
