"""The times of rows: causal, never from the future, a book's never falling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.types import event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.book.rows import COVERS_BBO, NEWER_THAN_BBO, OLDER_THAN_BBO, book_rows
from connectors.book.timestamps import RowClock, largest_lead
from connectors.model import Rows
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_BID,
    DELTA_ASK,
    DELTA_BID,
    SNAPSHOT_ASK,
    TRADE_BUY,
    TRADE_SELL,
)

BOOK = (DELTA_BID, DELTA_ASK, CLEAR_BID, SNAPSHOT_ASK)
BBO = (BBO_BID, BBO_ASK)
TRADES = (TRADE_BUY, TRADE_SELL)
STREAM = {event: n for n, events in enumerate((BOOK, BBO, TRADES)) for event in events}

T0 = 1_000_000


def rows_of(parts: list[tuple[int, int, int]], ivals: list[int] | None = None) -> Rows:
    """(event, exch_ts, local_ts) as rows."""
    rows = np.zeros(len(parts), event_dtype)
    if parts:
        rows["ev"], rows["exch_ts"], rows["local_ts"] = zip(*parts, strict=True)
    if ivals is not None:
        # Below 0: marks; above: the time of the first change after a snapshot.
        marked = book_rows(rows)
        marked["mark"], marked["before_ts"] = np.minimum(ivals, 0), np.maximum(ivals, 0)
    return rows


@st.composite
def received(draw: Any) -> Rows:
    """Rows as they are received: local times rise, but for a clock set back; some have no venue time."""
    local_ts, parts, ivals = T0, [], []
    for _ in range(draw(st.integers(0, 25))):
        local_ts += draw(st.sampled_from([0, 1, 5, 50, 1000, 1000, -300]))
        event = draw(st.sampled_from([*BOOK, *BBO, *TRADES]))
        exch_ts = local_ts - draw(st.integers(-200, 900)) if draw(st.booleans()) else 0
        parts.append((event, exch_ts, local_ts))
        is_bound = not exch_ts and draw(st.booleans())
        marks = [0, NEWER_THAN_BBO, OLDER_THAN_BBO] if event in BOOK else [0]
        ivals.append(local_ts - draw(st.integers(0, 500)) if is_bound else draw(st.sampled_from(marks)))
    return rows_of(parts, ivals)


CLOCKS = st.tuples(st.sampled_from([0, 100, -100, 5000]), st.sampled_from([0, 1, 70, 400]))
QUICK = settings(max_examples=200, deadline=None, derandomize=True)


def plain(rows: Rows, offset: int, latency: int) -> tuple[list[tuple[int, int]], int, int]:
    """The rule in plain Python: times of each row, clamped and stepped back counts."""
    last_local, last, times, received = 0, [0, 0, 0], [], 0
    clamped = stepped_back = 0
    for row in rows:
        local_ts = int(row["local_ts"]) + offset
        if local_ts < received:
            stepped_back += 1
        received = max(received, local_ts)
        local_ts = last_local = max(local_ts, last_local)
        stream = STREAM[int(row["ev"])]
        exch_ts = int(row["exch_ts"])
        if exch_ts == 0:
            estimate = local_ts - latency
            if row["order_id"] > 0:
                estimate = min(estimate, int(row["order_id"]))
            exch_ts = max(last[stream], estimate)
        if exch_ts > local_ts:
            exch_ts, clamped = local_ts, clamped + 1
        if stream == 0:
            if row["ival"] == NEWER_THAN_BBO:
                exch_ts = max(exch_ts, last[1])
            if row["ival"] == OLDER_THAN_BBO and last[1]:
                exch_ts = min(exch_ts, last[1] - 1)
            exch_ts = max(exch_ts, last[0])
        if stream == 1:
            exch_ts = max(exch_ts, last[1], last[0] + 1)
            local_ts = last_local = max(local_ts, exch_ts)
        last[stream] = exch_ts
        times.append((exch_ts, local_ts))
    return times, clamped, stepped_back


@QUICK
@given(received(), CLOCKS)
def test_times_follow_the_rule(rows: Rows, clock: tuple[int, int]) -> None:
    expected, clamped, stepped_back = plain(rows, *clock)
    row_clock = RowClock(*clock)
    row_clock.stamp(rows)
    assert list(zip(rows["exch_ts"].tolist(), rows["local_ts"].tolist(), strict=True)) == expected
    assert (row_clock.clamped_count, row_clock.stepped_back_count) == (clamped, stepped_back)


@QUICK
@given(received(), CLOCKS, st.lists(st.integers(0, 25), max_size=5))
def test_pieces_get_the_times_that_the_whole_gets(
    rows: Rows, clock: tuple[int, int], cuts: list[int]
) -> None:
    whole = rows.copy()
    RowClock(*clock).stamp(whole)
    piecewise = RowClock(*clock)
    for piece in np.split(rows, sorted(min(cut, len(rows)) for cut in cuts)):
        piecewise.stamp(piece)
    assert rows.tobytes() == whole.tobytes()


@QUICK
@given(received(), CLOCKS)
def test_no_row_is_from_the_future_and_no_book_falls_back(rows: Rows, clock: tuple[int, int]) -> None:
    before = rows.copy()
    RowClock(*clock).stamp(rows)
    assert (rows["exch_ts"] <= rows["local_ts"]).all()
    assert (np.diff(rows["local_ts"]) >= 0).all()
    is_book = np.isin(rows["ev"], BOOK)
    assert (np.diff(rows["exch_ts"][is_book]) >= 0).all()
    for name in ("ev", "px", "qty", "fval"):
        assert (rows[name] == before[name]).all()
    assert not rows["ival"].any()
    assert not rows["order_id"].any()


#: Rows (event, venue time or None, local time, mark or time bound) and their final venue times, relative to T0. The
#: local clock is 500 behind, the latency 70.
CASES = {
    "a time that fits stays": (
        [(DELTA_BID, -7, 0, 0), (TRADE_BUY, -9, 0, 0), (TRADE_BUY, -500, 0, 0)],
        [-7, -9, -500],
    ),
    "an untimed row is as old as the latency": ([(BBO_BID, None, 0, 0)], [-70]),
    "but not older than the one before it": ([(BBO_BID, -10, 0, 0), (BBO_BID, None, 5, 0)], [-10, -10]),
    "nor held back by another stream": ([(DELTA_BID, -10, 0, 0), (TRADE_BUY, None, 0, 0)], [-10, -70]),
    "a touch is newer than the book": (
        [(DELTA_BID, -10, 0, 0), (BBO_BID, None, 0, 0), (BBO_ASK, None, 0, 0)],
        [-10, -9, -9],
    ),
    "also where the local time does not change": (
        [(DELTA_BID, 0, 0, 0), (BBO_BID, 0, 0, 0), (DELTA_BID, -9, 0, OLDER_THAN_BBO)],
        [0, 1, 0],
    ),
    "a change is older or newer than it by its mark": (
        [(BBO_BID, -50, 0, 0), (DELTA_BID, -20, 0, OLDER_THAN_BBO), (DELTA_ASK, -70, 0, NEWER_THAN_BBO)],
        [-50, -51, -50],
    ),
    "an untimed snapshot is before the change behind it": (
        [(SNAPSHOT_ASK, None, 0, T0 - 300), (DELTA_ASK, -300, 0, 0)],
        [-300, -300],
    ),
}


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=list(CASES))
def test_cases_of_the_rule(rows: list[tuple[int, int | None, int, int]], expected: list[int]) -> None:
    parts = [(event, 0 if at is None else T0 + at, T0 - 500 + local) for event, at, local, _ in rows]
    made = rows_of(parts, [mark for *_, mark in rows])
    RowClock(500, 70).stamp(made)
    assert made["exch_ts"].tolist() == [T0 + at for at in expected]


def test_a_row_from_the_future_is_clamped_and_counted() -> None:
    rows = rows_of([(TRADE_BUY, T0 + 1, T0), (TRADE_BUY, T0, T0), (BBO_BID, T0 + 9, T0)])
    clock = RowClock(0, 0)
    clock.stamp(rows)
    assert rows["exch_ts"].tolist() == [T0] * 3
    assert clock.clamped_count == 2


def test_a_clock_set_back_is_counted_and_time_stands_still() -> None:
    rows = rows_of([(TRADE_BUY, T0, T0), (TRADE_BUY, T0 - 50, T0 - 50), (TRADE_BUY, T0 + 9, T0 + 9)])
    clock = RowClock(0, 0)
    clock.stamp(rows)
    assert rows["local_ts"].tolist() == [T0, T0, T0 + 9]
    assert clock.stepped_back_count == 1


def test_the_largest_lead_counts_rows_with_a_venue_time_only() -> None:
    nothing = np.iinfo(np.int64).min
    assert largest_lead(rows_of([]), nothing) == nothing
    assert largest_lead(rows_of([(BBO_BID, 0, T0)]), nothing) == nothing
    rows = rows_of([(BBO_BID, 0, T0), (TRADE_BUY, T0 - 5, T0), (DELTA_BID, T0 - 90, T0)])
    assert largest_lead(rows, nothing) == -5
    assert largest_lead(rows, 3) == 3


def test_the_end_of_what_contains_the_touch_is_stamped_as_newer_and_stays_marked() -> None:
    rows = rows_of([(BBO_BID, T0 - 2, T0), (DELTA_BID, T0 - 9, T0), (DELTA_BID, T0 - 9, T0)])
    rows["ival"][1:] = NEWER_THAN_BBO, COVERS_BBO
    RowClock(0, 0).stamp(rows)
    assert rows["exch_ts"].tolist() == [T0 - 2] * 3
    assert rows["ival"].tolist() == [0, 0, COVERS_BBO]
