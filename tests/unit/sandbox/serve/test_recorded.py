"""Recordings as tapes: the same frames, in order, with times kept or moved, and books from their snapshots."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.simulated import LISTINGS
from support.venue_books import follow, whole

from arb.commands.legs import known_venues
from arb.commands.sandbox import record_market
from arb.errors import InputError
from arb.sandbox.events import Listing
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.recorded import RecordedMarket, recorded_symbols
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape
from arb.sandbox.serve.timeline import Timeline, shift_stamps, stamps_of
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import SECOND as S

WALL_NS = 1_795_262_400 * S
VENUES = ("binance_spot", "binance_usdm", "bybit_linear")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    known = known_venues(Path("none.toml"))
    record_market(folder, 5, 12.0, datetime(2024, 1, 1, tzinfo=UTC), VENUES, ["BTCUSDT"], known)
    return folder


def lines_of(path: Path) -> list[str]:
    return [line.partition(" ")[2] for line in gzip.open(path, "rt").read().splitlines()]


def play(tape: Tape, until_ns: int, step_ns: int = S // 50) -> list[Line]:
    lines, now = [], tape.start_ns
    while now <= until_ns and not tape.has_ended:
        lines += tape.advance(now)
        now += step_ns
    return lines


def test_it_says_whose_frames_they_are(recording: Path, tmp_path: Path) -> None:
    simulated = "simulated, not a recording of any venue: arb "
    assert RecordedMarket(recording, [LISTINGS[VENUES[0]]]).description.startswith(
        f"a recording ({simulated}"
    )
    real = shutil.copytree(recording, tmp_path / "real", ignore=shutil.ignore_patterns("*.origin"))
    assert RecordedMarket(real, [LISTINGS[VENUES[0]]]).description == "a recording"


@pytest.mark.parametrize("venue", VENUES)
def test_frames_are_those_of_the_file_in_order(recording: Path, venue: str) -> None:
    tape, _ = RecordedMarket(recording, [LISTINGS[venue]], is_moved=False).open(WALL_NS, 1.0)
    played = play(tape, tape.start_ns + 60 * S)
    assert [line.text for line in played] == lines_of(recording / venue / "btcusdt_20240101.gz")
    assert [line.send_ns for line in played] == sorted(line.send_ns for line in played)
    assert tape.has_ended


def test_moved_times_lie_just_before_the_sandbox_clock(recording: Path) -> None:
    market = RecordedMarket(recording, [LISTINGS[venue] for venue in VENUES])
    tape, timeline = market.open(WALL_NS, 4.0)
    wall = WALL_NS
    while not tape.has_ended:
        for line in tape.advance(timeline.market_ns(wall)):
            for stamp in stamps_of(line.text):
                # A stamp lies behind the clock by the venue's and the line's delays, a quarter of them at this speed.
                assert -500 <= stamp - wall // 1_000_000 <= 1
        wall += S // 100
    assert 2 * S < wall - WALL_NS < 4 * S


def test_rest_has_the_book_of_the_snapshot_and_what_followed(recording: Path) -> None:
    tape, _ = RecordedMarket(recording, [LISTINGS["binance_usdm"]], is_moved=False).open(WALL_NS, 1.0)
    instrument = Exchange(FAMILIES["binance_usdm"], tape).instruments["BTCUSDT"]
    assert instrument.depth(1000) is None
    snapshot, events = {}, []
    for line in play(tape, tape.start_ns + 60 * S):
        instrument.follow(line)
        if line.key == SNAPSHOT:
            snapshot = json.loads(line.text)
        elif line.key == "btcusdt@depth@100ms":
            events.append(json.loads(line.text)["data"])
    book, known = follow("binance_usdm", snapshot, events)
    answer = json.loads(instrument.depth(5000) or "")
    assert (answer["lastUpdateId"], answer["E"]) == (known, events[-1]["E"])
    assert whole(answer, "bids", "asks") == book
    asks = [float(px) for px, _ in answer["asks"]]
    assert asks == sorted(asks)


def test_streams_that_were_not_recorded_are_silent_and_depths_of_any_speed_are_the_recorded_one(
    recording: Path,
) -> None:
    tape, _ = RecordedMarket(recording, [LISTINGS["binance_usdm"]]).open(WALL_NS, 1.0)
    exchange = Exchange(FAMILIES["binance_usdm"], tape)
    assert exchange.source_of("btcusdt@depth@0ms") == "btcusdt@depth@100ms"
    assert exchange.source_of("btcusdt@depth") == "btcusdt@depth@100ms"
    assert exchange.source_of("btcusdt@aggTrade") == "btcusdt@aggTrade"
    assert exchange.source_of("btcusdt@forceOrder") is None
    assert exchange.source_of("ethusdt@trade") is None


def test_what_is_recorded_is_found_and_what_is_not_is_named(recording: Path, tmp_path: Path) -> None:
    assert recorded_symbols(recording, VENUES) == [(venue, "BTCUSDT") for venue in sorted(VENUES)]
    listing = Listing("binance_spot", "ETHUSDT", "0.01", "0.0001")
    with pytest.raises(InputError, match="no recording of binance_spot:ETHUSDT"):
        RecordedMarket(recording, [listing]).open(WALL_NS, 1.0)
    broken = tmp_path / "binance_spot" / "ethusdt_20240101.gz"
    broken.parent.mkdir()
    broken.write_bytes(gzip.compress(b"nonsense\n"))
    with pytest.raises(InputError, match=r"ethusdt_20240101\.gz: a line that is no recording"):
        RecordedMarket(tmp_path, [listing]).open(WALL_NS, 1.0)


def test_next_funding_times_are_moved_but_are_no_time_of_the_frame() -> None:
    text = '{"topic":"tickers.X","data":{"nextFundingTime":"1723190400000"},"ts":1723161256299}'
    assert stamps_of(text) == [1723161256299]
    assert shift_stamps(text, 1) == text.replace("400000", "400001").replace("299", "300")


def test_stamps_are_moved_and_nothing_else() -> None:
    text = '{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"U":5123107832006,"b":[["1723161256298","1"]]}'
    assert stamps_of(text) == [1723161256299, 1723161256298]
    assert shift_stamps(text, 1) == text.replace("299,", "300,").replace(
        '"T":1723161256298', '"T":1723161256299'
    )
    kept = Timeline(WALL_NS, 1723161256000 * 1_000_000, 10.0, is_moved=False)
    assert kept.convert(text) == text
    moved = kept._replace(is_moved=True)
    assert stamps_of(moved.convert(text)) == [WALL_NS // 1_000_000 + 29] * 2
