"""Rows in the order of events: hftbacktest's own order, however the rows are fed."""

from __future__ import annotations

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st
from support.event_order import by_hftbacktest, fed, received

from arb.data.rows.order import EventOrder
from connectors.model import Rows

QUICK = settings(max_examples=200, deadline=None, derandomize=True)


def in_one_piece(rows: Rows) -> Rows:
    return EventOrder().feed(rows.copy())


@QUICK
@given(received())
def test_the_order_is_that_of_hftbacktest(rows: Rows) -> None:
    assert in_one_piece(rows).tobytes() == by_hftbacktest(rows).tobytes()


@QUICK
@given(fed())
def test_pieces_come_out_as_the_whole_does(case: tuple[Rows, list[tuple[Rows, int]]]) -> None:
    rows, pieces = case
    order = EventOrder()
    out = [order.feed(piece.copy(), frontier).copy() for piece, frontier in pieces]
    assert np.concatenate(out).tobytes() == in_one_piece(rows).tobytes()


@QUICK
@given(fed())
def test_every_piece_is_as_long_as_it_can_be_known(case: tuple[Rows, list[tuple[Rows, int]]]) -> None:
    """Whatever the exchange must have seen by the frontier is out, so memory does not grow."""
    order = EventOrder()
    seen = []
    fed_ids: set[int] = set()
    for piece, frontier in case[1]:
        fed_ids |= {int(row["order_id"]) for row in piece if row["exch_ts"] <= frontier}
        out = order.feed(piece.copy(), frontier)
        seen += out["order_id"][(out["ev"] & EXCH_EVENT) != 0].tolist()
        assert fed_ids <= set(seen)


@QUICK
@given(received(), st.lists(st.tuples(st.integers(1, 40), st.integers(0, 60), st.booleans()), max_size=8))
def test_rows_that_were_written_into_its_room_come_out_as_the_whole_does(
    rows: Rows, pieces: list[tuple[int, int, bool]]
) -> None:
    order = EventOrder()
    left = rows
    for count, more, is_elsewhere in [*pieces, (len(rows), 0, False)]:
        piece, left = left[:count], left[count:]
        room = order.room(len(piece) + more, rows_to_come=more)
        assert len(room) == len(piece) + more
        room["px"] = -1.0
        room[: len(piece)] = piece
        order.add(piece.copy() if is_elsewhere else room[: len(piece)])
    assert order.take().tobytes() == by_hftbacktest(rows).tobytes()


@pytest.mark.parametrize("latency", [50, 5_000, 1_000_000])
@pytest.mark.parametrize("piece", [1, 700, 8_192])
def test_far_late_rows_of_a_second_stream_stand_where_hftbacktest_has_them(latency: int, piece: int) -> None:
    """Up to the whole sequence late, and many of them."""
    chance = np.random.default_rng(latency)
    rows = np.zeros(20_000 if piece > 1 else 2_000, event_dtype)
    rows["local_ts"] = 10**9 + np.cumsum(chance.integers(0, 4, len(rows)))
    is_slow = chance.random(len(rows)) < 0.3
    rows["exch_ts"] = rows["local_ts"] - chance.integers(0, 10, len(rows)) - latency * is_slow
    rows["ev"], rows["order_id"] = 1, np.arange(len(rows))
    order = EventOrder()
    for start in range(0, len(rows), piece):
        order.add(rows[start : start + piece])
    assert order.take().tobytes() == by_hftbacktest(rows).tobytes()


def test_rows_may_be_overwritten_once_they_are_fed() -> None:
    rows = np.zeros(3, event_dtype)
    rows["exch_ts"], rows["local_ts"] = [1, 3, 2], [4, 5, 6]
    expected = in_one_piece(rows)
    order = EventOrder()
    first = order.feed(rows, 2).copy()
    rows[:] = np.zeros(1, event_dtype)
    assert np.concatenate([first, order.feed(rows[:0])]).tobytes() == expected.tobytes()
