"""Frames to rows one by one: the same as over a recording, and what happens at the edges."""

from __future__ import annotations

import json
import random
import time

import numpy as np
import pytest
from support.books import PlainBook
from support.chaos import SYMBOLS, Chaos
from support.sim_market import LOT, TICK, SimMarket
from support.sim_time import EPOCH_NS, MS, S
from support.venues import VENUES

from connectors.book.fused import FusedBook
from connectors.book.sync import BookSync
from connectors.book.timestamps import RowClock
from connectors.errors import DecodeError
from connectors.feed.frame_loop import FRAME_BYTES_MAX
from connectors.feed.pipeline import Outcome, Pipeline
from connectors.model import Instrument, Kind
from connectors.parsing.lines import LineDecoder


def pipeline_of(venue: str, symbol: str = SYMBOLS[0]) -> Pipeline:
    return Pipeline(VENUES[venue], Instrument(venue, symbol, TICK, LOT), 0, Kind.TRADE)


@pytest.mark.parametrize("venue", VENUES)
def test_what_was_tapped_gives_the_same_book_and_trades_when_it_is_converted(venue: str) -> None:
    chaos = Chaos(11, venue, symbols=1)
    chaos.feed.start()
    chaos.timers.run(65 * S)

    text = b"".join(b"%d %s\n" % (local_ts, frame) for _, local_ts, frame in chaos.watch.frames)
    sync = BookSync(VENUES[venue].sequence_rule, keep_bbo=True)
    clock, fused, book = RowClock(0, 0), FusedBook(TICK, LOT), PlainBook()
    trades: list[tuple[float, float]] = []
    for rows, messages in LineDecoder(VENUES[venue], SYMBOLS[0]).decode([text]):
        chained = sync.receive(rows, messages)
        clock.stamp(chained)
        out = fused.fuse(chained).copy()
        out["px"] = np.rint(out["px"] / TICK) / round(1 / TICK)
        book.apply(out)
        is_trade = out["ev"] & 0xFF == 2
        trades += zip(out["px"][is_trade].tolist(), out["qty"][is_trade].tolist(), strict=True)

    assert sync.gap_count == 0
    assert book == chaos.watch.books[0]
    assert trades == chaos.watch.trades[0]
    assert len(trades) > 100


def fed(pipeline: Pipeline, frame: str | bytes, local_ts: int = EPOCH_NS) -> Outcome:
    pipeline.decode(frame.encode() if isinstance(frame, str) else frame, local_ts)
    return pipeline.receive(0)


def fetched(pipeline: Pipeline, body: bytes) -> Outcome:
    pipeline.decode_snapshot(body, EPOCH_NS)
    return pipeline.receive(0)


def deltas(market: SimMarket, count: int) -> list[str]:
    """Changes of a market, one after the other."""
    found: list[str] = []
    while len(found) < count:
        market.step(EPOCH_NS)
        depth = market.depth(EPOCH_NS)
        if depth is not None:
            found.append(depth)
    return found


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_a_fetched_book_waits_for_the_change_that_proves_it(venue: str) -> None:
    market, pipeline = SimMarket(venue, SYMBOLS[0], random.Random(1)), pipeline_of(venue)
    assert fed(pipeline, deltas(market, 1)[0]) == Outcome.HELD
    assert pipeline.needs_fetch
    # The venue has applied changes that the stream has not sent yet.
    sent = deltas(market, 1)[0]
    assert fetched(pipeline, market.snapshot(EPOCH_NS).encode()) == Outcome.HELD
    assert pipeline.sync.is_bridging
    assert not pipeline.needs_fetch
    assert not pipeline.is_synced
    assert len(pipeline.rows) == 0
    if venue == "binance_spot":
        assert fed(pipeline, sent) == Outcome.HELD
        sent = deltas(market, 1)[0]
    # On USD-M a change that ends at the id of the snapshot proves it.
    assert fed(pipeline, sent, EPOCH_NS + MS) == Outcome.BOOK
    touch = pipeline.touch()
    assert touch[:4] == pytest.approx(market.truth[touch.order_id])
    assert touch.local_ts == EPOCH_NS + MS


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_a_book_older_than_what_is_held_is_refused_and_what_is_held_stays(venue: str) -> None:
    market, pipeline = SimMarket(venue, SYMBOLS[0], random.Random(1)), pipeline_of(venue)
    old = market.snapshot(EPOCH_NS).encode()
    deltas(market, 2)
    for frame in deltas(market, 2):
        fed(pipeline, frame)
    assert fetched(pipeline, old) == Outcome.OLD_SNAPSHOT
    assert pipeline.needs_fetch
    assert np.isnan(pipeline.touch().bid_px)


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_a_fetched_book_without_levels_is_no_book(venue: str) -> None:
    market, pipeline = SimMarket(venue, SYMBOLS[0], random.Random(1)), pipeline_of(venue)
    fed(pipeline, deltas(market, 1)[0])
    empty = json.loads(market.snapshot(EPOCH_NS)) | {"bids": [], "asks": []}
    with pytest.raises(DecodeError, match="the answer is a book without levels"):
        pipeline.decode_snapshot(json.dumps(empty).encode(), EPOCH_NS)
    # The next changes would prove it: a book of the few levels that they name.
    assert fed(pipeline, deltas(market, 1)[0]) == Outcome.HELD
    assert not pipeline.is_synced
    assert pipeline.needs_fetch


@pytest.mark.parametrize("venue", VENUES)
def test_a_doubt_empties_the_book_once(venue: str) -> None:
    pipeline = pipeline_of(venue)
    pipeline.doubt(EPOCH_NS)
    assert len(pipeline.rows) == 0
    if venue.startswith("bybit"):
        fed(pipeline, SimMarket(venue, SYMBOLS[0], random.Random(1)).snapshot(EPOCH_NS))
        assert pipeline.is_synced
        pipeline.doubt(EPOCH_NS + 1)
        assert len(pipeline.rows) == 2
        assert np.isnan(pipeline.rows["px"]).all()
        assert np.isnan(pipeline.touch().bid_px)
        pipeline.doubt(EPOCH_NS + 2)
        assert len(pipeline.rows) == 0


def test_another_symbol_and_what_is_too_long_are_refused() -> None:
    decoder = pipeline_of("bybit_spot", "BBBUSDT")
    market = SimMarket("bybit_spot", "AAAUSDT", random.Random(1))
    with pytest.raises(DecodeError, match="another symbol than BBBUSDT"):
        decoder.decode(market.snapshot(EPOCH_NS).encode(), EPOCH_NS)
    with pytest.raises(DecodeError, match="more than 16 MB"):
        decoder.decode(b" " * (FRAME_BYTES_MAX + 1), EPOCH_NS)


def test_a_frame_with_white_space_goes_to_the_json_decoder() -> None:
    decoder = pipeline_of("bybit_spot", "AAAUSDT")
    loop = decoder.loop
    frame = SimMarket("bybit_spot", "AAAUSDT", random.Random(1)).snapshot(EPOCH_NS).encode()
    assert decoder.decode(frame, EPOCH_NS) == Kind.SNAPSHOT
    rows = loop.decoded[: int(loop.message[0]["row_end"])].tobytes()
    message = loop.message.tobytes()
    assert loop.slow_frames == 0
    assert decoder.decode(frame.replace(b":", b" : "), EPOCH_NS) == Kind.SNAPSHOT
    assert loop.decoded[: int(loop.message[0]["row_end"])].tobytes() == rows
    assert loop.message.tobytes() == message
    assert loop.slow_frames == 1


@pytest.mark.parametrize("factor", [100, 10**6])
def test_a_price_that_jumps_far_costs_no_time(factor: int) -> None:
    """The levels in between were looked for tick by tick: a minute for a factor of 100, and no venue went on."""
    pipeline = Pipeline(
        VENUES["bybit_linear"], Instrument("bybit_linear", "AAAUSDT", 0.01, 0.001), 0, Kind.TRADE
    )

    def message(no: int, bids: dict[int, str], asks: dict[int, str]) -> str:
        sides = {s: [[str(px), qty] for px, qty in of.items()] for s, of in (("b", bids), ("a", asks))}
        data = {"s": "AAAUSDT", **sides, "u": no, "seq": no}
        kind = "snapshot" if no == 1 else "delta"
        ts = EPOCH_NS // MS
        return json.dumps(
            {"topic": "orderbook.50.AAAUSDT", "type": kind, "ts": ts, "data": data, "cts": ts},
            separators=(",", ":"),
        )

    near, far = 60_000, 60_000 * factor
    fed(pipeline, message(1, {near - 1: "1", near - 2: "2"}, {near + 1: "3", near + 2: "4"}))
    began = time.process_time()
    # The bids cross all asks, and are alone until the new asks come; back again in the same way.
    fed(pipeline, message(2, {far - 1: "5"}, {far + 1: "6"}))
    assert pipeline.touch()[:4] == (far - 1, 5.0, far + 1, 6.0)
    fed(pipeline, message(3, {far - 1: "0"}, {}))
    assert pipeline.touch()[:4] == (near - 1, 1.0, far + 1, 6.0)
    fed(pipeline, message(4, {}, {near + 1: "7", far + 1: "0"}))
    assert pipeline.touch()[:4] == (near - 1, 1.0, near + 1, 7.0)
    assert time.process_time() - began < 2.0
