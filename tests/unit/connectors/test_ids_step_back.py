"""Ids that go backwards are a gap; repeated messages are not (docs/decisions/0009)."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support.books import PlainBook
from support.streams import Event, History, decoded

from connectors.book.sequence import AHEAD_NS_MAX, BEHIND_NS_MAX, OLD_RUN_MAX, Status
from connectors.book.sync import BookSync
from connectors.model import Kind, Rows, SequenceRule
from connectors.parsing.scanner import BBO_ASK, BBO_BID, CLEAR_ASK, CLEAR_BID

RULES = list(SequenceRule)
BINANCE = [SequenceRule.SPAN, SequenceRule.PREVIOUS]
MS = 1_000_000


class Follower:
    """A book that is followed event by event, `step_ns` apart."""

    def __init__(self, rule: SequenceRule, step_ns: int = 100 * MS) -> None:
        self.sync = BookSync(rule, keep_bbo=True)
        self.book = PlainBook()
        self.now = 10**15
        self._step_ns = step_ns

    def take(self, *events: Event) -> list[Status]:
        """The status behind each."""
        statuses = []
        for event in events:
            self.now += self._step_ns
            self.book.apply(self.rows(event))
            statuses.append(self.sync.status)
        return statuses

    def rows(self, event: Event) -> Rows:
        rows, messages = decoded([event], first_ts=self.now)
        return self.sync.receive(rows, messages).copy()


def moved(event: Event, by: int, *, order: int = 0) -> Event:
    """The same change with other ids; `order` moves Bybit's `seq`, which is the first id."""
    first = event.first_id + (order or by)
    return event._replace(first_id=first, last_id=event.last_id + by, prev_id=event.prev_id + by)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("by", [-(10**9), -7])
def test_ids_that_step_back_empty_the_book(rule: SequenceRule, by: int) -> None:
    history = History(rule, random.Random(1))
    follower = Follower(rule)
    events = [moved(event, 10**10) for event in history.events]
    follower.take(moved(history.snapshot(history.events[0].prev_id), 10**10), *events[:12])
    assert follower.sync.is_synced

    statuses = follower.take(*[moved(event, by) for event in events[12:]])

    assert Status.UNSYNCED in statuses[:4]
    assert Status.SYNCED not in statuses[statuses.index(Status.UNSYNCED) :]
    assert follower.book.is_empty()
    assert follower.sync.gap_count == 1


@pytest.mark.parametrize("rule", BINANCE)
def test_a_snapshot_of_the_lower_ids_makes_the_book_known_again(rule: SequenceRule) -> None:
    history = History(rule, random.Random(2))
    follower = Follower(rule)
    follower.take(
        moved(history.snapshot(history.events[0].prev_id), 10**9),
        *[moved(event, 10**9) for event in history.events[:10]],
    )
    follower.take(*history.events[10:18])
    assert not follower.sync.is_synced

    follower.take(history.snapshot(history.events[16].last_id), *history.events[18:])

    assert follower.sync.is_synced
    assert follower.book == history.books[history.events[-1].last_id]


def test_bybit_messages_of_a_lower_seq_do_not_join_the_chain() -> None:
    history = History(SequenceRule.INCREMENT, random.Random(3))
    follower = Follower(SequenceRule.INCREMENT)
    events = [moved(event, 0, order=10**6) for event in history.events]
    follower.take(moved(history.snapshot(history.events[0].prev_id), 0, order=10**6), *events[:10])
    assert follower.take(moved(events[10], 0, order=-(10**5))) == [Status.UNSYNCED]


def test_a_bybit_u_that_was_there_with_a_newer_seq_is_a_gap_at_once() -> None:
    history = History(SequenceRule.INCREMENT, random.Random(4))
    follower = Follower(SequenceRule.INCREMENT)
    follower.take(history.snapshot(history.events[0].prev_id), *history.events[:10])
    assert follower.take(moved(history.events[8], 0, order=100)) == [Status.UNSYNCED]


@pytest.mark.parametrize("rule", RULES)
def test_repeats_are_dropped_and_bounded(rule: SequenceRule) -> None:
    """A repeat has its first venue time: nothing is newer than what is known."""
    history = History(rule, random.Random(5))
    sync = BookSync(rule)
    start = [history.snapshot(history.events[0].prev_id), *history.events[:10]]
    sync.receive(*decoded(start, first_ts=10**15))
    for n in range(OLD_RUN_MAX):
        sync.receive(*decoded([history.events[n % 10]], first_ts=10**14))
        assert sync.is_synced
    sync.receive(*decoded([history.events[9]], first_ts=10**14))
    assert not sync.is_synced
    assert sync.gap_count == 1


@pytest.mark.parametrize("rule", BINANCE)
def test_a_recorded_snapshot_ahead_of_the_changes_is_given_up(rule: SequenceRule) -> None:
    history = History(rule, random.Random(6), events=200)
    follower = Follower(rule)
    statuses = follower.take(moved(history.snapshot(history.events[5].last_id), 10**9), *history.events[6:])
    lost = statuses.index(Status.UNSYNCED)
    assert set(statuses[:lost]) == {Status.BRIDGING}
    assert lost * 100 * MS == pytest.approx(AHEAD_NS_MAX, abs=200 * MS)
    assert follower.book.is_empty()


@pytest.mark.parametrize("rule", BINANCE)
def test_a_second_snapshot_replaces_one_that_nothing_proves(rule: SequenceRule) -> None:
    """Its changes came while the first, which is far ahead, was waited for."""
    history = History(rule, random.Random(7))
    follower = Follower(rule)
    events = history.events
    follower.take(moved(history.snapshot(events[5].last_id), 10**9), *events[6:15])
    follower.take(history.snapshot(events[12].last_id))
    assert follower.sync.is_synced
    assert follower.book == history.books[events[14].last_id]
    follower.take(*events[15:])
    assert follower.book == history.books[events[-1].last_id]


@pytest.mark.parametrize("rule", BINANCE)
def test_a_second_snapshot_that_is_too_old_leaves_the_first(rule: SequenceRule) -> None:
    history = History(rule, random.Random(8))
    follower = Follower(rule)
    events = history.events
    follower.take(history.snapshot(events[15].last_id), *events[6:12], history.snapshot(events[2].last_id))
    follower.take(*events[12:])
    assert (follower.sync.status, follower.sync.gap_count) == (Status.SYNCED, 0)
    assert follower.book == history.books[events[-1].last_id]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_touch_that_was_ahead_of_all_ids_is_given_up(rule: SequenceRule, goes_on: bool) -> None:
    """Its ids step back, or it ends: what it said last would stay, for no change of the book is newer."""
    history = History(rule, random.Random(9), events=60)
    follower = Follower(rule)
    follower.take(history.snapshot(history.events[0].prev_id), *history.events[:5])
    ahead = history.events[4].last_id + 10**9
    parts = [(BBO_BID, 99.0, 1.0), (BBO_ASK, 100.0, 1.0)]
    follower.take(Event(Kind.BBO, ahead, ahead, 0, parts))
    begun = follower.now
    for event in history.events[5:]:
        if goes_on:
            number = event.last_id + 1 if rule == SequenceRule.INCREMENT else event.last_id
            follower.take(Event(Kind.BBO, number, number, 0, parts))
        if follower.take(event) == [Status.UNSYNCED]:
            break
    assert not follower.sync.is_synced
    assert BEHIND_NS_MAX < follower.now - begun <= BEHIND_NS_MAX + 300 * MS


@pytest.mark.parametrize("rule", RULES)
def test_touches_that_step_back_behind_the_book_are_left_out(rule: SequenceRule) -> None:
    """The book says it all then: nothing is frozen, and nothing is lost."""
    history = History(rule, random.Random(10), events=60)
    follower = Follower(rule)
    follower.take(history.snapshot(history.events[0].prev_id))
    parts = [(BBO_BID, 50.0, 1.0), (BBO_ASK, 200.0, 1.0)]
    for event in history.events:
        follower.take(event)
        rows = follower.rows(Event(Kind.BBO, event.last_id - 5, event.last_id - 5, 0, parts))
        assert len(rows) == 0
    assert (follower.sync.status, follower.sync.gap_count) == (Status.SYNCED, 0)
    assert follower.book == history.books[history.events[-1].last_id]


def test_a_gap_of_a_touch_empties_both_sides() -> None:
    history = History(SequenceRule.SPAN, random.Random(11))
    follower = Follower(SequenceRule.SPAN, step_ns=3000 * MS)
    follower.take(history.snapshot(history.events[0].prev_id), history.events[0])
    ahead, last = history.events[0].last_id + 50, history.events[0].last_id
    follower.take(Event(Kind.BBO, ahead, ahead, 0, [(BBO_BID, 99.0, 1.0)]))
    follower.now += 3000 * MS
    rows = follower.rows(Event(Kind.BBO, last + 1, last + 1, 0, [(BBO_BID, 98.0, 1.0)]))
    assert rows["ev"].tolist() == [CLEAR_BID, CLEAR_ASK]
    assert np.isnan(rows["px"]).all()


@pytest.mark.parametrize("by", range(1, 8))
def test_spot_ids_that_step_back_by_a_few_lose_no_change(by: int) -> None:
    """A change that ends at or below the newest id is dropped as a repetition only if it is one."""
    for seed in range(30):
        history = History(SequenceRule.SPAN, random.Random(seed), events=30)
        follower = Follower(SequenceRule.SPAN)
        follower.take(history.snapshot(history.events[0].prev_id), *history.events[:10])
        for event in history.events[10:]:
            follower.take(moved(event, -by))
            if follower.sync.is_synced:
                assert follower.book == history.books[event.last_id]
        assert follower.sync.gap_count <= 1, "one that overlaps the newest id may join the chain"


@pytest.mark.parametrize("rule", BINANCE)
def test_what_was_held_before_ids_stepped_back_refutes_no_snapshot(rule: SequenceRule) -> None:
    history = History(rule, random.Random(5), events=30)
    events = history.events
    follower = Follower(rule)
    ahead = [moved(event, 10**6) for event in events[:12]]
    follower.take(moved(history.snapshot(events[0].prev_id), 10**6), *ahead[:8], *ahead[10:12])
    assert not follower.sync.is_synced
    follower.take(*events[12:16], history.snapshot(events[14].last_id))
    assert follower.sync.is_synced
    assert follower.book == history.books[events[15].last_id]


@pytest.mark.parametrize("rule", BINANCE)
def test_a_local_clock_that_is_set_back_refutes_no_snapshot(rule: SequenceRule) -> None:
    history = History(rule, random.Random(5), events=30)
    events = history.events
    follower = Follower(rule)
    follower.take(*events[:6])
    follower.now -= 10 * AHEAD_NS_MAX
    follower.take(history.snapshot(events[3].last_id))
    assert follower.sync.is_synced
    assert follower.book == history.books[events[5].last_id]
