"""The fused book against hftbacktest's FuseMarketDepth: the same touch after every row of any stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.types import event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st
from support.books import PlainBook
from support.fuse_reference import apply, reference_touches, touch_of

from connectors.book.fused import FuseArguments, FusedBook
from connectors.model import Rows
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_BID,
    DELTA_ASK,
    DELTA_BID,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
    TRADE_BUY,
)

TICK, LOT = 0.5, 0.1


@st.composite
def streams(draw: Any) -> Rows:
    """Rows of one book: times rise or fall a little, prices meet and cross, sides are cleared."""
    parts = []
    ts = 1_000
    for _ in range(draw(st.integers(0, 60))):
        ts += draw(st.integers(-3, 5))
        event = draw(st.sampled_from([DELTA_BID, DELTA_ASK, BBO_BID, BBO_ASK, SNAPSHOT_BID, SNAPSHOT_ASK]))
        qty = draw(st.sampled_from([0.0, 0.1, 0.2, 0.3])) if event in (DELTA_BID, DELTA_ASK) else 0.2
        parts.append((event, ts, ts + 9, TICK * draw(st.integers(90, 110)), qty, 0, 0, 0.0))
    return np.array(parts, event_dtype)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(streams())
def test_the_touch_is_hftbacktests_after_every_row(rows: Rows) -> None:
    book, kept = FusedBook(TICK, LOT), PlainBook()
    touches = []
    for number in range(len(rows)):
        for row in book.fuse(rows[number : number + 1]):
            apply(kept, row)
        assert touch_of(kept, TICK) == (book.best_bid_tick, book.best_ask_tick), (
            "the rows say what the book knows"
        )
        touches.append(touch_of(kept, TICK))
    assert touches == reference_touches(rows, TICK, LOT)


def kept(before: FuseArguments, after: FuseArguments) -> list[str]:
    """Which tables are the same arrays."""
    return [name for name in ("bids", "asks", "notes") if getattr(before, name) is getattr(after, name)]


def test_a_larger_table_is_reported_by_other_arguments_and_nothing_else_is() -> None:
    book = FusedBook(TICK, LOT)
    first = book.arguments
    book.fuse(rows_of((DELTA_BID, 1, 50.0, 1.0), (DELTA_ASK, 1, 60.0, 1.0), (BBO_BID, 2, 51.0, 1.0)))
    assert book.arguments is first

    more = len(first.bids) // 2 - 50
    book.make_room(more)
    noted = book.arguments
    assert kept(first, noted) == ["bids", "asks"]

    # Levels that came and went fill the bids' table, and no other.
    book.fuse(rows_of(*((DELTA_BID, 3, 40.0 - TICK * (n // 2), (n + 1) % 2) for n in range(200))))
    assert book.arguments is noted
    book.make_room(more)
    grown = book.arguments
    assert kept(noted, grown) == ["asks", "notes"]
    assert (book.best_bid_tick, book.best_ask_tick) == (102, 120)


def rows_of(*parts: tuple[int, int, float, float]) -> Rows:
    return np.array([(ev, ts, ts, px, qty, 0, 0, 0.0) for ev, ts, px, qty in parts], event_dtype)


def test_a_touch_takes_the_levels_that_it_proves_gone() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(
        rows_of(
            *((DELTA_BID, 1, 50.0 - n, 1.0) for n in range(3)),
            *((DELTA_ASK, 1, 51.0 + n, 1.0) for n in range(3)),
        )
    )
    out = book.fuse(rows_of((BBO_BID, 2, 49.0, 2.0), (BBO_ASK, 2, 49.5, 3.0)))
    assert [(int(r["ev"]), float(r["px"]), float(r["qty"])) for r in out] == [
        (DELTA_BID, 49.0, 2.0), (DELTA_BID, 50.0, 0.0), (DELTA_ASK, 49.5, 3.0),
    ]  # fmt: skip
    assert (book.best_bid_tick, book.best_ask_tick) == (98, 99)


def test_an_older_change_at_the_touch_is_left_out() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(rows_of((BBO_BID, 5, 50.0, 1.0), (BBO_ASK, 5, 51.0, 1.0)))
    assert len(book.fuse(rows_of((DELTA_BID, 4, 50.5, 1.0)))) == 0
    assert len(book.fuse(rows_of((DELTA_BID, 4, 49.5, 1.0)))) == 1, "behind the touch it is news"


def test_clears_empty_whole_sides_and_other_rows_pass() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(rows_of((DELTA_BID, 1, 50.0, 1.0), (DELTA_ASK, 1, 51.0, 1.0)))
    out = book.fuse(rows_of((TRADE_BUY, 2, 51.0, 1.0), (CLEAR_BID, 2, np.nan, 0.0)))
    assert len(out) == 2
    assert (book.best_bid_tick, book.best_ask_tick) == (None, 102)


def test_tables_grow_and_forget_freed_levels() -> None:
    book = FusedBook(1.0, 1.0)
    for start in range(0, 60_000, 3_000):
        book.fuse(rows_of(*((DELTA_BID, start, float(1_000_000 - start - n), 1.0) for n in range(3_000))))
        book.fuse(rows_of(*((DELTA_BID, start, float(1_000_000 - start - n), 0.0) for n in range(2_999))))
    assert book.best_bid_tick == 1_000_000 - 2_999
    assert book.best_ask_tick is None


def test_less_than_half_a_lot_is_a_deletion() -> None:
    book = FusedBook(TICK, LOT)
    book.fuse(rows_of((DELTA_BID, 1, 50.0, 1.0)))
    (row,) = book.fuse(rows_of((DELTA_BID, 2, 50.0, 0.04)))
    assert float(row["qty"]) == 0.0
    assert book.best_bid_tick is None
    assert len(book.fuse(rows_of((DELTA_BID, 3, 49.0, 0.04)))) == 0
