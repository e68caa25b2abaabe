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


def stamped(rows: Rows, offset: int = 0, latency: int = 0) -> list[int]:
    RowClock(offset, latency).stamp(rows)
    return rows["exch_ts"].tolist()


def test_a_time_that_fits_stays() -> None:
    assert stamped(rows_of([(DELTA_BID, T0 - 7, T0), (TRADE_BUY, T0 - 9, T0)])) == [T0 - 7, T0 - 9]


def test_the_offset_moves_local_times_only() -> None:
    rows = rows_of([(DELTA_BID, T0 + 50, T0)])
    assert stamped(rows, offset=60) == [T0 + 50]
    assert rows["local_ts"].tolist() == [T0 + 60]


def test_a_row_from_the_future_is_clamped_and_counted() -> None:
    rows = rows_of([(TRADE_BUY, T0 + 1, T0), (TRADE_BUY, T0, T0), (BBO_BID, T0 + 9, T0)])
    clock = RowClock(0, 0)
    clock.stamp(rows)
    assert rows["exch_ts"].tolist() == [T0] * 3
    assert clock.clamped_count == 2


def test_an_untimed_row_is_as_old_as_the_assumed_latency() -> None:
    assert stamped(rows_of([(BBO_BID, 0, T0)]), offset=500, latency=70) == [T0 + 430]


@pytest.mark.parametrize("event", [BBO_BID, TRADE_BUY, DELTA_BID])
def test_an_untimed_row_is_not_older_than_the_one_before_it_in_its_stream(event: int) -> None:
    times = stamped(rows_of([(event, T0 - 10, T0), (event, 0, T0 + 5)]), latency=70)
    assert times == [T0 - 10, T0 - 10]


def test_trades_are_not_held_back_by_the_book() -> None:
    rows = rows_of([(DELTA_BID, T0 - 10, T0), (TRADE_BUY, 0, T0), (TRADE_BUY, T0 - 90, T0)])
    assert stamped(rows, latency=70) == [T0 - 10, T0 - 70, T0 - 90]


def test_a_touch_is_newer_than_the_book_so_far() -> None:
    rows = rows_of([(DELTA_BID, T0 - 10, T0), (BBO_BID, 0, T0), (BBO_ASK, 0, T0)])
    assert stamped(rows, latency=70) == [T0 - 10, T0 - 9, T0 - 9]


def test_a_change_is_before_or_behind_the_touch_as_its_mark_says() -> None:
    parts = [(BBO_BID, T0 - 50, T0), (DELTA_BID, T0 - 20, T0), (DELTA_ASK, T0 - 70, T0)]
    assert stamped(rows_of(parts, [0, OLDER_THAN_BBO, NEWER_THAN_BBO])) == [T0 - 50, T0 - 51, T0 - 50]


def test_late_trades_keep_their_times() -> None:
    assert stamped(rows_of([(TRADE_BUY, T0 - 10, T0), (TRADE_BUY, T0 - 500, T0)])) == [T0 - 10, T0 - 500]


def test_a_snapshot_without_time_lies_before_the_change_that_it_precedes() -> None:
    rows = rows_of([(SNAPSHOT_ASK, 0, T0), (DELTA_ASK, T0 - 300, T0)], [T0 - 300, 0])
    assert stamped(rows, latency=70) == [T0 - 300, T0 - 300]


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


def test_a_touch_is_newer_than_the_book_where_local_time_stands_still() -> None:
    rows = rows_of([(DELTA_BID, T0, T0), (BBO_BID, T0, T0), (BBO_ASK, T0, T0), (DELTA_BID, T0 - 9, T0)])
    rows["ival"][3] = OLDER_THAN_BBO
    clock = RowClock(0, 0)
    clock.stamp(rows)
    assert rows["exch_ts"].tolist() == [T0, T0 + 1, T0 + 1, T0]
    assert clock.stepped_back_count == 0


def test_the_end_of_what_contains_the_touch_is_stamped_as_newer_and_stays_marked() -> None:
    rows = rows_of([(BBO_BID, T0 - 2, T0), (DELTA_BID, T0 - 9, T0), (DELTA_BID, T0 - 9, T0)])
    rows["ival"][1:] = NEWER_THAN_BBO, COVERS_BBO
    RowClock(0, 0).stamp(rows)
    assert rows["exch_ts"].tolist() == [T0 - 2] * 3
    assert rows["ival"].tolist() == [0, 0, COVERS_BBO]
