"""A feed at its edges: several connections, routes, frames of nobody, streams that say nothing, wrong arguments."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from support.chaos import STREAMS, SYMBOLS, URLS, Watch
from support.sim_market import LOT, TICK
from support.sim_net import SimNet
from support.sim_time import S, SimTimers
from support.sim_venue import SimVenue
from support.venues import VENUES

from connectors.bybit import BybitSpot
from connectors.errors import InstrumentError
from connectors.feed.feed import Feed
from connectors.feed.interfaces import FeedTimes
from connectors.feed.status import FeedStatus
from connectors.model import FUNDING_EVENT, Instrument, Rows, Stream, Venue
from connectors.net.interfaces import EventKind


class Scene:
    """A feed on a simulated network."""

    def __init__(
        self, venue: Venue, streams: Sequence[Stream] = STREAMS, times: FeedTimes | None = None
    ) -> None:
        self.timers = SimTimers()
        self.server = SimVenue(venue.name, list(SYMBOLS), self.timers, random.Random(1))
        self.net = SimNet(self.server, self.timers, random.Random(2))
        self.watch = Watch(self.server, self.timers)
        self.timers.every(S // 20, self.server.step)
        self.feed = Feed(
            venue,
            [Instrument(venue.name, symbol, TICK, LOT) for symbol in SYMBOLS],
            streams,
            URLS,
            transport=self.net,
            rest=self.net,
            timers=self.timers,
            chance=random.Random(3).random,
            sink=self.watch,
            tap=self.watch,
            times=times or FeedTimes(),
        )
        self.watch.feed = self.feed
        self.feed.start()

    def kinds(self, symbol: str = "") -> list[EventKind]:
        return [event.kind for event in self.watch.events if event.symbol == symbol]


class Narrow(BybitSpot):
    """A venue whose connections carry four streams."""

    limits = BybitSpot.limits._replace(topics=4)


class Terse(BybitSpot):
    """A venue whose connections carry few characters."""

    limits = BybitSpot.limits._replace(topic_chars=100)


@pytest.mark.parametrize("venue", [Narrow(), Terse()], ids=["topics", "characters"])
def test_instruments_spread_over_as_many_connections_as_the_limits_need(venue: Venue) -> None:
    scene = Scene(venue)
    scene.timers.run(5 * S)
    assert len(scene.net.connections) == 2
    assert all(scene.watch.check(no) is not None for no in range(2))
    scene.net.connections[0].drop("gone")
    scene.timers.run(S // 10)
    # The other connection's instrument is not concerned.
    assert [scene.watch.check(no) is None for no in range(2)].count(True) == 1


def test_streams_of_another_route_have_a_connection_of_their_own() -> None:
    scene = Scene(VENUES["binance_usdm"], [*STREAMS, Stream.MARK_PRICE, Stream.AGG_TRADE])
    scene.timers.run(5 * S)
    assert sorted(scene.net.urls) == [f"{URLS[0]}/market/stream", f"{URLS[0]}/public/stream"]
    market = next(c for c in scene.net.connections if "/market/" in c._url)
    market.drop("gone")
    scene.timers.run(S // 10)
    # No book depends on it.
    assert all(scene.watch.check(no) is not None for no in range(2))


def funding_of(scene: Scene) -> list[tuple[float, float, int]]:
    """The funding data that the sink has received so far; more as time passes."""
    found: list[tuple[float, float, int]] = []
    passed_on = scene.watch.on_rows

    def on_rows(no: int, rows: Rows) -> None:
        passed_on(no, rows)
        own = rows[rows["ev"] == FUNDING_EVENT]
        found.extend((float(row["px"]), float(row["fval"]), int(row["ival"])) for row in own)

    scene.watch.on_rows = on_rows  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
def test_funding_data_arrive_whatever_the_state_of_the_book(venue: str) -> None:
    scene = Scene(VENUES[venue], [*STREAMS, Stream.MARK_PRICE])
    found = funding_of(scene)
    scene.timers.run(5 * S)
    assert {math.isnan(rate) for _, rate, _ in found} == (
        {False} if venue == "binance_usdm" else {False, True}
    )
    assert scene.watch.check(0) is not None
    scene.net.faults.slow_snapshots = 9
    scene.net.connections[0].deliver("\ufffd{", "control")
    scene.net.faults.frames.extend([("gap", ("depth", "snapshot"))] * 9)
    scene.timers.run(S // 50)
    known = len(found)
    scene.timers.run(S)
    assert scene.feed.status(0) == FeedStatus.SYNCING
    assert len(found) > known + 2
    for market in scene.server.markets.values():
        market.change_tick()
    scene.timers.run(60 * S)
    assert scene.feed.status(0) == FeedStatus.OFF_GRID
    known = len(found)
    scene.timers.run(S)
    assert len(found) > known + 2
    for connection in list(scene.net.connections):
        connection.drop("gone")
    scene.timers.run(S // 100)
    known = len(found)
    scene.timers.run(10 * S)
    assert len(found) > known + 2


def test_two_streams_of_one_topic_are_subscribed_to_once() -> None:
    scene = Scene(VENUES["bybit_linear"], [*STREAMS, Stream.TICKER, Stream.MARK_PRICE])
    found = funding_of(scene)
    scene.timers.run(5 * S)
    (wire,) = scene.server.wires
    assert wire.topics.count("tickers.AAAUSDT") == 1
    assert [one.stream for one in scene.feed.states()[0].streams] == [*STREAMS, Stream.TICKER]
    assert found


def test_an_acknowledged_stream_that_says_nothing_is_reported_once() -> None:
    scene = Scene(VENUES["binance_usdm"], [*STREAMS, Stream.AGG_TRADE])
    scene.timers.run(29 * S)
    assert EventKind.SILENT not in scene.kinds(SYMBOLS[0])
    scene.timers.run(60 * S)
    silent = [e for e in scene.watch.events if e.kind == EventKind.SILENT]
    assert [(e.symbol, e.text.split()[0]) for e in silent] == [(symbol, "aggTrade") for symbol in SYMBOLS]


@pytest.mark.parametrize("venue", VENUES)
def test_garbage_that_names_an_instrument_puts_that_one_in_doubt(venue: str) -> None:
    scene = Scene(VENUES[venue])
    scene.timers.run(5 * S)
    scene.net.faults.slow_snapshots = 9
    scene.net.connections[0].deliver('{"e":"novelty","s":"AAAUSDT"', "control")
    scene.timers.run(S // 50)
    assert scene.watch.check(0) is None
    assert scene.watch.check(1) is not None
    assert scene.watch.books[0].is_empty()
    scene.timers.run(20 * S)
    assert scene.watch.check(0) is not None


@pytest.mark.parametrize("venue", VENUES)
def test_garbage_that_names_nothing_puts_all_in_doubt(venue: str) -> None:
    scene = Scene(VENUES[venue])
    scene.timers.run(5 * S)
    scene.net.connections[0].deliver("\ufffd{", "control")
    scene.timers.run(S // 50)
    assert [scene.watch.check(no) for no in range(2)] == [None, None]
    assert scene.kinds().count(EventKind.GARBAGE) == 1
    scene.timers.run(10 * S)
    assert all(scene.watch.check(no) is not None for no in range(2))


def test_a_trade_that_cannot_be_read_is_reported_and_no_book_suffers() -> None:
    scene = Scene(VENUES["bybit_linear"])
    scene.timers.run(5 * S)
    text = '{"topic":"publicTrade.AAAUSDT","type":"snapshot","ts":1,"data":[{"s":'
    scene.net.connections[0].deliver(text, "control")
    scene.timers.run(S // 20)
    assert EventKind.GARBAGE in scene.kinds(SYMBOLS[0])
    assert scene.watch.check(0) is not None


def test_a_clock_that_is_set_is_reported() -> None:
    scene = Scene(VENUES["binance_spot"])
    scene.timers.run(5 * S)
    scene.timers.skew_ns = 5 * S
    scene.timers.run(S)
    reported = [event for event in scene.watch.events if event.kind == EventKind.CLOCK]
    assert [event.text for event in reported] == ["the local clock was set by +5000 ms"]


def test_a_bybit_snapshot_that_does_not_come_is_subscribed_to_again() -> None:
    scene = Scene(VENUES["bybit_spot"])
    scene.net.faults.frames.extend([("gap", ("snapshot",))] * 2)
    scene.timers.run(2 * S)
    assert scene.feed.status(0) == FeedStatus.SYNCING
    scene.timers.run(10 * S)
    assert all(scene.watch.check(no) is not None for no in range(2))
    assert EventKind.RESYNC in scene.kinds(SYMBOLS[0])


def asks_of(scene: Scene) -> list[float]:
    """When the book of the first instrument was asked for, in s."""
    return [
        e.local_ts / S for e in scene.watch.events if (e.kind, e.symbol) == (EventKind.RESYNC, SYMBOLS[0])
    ]


@pytest.mark.parametrize("venue", VENUES)
def test_doubts_one_after_the_other_put_a_book_off_by_seconds_alone(venue: str) -> None:
    """As real sockets showed: garbage every second, and the next try was half a minute away."""
    scene = Scene(VENUES[venue])
    scene.timers.run(5 * S)
    for _ in range(40):
        scene.net.connections[0].deliver('{"e":"novelty","s":"AAAUSDT"', "control")
        scene.timers.run(S * 7 // 10)
    asks = asks_of(scene)
    assert 10 < len(asks) <= 42
    scene.timers.run(3 * S // 2)
    assert scene.watch.check(0) is not None
    assert max(later - at for at, later in itertools.pairwise(asks_of(scene)[-8:])) < 2.0


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_an_endpoint_that_goes_on_failing_is_asked_ever_more_seldom(venue: str) -> None:
    scene = Scene(VENUES[venue])
    scene.net.faults.bad_answers = 1_000
    scene.timers.run(100 * S)
    asks = asks_of(scene)
    gaps = [later - at for at, later in itertools.pairwise(asks)]
    assert 10 < len(asks) < 30
    assert 5.0 <= min(gaps[8:]) <= max(gaps[8:]) <= 10.5
    scene.net.faults.bad_answers = 0
    scene.timers.run(11 * S)
    assert scene.watch.check(0) is not None


def test_an_unreadable_frame_may_have_been_the_book_that_is_awaited() -> None:
    scene = Scene(VENUES["bybit_linear"])
    scene.net.faults.frames.append(("truncated", ("snapshot",)))
    scene.timers.run(S)
    assert EventKind.GARBAGE in scene.kinds(SYMBOLS[0])
    assert scene.watch.check(0) is not None, "sooner than a book that does not come"


def test_the_table_of_states() -> None:
    scene = Scene(VENUES["bybit_linear"])
    before = scene.feed.states()
    assert [(s.symbol, s.status, s.age_ns) for s in before] == [(n, FeedStatus.DOWN, -1) for n in SYMBOLS]
    scene.timers.run(30 * S)
    state = scene.feed.states()[0]
    assert state.status == FeedStatus.SYNCED
    assert state.gaps == state.slow_frames == state.other_books == 0
    assert sum(stream.messages for stream in state.streams) == sum(no == 0 for no, *_ in scene.watch.frames)
    assert state.bytes == sum(len(frame) for no, _, frame in scene.watch.frames if no == 0)
    assert 0 <= state.age_ns < S
    assert state.messages_per_s == pytest.approx(26, abs=6)


def test_a_feed_without_a_book_and_a_stream_that_a_venue_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="the stream of its book"):
        Scene(VENUES["bybit_spot"], [Stream.TRADE])
    with pytest.raises(InstrumentError, match="bybit_spot has no stream 'markPrice'"):
        Scene(VENUES["bybit_spot"], [*STREAMS, Stream.MARK_PRICE])
