"""The book that is left after rows, as the snapshot that the next day begins with."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, event_dtype
from support.books import PlainBook, book_rows, by_tick
from support.streams import History, decoded
from support.two_streams import LOT, TICK, Followed, Market

from connectors.book.fused import FusedBook
from connectors.book.sync import BookSync
from connectors.model import Rows, SequenceRule
from connectors.parsing.scanner import CLEAR_ASK, SNAPSHOT_ASK, SNAPSHOT_BID


def chained(seed: int) -> Rows:
    """Rows of a book with gaps and snapshots in them."""
    chance = random.Random(seed)
    history = History(SequenceRule.SPAN, chance, 60)
    events = [history.snapshot(history.events[0].prev_id), *history.events]
    for _ in range(chance.randrange(3)):
        n = chance.randrange(5, 50)
        events[n : n + 2] = []
        events.insert(n + 3, history.snapshot(events[n + 2].last_id))
    return BookSync(SequenceRule.SPAN).receive(*decoded(events)).copy()


def plain(rows: Rows) -> PlainBook:
    book = PlainBook()
    book.apply(rows)
    return book


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_are_the_book(seed: int) -> None:
    rows = chained(seed)
    for count in range(0, len(rows), 7):
        assert plain(book_rows(rows[:count])) == plain(rows[:count])


@pytest.mark.parametrize("seed", range(3))
def test_the_book_of_a_book_and_more_rows_is_that_of_all(seed: int) -> None:
    rows = chained(seed)
    for cut in range(0, len(rows), 11):
        folded = book_rows(np.concatenate([book_rows(rows[:cut]), rows[cut:]]))
        assert folded.tobytes() == book_rows(rows).tobytes()


def test_levels_are_best_first_for_both_sides_of_the_engine_and_of_no_time() -> None:
    rows = book_rows(chained(1))
    flags = EXCH_EVENT | LOCAL_EVENT
    bids, asks = (rows[rows["ev"] == (event | flags)] for event in (SNAPSHOT_BID, SNAPSHOT_ASK))
    assert len(bids) + len(asks) == len(rows)
    assert (np.diff(bids["px"]) < 0).all()
    assert (np.diff(asks["px"]) > 0).all()
    assert (rows["qty"] > 0).all()
    assert not rows["exch_ts"].any()
    assert not rows["local_ts"].any()


def test_no_rows_leave_no_book() -> None:
    assert len(book_rows(np.zeros(0, event_dtype))) == 0


def test_a_clear_of_one_side_leaves_the_other() -> None:
    rows = chained(1)
    clear = np.zeros(1, event_dtype)
    clear["ev"], clear["px"] = CLEAR_ASK, np.nan
    left = book_rows(np.concatenate([rows, clear]))
    assert set((left["ev"] & np.uint64(SNAPSHOT_BID)).tolist()) == {SNAPSHOT_BID}


class Kept:
    """Stands where a book is applied to: keeps the rows."""

    def __init__(self) -> None:
        self.pieces: list[Rows] = []

    def apply(self, rows: Rows) -> None:
        self.pieces.append(rows.copy())


def fused_rows(rule: SequenceRule, seed: int, tick_size: float) -> Rows:
    """Rows of a fused book whose prices are those that a venue's text would be read as."""
    kept = Kept()
    followed = Followed(rule)
    followed.fused, followed.book = FusedBook(tick_size, LOT), kept
    for sent in Market(rule, random.Random(seed), 400).received():
        parts = [(event, exact(600_000 + round(px / TICK), tick_size), qty) for event, px, qty in sent.parts]
        followed.receive(sent._replace(parts=parts))
    return np.concatenate(kept.pieces)


def exact(ticks: Any, tick_size: float) -> Any:
    """The number that a price's decimal text is read as."""
    return ticks / round(1 / tick_size)


@pytest.mark.parametrize("tick_size", [0.1, 0.01])
@pytest.mark.parametrize(("rule", "seed"), list(zip(SequenceRule, range(3), strict=True)))
def test_levels_are_named_by_tick_whatever_the_last_bit_of_a_price(
    seed: int, rule: SequenceRule, tick_size: float
) -> None:
    rows = fused_rows(rule, seed, tick_size)
    ticks = np.rint(rows["px"] / tick_size)
    is_priced = ~np.isnan(rows["px"])
    assert (rows["px"] == exact(ticks, tick_size))[is_priced].all()
    # 600002 * 0.1 is not 60000.2.
    is_gone = rows["qty"] == 0
    rows["px"][is_gone] = ticks[is_gone] * tick_size
    assert (rows["px"] != exact(ticks, tick_size))[is_priced].any()

    left = book_rows(rows, tick_size)

    assert plain(by_tick(left, tick_size)) == plain(by_tick(rows, tick_size))
