"""Feeds under seeded faults: the small form of `tests/soak/chaos.py`, and proof that its check can fail."""

from __future__ import annotations

import pytest
from support.chaos import FAULTS, LASTING_FAULTS, READ_NS, REST_FAULTS, SIM_VENUES, Chaos, LieError
from support.sim_time import S

from connectors.feed.status import FeedStatus
from connectors.net.interfaces import EventKind


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_is_published_is_unknown_or_true(seed: int) -> None:
    chaos = Chaos(seed)
    report = chaos.run(60 * S)
    assert report.checks > 1000
    assert report.known >= 0.95 * report.looks


@pytest.mark.parametrize("venue", SIM_VENUES)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in LASTING_FAULTS])
def test_a_feed_recovers_from_each_fault(venue: str, fault: str) -> None:
    if fault in REST_FAULTS and venue.startswith("bybit"):
        pytest.skip("its books are not fetched")
    # Frames arrive one by one at half of the venues, several in a read at the others.
    chaos = Chaos(1, venue, symbols=1, read_ns=READ_NS if venue in ("binance_usdm", "bybit_linear") else 0)
    chaos.feed.start()
    chaos.timers.run(10 * S)
    assert chaos.watch.check(0) is not None

    chaos.inject(fault)
    chaos.timers.run(30 * S)

    assert chaos.net.faults.hits[fault] == 1 or fault == "refused connect"
    assert chaos.watch.check(0) is not None
    assert chaos.feed.status(0) == FeedStatus.SYNCED


@pytest.mark.parametrize("venue", SIM_VENUES)
def test_a_lie_is_noticed(venue: str) -> None:
    chaos = Chaos(2, venue, symbols=1)
    chaos.feed.start()
    chaos.timers.run(5 * S)
    truth = chaos.server.markets["AAAUSDT"].truth
    for number in truth:
        truth[number] = truth[number]._replace(bid_px=truth[number].bid_px - 0.1)
    with pytest.raises(LieError, match="true is"):
        chaos.watch.check(0)


@pytest.mark.parametrize("venue", SIM_VENUES)
def test_a_change_of_connections_loses_and_doubles_no_trade(venue: str) -> None:
    """By the age of the connection, or by the server's notice; Bybit has neither, and is told to change."""
    chaos = Chaos(4, venue)
    chaos.feed.start()
    chaos.timers.run(20 * S)
    for n in range(3):
        chaos.feed._sessions[0].replace_link(f"test {n}")
        chaos.timers.run(20 * S)

    assert sum(event.text == "done" for event in chaos.watch.events) >= 3
    assert len(chaos.watch.unknown_ns) == 2  # the beginning, of each instrument
    for market, trades in zip(chaos.server.markets.values(), chaos.watch.trades, strict=True):
        first = market.trades.index(trades[0])
        assert trades == market.trades[first : first + len(trades)]
        assert len(market.trades) - len(trades) < 5
    times = [local_ts for _, local_ts, _ in chaos.watch.frames]
    assert times == sorted(times)


def test_a_gap_is_reported_and_the_rows_empty_the_book_at_once() -> None:
    chaos = Chaos(5, "binance_usdm", symbols=1)
    chaos.feed.start()
    chaos.timers.run(10 * S)
    chaos.net.faults.slow_snapshots = 1
    chaos.inject("gap")
    chaos.net.faults.frames[0] = ("gap", ("depth",))
    chaos.timers.run(1 * S)
    assert chaos.watch.check(0) is None
    assert chaos.watch.books[0].is_empty()
    assert chaos.feed.states()[0].gaps == 1
    assert EventKind.GAP in {event.kind for event in chaos.watch.events}
    chaos.timers.run(15 * S)
    assert chaos.watch.check(0) is not None


def test_stopping_empties_the_books_and_closes_everything() -> None:
    chaos = Chaos(6, "bybit_linear", symbols=1)
    chaos.feed.start()
    chaos.timers.run(5 * S)
    chaos.feed.stop()
    assert chaos.watch.books[0].is_empty()
    assert chaos.net.connections == []
    count = len(chaos.watch.events)
    chaos.timers.run(60 * S)
    assert len(chaos.watch.events) == count
    assert chaos.feed.status(0) == FeedStatus.DOWN


def test_the_venues_clock_is_measured() -> None:
    chaos = Chaos(8, "binance_spot", symbols=1)
    chaos.timers.skew_ns = -3 * S
    chaos.feed.start()
    chaos.timers.run(5 * S)
    vote = chaos.feed.clock.lead.vote
    assert vote is not None
    assert 2.9 * S < vote <= 3 * S
    # The offset that makes no row come from the future.
    assert 2.9 * S < chaos.feed.offset.offset_ns <= 3 * S
    state = chaos.feed.states()[0]
    assert 0 <= state.lag_ns_p50 <= state.lag_ns_p99 < 0.1 * S
    assert state.messages_per_s > 0
