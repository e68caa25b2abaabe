"""What is told of an opportunity: when it rose, its highest edge, and the last thing that stood in its way."""

from __future__ import annotations

from support.fake_bot import FakeRecorder, Record, plain

from arb.strategies.spread import opportunity
from arb.strategies.spread.decisions import Decision, Missed

see, lose = plain(opportunity.see), plain(opportunity.lose)


def reported(*seen: tuple[float, Missed]) -> list[tuple[Decision, int, int, int, float]]:
    state, recorder = Record(opportunity.OPPORTUNITY), FakeRecorder()
    state.asset = 3
    for now, (edge, missed) in enumerate(seen):
        see(recorder, state, edge, missed, now)
    lose(recorder, state, len(seen))
    lose(recorder, state, len(seen) + 1)
    return [(d.code, d.attempt, d.leg, d.order_id, d.value) for d in recorder.decisions]


def test_the_last_thing_in_its_way_is_reported_with_the_highest_edge() -> None:
    assert reported((5.0, Missed.STALE), (9.0, Missed.COOLDOWN), (7.0, Missed.INTERVAL)) == [
        (Decision.OPPORTUNITY, 0, 3, 0, 5.0),
        (Decision.OPPORTUNITY_END, 0, 3, Missed.INTERVAL, 9.0),
    ]


def test_once_taken_it_is_taken() -> None:
    assert reported((5.0, Missed.STALE), (9.0, Missed.TAKEN), (7.0, Missed.BUSY))[1][3] == Missed.TAKEN
    assert reported((5.0, Missed.TAKEN), (4.0, Missed.BUSY))[1][3:] == (Missed.TAKEN, 5.0)


def test_what_was_not_seen_is_not_lost() -> None:
    recorder = FakeRecorder()
    lose(recorder, Record(opportunity.OPPORTUNITY), 1)
    assert recorder.decisions == []


def test_the_next_one_begins_anew() -> None:
    state, recorder = Record(opportunity.OPPORTUNITY), FakeRecorder()
    for edge, missed in ((9.0, Missed.TAKEN), (4.0, Missed.STALE)):
        see(recorder, state, edge, missed, 1)
        lose(recorder, state, 2)
    assert [(d.order_id, d.value) for d in recorder.decisions[1::2]] == [
        (Missed.TAKEN, 9.0),
        (Missed.STALE, 4.0),
    ]


def test_one_that_is_open_is_any() -> None:
    pair = [Record(opportunity.OPPORTUNITY), Record(opportunity.OPPORTUNITY)]
    is_any_open = plain(opportunity.is_any_open)
    assert not is_any_open(pair)
    for one in pair:
        one.is_open = 1
        assert is_any_open(pair)
        one.is_open = 0
