"""A book of the touch alone: after each pair it holds the pair's two levels, however the rows are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hftbacktest.types import event_dtype
from hypothesis import given
from hypothesis import strategies as st
from support.books import BUY, SELL, PlainBook

from connectors.book.touch_only import TouchBook
from connectors.model import Rows
from connectors.parsing.scanner import BBO_ASK, BBO_BID, TRADE_BUY

#: Pairs (bid, spread, quantities) and, as None, trades between them.
TOUCHES = st.lists(
    st.none() | st.tuples(st.integers(90, 110), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2)),
    max_size=30,
)


def rows_of(touches: list[tuple[int, int, int, int] | None]) -> Rows:
    """Rows of touches and trades, a time each."""
    made: list[tuple[int, float, float, int]] = []
    for n, touch in enumerate(touches):
        if touch is None:
            made.append((TRADE_BUY, 100.0, 1.0, n))
            continue
        bid, spread, bid_qty, ask_qty = touch
        made += [(BBO_BID, float(bid), float(bid_qty), n), (BBO_ASK, float(bid + spread), float(ask_qty), n)]
    rows = np.zeros(len(made), event_dtype)
    for row, (event, px, qty, n) in zip(rows, made, strict=True):
        row["ev"], row["px"], row["qty"], row["exch_ts"], row["local_ts"] = event, px, qty, n + 1, n + 2
    return rows


@given(TOUCHES)
def test_the_book_is_the_last_touch(touches: list[tuple[int, int, int, int] | None]) -> None:
    fused, book = TouchBook(1.0, 1.0), PlainBook()
    for touch in touches:
        book.apply(fused.fuse(rows_of([touch])))
        if touch is not None:
            bid, spread, bid_qty, ask_qty = touch
            assert book.sides[BUY] == ({bid: bid_qty} if bid_qty else {})
            assert book.sides[SELL] == ({bid + spread: ask_qty} if ask_qty else {})


@given(TOUCHES, st.lists(st.integers(0, 60), max_size=10))
def test_rows_that_are_cut_anywhere_give_the_same(
    touches: list[tuple[int, int, int, int] | None], cuts: list[int]
) -> None:
    rows = rows_of(touches)
    whole = TouchBook(1.0, 1.0).fuse(rows).tobytes()
    fused = TouchBook(1.0, 1.0)
    ends = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    assert b"".join(fused.fuse(rows[start:end]).tobytes() for start, end in pairwise(ends)) == whole
