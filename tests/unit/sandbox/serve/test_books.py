"""Books from frames: what newcomers and REST are sent is what a follower of the official rule has."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES, START_NS
from support.venue_books import Book, apply, follow, whole

from arb.sandbox.serve.binance.frames import combined, key_of_combined, raw_of
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.followed import Sides
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import SECOND as S

SEEDS = st.integers(0, 2**32)


def tape_of(venue: str, seed: int) -> SeededTape:
    return SeededTape([LISTINGS[venue]], PRICES, default_rng(seed), START_NS)


@pytest.mark.parametrize(
    ("venue", "stream"),
    [
        ("binance_spot", "depth@100ms"),
        ("binance_spot", "depth"),
        ("binance_usdm", "depth@100ms"),
        ("binance_usdm", "depth@500ms"),
        ("binance_usdm", "depth@0ms"),
    ],
)
@settings(max_examples=2)
@given(seed=SEEDS)
def test_followers_from_an_early_and_from_a_late_snapshot_end_with_the_same_book(
    venue: str, stream: str, seed: int
) -> None:
    tape = tape_of(venue, seed)
    key = f"btcusdt@{stream}"
    instrument = Exchange(FAMILIES[venue], tape).instruments["BTCUSDT"]
    events, snapshots = [], []
    for tenth in range(1, 46):
        for line in tape.advance(START_NS + tenth * S // 10):
            instrument.follow(line)
            if line.key == key:
                events.append(json.loads(raw_of(line.text, key)))
        if tenth in (10, 27):
            snapshots.append(json.loads(instrument.depth(5000) or ""))
    early, late = (follow(venue, snapshot, events) for snapshot in snapshots)
    assert early == late
    assert len(early[0][0]) > 100


@pytest.mark.parametrize("venue", ["bybit_spot", "bybit_linear"])
@settings(max_examples=2)
@given(seed=SEEDS)
def test_newcomers_at_bybit_have_what_followers_have(venue: str, seed: int) -> None:
    tape = tape_of(venue, seed)
    instrument = Exchange(FAMILIES[venue], tape).instruments["BTCUSDT"]
    keys = [f"orderbook.{depth}.BTCUSDT" for depth in (50, 200, 1000)]
    books: dict[str, Book] = {key: [{}, {}] for key in keys}
    last = {}
    for tenth in range(1, 31):
        for line in tape.advance(START_NS + tenth * S // 10):
            instrument.follow(line)
            if line.key in books:
                frame = json.loads(line.text)
                apply(books[line.key], frame["data"]["b"], frame["data"]["a"])
                last[line.key] = frame
    for key in keys:
        text = instrument.opening(key, 0)
        opening = json.loads(text)
        assert opening["type"] == "snapshot"
        assert whole(opening["data"], "b", "a") == books[key]
        for name in ("u", "seq"):
            assert opening["data"][name] == last[key]["data"][name]
        assert [float(px) for px, _ in opening["data"]["b"]] == sorted(
            (float(px) for px in books[key][0]), reverse=True
        )
    rest = json.loads(instrument.depth(1000) or "")
    assert rest["u"] == last[keys[2]]["data"]["u"]
    assert whole(rest, "b", "a") == books[keys[2]]


def test_zero_in_any_spelling_takes_a_level_away() -> None:
    sides = Sides()
    sides.set([("10.0", "1"), ("9.5", "2")], [("11", "1")])
    assert sides.best(5) == ([("10.0", "1"), ("9.5", "2")], [("11", "1")])
    sides.set([("10.0", "0.00000000"), ("9.5", "0")], [("11", "0.0")])
    assert sides.best(5) == ([], [])


def test_a_combined_frame_holds_its_key_and_data() -> None:
    text = combined("btcusdt@trade", '{"e":"trade"}')
    assert json.loads(text) == {"stream": "btcusdt@trade", "data": {"e": "trade"}}
    assert (key_of_combined(text), raw_of(text, "btcusdt@trade")) == ("btcusdt@trade", '{"e":"trade"}')
    assert key_of_combined('{"result":null}') == ""
