"""A feed whose venue has another tick or lot than the configured one: the book is unknown, and is said to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.chaos import READ_NS, SIM_VENUES, Chaos
from support.sim_time import S

from connectors.feed.frame_loop import StreamCounts
from connectors.feed.pipeline import Outcome, Pipeline
from connectors.feed.status import FeedStatus
from connectors.model import Instrument, Kind
from connectors.net.interfaces import EventKind

VENUES = sorted(SIM_VENUES)


@pytest.mark.parametrize("venue", VENUES)
def test_a_tick_that_changes_makes_its_book_unknown_and_no_other(venue: str) -> None:
    chaos = Chaos(3, venue, read_ns=READ_NS if venue in ("binance_usdm", "bybit_linear") else 0)
    chaos.feed.start()
    chaos.timers.run(10 * S)
    assert [chaos.feed.status(no) for no in range(2)] == [FeedStatus.SYNCED] * 2

    chaos.inject("tick change")
    chaos.timers.run(100 * S)  # with a change of connections

    assert [chaos.feed.status(no) for no in range(2)] == [FeedStatus.SYNCED, FeedStatus.OFF_GRID]
    assert not math.isnan(chaos.feed.touch(0).bid_px)
    assert math.isnan(chaos.feed.touch(1).bid_px)
    assert math.isnan(chaos.watch.books[1].touch()[0])
    reported = [event for event in chaos.watch.events if event.kind == EventKind.GRID]
    assert [event.symbol for event in reported] == ["BBBUSDT"]
    assert "no multiples of the configured tick_size 0.1" in reported[0].text
    assert 'write tick_size = "0.05" in [symbols.BBBUSDT]' in reported[0].text
    # Nothing is asked for in vain, and every frame is handed on to be recorded.
    asked = [e for e in chaos.watch.events if e.kind == EventKind.RESYNC and e.symbol == "BBBUSDT"]
    assert all(event.local_ts < reported[0].local_ts for event in asked)
    assert any(no == 1 and local_ts > reported[0].local_ts + 50 * S for no, local_ts, _ in chaos.watch.frames)


@pytest.mark.parametrize(
    ("venue", "tick", "lot"),
    list(zip(VENUES, (0.5, 10.0, 0.1, 1.0), (0.001, 0.001, 1.0, 0.001), strict=True)),
)
def test_a_wrong_grid_shows_no_touch_at_all(venue: str, tick: float, lot: float) -> None:
    chaos = Chaos(4, venue, symbols=1)
    book = chaos.feed._books[0]
    adapter = SIM_VENUES[venue]
    openings = [adapter.opening(adapter.topic(stream, "AAAUSDT")) for stream in chaos.feed._streams]
    streams = StreamCounts(openings, book.monitor.counts, book.monitor.lag_counts)
    book.pipeline = Pipeline(adapter, Instrument(venue, "AAAUSDT", tick, lot), 0, Kind.TRADE, streams=streams)
    book.loop = book.pipeline.loop
    chaos.feed.start()
    chaos.timers.run(30 * S)
    assert chaos.feed.status(0) == FeedStatus.OFF_GRID
    # Of what came before the first value that told, nothing was a level off its place.
    assert len(chaos.watch.unknown_ns) <= 1
    reported = [event.text for event in chaos.watch.events if event.kind == EventKind.GRID]
    # At once, and again as soon as there is enough to say what to write.
    assert 1 <= len(reported) <= 2
    assert ('tick_size = "0.1"' in reported[-1]) == (tick != 0.1)
    assert ('lot_size = "0.001"' in reported[-1]) == (lot != 0.001)


def test_the_rows_that_empty_the_book_go_out_once() -> None:
    venue = SIM_VENUES["bybit_linear"]
    pipeline = Pipeline(venue, Instrument(venue.name, "AAAUSDT", 0.1, 0.001), 0, Kind.TRADE)

    def frame(kind: str, u: int, px: str) -> bytes:
        return (
            f'{{"topic":"orderbook.50.AAAUSDT","type":"{kind}","ts":1,"data":{{"s":"AAAUSDT",'
            f'"b":[["{px}","1.000"]],"a":[["200.0","1.000"]],"u":{u},"seq":{u}}},"cts":1}}'
        ).encode()

    pipeline.decode(frame("snapshot", 1, "100.1"), 10)
    assert pipeline.receive(0) == Outcome.BOOK
    assert pipeline.touch().bid_px == 100.1
    pipeline.decode(frame("delta", 2, "100.15"), 20)
    assert pipeline.receive(0) == Outcome.OFF_GRID
    assert np.isnan(pipeline.rows["px"]).all()
    assert len(pipeline.rows) == 2
    assert math.isnan(pipeline.touch().bid_px)
    for kind, u in (("delta", 3), ("snapshot", 4)):
        pipeline.decode(frame(kind, u, "100.1"), 30)
        assert pipeline.receive(0) == Outcome.OFF_GRID
        assert len(pipeline.rows) == 0
