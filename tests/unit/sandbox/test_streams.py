"""Frames of all four venues: our decoders read back what was sent, ids chain, and a listener's book is the venue's."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from support.parse import FrameParser
from support.simulated import LISTINGS, START_NS, drive, market_of, streams_of, whole_book
from support.venues import VENUES

from arb.errors import InvariantError
from arb.sandbox.binance import BinanceStreams
from arb.sandbox.bybit import DEPTH, SILENCE_NS, BybitStreams
from arb.sandbox.events import ASK, BID, BUY, Event, Execution, LevelChange
from arb.sandbox.streams import Frame, Lag, step_text, touch_of
from connectors.model import Kind, Message
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID, DELTA_BID, SNAPSHOT_BID, TRADE_BUY
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

SEEDS = st.integers(0, 2**32)
BINANCE = ("binance_spot", "binance_usdm")
BYBIT = ("bybit_spot", "bybit_linear")


class Listener:
    """Decodes one instrument's frames with both decoders, checks its ids, and keeps the book they describe."""

    def __init__(self, venue: str) -> None:
        listing = LISTINGS[venue]
        self._adapter = VENUES[venue]
        self._parser = FrameParser(self._adapter, [listing.symbol], frame_bytes_max=1 << 18)
        self._tick, self._lot = float(listing.tick_size), float(listing.lot_size)
        self.books: list[dict[int, int]] = [{}, {}]
        self.touches: list[tuple[int, ...]] = []
        self.trades: list[tuple[int, int, int, int]] = []
        self.depths: list[Message] = []

    def receive(self, frames: Iterable[Frame]) -> None:
        for frame in sorted(frames):
            self.decode(frame.text)

    def decode(self, text: str) -> None:
        frame = text.encode("ascii")
        assert self._parser.check(frame) == "parsed", text
        message = self._adapter.decode(frame)
        rows = message.rows
        steps = [
            (int(ev), self._whole(px, self._tick), self._whole(qty, self._lot))
            for ev, px, qty in zip(rows["ev"], rows["px"], rows["qty"], strict=True)
        ]
        if message.kind == Kind.TRADE:
            self.trades += [
                (int(at), int(ev != TRADE_BUY), tick, lots)
                for at, (ev, tick, lots) in zip(rows["exch_ts"], steps, strict=True)
            ]
        elif message.kind == Kind.BBO:
            (_, bid, bid_lots), (_, ask, ask_lots) = steps
            assert bid < ask
            self.touches.append((bid, bid_lots, ask, ask_lots))
        else:
            self.depths.append(message)
            self._apply(message, steps)

    def _apply(self, message: Message, steps: list[tuple[int, int, int]]) -> None:
        if message.kind == Kind.SNAPSHOT:
            self.books = [{}, {}]
        for ev, tick, lots in steps:
            if ev in (CLEAR_BID, CLEAR_ASK):
                continue
            side = BID if ev in (DELTA_BID, SNAPSHOT_BID) else ASK
            if lots:
                self.books[side][tick] = lots
            else:
                self.books[side].pop(tick, None)

    @staticmethod
    def _whole(value: float, step: float) -> int:
        number = round(value / step)
        assert value == pytest.approx(number * step, rel=1e-12)
        return number

    def levels(self, depth: int) -> list[list[tuple[int, int]]]:
        return [sorted(self.books[side].items(), reverse=side == BID)[:depth] for side in (BID, ASK)]


def fills_of(events: Iterable[Event]) -> list[tuple[int, int, int, int]]:
    """Trades as the venue must report them: time in whole ms, aggressor, tick, lots."""
    return [
        (event.at_ns // MS * MS, event.side, tick, lots)
        for event in events
        if isinstance(event, Execution)
        for tick, lots in event.fills
    ]


@pytest.mark.parametrize("venue", BINANCE)
@given(seed=SEEDS)
@settings(max_examples=3)
def test_binance_sends_the_whole_book_every_touch_and_every_trade(venue: str, seed: int) -> None:
    listener = Listener(venue)
    events: list[Event] = []
    touches = []
    market = market_of(venue, seed=seed)
    mirror, touch = market.book(0).copy(), touch_of(market.book(0))
    for n, (_, streams, new, frames) in enumerate(drive(venue, seconds=3, seed=seed)):
        listener.receive(frames)
        if n == 0:
            assert isinstance(streams, BinanceStreams)
            listener.decode(streams.snapshot())
            # Frames on the wire already are in the snapshot: a listener drops them by their ids.
            snapshot = listener.depths[-1]
            assert listener.depths[-2].last_id <= snapshot.last_id
        events += new
        for event in new:
            if isinstance(event, LevelChange):
                mirror.set(event.side, event.tick, event.lots)
                if touch_of(mirror) != touch:
                    touch = touch_of(mirror)
                    touches.append(touch)
    assert listener.trades == fills_of(events)
    assert listener.touches == touches
    _publish_rest(streams, listener)
    assert listener.levels(1000) == whole_book(streams, 1000)
    _check_chain(venue, [d for d in listener.depths if d.kind == Kind.DELTA])


def _publish_rest(streams: Any, listener: Listener) -> None:
    """Nothing more happens for one interval: what is not yet published is."""
    listener.receive(streams.advance([], START_NS + 3 * S + 100 * MS))


def _check_chain(venue: str, deltas: list[Message]) -> None:
    assert len(deltas) > 20
    for before, after in pairwise(deltas):
        if venue == "binance_spot":
            assert after.first_id == before.last_id + 1
        else:
            assert after.prev_id == before.last_id
        assert before.last_id < after.first_id <= after.last_id
    if venue == "binance_usdm":
        assert any(b.first_id != a.last_id + 1 for a, b in pairwise(deltas))


@pytest.mark.parametrize("venue", BYBIT)
@given(seed=SEEDS)
@settings(max_examples=3)
def test_bybit_sends_the_best_fifty_and_every_trade(venue: str, seed: int) -> None:
    listener = Listener(venue)
    events: list[Event] = []
    for _, streams, new, frames in drive(venue, seconds=3, seed=seed, steps_per_s=10):
        events += new
        listener.receive(frames)
        assert all(len(book) in (0, DEPTH) for book in listener.books)
        last = streams
    _publish_rest(last, listener)
    assert listener.levels(DEPTH) == whole_book(last, DEPTH)
    assert listener.trades == fills_of(events)
    assert listener.touches[-1] == touch_of(last.book)
    assert [d.kind for d in listener.depths[:2]] == [Kind.SNAPSHOT, Kind.DELTA]
    ids = [d.last_id for d in listener.depths]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    seqs = [d.first_id for d in listener.depths]
    assert seqs == sorted(seqs)


@pytest.mark.parametrize("venue", list(LISTINGS))
def test_frames_do_not_depend_on_how_time_is_cut(venue: str) -> None:
    whole = [frame for *_, frames in drive(venue, 2) for frame in frames]
    pieces = [frame for *_, frames in drive(venue, 2, steps_per_s=50) for frame in frames]
    assert sorted(whole) == sorted(pieces)


@pytest.mark.parametrize("venue", BYBIT)
def test_bybit_repeats_the_touch_after_three_seconds_of_silence(venue: str) -> None:
    market = market_of(venue)
    streams = streams_of(market)
    adapter = VENUES[venue]
    frames = streams.advance([], START_NS + SILENCE_NS * 2 + 50 * MS)
    touches = [
        adapter.decode(frame.text.encode()) for frame in sorted(frames) if "orderbook.1." in frame.text
    ]
    assert [t.last_id for t in touches] == [touches[0].last_id] * 3


def test_bybit_says_nothing_of_what_lies_behind_its_window() -> None:
    market = market_of("bybit_spot")
    streams = streams_of(market)
    streams.advance([], START_NS + S)
    tick = market.book(0).tick_at(BID, DEPTH + 3)
    at = START_NS + S + 1
    assert isinstance(streams, BybitStreams)
    frames = streams.advance([LevelChange(at, 0, BID, tick, 0)], at + 100 * MS)
    assert frames == []


def frames_of_one_order(venue: str) -> list[str]:
    """What is sent when 0.002 are bought at the touch of a small book, one ms after the start."""
    market = market_of(venue)
    streams = streams_of(market)
    streams.advance([], START_NS + S)
    ask = market.book(0).best(ASK)
    lots = market.book(0).lots(ASK, ask)
    part = round(0.002 / float(LISTINGS[venue].lot_size))
    at = START_NS + S + 1
    events = [Execution(at, 0, BUY, ((ask, part),)), LevelChange(at, 0, ASK, ask, lots - part)]
    return [frame.text for frame in streams.advance(events, at + 150 * MS)]


def keys(text: str) -> list[str]:
    """The names of a JSON text's fields, in its order."""
    return [part.rpartition('"')[2] for part in text.split('":')[:-1]]


@pytest.mark.parametrize(
    ("venue", "number", "expected"),
    [
        ("binance_spot", 0, "stream data e E s t p q T m M"),
        ("binance_spot", 1, "stream data u s b B a A"),
        ("binance_spot", 2, "stream data e E s U u b a"),
        ("binance_usdm", 0, "stream data e E T s t p q X m"),
        ("binance_usdm", 1, "stream data e u E T s b B a A ps st"),
        ("binance_usdm", 2, "stream data e E T s U u pu b a ps st"),
        ("bybit_spot", 0, "topic ts type data T s S v p i BT RPI seq"),
        ("bybit_spot", 1, "topic ts type data s b a u seq cts"),
        ("bybit_spot", 2, "topic ts type data s b a u seq cts"),
        ("bybit_linear", 0, "topic type ts data T s S v p L i BT RPI seq"),
        ("bybit_linear", 1, "topic type ts data s b a u seq cts"),
    ],
)
def test_fields_stand_in_the_venues_order(venue: str, number: int, expected: str) -> None:
    assert keys(frames_of_one_order(venue)[number]) == expected.split()


@pytest.mark.parametrize(
    ("venue", "qty", "snapshot"),
    [
        ("binance_spot", '"q":"0.00200000"', "lastUpdateId bids asks"),
        ("binance_usdm", '"q":"0.002"', "lastUpdateId E T bids asks"),
        ("bybit_spot", '"v":"0.002000"', ""),
        ("bybit_linear", '"v":"0.002"', ""),
    ],
)
def test_numbers_have_the_venues_decimals_and_snapshots_its_fields(
    venue: str, qty: str, snapshot: str
) -> None:
    assert qty in frames_of_one_order(venue)[0]
    assert keys(streams_of(market_of(venue)).snapshot() or "") == snapshot.split()


@given(
    st.sampled_from(["0.00000001", "0.01", "0.10", "0.5", "1", "10", "0.000001"]),
    st.integers(0, 10**9),
    st.sampled_from([0, 8]),
)
def test_the_text_of_steps_is_exact(step: str, steps: int, decimals: int) -> None:
    text = step_text(step, decimals)(steps)
    assert Decimal(text) == steps * Decimal(step)
    written = len(text.partition(".")[2])
    assert written == max(decimals, len(step.partition(".")[2]))


def test_a_step_that_is_none_is_refused() -> None:
    for step in ("0", "-1", "NaN"):
        with pytest.raises(InvariantError, match="no step"):
            step_text(step)


def test_a_stream_keeps_its_order() -> None:
    lag = Lag(default_rng(1), 5.0)
    times = [lag.send_ns(START_NS + n) for n in range(1000)]
    assert times == sorted(set(times))
    assert min(time - START_NS for time in times) > 0
