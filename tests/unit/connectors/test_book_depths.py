"""Two books of one instrument in one sequence of frames, and touches that come too late."""

from __future__ import annotations

import random

import pytest
from support.books import PlainBook
from support.parse import FrameParser
from support.sim_market import SimMarket
from support.sim_time import EPOCH_NS
from support.streams import Event, History, decoded
from support.venues import VENUES

from connectors.book.sequence import OTHERS_RUN_MAX, Status
from connectors.book.sync import BookSync
from connectors.model import Kind, Messages, Rows, SequenceRule
from connectors.parsing.scanner import BBO_ASK, BBO_BID, SNAPSHOT_ASK, SNAPSHOT_BID


def two_depths(seed: int) -> tuple[History, History]:
    """Two books of one instrument, as two of Bybit's depths: each with ids of its own."""
    chance = random.Random(seed)
    return History(SequenceRule.INCREMENT, chance), History(SequenceRule.INCREMENT, chance)


def interleaved(first: History, second: History, seed: int) -> tuple[Rows, Messages]:
    """Both books' messages at random, each beginning with its snapshot; the first's snapshot comes first."""
    chance = random.Random(seed)
    streams = [[h.snapshot(h.ids[0]), *h.events] for h in (first, second)]
    events, books = [streams[0].pop(0)], [50]
    while streams[0] or streams[1]:
        which = chance.choice([n for n in (0, 1) if streams[n]])
        events.append(streams[which].pop(0))
        books.append((50, 200)[which])
    rows, messages = decoded(events)
    messages["book"] = books
    return rows, messages


@pytest.mark.parametrize("seed", range(20))
def test_the_first_depth_that_snapshots_is_followed_and_the_other_left_out(seed: int) -> None:
    first, second = two_depths(seed)
    sync, book = BookSync(SequenceRule.INCREMENT), PlainBook()
    book.apply(sync.receive(*interleaved(first, second, seed)))
    assert sync.gap_count == 0
    assert sync.other_count == 1 + len(second.events)
    assert sync.status == Status.SYNCED
    assert book == first.books[first.ids[-1]]
    assert sync.checkpoint.book == 50


def test_a_carried_chain_goes_on_with_its_own_depth() -> None:
    first, second = two_depths(1)
    rows, messages = interleaved(first, second, 1)
    whole = BookSync(SequenceRule.INCREMENT)
    whole.receive(rows, messages)
    day_1, day_2 = BookSync(SequenceRule.INCREMENT), BookSync(SequenceRule.INCREMENT)
    day_1.receive(rows, messages[:20])
    day_2.resume(day_1.checkpoint)
    day_2.receive(rows, messages[20:])
    assert (day_2.gap_count, day_2.last_id, day_2.status) == (0, whole.last_id, Status.SYNCED)


def test_a_depth_that_is_no_longer_sent_is_given_up() -> None:
    first = History(SequenceRule.INCREMENT, random.Random(1))
    second = History(SequenceRule.INCREMENT, random.Random(2), events=OTHERS_RUN_MAX + 50)
    events = [first.snapshot(first.ids[0]), second.snapshot(second.ids[0]), *second.events]
    events.append(second.snapshot(second.ids[-1]))
    rows, messages = decoded(events)
    messages["book"][1:] = 200
    sync, book = BookSync(SequenceRule.INCREMENT), PlainBook()
    book.apply(sync.receive(rows, messages[:-1]))
    assert sync.status == Status.UNSYNCED
    assert sync.gap_count == 1
    assert book.is_empty()
    book.apply(sync.receive(rows, messages[-1:]))
    assert sync.status == Status.SYNCED
    assert book == second.books[second.ids[-1]]


def test_a_touch_older_than_the_last_one_is_dropped() -> None:
    """A late one would put back what the newer one has shown to be gone."""
    events = [
        Event(Kind.SNAPSHOT, 100, 100, 0, [(SNAPSHOT_BID, 10.0, 1.0), (SNAPSHOT_ASK, 11.0, 1.0)]),
        Event(Kind.DELTA, 101, 101, 100, []),
        Event(Kind.BBO, 0, 110, 0, [(BBO_BID, 10.0, 2.0), (BBO_ASK, 11.0, 2.0)]),
        Event(Kind.BBO, 0, 105, 0, [(BBO_BID, 9.0, 3.0), (BBO_ASK, 12.0, 3.0)]),
        Event(Kind.BBO, 0, 110, 0, [(BBO_BID, 10.0, 2.0), (BBO_ASK, 11.0, 2.0)]),
    ]
    sync = BookSync(SequenceRule.SPAN, keep_bbo=True)
    rows = sync.receive(*decoded(events))
    assert rows["px"][2:].tolist() == [10.0, 11.0, 10.0, 11.0]
    assert sync.order_id == 110


@pytest.mark.parametrize(("topic", "book"), [("50", 50), ("200", 200), ("1000", 1000), ("1", 0)])
def test_a_message_names_its_depth(topic: str, book: int) -> None:
    market = SimMarket("bybit_linear", "AAAUSDT", random.Random(1))
    frame = market.touch_frame(EPOCH_NS).replace("orderbook.1.", f"orderbook.{topic}.").encode()
    parser = FrameParser(VENUES["bybit_linear"], ["AAAUSDT"])
    assert parser.check(frame) == "parsed"
    assert VENUES["bybit_linear"].decode(frame).book == book
