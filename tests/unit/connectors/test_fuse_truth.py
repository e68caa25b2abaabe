"""The fused book against the true one: the touch at the newest id seen, and every level where depth has caught up."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hftbacktest.types import event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st
from support.books import BUY, PlainBook
from support.fuse_reference import Ticks, reference_touches
from support.two_streams import LOT, TICK, Followed, Market

from connectors.book.fused import FusedBook
from connectors.book.rows import COVERS_BBO
from connectors.model import Kind, Rows, SequenceRule
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_ASK,
    CLEAR_BID,
    DELTA_ASK,
    DELTA_BID,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
)

RULES = list(SequenceRule)
CHANCES = st.integers(0, 2**32).map(random.Random)


def lies_of(followed: Followed, market: Market, counts: Counter[str]) -> int:
    """Follows what is received; how many touches were not the true one at the id that they carry."""
    lies = newest = 0
    for sent in market.received():
        dropped = followed.sync.dropped_count
        followed.receive(sent)
        if followed.sync.dropped_count == dropped:
            newest = sent.order if sent.kind == Kind.SNAPSHOT else max(newest, sent.order)
        touch = followed.touch
        if touch is None:
            continue
        assert followed.sync.order_id == newest
        lies += touch != market.books[newest].touch()
        counts["touches"] += 1
        counts["without rows"] += sent.kind == Kind.DELTA and not sent.parts
        if sent.kind != Kind.BBO and sent.order == newest:
            counts["books"] += 1
            lies += followed.book != market.books[newest]
    counts["settled"] += followed.fused.settled_count
    return lies


@pytest.mark.parametrize("rule", RULES)
def test_the_touch_is_true_at_its_id_and_the_book_where_depth_has_caught_up(rule: SequenceRule) -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=120, deadline=None)
    @given(CHANCES)
    def check(chance: random.Random) -> None:
        assert lies_of(Followed(rule), Market(rule, chance), counts) == 0

    check()
    assert counts["touches"] > 5_000
    assert counts["books"] > 500
    assert counts["settled"] > 70
    assert counts["without rows"] > 5


@pytest.mark.parametrize("rule", RULES)
def test_without_the_venues_order_it_lies(rule: SequenceRule) -> None:
    """The comparison can fail: nothing goes back."""
    lies = sum(
        lies_of(Followed(rule, is_ordered=False), Market(rule, random.Random(seed)), Counter())
        for seed in range(10)
    )
    assert lies > 10


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=30, deadline=None)
@given(chance=CHANCES, cuts=st.lists(st.integers(0, 800), max_size=5))
def test_pieces_give_the_rows_that_the_whole_gives(
    rule: SequenceRule, chance: random.Random, cuts: list[int]
) -> None:
    rows = chained(rule, Market(rule, chance))
    whole = book_for(rule).fuse(rows).copy()
    assert not whole["ival"].any()
    book = book_for(rule)
    pieces = [
        book.fuse(piece).copy() for piece in np.split(rows, sorted(min(cut, len(rows)) for cut in cuts))
    ]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=30, deadline=None)
@given(CHANCES)
def test_hftbacktests_book_shows_the_same_of_the_rows_and_those_that_go_back(
    rule: SequenceRule, chance: random.Random
) -> None:
    """What goes back does so by depth rows that any fused book takes."""
    rows = chained(rule, Market(rule, chance))
    rows = rows[~np.isnan(rows["px"]) | (rows["ev"] == CLEAR_BID) | (rows["ev"] == CLEAR_ASK)]
    book = book_for(rule)
    pieces: list[Rows] = []
    touches: list[Ticks] = []
    for number in range(len(rows)):
        settled = book.settled_count
        out = book.fuse(rows[number : number + 1])
        back = out[len(out) - (book.settled_count - settled) :].copy()
        pieces += [rows[number : number + 1], back]
        touches.append((book.best_bid_tick, book.best_ask_tick))
    ends = np.cumsum([len(piece) for piece in pieces])[1::2] - 1
    theirs = reference_touches(np.concatenate(pieces), TICK, LOT)
    assert [theirs[end] for end in ends] == touches


def chained(rule: SequenceRule, market: Market) -> Rows:
    """The rows of a market as they go into the fused book."""
    followed, pieces = Followed(rule), []
    fuse = followed.fused.fuse

    def keep(rows: Rows) -> Rows:
        pieces.append(rows.copy())
        return fuse(rows)

    followed.fused.fuse = keep  # type: ignore[method-assign]
    for sent in market.received():
        followed.receive(sent)
    return np.concatenate(pieces)


def book_for(rule: SequenceRule) -> FusedBook:
    return FusedBook(TICK, LOT, is_window=rule == SequenceRule.INCREMENT)


def rows_at(ts: int, *parts: tuple[int, float, float], covers: bool = False) -> Rows:
    """Rows of one message; with `covers` it is newer than all that the touch said."""
    rows = np.array([(event, ts, ts, px, qty, 0, 0, 0.0) for event, px, qty in parts], event_dtype)
    rows["ival"][-1] = COVERS_BBO if covers else 0
    return rows


def reported(rows: Rows) -> list[tuple[int, float, float]]:
    return [(int(row["ev"]), float(row["px"]), float(row["qty"])) for row in rows]


def snapshot_of(*levels: tuple[int, float, float]) -> Rows:
    return rows_at(1, (CLEAR_BID, np.nan, 0.0), (CLEAR_ASK, np.nan, 0.0), *levels)


def test_a_level_that_came_and_went_between_two_depth_messages_is_taken_back() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(snapshot_of((SNAPSHOT_BID, 50.0, 1.0), (SNAPSHOT_BID, 45.0, 1.0), (SNAPSHOT_ASK, 51.0, 1.0)))
    book.fuse(rows_at(2, (BBO_BID, 49.0, 2.0), (BBO_ASK, 51.0, 1.0)))
    out = book.fuse(rows_at(3, (DELTA_ASK, 52.0, 1.0), covers=True))
    assert reported(out) == [(DELTA_ASK, 52.0, 1.0), (DELTA_BID, 49.0, 0.0), (DELTA_BID, 50.0, 1.0)]
    assert set(out["exch_ts"].tolist()) == {3}
    assert (book.best_bid_tick, book.best_qty(0), book.settled_count) == (100, 1.0, 2)


def test_a_message_that_is_older_than_the_touch_takes_nothing_back() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(snapshot_of((SNAPSHOT_BID, 50.0, 1.0), (SNAPSHOT_BID, 45.0, 1.0), (SNAPSHOT_ASK, 51.0, 1.0)))
    book.fuse(rows_at(3, (BBO_BID, 49.0, 2.0), (BBO_ASK, 51.0, 1.0)))
    assert reported(book.fuse(rows_at(2, (DELTA_BID, 50.0, 3.0), (DELTA_ASK, 52.0, 1.0)))) == [
        (DELTA_ASK, 52.0, 1.0)
    ]
    assert book.best_bid_tick == 98
    out = book.fuse(rows_at(4, (DELTA_ASK, 52.0, 2.0), covers=True))
    assert reported(out)[1:] == [(DELTA_BID, 49.0, 0.0), (DELTA_BID, 50.0, 3.0)], "as the older one said"


def test_a_level_beyond_the_snapshot_stays_for_nobody_said_that_there_was_none() -> None:
    """In the recordings: the price leaves the 1,000 levels of the snapshot, and meets orders as old as the book."""
    book = FusedBook(TICK, LOT)
    book.fuse(snapshot_of((SNAPSHOT_BID, 50.0, 1.0), (SNAPSHOT_ASK, 51.0, 1.0)))
    book.fuse(rows_at(2, (BBO_BID, 48.0, 2.0), (BBO_ASK, 51.0, 1.0)))
    assert len(book.fuse(rows_at(3, (DELTA_BID, 50.0, 0.0), covers=True))) == 0
    assert (book.best_bid_tick, book.best_qty(0)) == (96, 2.0)
    # From there on it is known what is between: 49 was none when 48 was the best.
    book.fuse(rows_at(4, (BBO_BID, 49.0, 2.0), (BBO_ASK, 51.0, 1.0)))
    assert reported(book.fuse(rows_at(5, (DELTA_ASK, 52.0, 1.0), covers=True)))[1:] == [
        (DELTA_BID, 49.0, 0.0)
    ]
    assert book.best_bid_tick == 96


def test_a_window_that_follows_the_touch_tells_all_of_it() -> None:
    book = FusedBook(TICK, LOT, is_window=True)
    book.fuse(snapshot_of((SNAPSHOT_BID, 50.0, 1.0), (SNAPSHOT_ASK, 51.0, 1.0)))
    book.fuse(rows_at(2, (BBO_BID, 48.0, 2.0), (BBO_ASK, 51.0, 1.0)))
    book.fuse(rows_at(3, (DELTA_BID, 50.0, 0.0), (DELTA_BID, 47.0, 1.0), covers=True))
    assert book.best_bid_tick == 94


def test_a_message_without_rows_has_a_row_that_is_none() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(snapshot_of((SNAPSHOT_BID, 50.0, 1.0), (SNAPSHOT_BID, 45.0, 1.0), (SNAPSHOT_ASK, 51.0, 1.0)))
    book.fuse(rows_at(2, (BBO_BID, 49.0, 2.0), (BBO_ASK, 51.0, 1.0)))
    out = book.fuse(rows_at(3, (BBO_BID, np.nan, 0.0), covers=True))
    assert reported(out) == [(DELTA_BID, 49.0, 0.0), (DELTA_BID, 50.0, 1.0)]


def test_what_lies_in_the_way_of_a_level_is_newer_than_it() -> None:
    """A venue that leaves out a deletion: the book is not crossed by what goes back."""
    book = FusedBook(TICK, LOT)
    book.fuse(snapshot_of((SNAPSHOT_BID, 50.0, 1.0), (SNAPSHOT_ASK, 51.0, 1.0), (SNAPSHOT_ASK, 53.0, 1.0)))
    book.fuse(rows_at(2, (BBO_BID, 50.0, 1.0), (BBO_ASK, 51.0, 4.0)))
    book.fuse(rows_at(3, (DELTA_BID, 52.0, 1.0), covers=True))
    assert (book.best_bid_tick, book.best_ask_tick) == (104, 106)


def test_many_levels_go_and_come_back_again_and_again() -> None:
    """One touch may take thousands of levels, and the next message bring them back: room grows on the way."""
    count = 3_000
    book, kept = FusedBook(TICK, LOT), PlainBook()
    far = [(SNAPSHOT_BID, 5_000.0 - n * TICK, 1.0) for n in range(count)] + [(SNAPSHOT_BID, 1.0, 1.0)]
    kept.apply(book.fuse(snapshot_of(*far, (SNAPSHOT_ASK, 5_001.0, 1.0))))
    before = kept.copy()
    rows = [
        piece
        for n in range(20)
        for piece in (
            rows_at(2 * n + 2, (BBO_BID, 2.0, 1.0), (BBO_ASK, 5_001.0, 1.0)),
            rows_at(2 * n + 3, (DELTA_ASK, 6_000.0, 1.0 + n), covers=True),
        )
    ]
    out = book.fuse(np.concatenate(rows)).copy()
    kept.apply(out)
    assert len(out) > 20 * 2 * count
    assert kept.sides[BUY] == before.sides[BUY]
    assert (book.best_bid_tick, book.noted_count, book.settled_count) == (10_000, 0, 20 * (count + 1))
    assert reported(book.fuse(rows_at(99, (BBO_BID, 5_000.0, 1.0), (BBO_ASK, 5_001.0, 1.0)))) == []


@settings(max_examples=100, deadline=None)
@given(CHANCES)
def test_what_is_marked_on_any_rows_leaves_a_book_of_its_own_rows(chance: random.Random) -> None:
    """Rows of no market, marks anywhere: the touch is what the rows say, never crossed, and nothing stays noted."""
    book, kept = FusedBook(TICK, LOT, is_window=chance.random() < 0.5), PlainBook()
    ts = 1_000
    for _ in range(60):
        ts += chance.randrange(0, 4)
        event = chance.choice((DELTA_BID, DELTA_ASK, BBO_BID, BBO_ASK, SNAPSHOT_BID, SNAPSHOT_ASK, CLEAR_BID))
        qty = chance.choice((0.0, 0.1, 0.2)) if event in (DELTA_BID, DELTA_ASK) else 0.2
        px = np.nan if event == CLEAR_BID else TICK * chance.randrange(90, 110)
        covers = event not in (BBO_BID, BBO_ASK) and chance.random() < 0.3
        kept.apply(book.fuse(rows_at(ts, (event, px, qty), covers=covers)))
        bid, bid_qty, ask, ask_qty = kept.touch()
        assert (bid / TICK, ask / TICK) == pytest.approx(
            [np.nan if tick is None else tick for tick in (book.best_bid_tick, book.best_ask_tick)],
            nan_ok=True,
        )
        assert (bid_qty, ask_qty) == pytest.approx((book.best_qty(0), book.best_qty(1)), nan_ok=True)
        assert not bid >= ask
        assert not covers or book.noted_count == 0
