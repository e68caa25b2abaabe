"""The market: seeded, indifferent to how time is cut, never crossed, and like a market in its figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulated import LISTINGS, START_NS, market_of

from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID, BUY, SELL, Event, Execution, LevelChange
from arb.sandbox.market import Market
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

ALL = tuple(LISTINGS)


def events_of(market: Market, seconds: float, step_ns: int) -> list[Event]:
    end = START_NS + round(seconds * S)
    events = []
    for now in range(START_NS + step_ns, end, step_ns):
        events += market.advance(now)
    return events + market.advance(end)


def test_the_same_seed_is_the_same_market_however_time_is_cut() -> None:
    once = events_of(market_of(*ALL), 5, 5 * S)
    assert once == events_of(market_of(*ALL), 5, 37 * MS)
    assert once != events_of(market_of(*ALL, seed=8), 5, 5 * S)
    assert [event.at_ns for event in once] == sorted(event.at_ns for event in once)


def test_the_shared_price_does_not_depend_on_what_else_is_listed() -> None:
    alone, both = market_of("binance_spot"), market_of("binance_spot", "bybit_spot")
    alone.advance(START_NS + 20 * S)
    both.advance(START_NS + 20 * S)
    assert alone.book(0).best(BID) * 0.01 == pytest.approx(both.book(0).best(BID) * 0.01, rel=3e-4)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_events_keep_the_books_uncrossed_and_full(seed: int) -> None:
    market = market_of(*ALL, seed=seed)
    books = [market.book(no).copy() for no in range(len(ALL))]
    for event in market.advance(START_NS + 3 * S):
        if isinstance(event, LevelChange):
            books[event.no].set(event.side, event.tick, event.lots)  # raises where it crosses
        else:
            _fills_are_the_best_levels(books[event.no], event)
        assert books[event.no].best(BID) < books[event.no].best(ASK)
    for no, book in enumerate(books):
        for side in (BID, ASK):
            assert book.levels(side, 10_000) == market.book(no).levels(side, 10_000)
            assert book.count(side) > 50


def _fills_are_the_best_levels(book: Book, execution: Execution) -> None:
    taken = ASK if execution.side == BUY else BID
    levels = book.levels(taken, len(execution.fills))
    assert [tick for tick, _ in execution.fills] == [tick for tick, _ in levels]
    assert [lots for _, lots in execution.fills[:-1]] == [lots for _, lots in levels[:-1]]
    assert 0 < execution.fills[-1][1] <= levels[-1][1]


def test_an_order_from_outside_takes_what_is_shown_within_its_limit() -> None:
    market = market_of("binance_spot")
    market.advance(START_NS + S)
    (first, first_lots), (second, second_lots) = market.book(0).levels(ASK, 2)
    execution, *changes = market.take(0, BUY, first_lots + second_lots + 5, second)
    assert isinstance(execution, Execution)
    assert execution.fills == ((first, first_lots), (second, second_lots))
    assert [(c.tick, c.lots) for c in changes if isinstance(c, LevelChange)] == [(first, 0), (second, 0)]
    assert market.book(0).best(ASK) > second
    assert market.take(0, BUY, 1, second) == []
    assert market.take(0, SELL, 0, 1) == []
    market.advance(START_NS + 3 * S)


@pytest.mark.slow
def test_figures_are_those_of_a_market() -> None:
    venues = ("binance_spot", "bybit_spot")
    ticks = np.array([0.01, 0.1])
    market = market_of(*venues, seed=11)
    touches = []
    executions = 0
    for n in range(1, 300 * 20 + 1):
        executions += sum(isinstance(e, Execution) for e in market.advance(START_NS + n * 50 * MS))
        touches.append([[market.book(no).best(side) for side in (BID, ASK)] for no in (0, 1)])
    bids, asks = (np.array(touches)[:, :, side] * ticks for side in (BID, ASK))
    mids = (bids + asks) / 2
    spreads = 1e4 * (asks - bids) / mids
    assert (spreads > 0).all()
    assert (spreads.mean(axis=0) < 0.2).all()
    assert 5 < executions / 300 / 2 < 60
    basis = 1e4 * np.log(mids[:, 1] / mids[:, 0])
    assert abs(basis.mean()) < 1.0
    assert np.abs(basis).max() < 25.0
    # It reverts: what is far off is nearer after two seconds.
    far = np.flatnonzero(np.abs(basis[:-40]) > 3.0)
    assert len(far) > 10
    assert np.abs(basis[far + 40]).mean() < 0.5 * np.abs(basis[far]).mean()
    edges = np.maximum(bids[:, 1] - asks[:, 0], bids[:, 0] - asks[:, 1]) / mids[:, 0] * 1e4
    assert 0.002 < np.mean(edges > 3.0) < 0.06
    # Binance mostly leads: its moves are in Bybit's of the next 50 ms.
    moves = np.diff(np.log(mids), axis=0)
    led, leading = (np.corrcoef(moves[:-1, a], moves[1:, b])[0, 1] for a, b in ((0, 1), (1, 0)))
    assert led > leading + 0.05
