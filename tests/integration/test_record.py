"""`arb record` on the sandbox: files that a backtest reads, every way to end, what was recorded against its source."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.data.utils import binancefutures, bybit
from hftbacktest.types import DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT
from numpy.random import default_rng
from support import record_kills
from support.official import follow_binance, follow_bybit, raw_messages
from support.recorded_runs import Running, is_whole, lines_of, stripped
from support.recording_files import command, command_environment, run_command
from support.simulated import LISTINGS, PRICES

from arb.cli.compilation_bar import LINE
from arb.cli.options import load_config
from arb.commands.legs import known_venues
from arb.commands.record import Progress, record
from arb.commands.sandbox import record_market
from arb.commands.sandbox_choice import SandboxChoice
from arb.commands.selection import Wanted
from arb.config.adapters import load_adapter
from arb.config.templates import write_templates
from arb.data.catalog.days import find_recordings
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.errors import ExitCode
from arb.runtime.host import Ending
from arb.runtime.sandbox_venues import at_sandbox
from arb.sandbox.serve.sandbox import MARKET_START_NS
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.urls import VenueUrls
from connectors.model import FUNDING_EVENT, Rows, Stream

pytestmark = pytest.mark.slow

VENUES = tuple(LISTINGS)
EXTRA = (Stream.AGG_TRADE, Stream.KLINE_1M, Stream.MARK_PRICE, Stream.TICKER)
S = 1_000_000_000


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return command_environment(tmp_path_factory.mktemp("cache"))


class Recorded:
    """A recording of all four venues with all extra streams, made by a process."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        words = ["record", "--sandbox", "--duration", "4s", "--venues", ",".join(VENUES), "--data", "data"]
        streams = ",".join(stream.value for stream in EXTRA)
        self.done = run_command([*words, "--streams", streams, "--json"], environment, folder)
        self.folder = folder / "data"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("recorded"), environment)


def rows_of(folder: Path, venue: str, cache: Path, offset_ns: int | None = 0) -> Rows:
    """The rows of a recording of one day, depth and trades alone."""
    recordings = [one for one in find_recordings(folder) if one.venue == venue]
    adapter = load_adapter(known_venues(Path("none"))[venue])
    with RowCache(cache) as row_cache:
        conversion = convert([Feed(adapter, recordings, 0)], row_cache, offset_ns=offset_ns)
        return np.concatenate(
            [np.array(part) for file in conversion.files[0] for part in file.load(is_first=True)]
        )


def test_a_duration_ends_it_with_whole_files_of_every_stream(recorded: Recorded) -> None:
    assert recorded.done.code == ExitCode.DONE, recorded.done
    assert recorded.done.err in ("", f"{LINE}\n")  # the line of a first use
    reported = [json.loads(line) for line in recorded.done.out.splitlines()]
    assert len(reported) >= 4
    assert reported[-1]["outcome"] == "duration"
    assert all(one["state"] == "synced" and one["gaps"] == 0 for one in reported[-1]["instruments"])
    assert is_whole(recorded.folder)
    assert reported[-1]["frames"] == sum(len(lines_of(recorded.folder, venue)) for venue in VENUES)
    for venue in VENUES:
        text = b"\n".join(frame for _, frame in lines_of(recorded.folder, venue))
        names = {
            "binance_spot": (b"@depth@100ms", b"@bookTicker", b"@trade", b"@aggTrade", b"@kline_1m"),
            "binance_usdm": (
                b"@depth@100ms",
                b"@bookTicker",
                b"@trade",
                b"@aggTrade",
                b"@kline_1m",
                b"@markPrice",
            ),
            "bybit_spot": (b"orderbook.50.", b"orderbook.1.", b"publicTrade.", b"kline.1."),
            "bybit_linear": (b"orderbook.50.", b"orderbook.1.", b"publicTrade.", b"kline.1.", b"tickers."),
        }[venue]
        assert [name for name in names if name not in text] == []
        (origin,) = (recorded.folder / venue).glob("*.origin")
        assert origin.read_text().startswith("simulated, not a recording of any venue")
        events = next((recorded.folder / venue).glob("*.events.jsonl")).read_text()
        assert '"kind":"synced"' in events
        assert '"kind":"ack"' in events


def test_a_backtest_reads_it_and_says_that_it_is_simulated(
    recorded: Recorded, environment: dict[str, str], tmp_path: Path
) -> None:
    write_templates(tmp_path)
    day = str(find_recordings(recorded.folder)[0].day)
    words = [
        "backtest",
        "-c",
        "arbitrage.toml",
        "--data",
        str(recorded.folder),
        "--start",
        day,
        "--no-report",
        "--json",
    ]
    done = run_command(words, environment, tmp_path)
    assert done.code == ExitCode.DONE, done.err
    assert "simulated, not a recording of any venue" in done.out


@pytest.mark.parametrize("venue", VENUES)
def test_extra_streams_do_not_change_what_is_converted(
    recorded: Recorded, venue: str, tmp_path: Path
) -> None:
    own = (b"@aggTrade", b"@kline_1m", b"@markPrice", b'"topic":"kline', b'"topic":"tickers')
    lines = lines_of(recorded.folder, venue)
    plain = [(at, frame) for at, frame in lines if not any(name in frame[:60] for name in own)]
    assert 100 < len(plain) < len(lines) - 5
    name = next((recorded.folder / venue).glob("*.gz")).name
    (tmp_path / "plain" / venue).mkdir(parents=True)
    text = b"".join(b"%d %b\n" % line for line in plain)
    (tmp_path / "plain" / venue / name).write_bytes(gzip.compress(text, 1))
    with_extra = rows_of(recorded.folder, venue, tmp_path / "cache")
    without = rows_of(tmp_path / "plain", venue, tmp_path / "cache")
    assert (without["ev"] & 0xFF == TRADE_EVENT).any()
    is_funding = with_extra["ev"] & 0xFF == FUNDING_EVENT
    assert is_funding.any() == (venue in ("binance_usdm", "bybit_linear"))
    for flag in (EXCH_EVENT, LOCAL_EVENT):
        # Beside a funding row, a row may be in two halves, one for each side.
        one, other = (rows[rows["ev"] & flag != 0] for rows in (with_extra[~is_funding], without))
        one["ev"] &= ~np.uint64(EXCH_EVENT | LOCAL_EVENT)
        other["ev"] &= ~np.uint64(EXCH_EVENT | LOCAL_EVENT)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_recorded_is_what_the_seeded_market_sent(recorded: Recorded, venue: str) -> None:
    """Frame by frame, but for the times in them and for the snapshots, which are made for each subscriber."""
    listings = [LISTINGS[name] for name in VENUES]
    tape = SeededTape(listings, PRICES, default_rng(7), MARKET_START_NS)
    sent: dict[str, list[Any]] = {}
    for line in tape.advance(MARKET_START_NS + 30 * S):
        if listings[line.no].venue == venue:
            payload = json.loads(line.text)
            sent.setdefault(payload.get("stream") or payload["topic"], []).append(stripped(payload))
    received: dict[str, list[Any]] = {}
    for _, frame in lines_of(recorded.folder, venue):
        payload = json.loads(frame)
        name = payload.get("stream") or payload.get("topic", "snapshot")
        is_own = name == "snapshot" or (name.startswith("orderbook.50") and payload["type"] == "snapshot")
        if name in sent and not is_own:
            received.setdefault(name, []).append(stripped(payload))
    assert len(received) == 3
    for name, frames in received.items():
        # Bybit tells each new subscriber the touch.
        begin = sent[name].index(frames[1])
        assert len(frames) > 20
        assert frames[1:] == sent[name][begin : begin + len(frames) - 1], name


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
def test_hftbacktests_own_converters_read_it(recorded: Recorded, venue: str, tmp_path: Path) -> None:
    (path,) = (recorded.folder / venue).glob("*.gz")
    if venue == "binance_usdm":
        theirs = binancefutures.convert(str(path), combined_stream=True)
    else:
        theirs = bybit.convert_depth(str(path))
    ours = rows_of(recorded.folder, venue, tmp_path / "cache")
    theirs_trades, our_trades = (
        rows[(rows["ev"] & 0xFF == TRADE_EVENT) & (rows["ev"] & EXCH_EVENT != 0)] for rows in (theirs, ours)
    )
    assert len(our_trades) > 20
    assert theirs_trades["px"].tolist() == our_trades["px"].tolist()
    assert theirs_trades["qty"].tolist() == our_trades["qty"].tolist()
    assert (theirs["ev"] & 0xFF == DEPTH_EVENT).sum() > 200


@pytest.fixture(scope="module")
def from_recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording, and what was recorded of a sandbox that served it."""
    folder = tmp_path_factory.mktemp("again")
    known = known_venues(Path("none"))
    record_market(
        folder / "source", 3, 18.0, datetime(2024, 1, 1, 12, tzinfo=UTC), VENUES, ["BTCUSDT"], known
    )

    words = [
        "sandbox",
        "serve",
        "--json",
        "--recording",
        str(folder / "source"),
        "--port-base",
        "0",
    ]
    serving = subprocess.Popen(command(words), stdout=subprocess.PIPE, text=True)
    try:
        urls = {venue: VenueUrls(**one) for venue, one in json.loads(serving.stdout.readline()).items()}
        venues = at_sandbox(known, urls)
        wanted = [Wanted(venues[name], ("BTCUSDT",)) for name in VENUES]
        config = load_config(Path("none"), (), None, None, folder / "data", is_sandbox=True)
        ending, progress = record(config, wanted, lambda progress: None, duration_s=7.5)
    finally:
        serving.kill()
        serving.communicate()
    assert ending == Ending.DURATION
    assert all(line.state.gaps == 0 for line in progress.lines)
    return folder / "source", folder / "data"


def book_by_id(path: Path, venue: str) -> dict[int, tuple[Any, ...]]:
    """The book after every id, by the venue's published rule: 50 levels a side."""
    messages = list(raw_messages(path))
    if venue.startswith("bybit"):
        messages = [m for m in messages if ".50." in m[1].get("topic", "")]
        applied = follow_bybit(messages)
    else:
        applied = follow_binance(messages, is_usdm=venue == "binance_usdm")
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    books = {}
    for one in applied:
        for side, levels in zip(sides, (one.bids, one.asks), strict=True):
            if one.is_snapshot:
                side.clear()
            for px, qty in levels:
                side[float(px)] = float(qty)
                if float(qty) == 0:
                    del side[float(px)]
        if not one.is_snapshot:
            books[one.last_id] = tuple(sorted(sides[0].items())[-50:]), tuple(sorted(sides[1].items())[:50])
    return books


@pytest.mark.parametrize("venue", VENUES)
def test_the_book_after_every_id_is_that_of_the_recording_that_was_served(
    from_recording: tuple[Path, Path], venue: str
) -> None:
    source, again = (book_by_id(next((folder / venue).glob("*.gz")), venue) for folder in from_recording)
    assert len(again) > 50
    assert {number: book for number, book in again.items() if source[number] != book} == {}
    numbers = list(source)
    begin = numbers.index(next(iter(again)))
    assert list(again) == numbers[begin : begin + len(again)]


@pytest.mark.parametrize("venue", VENUES)
def test_its_rows_are_those_of_the_recording_that_was_served(
    from_recording: tuple[Path, Path], venue: str, tmp_path: Path
) -> None:
    """Changes and trades in the venue's order, from the first that both have to the last."""
    source, again = (rows_of(folder, venue, tmp_path / folder.name, None) for folder in from_recording)
    # The sandbox tells its own time: all of it is moved by one amount.
    source["exch_ts"] += moved_ns(*(folder / venue for folder in from_recording), venue)
    first, last = again["exch_ts"].min() + S, again["exch_ts"].max() - S
    both = [events_between(rows, first, last) for rows in (source, again)]
    assert len(both[0]) > 500
    assert (both[0]["ev"] & 0xFF == TRADE_EVENT).sum() > 20
    assert both[0].tobytes() == both[1].tobytes()


def moved_ns(source: Path, again: Path, venue: str) -> int:
    """By how much the times of the second recording are later, by the first change of the book that both have."""
    by_id = [
        {payload["data"]["u"]: payload for frame in frames if ((payload := json.loads(frame)).get("data"))}
        for frames in (
            [
                frame
                for _, frame in lines_of(folder.parent, venue)
                if b"@depth" in frame or b"book.50" in frame
            ]
            for folder in (source, again)
        )
    ]
    name = {"binance_spot": ("data", "E"), "binance_usdm": ("data", "T")}.get(venue, ("cts",))
    number = sorted(by_id[0].keys() & by_id[1].keys())[5]
    stamps = []
    for frames in by_id:
        value = frames[number]
        for part in name:
            value = value[part]
        stamps.append(value)
    return (stamps[1] - stamps[0]) * 1_000_000


def events_between(rows: Rows, first: int, last: int) -> Any:
    """What the exchange's side sees in a span, without local times, in an order of its own."""
    kind = rows["ev"] & 0xFF
    is_seen = (rows["ev"] & EXCH_EVENT != 0) & (rows["exch_ts"] >= first) & (rows["exch_ts"] <= last)
    rows = rows[is_seen & ((kind == DEPTH_EVENT) | (kind == TRADE_EVENT))]
    found = np.zeros(len(rows), [("exch_ts", "i8"), ("ev", "u8"), ("px", "f8"), ("qty", "f8")])
    for name in ("exch_ts", "px", "qty"):
        found[name] = rows[name]
    # Whether a row is seen by both sides at once depends on the order of receipt.
    found["ev"] = rows["ev"] & ~np.uint64(EXCH_EVENT | LOCAL_EVENT)
    return np.sort(found)


@pytest.mark.parametrize(
    ("number", "code", "ended"),
    [(signal.SIGINT, ExitCode.INTERRUPTED, "interrupted"), (signal.SIGTERM, ExitCode.DONE, "stopped")],
)
def test_a_signal_ends_it_with_whole_files(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals, code: int, ended: str
) -> None:
    running = Running(["--data", "data"], environment, tmp_path)
    running.until_frames(50)
    done = running.end(number)
    assert (done.code, done.err) == (code, "")
    last = json.loads(done.out.splitlines()[-1])
    assert last["outcome"] == ended
    assert is_whole(tmp_path / "data")
    assert last["frames"] == sum(len(lines_of(tmp_path / "data", v)) for v in ("binance_spot", "bybit_spot"))


def test_kill_9_loses_no_acknowledged_frame_and_the_next_start_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    faults, taken = record_kills.run(tmp_path, environment, random.Random(1), rounds=2)
    assert faults == []
    assert taken > 50


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
sys.argv = ["arb", *sys.argv[1:]]
from arb.cli import main
main()
"""


def test_a_full_disk_ends_it_in_one_line_with_whole_files(
    environment: dict[str, str], tmp_path: Path
) -> None:
    words = ["record", "--sandbox", "--data", "data", "--duration", "60s", "--set", "record.segment_s=60"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.USER_INPUT, done
    assert done.stderr.count("\n") == 1
    assert "File too large: recording stops, what is there is whole" in done.stderr
    assert is_whole(tmp_path / "data")
    assert sum(len(lines_of(tmp_path / "data", venue)) for venue in ("binance_spot", "bybit_spot")) > 50


def test_a_terminal_that_is_held_holds_up_no_frame(tmp_path: Path) -> None:
    config = load_config(Path("none"), (), None, None, tmp_path, is_sandbox=True)
    wanted = [Wanted(known_venues(Path("none"))["bybit_spot"], ("BTCUSDT",))]
    released = threading.Event()

    def held(progress: Progress) -> None:
        released.wait(60)

    began = time.monotonic()
    ending, progress = record(config, wanted, held, duration_s=4.0, sandbox=SandboxChoice())
    released.set()
    assert ending == Ending.DURATION
    assert time.monotonic() - began < 30
    times = [at for at, _ in lines_of(tmp_path, "bybit_spot")]
    assert len(times) == progress.recorder.frames > 100
    assert times[-1] - times[0] > 2 * S


def test_a_closed_pipe_ends_it_with_whole_files(environment: dict[str, str], tmp_path: Path) -> None:
    running = Running(["--data", "data"], environment, tmp_path)
    running.until_frames(20)
    running.process.stdout.close()
    assert running.process.wait(60) != ExitCode.DONE
    assert "Traceback" not in running.process.stderr.read()
    running.process.stderr.close()
    assert is_whole(tmp_path / "data")
