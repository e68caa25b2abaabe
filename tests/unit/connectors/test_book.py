"""Following a book: it is empty, or the true book of the id it carries, whatever is lost, doubled or reordered."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.books import PlainBook
from support.streams import Event, History, decoded, follow

from connectors.book import sync as book
from connectors.book.rows import NEWER_THAN_BBO, book_rows
from connectors.book.sequence import Status
from connectors.book.sync import BookSync, Checkpoint
from connectors.model import Kind, SequenceRule
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID

RULES = list(SequenceRule)
BINANCE = [SequenceRule.SPAN, SequenceRule.PREVIOUS]
CHANCES = st.integers(0, 2**32).map(random.Random)


def begun(rule: SequenceRule, seed: int, count: int) -> tuple[History, BookSync, PlainBook]:
    """A history, and the book of its first changes after a snapshot: as it was followed, and of its rows."""
    history = History(rule, random.Random(seed))
    sync, followed = BookSync(rule), PlainBook()
    followed.apply(follow(sync, [history.snapshot(history.events[0].prev_id), *history.events[:count]]))
    return history, sync, followed


def resumed(rule: SequenceRule, seed: int, last: int) -> tuple[list[Event], BookSync]:
    """The changes of a history, and a book that goes on after the change number `last`."""
    events = History(rule, random.Random(seed)).events
    sync = BookSync(rule)
    sync.resume(Checkpoint(Status.SYNCED, events[last].last_id))
    return events, sync


def check_true(sync: BookSync, followed: PlainBook, history: History) -> None:
    """Empty while nothing is known, else the true book."""
    if not sync.is_synced:
        assert followed.is_empty()
    else:
        assert followed == history.books[sync.last_id]


def faulty(history: History, chance: random.Random) -> list[Event]:
    """The history's changes with snapshots of any age among them, some lost, doubled, late."""
    stream: list[Event] = []
    for event in history.events:
        if chance.random() < 0.25:
            stream.append(
                history.snapshot(chance.choice([n for n in history.ids if n <= event.last_id][-12:]))
            )
        if chance.random() < 0.08:
            stream.append(history.snapshot(chance.choice(history.ids)))
        if chance.random() > 0.06:
            stream.append(event)
        if chance.random() < 0.06:
            stream.append(event)
    for _ in range(chance.randrange(3)):
        n = chance.randrange(max(1, len(stream)))
        stream.insert(min(len(stream), n + chance.randrange(1, 4)), stream.pop(n))
    return stream


@pytest.mark.parametrize("rule", RULES)
def test_the_book_is_empty_or_true_after_every_message(rule: SequenceRule) -> None:
    statuses = set()
    gaps = 0

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(CHANCES)
    def check(chance: random.Random) -> None:
        nonlocal gaps
        history = History(rule, chance)
        sync = BookSync(rule)
        followed = PlainBook()
        for event in faulty(history, chance):
            followed.apply(follow(sync, [event]))
            check_true(sync, followed, history)
            statuses.add(sync.status)
        gaps += sync.gap_count

    check()
    assert gaps > 20
    assert statuses == ({Status.UNSYNCED, Status.SYNCED} if rule == SequenceRule.INCREMENT else set(Status))


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(CHANCES)
def test_pieces_of_any_size_give_the_same_rows(rule: SequenceRule, chance: random.Random) -> None:
    events = faulty(History(rule, chance), chance)
    rows, messages = decoded(events)
    whole = BookSync(rule)
    expected = whole.receive(rows, messages).copy()
    sync = BookSync(rule)
    out, start = [], 0
    while start < len(messages):
        piece = messages[start : start + chance.randrange(1, 9)].copy()
        first, last = piece["row_start"][0], piece["row_end"][-1]
        piece["row_start"] -= first
        piece["row_end"] -= first
        out.append(sync.receive(rows[first:last], piece).copy())
        start += len(piece)
    assert np.concatenate([*out, rows[:0]]).tobytes() == expected.tobytes()
    assert (sync.status, sync.gap_count, sync.dropped_count) == (
        whole.status,
        whole.gap_count,
        whole.dropped_count,
    )


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(CHANCES)
def test_a_whole_stream_is_followed_to_its_end_without_gap(rule: SequenceRule, chance: random.Random) -> None:
    history = History(rule, chance)
    events = history.events
    if rule == SequenceRule.INCREMENT:
        n = chance.randrange(len(events))
        stream = [*events[:n], history.snapshot(events[n].last_id), *events[n + 1 :]]
    else:
        # Of any id from the first change on, and received any time later than that id was current.
        number = chance.choice(
            [i for i in history.ids if i >= events[0].first_id - (rule == SequenceRule.SPAN)]
        )
        current = sum(event.last_id < number for event in events)
        at = chance.randrange(max(current, 0), len(events) + 1)
        stream = [*events[:at], history.snapshot(number), *events[at:]]
    sync = BookSync(rule)
    followed = PlainBook()
    followed.apply(follow(sync, stream))
    assert sync.gap_count == 0
    assert sync.last_id >= events[-1].last_id
    check_true(sync, followed, history)
    assert sync.is_synced or sync.last_id == events[-1].last_id, "only one that nothing comes behind waits"


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(CHANCES)
def test_a_snapshot_after_a_loss_mends_the_book(rule: SequenceRule, chance: random.Random) -> None:
    history = History(rule, chance)
    events = history.events
    lost = chance.randrange(5, 15)
    sync = BookSync(rule)
    followed = PlainBook()
    followed.apply(
        follow(sync, [history.snapshot(events[0].prev_id), *events[:lost], *events[lost + 1 : 20]])
    )
    assert (sync.status, sync.gap_count) == (Status.UNSYNCED, 1)
    assert followed.is_empty()
    followed.apply(follow(sync, [history.snapshot(events[20].last_id), *events[20:]]))
    assert (sync.status, sync.gap_count) == (Status.SYNCED, 1)
    assert followed == history.books[events[-1].last_id]


@pytest.mark.parametrize("rule", RULES)
def test_a_gap_empties_both_sides_with_two_rows_of_no_price(rule: SequenceRule) -> None:
    history = History(rule, random.Random(1))
    events = history.events
    sync = BookSync(rule)
    follow(sync, [history.snapshot(events[0].prev_id), events[0], events[1]])
    rows = follow(sync, [events[3]], first_ts=7_000_000)
    assert rows["ev"].tolist() == [CLEAR_BID, CLEAR_ASK]
    assert np.isnan(rows["px"]).all()
    assert rows["local_ts"].tolist() == [7_000_000] * 2
    assert rows["exch_ts"].tolist() == [7_000_000 - 100] * 2
    assert len(follow(sync, events[4:])) == 0
    assert sync.gap_count == 1


@pytest.mark.parametrize("rule", RULES)
def test_a_snapshot_empties_the_whole_side_not_only_its_own_reach(rule: SequenceRule) -> None:
    history = History(rule, random.Random(1))
    behind = next(event for event in history.events if event.last_id > history.ids[4])
    rows = follow(BookSync(rule), [history.snapshot(history.ids[4]), behind])
    clears = rows[np.isin(rows["ev"], [CLEAR_BID, CLEAR_ASK])]
    assert len(clears) == 2
    assert np.isnan(clears["px"]).all()


@pytest.mark.parametrize("rule", BINANCE)
def test_held_changes_become_known_with_the_snapshot_that_frees_them(rule: SequenceRule) -> None:
    history = History(rule, random.Random(2))
    events = history.events
    sync = BookSync(rule)
    assert len(follow(sync, events[:6], first_ts=1_000_000)) == 0
    rows = follow(sync, [history.snapshot(events[3].last_id)], first_ts=9_000_000)
    assert set(rows["local_ts"].tolist()) == {9_000_000}
    assert rows["exch_ts"].max() <= 9_000_000 - 100
    assert rows["exch_ts"].min() >= 1_000_000 - 100
    assert sync.dropped_count == (4 if rule == SequenceRule.SPAN else 3)


def test_a_snapshot_without_time_carries_that_of_the_change_behind_it() -> None:
    history = History(SequenceRule.SPAN, random.Random(2))
    events = history.events
    snapshot = history.snapshot(events[3].last_id)
    sync = BookSync(SequenceRule.SPAN)
    follow(sync, events[:6], first_ts=1_000_000, step=1000)
    rows = sync.receive(*decoded([snapshot], first_ts=9_000_000, is_timed=False))
    assert rows["exch_ts"][: len(snapshot.parts)].tolist() == [0] * len(snapshot.parts)
    assert set(book_rows(rows)["before_ts"][: len(snapshot.parts)].tolist()) == {1_000_000 + 4 * 1000 - 100}
    assert set(rows["ival"][len(snapshot.parts) :].tolist()) == {NEWER_THAN_BBO}
    sync = BookSync(SequenceRule.SPAN)
    sync.receive(*decoded([snapshot], first_ts=1_000_000, is_timed=False))
    rows = follow(sync, events[4:5], first_ts=9_000_000)
    assert set(book_rows(rows)["before_ts"][: len(snapshot.parts)].tolist()) == {9_000_000 - 100}
    alone = sync.receive(*decoded([history.snapshot(events[4].last_id)], is_timed=False))
    assert set(alone["ival"].tolist()) == {NEWER_THAN_BBO}, "it is where the book stands already"


@pytest.mark.parametrize("rule", BINANCE)
def test_a_snapshot_ahead_of_the_stream_is_shown_when_a_change_joins_it(rule: SequenceRule) -> None:
    history = History(rule, random.Random(11))
    events = history.events
    sync = BookSync(rule, keep_bbo=True)
    bbo = Event(Kind.BBO, 0, events[9].last_id, 0, [(1, 1.0, 1.0)])
    waiting = [history.snapshot(events[8].last_id), *events[4:8], bbo]
    assert not len(follow(sync, waiting, first_ts=1_000_000))
    assert sync.status == Status.BRIDGING
    followed = PlainBook()
    rows = follow(sync, [events[9]], first_ts=9_000_000)
    assert set(rows["local_ts"].tolist()) == {9_000_000}
    followed.apply(rows)
    assert sync.is_synced
    assert followed == history.books[events[9].last_id]


@pytest.mark.parametrize("rule", BINANCE)
def test_a_known_book_goes_on_until_its_changes_reach_a_newer_snapshot(rule: SequenceRule) -> None:
    history, sync, followed = begun(rule, 12, 5)
    events = history.events
    assert not len(follow(sync, [history.snapshot(events[12].last_id)]))
    for event in events[5:]:
        rows = follow(sync, [event])
        followed.apply(rows)
        assert sync.is_synced
        assert followed == history.books[event.last_id]
        assert bool(np.isnan(rows["px"]).any()) == (event is events[13]), (
            "it comes with the change that joins it"
        )


@pytest.mark.parametrize("rule", BINANCE)
def test_a_chain_that_breaks_in_front_of_a_snapshot_waits_for_it(rule: SequenceRule) -> None:
    history, sync, followed = begun(rule, 12, 5)
    events = history.events
    followed.apply(follow(sync, [history.snapshot(events[12].last_id), *events[8:12]]))
    assert (sync.status, sync.gap_count) == (Status.BRIDGING, 1)
    assert followed.is_empty()
    followed.apply(follow(sync, events[12:]))
    assert (sync.status, sync.gap_count) == (Status.SYNCED, 1)
    assert followed == history.books[events[-1].last_id]


@pytest.mark.parametrize("rule", BINANCE)
def test_a_snapshot_of_another_line_is_dropped_where_the_chain_passes_it(rule: SequenceRule) -> None:
    """Between two changes of USD-M are ids that no change ends at; a snapshot of such an id joins none."""
    history, sync, _ = begun(rule, 13, 5)
    events = history.events
    follow(sync, [history.snapshot(events[8].last_id)._replace(last_id=10**12)])
    _, fresh, _ = begun(rule, 13, 5)
    for event in events[5:]:
        rows = follow(sync, [event])
        assert rows.tobytes() == follow(fresh, [event]).tobytes()
    assert sync.gap_count == 0
    assert len(sync.doubt(1)) == 2


@pytest.mark.parametrize("rule", BINANCE)
@pytest.mark.parametrize("is_reached", [False, True])
def test_of_two_that_wait_the_one_that_is_reached_sooner_counts(rule: SequenceRule, is_reached: bool) -> None:
    """One that is ahead by far is followed by a good one, in either order, with changes between them or without."""
    history = History(rule, random.Random(14))
    events = history.events
    good = history.snapshot(events[8].last_id)
    ahead = good._replace(last_id=10**12)
    sync = BookSync(rule)
    for event in [events[4], ahead, events[5], good, *([events[6]] if is_reached else [])]:
        assert not len(follow(sync, [event]))
    if is_reached:
        assert not len(follow(sync, [ahead]))
    followed = PlainBook()
    followed.apply(follow(sync, events[7:]))
    assert (sync.status, sync.gap_count) == (Status.SYNCED, 0)
    assert followed == history.books[events[-1].last_id]


@pytest.mark.parametrize("rule", BINANCE)
def test_a_snapshot_older_than_all_that_is_held_is_not_used(rule: SequenceRule) -> None:
    history = History(rule, random.Random(3))
    events = history.events
    sync = BookSync(rule)
    follow(sync, events[5:10])
    assert not len(follow(sync, [history.snapshot(events[1].last_id)])), "nothing was known, nothing changes"
    assert sync.status == Status.UNSYNCED
    followed = PlainBook()
    followed.apply(follow(sync, [history.snapshot(events[5].prev_id)]))  # all that is held is still there
    assert (sync.status, sync.dropped_count) == (Status.SYNCED, 0)
    assert followed == history.books[events[9].last_id]


@pytest.mark.parametrize("rule", BINANCE)
def test_a_snapshot_older_than_the_book_is_dropped(rule: SequenceRule) -> None:
    history, sync, _ = begun(rule, 4, 10)
    events = history.events
    assert len(follow(sync, [history.snapshot(events[5].last_id)])) == 0
    assert (sync.status, sync.last_id, sync.dropped_count) == (Status.SYNCED, events[9].last_id, 1)


@pytest.mark.parametrize("rule", BINANCE)
def test_a_snapshot_that_ends_where_the_book_stands_breaks_no_chain(rule: SequenceRule) -> None:
    """A recorder that fetches snapshots now and then meets this when the market is calm."""
    history, sync, _ = begun(rule, 5, 10)
    events = history.events
    followed = PlainBook()
    followed.apply(follow(sync, [history.snapshot(events[9].last_id), *events[10:]]))
    assert (sync.status, sync.gap_count) == (Status.SYNCED, 0)
    assert followed == history.books[events[-1].last_id]


def test_bybit_restarts_at_one_with_a_snapshot() -> None:
    before, after = (History(SequenceRule.INCREMENT, random.Random(n)) for n in (7, 8))
    sync = BookSync(SequenceRule.INCREMENT)
    follow(sync, [before.snapshot(before.events[0].prev_id), *before.events])
    restart = after.snapshot(after.events[0].prev_id)._replace(first_id=9, last_id=1)
    followed = PlainBook()
    followed.apply(follow(sync, [restart, after.events[0]._replace(last_id=2)]))
    assert (sync.status, sync.last_id, sync.gap_count) == (Status.SYNCED, 2, 0)
    assert followed == after.books[after.events[0].last_id]


def test_bybit_holds_nothing_for_only_a_new_subscription_mends_its_book() -> None:
    history = History(SequenceRule.INCREMENT, random.Random(9))
    sync = BookSync(SequenceRule.INCREMENT)
    assert len(follow(sync, history.events[:5])) == 0
    assert sync.dropped_count == 5
    rows = follow(sync, [history.snapshot(history.events[2].last_id)])
    assert sync.last_id == history.events[2].last_id
    assert len(rows) == len(history.snapshot(sync.last_id).parts)


@pytest.mark.parametrize(
    ("name", "value"), [("HELD_ROWS_MAX", 7), ("HELD_MESSAGES_MAX", 3), ("HELD_ROWS_MAX", 0)]
)
@pytest.mark.parametrize("rule", BINANCE)
def test_held_changes_are_bounded_and_the_book_stays_true(
    rule: SequenceRule, name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, name, value)
    for seed in range(40):
        history = History(rule, random.Random(seed))
        events = history.events
        sync = BookSync(rule)
        followed = PlainBook()
        for event in [*events[:12], history.snapshot(events[8].last_id), *events[12:20]]:
            followed.apply(follow(sync, [event]))
            check_true(sync, followed, history)
        followed.apply(follow(sync, [history.snapshot(events[19].last_id), *events[20:]]))
        check_true(sync, followed, history)
        assert sync.last_id == events[-1].last_id


@pytest.mark.parametrize("rule", RULES)
def test_resume_carries_a_chain_on(rule: SequenceRule) -> None:
    history, day_1, followed = begun(rule, 10, 12)
    events = history.events
    day_2 = BookSync(rule)
    day_2.resume(Checkpoint(int(day_1.status), day_1.last_id))
    followed.apply(follow(day_2, events[12:]))
    assert (day_2.status, day_2.gap_count) == (Status.SYNCED, 0)
    assert followed == history.books[events[-1].last_id]


@pytest.mark.parametrize("rule", RULES)
def test_resume_notices_that_a_day_is_missing(rule: SequenceRule) -> None:
    events, sync = resumed(rule, 10, 11)
    rows = follow(sync, events[20:])
    assert rows["ev"].tolist() == [CLEAR_BID, CLEAR_ASK]
    assert (sync.status, sync.gap_count) == (Status.UNSYNCED, 1)


@pytest.mark.parametrize("rule", RULES)
def test_resume_drops_what_the_day_before_had_already(rule: SequenceRule) -> None:
    events, sync = resumed(rule, 10, 11)
    rows = follow(sync, events[10:])
    assert (sync.gap_count, sync.dropped_count) == (0, 2)
    assert len(rows) == sum(len(event.parts) for event in events[12:])
