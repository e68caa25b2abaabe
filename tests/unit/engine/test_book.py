"""The live bot's book against a dictionary that does what hftbacktest's hash-map book does, row by row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.blocks import free

from arb.engine.blocks import Blocks
from arb.engine.book import (
    NO_ASK,
    NO_BID,
    book_at,
    clear_asks,
    clear_bids,
    make_book,
    qty_at,
    rounded,
    update_ask,
    update_bid,
)
from connectors.jit.compilation import compiled

TICK, LOT = 0.5, 0.25


class Model:
    """hftbacktest/src/depth/hashmapmarketdepth.rs, in words of Python."""

    def __init__(self) -> None:
        self.bids: dict[int, float] = {}
        self.asks: dict[int, float] = {}
        self.best_bid, self.best_ask, self.low_bid, self.high_ask = NO_BID, NO_ASK, NO_ASK, NO_BID

    def below(self, start: int, end: int) -> int:
        return max((tick for tick in self.bids if end <= tick < start), default=NO_BID)

    def above(self, start: int, end: int) -> int:
        return min((tick for tick in self.asks if start < tick <= end), default=NO_ASK)

    def bid(self, price: float, qty: float) -> tuple[int, int, float]:
        tick, lots, best_before = round(price / TICK), math.floor(qty / LOT + 0.5), self.best_bid
        before = self.bids.pop(tick, 0.0)
        if lots > 0:
            self.bids[tick] = qty
            if tick > self.best_bid:
                self.best_bid = tick
                if self.best_bid >= self.best_ask:
                    self.best_ask = self.above(self.best_bid, self.high_ask)
            self.low_bid = min(self.low_bid, tick)
        elif tick == self.best_bid:
            self.best_bid = self.below(self.best_bid, self.low_bid)
            self.low_bid = NO_ASK if self.best_bid == NO_BID else self.low_bid
        return tick, best_before, before

    def ask(self, price: float, qty: float) -> tuple[int, int, float]:
        tick, lots, best_before = round(price / TICK), math.floor(qty / LOT + 0.5), self.best_ask
        before = self.asks.pop(tick, 0.0)
        if lots > 0:
            self.asks[tick] = qty
            if tick < self.best_ask:
                self.best_ask = tick
                if self.best_bid >= self.best_ask:
                    self.best_bid = self.below(self.best_ask, self.low_bid)
            self.high_ask = max(self.high_ask, tick)
        elif tick == self.best_ask:
            self.best_ask = self.above(self.best_ask, self.high_ask)
            self.high_ask = NO_BID if self.best_ask == NO_ASK else self.high_ask
        return tick, best_before, before

    def clear_bids(self, price: float) -> None:
        if math.isfinite(price):
            upto = round(price / TICK)
            if self.best_bid != NO_BID:
                self.bids = {t: q for t, q in self.bids.items() if not upto <= t <= self.best_bid}
            self.best_bid = self.below(upto - 1, self.low_bid)
        else:
            self.bids, self.best_bid = {}, NO_BID
        self.low_bid = NO_ASK if self.best_bid == NO_BID else self.low_bid

    def clear_asks(self, price: float) -> None:
        if math.isfinite(price):
            upto = round(price / TICK)
            if self.best_ask != NO_ASK:
                self.asks = {t: q for t, q in self.asks.items() if not self.best_ask <= t <= upto}
            self.best_ask = self.above(upto + 1, self.high_ask)
        else:
            self.asks, self.best_ask = {}, NO_ASK
        self.high_ask = NO_BID if self.best_ask == NO_ASK else self.high_ask


@compiled
def _act(address, what, price, qty):
    book = book_at(address)
    if what == 0:
        return update_bid(book, price, qty)
    if what == 1:
        return update_ask(book, price, qty)
    if what == 2:
        clear_bids(book, price)
    else:
        clear_asks(book, price)
    return np.int64(0), np.int64(0), 0.0


@compiled
def _look(address, low, high):
    book = book_at(address)
    levels = np.zeros((2, high - low))
    for tick in range(low, high):
        levels[0, tick - low] = qty_at(book, True, tick)
        levels[1, tick - low] = qty_at(book, False, tick)
    return levels, book.best_bid, book.best_ask, book.low_bid, book.high_ask, book.recentred


@compiled
def _rounded(steps):
    return rounded(steps)


LOW, HIGH = 0, 120
PRICES = st.one_of(st.integers(40, 60), st.integers(LOW, HIGH - 1)).map(lambda tick: tick * TICK)
ROWS = st.tuples(
    st.sampled_from([0, 1] * 8 + [2, 3]),
    PRICES,
    st.sampled_from([0.0, 0.1, 0.125, 0.25, 1.0, 7.5]),
    st.booleans(),
)


@settings(max_examples=150)
@given(rows=st.lists(ROWS, max_size=120), width=st.sampled_from([2, 8, 32, 512]))
def test_every_level_and_touch_is_the_engines(rows: list[Any], width: int) -> None:
    blocks, model = Blocks(), Model()
    address = make_book(blocks, TICK, LOT, width)
    acts = [model.bid, model.ask]
    for what, price, qty, is_whole in rows:
        if what < 2:
            assert _act(address, what, price, qty) == acts[what](price, qty)
        else:
            upto = math.nan if is_whole else price
            _act(address, what, upto, 0.0)
            (model.clear_bids if what == 2 else model.clear_asks)(upto)
        levels, *touch = _look(address, LOW, HIGH)
        assert touch[:4] == [model.best_bid, model.best_ask, model.low_bid, model.high_ask]
        for side, known in enumerate((model.bids, model.asks)):
            assert {LOW + int(t): levels[side, t] for t in np.flatnonzero(levels[side])} == known
    free(blocks)


def test_the_window_is_anchored_on_a_touch_and_follows_it() -> None:
    blocks = Blocks()
    address = make_book(blocks, TICK, LOT, 64)
    _act(address, 0, 1_000_000 * TICK, 1.0)
    assert _look(address, 0, 1)[5] == 0, "one side alone is no touch"
    _act(address, 1, 1_000_002 * TICK, 1.0)
    assert _look(address, 0, 1)[5] == 1
    for step in range(1, 200):
        _act(address, 1, (1_000_002 + step) * TICK, 2.0)
        _act(address, 0, (1_000_000 + step) * TICK, 2.0)
    levels, bid, ask, *_, recentred = _look(address, 1_000_000, 1_000_202)
    assert (bid, ask) == (1_000_199, 1_000_200), "the bid has passed the asks below it"
    assert 3 <= recentred <= 15
    # What the window has left behind is still known.
    assert levels[0, 0] == 1.0
    assert levels[0, 5] == 2.0
    free(blocks)


@pytest.mark.parametrize(
    ("steps", "whole"),
    [
        (0.5, 1),
        (1.5, 2),
        (-0.5, -1),
        (-1.4, -1),
        (0.49999999999999994, 0),
        (math.nan, 0),
        (2.0**52 + 1, 2**52 + 1),
    ],
)
def test_rounding_is_away_from_zero(steps: float, whole: int) -> None:
    assert _rounded(steps) == whole
