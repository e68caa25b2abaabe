"""Outages without a book in one recording, against a plain count over the times of its rows."""

from __future__ import annotations

import random

import pytest
from support.streams import Event, History, decoded

from arb.data.outages import FIRST_KEPT, BookOutages, OutageFinder
from connectors.book.sync import BookSync
from connectors.model import Kind, SequenceRule

FIRST, STEP = 1_000_000, 1_000


def found(events: list[Event], rule: SequenceRule = SequenceRule.SPAN, pieces: int = 1) -> BookOutages:
    """The outages of events a microsecond apart, handed on in so many pieces."""
    sync, finder = BookSync(rule), OutageFinder()
    rows, messages = decoded(events, FIRST, STEP)
    finder.begin(FIRST, is_carried=False)
    size = -(-len(messages) // pieces)
    for start in range(0, len(messages), size):
        finder.follow(sync.receive(rows, messages[start : start + size]))
    finder.close(int(messages["local_ts"][-1]))
    assert (
        finder.unknown_ns
        == finder.outages.outages_ns + (finder.outages.known_ts or finder.outages.last_ts) - FIRST
    )
    return finder.outages


def at(n: int) -> int:
    return FIRST + n * STEP


def is_fetched(rule: SequenceRule) -> bool:
    """Whether a snapshot is known only when a change joins it."""
    return rule != SequenceRule.INCREMENT


def broken(rule: SequenceRule, times: int, length: int = 5) -> list[Event]:
    """A snapshot, and `times` a lost change after which so many come until the next snapshot; the last one joins it."""
    history = History(rule, random.Random(3), 10 * times + 10)
    changes = history.events
    events = [history.snapshot(changes[0].last_id)]
    joined = 2 if is_fetched(rule) else 3
    for k in range(times):
        base = 10 * k
        events += [*changes[base + 1 : base + 3], *changes[base + 4 : base + 4 + length]]
        events += [
            history.snapshot(changes[base + joined + length].last_id),
            *changes[base + 4 + length : base + 11],
        ]
    return events


@pytest.mark.parametrize("rule", SequenceRule)
@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_an_outage_lasts_from_the_gap_to_the_snapshot(rule: SequenceRule, pieces: int) -> None:
    made = found(broken(rule, 2), rule, pieces)
    assert (made.known_ts, made.lost_ts, made.is_carried) == (at(int(is_fetched(rule))), 0, False)
    assert made.first == ((at(3), at(8)), (at(13), at(18)))
    assert (made.outages, made.outages_ns, made.longest) == (2, 10 * STEP, (at(3), at(8)))


def test_the_time_before_the_first_snapshot_is_no_outage() -> None:
    history = History(SequenceRule.SPAN, random.Random(3), 20)
    changes = history.events
    made = found([*changes[:4], history.snapshot(changes[2].last_id), *changes[4:]])
    assert (made.first_ts, made.known_ts, made.outages) == (FIRST, at(4), 0)


def test_one_without_an_end_lasts_to_the_end() -> None:
    events = [
        event for n, event in enumerate(broken(SequenceRule.SPAN, 1)) if n == 0 or event.kind == Kind.DELTA
    ]
    made = found(events)
    assert (made.lost_ts, made.first) == (at(3), ((at(3), made.last_ts),))
    assert made.outages_ns == made.last_ts - at(3)


def test_what_is_never_known_has_no_outage() -> None:
    made = found(History(SequenceRule.SPAN, random.Random(3), 9).events)
    assert (made.known_ts, made.outages, made.lost_ts) == (0, 0, FIRST)


def test_all_are_counted_and_the_first_kept() -> None:
    made = found(broken(SequenceRule.SPAN, FIRST_KEPT + 9))
    assert (made.outages, len(made.first)) == (FIRST_KEPT + 9, FIRST_KEPT)
    assert made.outages_ns == made.outages * 5 * STEP
    assert list(made.first) == sorted(made.first)


def test_a_recording_without_frames_has_nothing() -> None:
    finder = OutageFinder()
    finder.close(0)
    assert finder.outages == BookOutages()


def test_moved_moves_all_times_and_leaves_what_is_none() -> None:
    made = found(broken(SequenceRule.SPAN, 1))
    moved = made.moved(5)
    assert moved.moved(-5) == made
    assert (moved.first_ts, moved.first[0], moved.lost_ts) == (FIRST + 5, (at(3) + 5, at(8) + 5), 0)
    assert (moved.outages, moved.outages_ns) == (made.outages, made.outages_ns)
    assert BookOutages().moved(7) == BookOutages()
