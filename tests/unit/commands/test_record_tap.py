"""Recording goes wrong in every way, and the feed does not notice; simulated and real recordings stay apart."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import pytest
from support.broken_disk import BrokenDisk, break_disk
from support.chaos import STREAMS, Watch
from support.sim_market import LOT, TICK
from support.sim_net import SimNet
from support.sim_time import S, SimTimers
from support.sim_venue import SimVenue
from support.venues import VENUES

from arb.data.recordings.recorder import Recorder
from arb.data.text import read_pieces
from arb.errors import ArbError, InputError, InvariantError
from arb.runtime.record_tap import Origins, RecorderTap
from connectors.feed.feed import Feed
from connectors.feed.status import FeedStatus
from connectors.model import Instrument
from connectors.net.interfaces import Event, EventKind

SYMBOLS = ("AAAUSDT", "BBBUSDT")
NOON_NS = 1_723_118_400_000_000_000


class Kept:
    """A recorder that keeps calls, until it raises."""

    def __init__(self, error: Exception | None = None, after: int = 0) -> None:
        self.frames: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self._error, self._after = error, after

    def frame(self, *call: Any) -> None:
        if self._error is not None and len(self.frames) >= self._after:
            raise self._error
        self.frames.append(call)

    def event(self, *call: Any) -> None:
        self.events.append(call)


def tap_of(recorder: Any, folder: Path, errors: list[ArbError], text: str = "") -> RecorderTap:
    return RecorderTap(recorder, "binance_usdm", SYMBOLS, Origins(folder, text), errors.append)


def run_feed(tap: RecorderTap) -> tuple[Feed, Watch]:
    """A feed on simulated time, 30 s of it, whose frames go to the tap."""
    timers = SimTimers()
    server = SimVenue("binance_usdm", list(SYMBOLS), timers, random.Random(1))
    net = SimNet(server, timers, random.Random(2))
    watch = Watch(server, timers)
    feed = Feed(
        VENUES["binance_usdm"],
        [Instrument("binance_usdm", symbol, TICK, LOT) for symbol in SYMBOLS],
        STREAMS,
        ("ws://127.0.0.1:1",),
        transport=net,
        rest=net,
        timers=timers,
        chance=random.Random(3).random,
        sink=watch,
        tap=tap,
    )
    watch.feed = feed
    timers.every(S // 20, server.step)
    feed.start()
    timers.run(30 * S)
    return feed, watch


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O"), InputError("full"), ZeroDivisionError("ours")])
def test_a_recorder_that_raises_does_not_stop_a_feed(tmp_path: Path, error: Exception) -> None:
    errors: list[ArbError] = []
    recorder = Kept(error, after=20)
    tap = tap_of(recorder, tmp_path, errors)
    feed, watch = run_feed(tap)
    assert [feed.status(no) for no in range(2)] == [FeedStatus.SYNCED] * 2
    assert all(watch.trades)
    assert len(errors) == 1
    assert errors[0] is error if isinstance(error, ArbError) else isinstance(errors[0], InvariantError)
    assert len(recorder.frames) == 20
    assert tap.lost_frames > 100


def test_a_disk_that_fills_does_not_stop_a_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[ArbError] = []
    full = BrokenDisk(60, lambda: OSError(errno.ENOSPC, "No space left on device"), for_good=True)
    with Recorder(tmp_path, reserve_gb=0, fsync_s=0, on_error=errors.append) as recorder:
        break_disk(monkeypatch, full)
        feed, watch = run_feed(tap_of(recorder, tmp_path, errors))
        monkeypatch.undo()
    assert [feed.status(no) for no in range(2)] == [FeedStatus.SYNCED] * 2
    assert all(watch.trades)
    assert ["No space left on device" in str(error) for error in errors] == [True]
    assert recorder.state.lost_frames > 100
    Recorder(tmp_path, reserve_gb=0).close()
    texts = [b"".join(read_pieces(path)) for path in tmp_path.glob("*/*.gz")]
    assert sum(text.count(b"\n") for text in texts) == recorder.state.frames > 10
    assert all(text.endswith(b"\n") for text in texts)


def test_an_event_of_a_connection_stands_with_every_symbol(tmp_path: Path) -> None:
    recorder, errors = Kept(), list[ArbError]()
    tap = tap_of(recorder, tmp_path, errors)
    tap.on_event(Event(EventKind.DISCONNECT, 5, "binance_usdm", "", "reset"))
    tap.on_event(Event(EventKind.GAP, 6, "binance_usdm", "BBBUSDT", "broken"))
    assert recorder.events == [
        ("binance_usdm", "AAAUSDT", 5, "disconnect", "reset"),
        ("binance_usdm", "BBBUSDT", 5, "disconnect", "reset"),
        ("binance_usdm", "BBBUSDT", 6, "gap", "broken"),
    ]
    assert tap.trouble == "reset"
    tap.on_frame(0, NOON_NS, b"{}")
    assert tap.trouble == ""
    assert recorder.frames == [("binance_usdm", "AAAUSDT", NOON_NS, b"{}")]


def test_every_day_of_a_simulated_recording_says_so(tmp_path: Path) -> None:
    recorder, errors = Kept(), list[ArbError]()
    tap = tap_of(recorder, tmp_path, errors, "simulated")
    for hours in (0, 13, 12, 14):
        tap.on_frame(1, NOON_NS + hours * 3600 * 1_000_000_000, b"{}")
    names = sorted(path.name for path in tmp_path.glob("*/*.origin"))
    assert names == ["bbbusdt_20240808.origin", "bbbusdt_20240809.origin"]
    assert (tmp_path / "binance_usdm" / names[0]).read_text() == "simulated\n"
    assert not errors


RECORDED = pytest.mark.parametrize(
    "name",
    ["aaausdt_20240808.gz", "aaausdt_20240808.000001.journal", "aaausdt_20240808.000001.at17.journal"],
)


@RECORDED
def test_a_real_recording_is_not_added_to_a_simulated_one(tmp_path: Path, name: str) -> None:
    simulated, real = Origins(tmp_path, "simulated"), Origins(tmp_path)
    simulated.begin("binance_usdm", "AAAUSDT", NOON_NS)
    (tmp_path / "binance_usdm" / name).touch()
    for refuses in (real.check, real.begin):
        with pytest.raises(InputError, match=r"aaausdt_20240808.origin: this day holds a simulated .*--data"):
            refuses("binance_usdm", "AAAUSDT", NOON_NS)
    simulated.begin("binance_usdm", "AAAUSDT", NOON_NS)
    assert (tmp_path / "binance_usdm" / "aaausdt_20240808.origin").read_text() == "simulated\n"
    real.begin("binance_usdm", "BBBUSDT", NOON_NS)


def test_a_look_at_what_is_there_writes_nothing(tmp_path: Path) -> None:
    for origins in (Origins(tmp_path, "simulated"), Origins(tmp_path)):
        origins.check("binance_usdm", "AAAUSDT", NOON_NS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "beside", ["aaausdt_20240808.events.jsonl", "aaausdt_20240809.gz", "aausdt_20240808.gz"]
)
def test_a_line_of_a_recording_that_never_began_does_not_count(tmp_path: Path, beside: str) -> None:
    origin = tmp_path / "binance_usdm" / "aaausdt_20240808.origin"
    origin.parent.mkdir()
    (origin.parent / beside).touch()
    origin.write_text("an older one\n")

    Origins(tmp_path, "simulated").begin("binance_usdm", "AAAUSDT", NOON_NS)
    assert origin.read_text() == "simulated\n"
    Origins(tmp_path).check("binance_usdm", "AAAUSDT", NOON_NS)
    assert origin.exists()
    Origins(tmp_path).begin("binance_usdm", "AAAUSDT", NOON_NS)
    assert not origin.exists()
    (origin.parent / "aaausdt_20240808.gz").touch()
    with pytest.raises(InputError, match="holds a real"):
        Origins(tmp_path, "simulated").check("binance_usdm", "AAAUSDT", NOON_NS)


def test_the_line_is_written_with_the_first_frame_and_no_sooner(tmp_path: Path) -> None:
    errors: list[ArbError] = []
    tap = tap_of(Kept(), tmp_path, errors, "simulated")
    tap.on_event(Event(EventKind.DISCONNECT, NOON_NS, "binance_usdm", "", "reset"))
    assert list(tmp_path.iterdir()) == []
    tap.on_frame(0, NOON_NS, b"{}")
    assert [path.name for path in tmp_path.glob("*/*")] == ["aaausdt_20240808.origin"]
    assert not errors


@RECORDED
def test_a_simulated_recording_is_not_added_to_a_real_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "binance_usdm").mkdir()
    (tmp_path / "binance_usdm" / name).touch()
    with pytest.raises(InputError, match=r"aaausdt_20240808.gz: this day holds a real .*--data"):
        Origins(tmp_path, "simulated").begin("binance_usdm", "AAAUSDT", NOON_NS)
    assert not list(tmp_path.glob("*/*.origin"))
