"""The simulated book: in order, exact, never crossed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import InvariantError
from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID

SIDES = {BID: st.integers(1, 100), ASK: st.integers(101, 200)}
CHANGES = st.sampled_from([BID, ASK]).flatmap(
    lambda side: st.tuples(st.just(side), SIDES[side], st.integers(0, 3))
)


@given(st.lists(CHANGES))
def test_a_book_is_a_dict_in_order(changes: list[tuple[int, int, int]]) -> None:
    book = Book()
    model: dict[int, dict[int, int]] = {BID: {}, ASK: {}}
    for side, tick, lots in changes:
        book.set(side, tick, lots)
        model[side][tick] = lots
    for side in (BID, ASK):
        levels = sorted(((t, n) for t, n in model[side].items() if n), reverse=side == BID)
        assert book.levels(side, 1000) == levels
        assert book.count(side) == len(levels)
        assert [book.tick_at(side, rank) for rank in range(len(levels))] == [tick for tick, _ in levels]
        if levels:
            assert book.best(side) == levels[0][0]
            assert book.lots(side, levels[0][0]) == levels[0][1]


@pytest.mark.parametrize(("side", "tick"), [(BID, 101), (BID, 105), (ASK, 100), (ASK, 99)])
def test_a_level_that_crosses_is_refused(side: int, tick: int) -> None:
    book = Book()
    book.set(BID, 100, 1)
    book.set(ASK, 101, 1)
    with pytest.raises(InvariantError, match="crosses"):
        book.set(side, tick, 1)


def test_an_empty_side_has_no_best() -> None:
    with pytest.raises(InvariantError, match="empty"):
        Book().best(BID)


def test_a_copy_goes_its_own_way() -> None:
    book = Book()
    book.set(BID, 100, 1)
    copy = book.copy()
    copy.set(BID, 100, 0)
    copy.set(BID, 90, 2)
    assert (book.levels(BID, 9), copy.levels(BID, 9)) == ([(100, 1)], [(90, 2)])
