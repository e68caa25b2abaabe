"""Touches among the changes of a book: those that the book has overtaken are dropped, the rest order it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support.streams import Event, History, follow

from connectors.book.rows import COVERS_BBO, NEWER_THAN_BBO, OLDER_THAN_BBO
from connectors.book.sync import BookSync
from connectors.model import Kind, SequenceRule
from connectors.parsing.scanner import BBO_ASK, BBO_BID

BINANCE = [SequenceRule.SPAN, SequenceRule.PREVIOUS]


def test_trades_and_touches_pass_as_asked() -> None:
    trade = Event(Kind.TRADE, 0, 0, 0, [(1, 1.0, 1.0)])
    others = [
        trade._replace(kind=Kind.AGG_TRADE),
        trade._replace(kind=Kind.BBO),
        trade._replace(kind=Kind.OTHER),
    ]
    stream = [trade, *others]
    assert len(follow(BookSync(SequenceRule.SPAN), stream)) == 1
    assert len(follow(BookSync(SequenceRule.SPAN, keep_bbo=True), stream)) == 1, "no touch of an unknown book"
    assert len(follow(BookSync(SequenceRule.SPAN, trade_kind=Kind.AGG_TRADE), stream[1:])) == 1


def touch(order: int) -> Event:
    """A touch at a place of the order that book and touch share; for Bybit that is `first_id`."""
    return Event(Kind.BBO, order, order, 0, [(BBO_BID, 99.0, float(order)), (BBO_ASK, 100.0, 1.0)])


@pytest.mark.parametrize("rule", BINANCE)
def test_touches_that_the_book_has_overtaken_are_dropped_and_the_rest_order_it(rule: SequenceRule) -> None:
    history = History(rule, random.Random(5))
    joining, first, second, third = history.events[:4]
    sync = BookSync(rule, keep_bbo=True)
    follow(sync, [history.snapshot(joining.prev_id), joining])
    assert len(follow(sync, [touch(first.prev_id)])) == 0, "the book holds it"
    assert len(follow(sync, [touch(second.last_id - 1)])) == 2
    assert set(follow(sync, [first])["ival"].tolist()) == {OLDER_THAN_BBO}
    marks = follow(sync, [second])["ival"].tolist()
    assert marks == [*[NEWER_THAN_BBO] * (len(marks) - 1), COVERS_BBO], (
        "behind its last row the book contains it"
    )
    assert len(follow(sync, [touch(second.last_id)])) == 0
    assert set(follow(sync, [third])["ival"].tolist()) == {NEWER_THAN_BBO}, "once a touch"
    assert len(follow(sync, [touch(third.last_id + 1)])) == 2


@pytest.mark.parametrize("rule", BINANCE)
def test_a_change_without_rows_contains_a_touch_too(rule: SequenceRule) -> None:
    history = History(rule, random.Random(5))
    joining, first, second = (event._replace(parts=[]) for event in history.events[:3])
    sync = BookSync(rule, keep_bbo=True)
    follow(sync, [history.snapshot(joining.prev_id), joining, touch(first.last_id)])
    (row,) = follow(sync, [first], first_ts=7_000_000)
    assert (int(row["ev"]), int(row["ival"])) == (BBO_BID, COVERS_BBO)
    assert np.isnan(row["px"])
    assert (float(row["qty"]), int(row["exch_ts"]), int(row["local_ts"])) == (0.0, 7_000_000 - 100, 7_000_000)
    assert len(follow(sync, [second])) == 0, "there is nothing that it could contain"


@pytest.mark.parametrize("options", [{"keep_bbo": False}, {"keep_bbo": True, "is_ordered": False}])
def test_nothing_is_contained_where_numbers_prove_nothing(options: dict[str, bool]) -> None:
    history = History(SequenceRule.SPAN, random.Random(5))
    joining, first, second = history.events[:3]
    sync = BookSync(SequenceRule.SPAN, **options)
    start = [history.snapshot(joining.prev_id), joining]
    rows = follow(sync, [*start, touch(first.last_id), first, second._replace(parts=[])])
    assert COVERS_BBO not in rows["ival"].tolist()


def test_a_snapshot_stands_for_everything_even_if_the_touch_was_newer() -> None:
    history = History(SequenceRule.INCREMENT, random.Random(5))
    first = history.events[0]
    sync = BookSync(SequenceRule.INCREMENT, keep_bbo=True)
    follow(sync, [history.snapshot(first.prev_id)._replace(first_id=10), touch(30)])
    rows = follow(sync, [history.snapshot(first.last_id)._replace(first_id=20)])
    assert set(rows["ival"].tolist()) == {NEWER_THAN_BBO}
    assert sync.order_id == 20, "what is shown is the snapshot's"
    assert len(follow(sync, [touch(25)])) == 2
