"""A book whose stream is silent for too long is emptied for the strategy, and restored (docs/decisions/0010)."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support.books import PlainBook
from support.chaos import SIM_VENUES, Chaos
from support.sim_market import TICK
from support.sim_time import S
from support.streams import Event, History, decoded

from arb.data.outages import OutageFinder
from arb.data.rows.levels import Levels
from arb.data.rows.order import EventOrder
from arb.simulation.watermark import VenueOrder
from connectors.book.fused import FusedBook
from connectors.book.rows import LOCAL_ONLY
from connectors.book.sync import BookSync
from connectors.book.timestamps import RowClock
from connectors.feed.status import FeedStatus
from connectors.model import Kind, Rows, SequenceRule
from connectors.net.interfaces import EventKind
from connectors.parsing.scanner import BBO_ASK, BBO_BID, CLEAR_ASK, CLEAR_BID, TRADE_BUY

MS = 1_000_000
SILENCE_NS = 2000 * MS
RULES = list(SequenceRule)
BEGIN = 10**18
EXCH_EVENT, LOCAL_EVENT = 1 << 31, 1 << 30


class Line:
    """Events at local times of one's own through the parts that live feeds and conversions share."""

    def __init__(self, rule: SequenceRule, silence_ns: int = SILENCE_NS) -> None:
        self.sync = BookSync(rule, keep_bbo=True, silence_ns=silence_ns)
        self.clock = RowClock(0, 0)
        self.fused = FusedBook(1.0, 1.0)
        self.book = PlainBook()
        self.rows: list[Rows] = []

    def take(self, local_ts: int, *events: Event, sent_ts: int = 0) -> Rows:
        """`sent_ts`: the venue's time; 0: shortly before `local_ts`."""
        rows, messages = decoded(list(events), first_ts=local_ts, step=0)
        if sent_ts:
            rows["exch_ts"] = messages["exch_ts"] = sent_ts
        return self.give(self.sync.receive(rows, messages))

    def give(self, chained: Rows) -> Rows:
        self.clock.stamp(chained)
        rows = self.fused.fuse(chained).copy()
        self.book.apply(rows)
        self.rows.append(rows)
        return rows


def begun(rule: SequenceRule, silence_ns: int = SILENCE_NS) -> tuple[Line, History]:
    history = History(rule, random.Random(1), events=60)
    line = Line(rule, silence_ns)
    line.take(BEGIN, history.snapshot(history.events[0].prev_id), *history.events[:5])
    return line, history


def trade() -> Event:
    return Event(Kind.TRADE, 0, 0, 0, [(TRADE_BUY, 100.0, 1.0)])


@pytest.mark.parametrize("rule", RULES)
def test_a_late_change_shows_the_silence_and_restores_every_level(rule: SequenceRule) -> None:
    line, history = begun(rule)
    before = line.book.copy()
    rows = line.take(BEGIN + 5 * SILENCE_NS, history.events[5])
    assert rows["ev"][:2].tolist() == [CLEAR_BID, CLEAR_ASK]
    assert np.isnan(rows["px"][:2]).all()
    assert (rows["local_ts"][:2] == BEGIN + SILENCE_NS).all()
    restored = rows[2 : 2 + sum(map(len, before.sides.values()))]
    assert (restored["ival"] == LOCAL_ONLY).all()
    assert (restored["local_ts"] == BEGIN + 5 * SILENCE_NS).all()
    book = PlainBook()
    book.apply(restored)
    assert book == before
    assert line.book == history.books[history.events[5].last_id]
    assert (rows["ival"][2 + len(restored) :] == 0).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("what", ["trade", "old", "touch"])
def test_what_proves_nothing_does_not_end_a_silence(rule: SequenceRule, what: str) -> None:
    line, history = begun(rule)
    newest = history.events[4].last_id
    touch = [(BBO_BID, 99.0, 1.0), (BBO_ASK, 102.0, 1.0)]
    event = {
        "trade": trade(),
        "old": history.events[4],
        "touch": Event(Kind.BBO, newest + 1, newest + 1, 0, touch),
    }[what]
    for n in range(1, 5):
        line.take(BEGIN + n * SILENCE_NS // 2, event, sent_ts=BEGIN - 100)
    assert line.sync.is_silent
    assert line.book.is_empty()
    line.take(BEGIN + 5 * SILENCE_NS, history.events[5])
    assert line.book == history.books[history.events[5].last_id]
    assert line.sync.silences == (1, 4 * SILENCE_NS)


@pytest.mark.parametrize("rule", RULES)
def test_a_change_in_time_keeps_the_book(rule: SequenceRule) -> None:
    line, history = begun(rule)
    for n, event in enumerate(history.events[5:]):
        rows = line.take(BEGIN + (n + 1) * SILENCE_NS, event)
        assert not (rows["ival"] == LOCAL_ONLY).any()
    assert line.sync.silences == (0, 0)


def test_without_a_bound_a_book_is_known_for_ever() -> None:
    line, history = begun(SequenceRule.SPAN, silence_ns=0)
    rows = line.take(BEGIN + 10**6 * SILENCE_NS, history.events[5])
    assert not (rows["ival"] == LOCAL_ONLY).any()


@pytest.mark.parametrize("rule", RULES)
def test_a_timer_empties_it_as_a_frame_would(rule: SequenceRule) -> None:
    late, history = begun(rule)
    early, _ = begun(rule)
    rows = np.concatenate(
        (early.give(early.sync.fall_silent()), early.take(BEGIN + 5 * S, history.events[5]))
    )
    assert rows.tobytes() == late.take(BEGIN + 5 * S, history.events[5]).tobytes()
    assert len(early.sync.fall_silent()) == 2
    assert len(early.sync.fall_silent()) == 0


@pytest.mark.parametrize("rule", RULES)
def test_a_doubt_in_a_silence_empties_the_book_for_the_venue_too(rule: SequenceRule) -> None:
    line, _ = begun(rule)
    line.give(line.sync.fall_silent())
    rows = line.give(line.sync.doubt(BEGIN + 3 * SILENCE_NS))
    assert rows["ival"].tolist() == [0, 0]
    assert not line.sync.is_silent


@pytest.mark.parametrize("rule", RULES)
def test_a_chain_that_is_carried_on_carries_its_silence(rule: SequenceRule) -> None:
    line, history = begun(rule)
    line.take(BEGIN + 2 * SILENCE_NS, trade())
    assert line.sync.checkpoint.is_silent
    after = Line(rule)
    after.fused = line.fused
    after.sync.resume(line.sync.checkpoint)
    after.take(BEGIN + 3 * SILENCE_NS, history.events[5])
    assert after.book == history.books[history.events[5].last_id]


def test_only_the_strategy_sees_it() -> None:
    line, history = begun(SequenceRule.SPAN)
    line.take(BEGIN + 2 * SILENCE_NS, trade())
    line.take(BEGIN + 3 * SILENCE_NS, history.events[5])
    rows = np.concatenate(line.rows)
    is_ours = rows["ival"] == LOCAL_ONLY
    ordered = EventOrder().feed(rows)
    seen = ordered[ordered["ev"] & np.uint64(EXCH_EVENT) != 0]
    assert np.count_nonzero(~is_ours) == len(seen)
    assert not (seen["ival"] == LOCAL_ONLY).any()
    assert np.count_nonzero(ordered["ev"] & np.uint64(LOCAL_EVENT)) == len(rows)
    order = VenueOrder(0, 0)
    order.receive(rows)
    assert order.waiting == len(seen)
    levels, plain = Levels(1.0), Levels(1.0)
    levels.follow(rows)
    plain.follow(rows[~is_ours])
    assert levels.rows().tobytes() == plain.rows().tobytes()
    finder = OutageFinder()
    finder.begin(BEGIN, is_carried=False)
    finder.follow(rows)
    finder.close(int(rows["local_ts"][-1]))
    assert finder.outages.outages == 0


@pytest.mark.parametrize("venue", SIM_VENUES)
@pytest.mark.parametrize("fault", ["silence with pongs", "quiet market"])
def test_rows_empty_a_live_book_though_nothing_comes_but_pongs(venue: str, fault: str) -> None:
    chaos = Chaos(3, venue, symbols=1)
    chaos.feed.start()
    chaos.timers.run(10 * S)
    assert not chaos.watch.books[0].is_empty()
    if fault == "quiet market":
        chaos.server.is_paused = True
    else:
        for connection in chaos.net.connections:
            connection.is_without_data = True
    chaos.timers.run(2 * S)
    chaos.timers.run(S // 5)
    assert chaos.watch.books[0].is_empty()
    assert chaos.feed.status(0) == FeedStatus.STALE
    chaos.timers.run(S)
    assert [event.kind for event in chaos.watch.events].count(EventKind.STALE) == 1
    stale = len(chaos.watch.events)
    for connection in chaos.net.connections:
        connection.is_without_data = False
    chaos.server.is_paused = False
    chaos.timers.run(10 * S)
    assert chaos.watch.is_fresh(0)
    # Where nothing was lost, the chain goes on without a new book.
    resyncs = [event for event in chaos.watch.events[stale:] if event.kind == EventKind.RESYNC]
    assert fault != "quiet market" or resyncs == []
    assert chaos.watch.books[0].touch()[0] == pytest.approx(
        max(chaos.server.markets["AAAUSDT"].sides[0]) * TICK, abs=2
    )
