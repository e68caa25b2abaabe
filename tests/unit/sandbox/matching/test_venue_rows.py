"""Rows of sent frames are those that a recording of the same frames is converted to."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES, START_NS
from support.venues import VENUES

from arb.data.catalog.days import find_days
from arb.data.rows.memory import rows_of_day
from arb.data.rows.order import EventOrder
from arb.sandbox.matching.levels import LevelMatcher
from arb.sandbox.matching.rows import VenueRows
from arb.sandbox.serve.seeded import SeededTape
from connectors.model import Instrument, Rows, Stream
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S

MARKS = {
    "binance_usdm": (
        "btcusdt@markPrice@1s",
        '{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","p":"42280.10000000",'
        '"ap":"42280.2","i":"42281.00000000","P":"42280.3","r":"0.00010000","T":1704096000000}}',
    ),
    "bybit_linear": (
        "tickers.BTCUSDT",
        '{"topic":"tickers.BTCUSDT","ts":%d,"type":"snapshot","cs":1,"data":{"symbol":"BTCUSDT","markPrice":"42280.10",'
        '"fundingRate":"0.0001","nextFundingTime":"1704096000000"}}',
    ),
}


def derived(venue: str, seconds: int) -> tuple[list[tuple[int, str]], list[Rows], LevelMatcher]:
    """Recorded lines of a seeded market, the rows of its frames, and a matcher over them."""
    listing = LISTINGS[venue]
    tape = SeededTape([listing], PRICES, default_rng(3), START_NS)
    marks = MARKS.get(venue, ("", ""))[0]
    source = VenueRows(listing, lambda key: key if key == marks else tape.source_of(0, key))
    matcher = LevelMatcher(float(listing.tick_size), float(listing.lot_size))
    streams = (Stream.DEPTH, Stream.TOUCH, Stream.TRADE)
    names = [VENUES[venue].topic(stream, listing.symbol) for stream in streams]
    lines: list[tuple[int, str]] = []
    parts = []
    for step in range(1, seconds * 50 + 1):
        now_ns = START_NS + step * 20 * MS
        for line in tape.advance(now_ns):
            rows = source.receive(line.key, line.text, line.send_ns)
            assert line.key in names or len(rows) == 0
            if line.key in names:
                lines.append((line.send_ns, line.text))
            parts.append(rows.copy())
            matcher.receive(rows, line.send_ns)
        if source.needs_snapshot:
            snapshot = tape.snapshot(0) or ""
            lines.append((now_ns, snapshot))
            parts.append(source.snapshot(snapshot, now_ns).copy())
    if venue in MARKS:
        text = MARKS[venue][1] % (now_ns // MS)
        lines.append((now_ns, text))
        parts.append(source.receive(marks, text, now_ns).copy())
        assert parts[-1][["px", "fval", "ival"]].tolist() == [(42280.1, 0.0001, 1_704_096_000 * S)]
    touch = source._pipeline.touch()
    assert matcher.touch() == tuple(
        round(px / float(listing.tick_size)) for px in (touch.bid_px, touch.ask_px)
    )
    return lines, parts, matcher


@pytest.mark.parametrize("venue", LISTINGS)
def test_rows_are_those_of_a_recording(venue: str, tmp_path: Path) -> None:
    lines, parts, matcher = derived(venue, 6)
    path = tmp_path / venue / "btcusdt_20240101.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress("".join(f"{at_ns} {text}\n" for at_ns, text in lines).encode()))
    listing = LISTINGS[venue]
    instrument = Instrument(venue, listing.symbol, float(listing.tick_size), float(listing.lot_size))
    recorded = rows_of_day(VENUES[venue], find_days(tmp_path)[0], feed_latency_ns=0, instrument=instrument)
    own = EventOrder().feed(np.concatenate(parts))
    assert len(own) > 1000
    assert own.tobytes() == recorded.tobytes()
    assert matcher.is_ready


def test_what_cannot_be_decoded_makes_no_rows() -> None:
    source = VenueRows(LISTINGS["binance_usdm"])
    assert len(source.receive("btcusdt@trade", "{", START_NS)) == 0
    assert len(source.snapshot("{}", START_NS)) == 0
    assert not source.needs_snapshot


def test_the_stream_that_serves_a_key_is_followed() -> None:
    """A recording with another speed of the book's stream, and with aggregated trades only."""
    keys = {"btcusdt@depth@100ms": "btcusdt@depth@0ms", "btcusdt@aggTrade": "btcusdt@aggTrade"}
    source = VenueRows(LISTINGS["binance_usdm"], keys.get)
    trade = (
        '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1704067200001,"s":"BTCUSDT","a":1,"p":"42280.1",'
        '"q":"0.003","f":1,"l":1,"T":1704067200000,"m":true}}'
    )
    assert len(source.receive("btcusdt@aggTrade", trade, START_NS + MS)) == 1
    assert len(source.receive("btcusdt@trade", trade, START_NS + MS)) == 0
    depth = (
        '{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1704067200001,"T":1704067200001,"s":"BTCUSDT",'
        '"U":2,"u":3,"pu":1,"b":[],"a":[]}}'
    )
    source.receive("btcusdt@depth@0ms", depth, START_NS + MS)
    assert source.needs_snapshot
