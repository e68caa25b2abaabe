"""The recorder: what it is told is in the day's files, whatever the clock, the disk or the process does."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hftbacktest.data.utils import binancefutures, bybit
from support.broken_disk import BrokenDisk, break_disk
from support.recorder_kills import CHILD, feed, pieces, run, start_child
from support.recording_files import bybit_lines, depth_lines, write_recording

from arb.config import load, write_templates
from arb.data.catalog import find_recordings
from arb.data.raw import read_pieces
from arb.data.recorder.recorder import Recorder
from arb.data.recorder.sidecar import Event, read_events
from arb.errors import ArbError, InputError, InvariantError
from connectors.binance import BinanceUsdm
from connectors.bybit import BybitLinear
from connectors.lines import LineDecoder
from connectors.types import Venue

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
#: 2024-08-08 12:00 UTC.
NOON = 1_723_118_400_000_000_000
S = 1_000_000_000
MIDNIGHT = NOON + 12 * 3600 * S
DAY, NEXT_DAY = "20240808", "20240809"

Open = Callable[..., Recorder]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens recorders whose thread sleeps until they are closed, and whose journals are complete at every round."""
    recorders = []

    def open_recorder(folder: Path = tmp_path, **settings: Any) -> Recorder:
        settings = {"segment_s": 0, "reserve_gb": 0, "tick_s": 3600, "clock": lambda: NOON, **settings}
        recorders.append(Recorder(folder, **settings))
        return recorders[-1]

    yield open_recorder
    for recorder in recorders:
        recorder.close()


def go_round(recorder: Recorder) -> None:
    """What the recorder's thread does each second."""
    recorder._guarded(recorder._tick)


def gz(folder: Path, day: str = DAY, venue: str = VENUE, name: str = "btcusdt") -> Path:
    return folder / venue / f"{name}_{day}.gz"


def text_of(folder: Path, *names: str) -> list[bytes]:
    return gzip.decompress(gz(folder, *names).read_bytes()).split(b"\n")[:-1]


def events(folder: Path, kind: str = "", day: str = DAY) -> list[Event]:
    found = read_events(gz(folder, day).with_suffix(".events.jsonl"))
    return [event for event in found if event.kind.startswith(kind)]


def forget(recorder: Recorder) -> None:
    """As if the process had been killed: its lock goes, nothing else happens."""
    recorder._folder_lock.release()


def test_frames_are_the_lines_of_the_day(tmp_path: Path, opened: Open) -> None:
    with opened() as recorder:
        recorder.frame(VENUE, SYMBOL, NOON, b'{"a":1}')
        recorder.frame(VENUE, SYMBOL, NOON + 1, b'{"a":2}')

    assert gzip.decompress(gz(tmp_path).read_bytes()) == b'%d {"a":1}\n%d {"a":2}\n' % (NOON, NOON + 1)
    assert [(r.venue, r.symbol, r.path) for r in find_recordings(tmp_path)] == [(VENUE, SYMBOL, gz(tmp_path))]
    assert sorted(path.name for path in gz(tmp_path).parent.iterdir()) == [
        f"btcusdt_{DAY}.events.jsonl",
        f"btcusdt_{DAY}.gz",
    ]


def test_a_frame_is_in_a_file_when_the_call_returns(tmp_path: Path, opened: Open) -> None:
    recorder = opened()

    recorder.frame(VENUE, SYMBOL, NOON, b"{}")

    journal = gz(tmp_path).with_suffix(".000001.journal")
    assert journal.read_bytes() == b"%d {}\n" % NOON
    assert recorder.state.frames == 1
    assert recorder.state.frame_bytes == 23


def test_complete_journals_are_read_while_recording_goes_on(tmp_path: Path, opened: Open) -> None:
    recorder = opened()
    for n in range(3):
        recorder.frame(VENUE, SYMBOL, NOON + n, b"{}")
        go_round(recorder)
        assert b"".join(read_pieces(gz(tmp_path))).count(b"\n") == n + 1

    assert [s.detail["frames"] for s in events(tmp_path, "recorder.segment")] == [1, 1, 1]


def test_a_journal_waits_for_its_time_or_its_size(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened(segment_s=3600)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    go_round(recorder)
    assert not gz(tmp_path).exists()

    monkeypatch.setattr("arb.data.recorder.track.SEGMENT_BYTES", 20)
    go_round(recorder)

    assert len(text_of(tmp_path)) == 1


def test_an_instrument_that_is_silent_makes_no_members(tmp_path: Path, opened: Open) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    for _ in range(4):
        go_round(recorder)

    assert len(events(tmp_path, "recorder.segment")) == 1


def test_a_frame_goes_to_the_day_of_its_own_time(tmp_path: Path, opened: Open) -> None:
    """Late frames of the day before come after midnight, some when its journal is complete already."""
    recorder = opened()
    for offset in (-2, -1, 0, 1):
        recorder.frame(VENUE, SYMBOL, MIDNIGHT + offset, b'{"o":%d}' % offset)
    recorder.frame(VENUE, SYMBOL, MIDNIGHT - 1, b'{"late":1}')
    go_round(recorder)
    recorder.frame(VENUE, SYMBOL, MIDNIGHT + 2, b'{"o":2}')
    recorder.frame(VENUE, SYMBOL, MIDNIGHT - 1, b'{"late":2}')
    recorder.close()

    old = [line[20:] for line in text_of(tmp_path, DAY)]
    assert old == [b'{"o":-2}', b'{"o":-1}', b'{"late":1}', b'{"late":2}']
    assert [line[20:] for line in text_of(tmp_path, NEXT_DAY)] == [b'{"o":0}', b'{"o":1}', b'{"o":2}']


def test_the_journal_of_a_day_that_is_over_does_not_wait_for_its_time(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arb.data.recorder.track.LATE_S", 0.0)
    recorder = opened(segment_s=3600)
    recorder.frame(VENUE, SYMBOL, MIDNIGHT - 1, b"{}")
    recorder.frame(VENUE, SYMBOL, MIDNIGHT, b"{}")
    go_round(recorder)

    assert len(text_of(tmp_path, DAY)) == 1
    assert not gz(tmp_path, NEXT_DAY).exists()


def test_a_clock_that_is_set_back_keeps_the_order_of_receipt_and_is_told(
    tmp_path: Path, opened: Open
) -> None:
    with opened() as recorder:
        for at in (NOON + 10 * S, NOON, NOON + 1):
            recorder.frame(VENUE, SYMBOL, at, b"{}")

    assert [int(line[:19]) for line in text_of(tmp_path)] == [NOON + 10 * S, NOON, NOON + 1]
    (step,) = events(tmp_path, "recorder.clock-back")
    assert step == Event(NOON, "recorder.clock-back", {"from": NOON + 10 * S, "to": NOON})


@pytest.mark.parametrize("at", [0, 999_999_999_999_999_999, 2**63, -NOON])
def test_a_clock_that_is_no_clock_stops_the_recording(opened: Open, at: int) -> None:
    recorder = opened()

    recorder.frame(VENUE, SYMBOL, at, b"{}")

    assert isinstance(recorder.error, InputError)
    assert "set the clock" in str(recorder.error)
    assert recorder.state.lost_frames == 1


def test_what_would_break_a_line_becomes_a_space(tmp_path: Path, opened: Open) -> None:
    with opened() as recorder:
        recorder.frame(VENUE, SYMBOL, NOON, b'{\n "a":\0 1\r}\n')

    assert text_of(tmp_path) == [b'%d {  "a":  1\r} ' % NOON]


def test_events_are_lines_of_json_beside_the_day(tmp_path: Path, opened: Open) -> None:
    with opened(versions={"arb": "1", "hftbacktest": "2.4.4"}) as recorder:
        recorder.event(VENUE, SYMBOL, NOON, "ack", b'{"result":null,"id":1}')
        recorder.event(VENUE, SYMBOL, NOON + 1, "gap", {"want": 1, "have": 5})
        recorder.event(VENUE, SYMBOL, MIDNIGHT, "pong")

    lines = gz(tmp_path).with_suffix(".events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "local_ts": NOON,
            "kind": "recorder.start",
            "detail": {"versions": {"arb": "1", "hftbacktest": "2.4.4"}},
        },
        {"local_ts": NOON, "kind": "ack", "detail": '{"result":null,"id":1}'},
        {"local_ts": NOON + 1, "kind": "gap", "detail": {"want": 1, "have": 5}},
    ]
    assert [e.kind for e in events(tmp_path, day=NEXT_DAY)] == ["recorder.start", "pong"]
    assert find_recordings(tmp_path) == []


@pytest.mark.parametrize(("venue", "symbol"), [("../x", SYMBOL), (VENUE, "a/b"), (VENUE, ""), (VENUE, "A B")])
def test_names_that_no_recording_has_are_refused(opened: Open, venue: str, symbol: str) -> None:
    recorder = opened()
    with pytest.raises(InputError, match="cannot be named"):
        recorder.frame(venue, symbol, NOON, b"{}")
    assert recorder.error is None


def test_both_spellings_of_a_symbol_are_one_recording(tmp_path: Path, opened: Open) -> None:
    with opened() as recorder:
        recorder.frame(VENUE, "BTCUSDT", NOON, b"1")
        recorder.frame(VENUE, "btcusdt", NOON, b"2")

    assert [line[20:] for line in text_of(tmp_path)] == [b"1", b"2"]


def test_a_second_recorder_is_refused_and_a_dead_one_is_no_obstacle(tmp_path: Path, opened: Open) -> None:
    first = opened()
    with pytest.raises(InputError) as caught:
        opened()
    assert str(caught.value) == (
        f"{tmp_path}: another recorder (process {os.getpid()}) writes here; end it, or name another folder with --data"
    )
    forget(first)

    opened().frame(VENUE, SYMBOL, NOON, b"{}")


def test_the_next_start_goes_on_where_a_killed_one_was(tmp_path: Path, opened: Open) -> None:
    killed = opened()
    killed.frame(VENUE, SYMBOL, NOON, b"1")
    go_round(killed)
    killed.frame(VENUE, SYMBOL, NOON + 1, b"2")
    killed.event(VENUE, SYMBOL, NOON + 1, "ack")
    with gz(tmp_path).with_suffix(".000002.journal").open("ab") as file:
        file.write(b"17231")
    with gz(tmp_path).with_suffix(".events.jsonl").open("ab") as file:
        file.write(b'{"local_ts":172')
    forget(killed)
    # Its thread would go on at the end of the test.
    killed._is_closed = True

    with opened() as recorder:
        recorder.frame(VENUE, SYMBOL, NOON + 2, b"3")

    assert [line[20:] for line in text_of(tmp_path)] == [b"1", b"2", b"3"]
    told = [e.detail["what"] for e in events(tmp_path, "recorder.repair")]
    assert told == ["torn line of this file", "journal of an earlier process", "no whole lines"]
    assert len(events(tmp_path, "ack")) == 1


def test_a_full_disk_stops_the_recording_with_whole_files(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[ArbError] = []
    recorder = opened(on_error=heard.append)
    disk = BrokenDisk(4, lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), for_good=True)
    with monkeypatch.context() as patch:
        break_disk(patch, disk)
        for n in range(20):
            recorder.frame(VENUE, SYMBOL, NOON + n, b'{"n":%d}' % n)
    taken = recorder.state.frames

    assert 0 < taken < 20
    assert recorder.state.lost_frames == 20 - taken
    assert heard == [recorder.error]
    assert str(recorder.error) == (
        f"{tmp_path}: No space left on device: recording stops, what is there is whole; make room or see to the "
        "disk, and start again"
    )
    journal = gz(tmp_path).with_suffix(".000001.journal")
    assert journal.read_bytes().endswith(b"\n")
    recorder.close()
    with opened() as again:
        again.frame(VENUE, SYMBOL, NOON + 99, b"{}")
    assert [int(line[:19]) - NOON for line in text_of(tmp_path)] == [*range(taken), 99]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fails_at_any_change_loses_nothing_that_was_taken(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    for at in range(1000):
        folder = tmp_path / str(at)
        recorder = opened(folder)
        disk = BrokenDisk(at, lambda: OSError(code, os.strerror(code)))
        with monkeypatch.context() as patch:
            break_disk(patch, disk)
            for n in range(6):
                recorder.frame(VENUE, SYMBOL, NOON + n, b'{"n":%d}' % n)
                if n % 2:
                    go_round(recorder)
        taken = recorder.state.frames
        assert (recorder.error is None) == (not disk.is_broken), at
        assert taken == 6 or disk.is_broken
        recorder.close()
        opened(folder).close()
        assert [int(line[:19]) - NOON for line in text_of(folder)] == [*range(taken)] if taken else True, at
        if not disk.is_broken:
            break
    assert at > 20


def test_recording_stops_before_the_disk_is_full_and_puts_away_what_it_has(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened(reserve_gb=1e-9)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    recorder._reserve_gb = 1e9
    go_round(recorder)
    recorder.frame(VENUE, SYMBOL, NOON + 1, b"{}")
    recorder.event(VENUE, SYMBOL, NOON + 1, "ack")

    assert isinstance(recorder.error, InputError)
    assert "[record] reserve_gb is 1e+09: recording stops; make room" in str(recorder.error)
    assert recorder.state.lost_frames == 1
    recorder.close()
    assert len(text_of(tmp_path)) == 1
    assert [e.detail["why"] for e in events(tmp_path, "recorder.stop")] == [str(recorder.error)]


def test_the_thread_itself_stops_and_puts_away(tmp_path: Path, opened: Open) -> None:
    recorder = opened(tick_s=0.001, segment_s=3600)
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    recorder._reserve_gb = 1e9
    while not gz(tmp_path).exists():
        assert recorder._thread.is_alive()

    assert recorder.error is not None


def test_a_start_without_the_reserve_is_refused(tmp_path: Path, opened: Open) -> None:
    with pytest.raises(InputError, match=r"GB of the disk are free, \[record\] reserve_gb is 1e\+09"):
        opened(reserve_gb=1e9)

    opened()  # the refused one does not hold the folder


def test_a_start_without_the_reserve_compresses_what_is_left_first(tmp_path: Path, opened: Open) -> None:
    killed = opened()
    killed.frame(VENUE, SYMBOL, NOON, b"{}")
    forget(killed)
    killed._is_closed = True

    with pytest.raises(InputError, match="reserve_gb"):
        opened(reserve_gb=1e9)

    assert len(text_of(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be recorded into: Not a directory; name another folder"):
        opened(tmp_path / "file" / "x")


def test_a_fault_of_ours_is_heard_of_and_loses_nothing(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened()
    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    with monkeypatch.context() as patch:
        patch.setattr("arb.data.recorder.finish.append_member", lambda *_: {}["none"])
        go_round(recorder)
    assert isinstance(recorder.error, InvariantError)
    recorder.close()
    assert len(text_of(tmp_path)) == 1


def test_frames_that_come_after_the_end_are_counted(opened: Open) -> None:
    recorder = opened()
    recorder.close()
    recorder.close()

    recorder.frame(VENUE, SYMBOL, NOON, b"{}")
    recorder.event(VENUE, SYMBOL, NOON, "ack")

    assert recorder.state.lost_frames == 1


def test_journals_are_synced_as_often_as_asked(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {}
    for fsync_s in (0, 1e-9, 3600):
        recorder = opened(segment_s=3600, fsync_s=fsync_s)
        recorder.frame(VENUE, SYMBOL, NOON, b"{}")
        disk = BrokenDisk(10**9, RuntimeError)
        with monkeypatch.context() as patch:
            break_disk(patch, disk)
            go_round(recorder)
        counts[fsync_s] = disk.changes
        recorder.close()

    # The journal and its sidecar.
    assert counts == {0: 0, 1e-9: 2, 3600: 0}


def test_the_keys_of_the_configuration_change_what_a_recorder_does(tmp_path: Path) -> None:
    write_templates(tmp_path / "config")
    outcomes = []
    for words in ([], ["record.segment_s=1"], ["record.reserve_gb=1000000"], ["record.fsync_s=0"]):
        record = load(tmp_path / "config" / "arbitrage.toml", words).record
        try:
            recorder = Recorder(
                tmp_path / str(len(outcomes)),
                segment_s=record.segment_s,
                reserve_gb=record.reserve_gb,
                fsync_s=record.fsync_s,
                tick_s=3600,
            )
        except InputError:
            outcomes.append("refused")
            continue
        with recorder:
            recorder.frame(VENUE, SYMBOL, NOON, b"{}")
            due_s = recorder._tracks[VENUE, SYMBOL]._current().due_s - time.monotonic()
            outcomes.append((round(due_s), recorder._sync_due_s - time.monotonic() > 0))

    assert outcomes == [(300, True), (1, True), "refused", (300, False)]


def test_killed_processes_lose_nothing_that_they_acknowledged(tmp_path: Path) -> None:
    found, taken = run(tmp_path, seed=1, rounds=3)

    assert found == []
    assert taken > 100


def test_a_limit_on_file_sizes_stops_the_recording_and_a_start_without_it_goes_on(
    tmp_path: Path, opened: Open
) -> None:
    fed = [piece for piece in pieces(Random(5), 0, 1) if piece.is_frame][:3000]
    child = start_child(tmp_path, 3600.0, largest=100_000)
    sender = feed(child, fed)
    said = child.stdout.read().splitlines()
    sender.join()
    assert child.wait() == 0
    child.stdout.close()

    assert b"File too large" in said[-1]
    taken = int(said[-2])
    assert 100 < taken < 3000
    opened().close()
    lines = [
        line
        for path in sorted(tmp_path.glob("*/*.gz"))
        for line in gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
    ]
    assert sorted(lines) == sorted(b"%d %b" % (piece.local_ts, piece.text) for piece in fed[:taken])


def test_another_process_is_refused_in_one_line(tmp_path: Path, opened: Open) -> None:
    opened()
    words = [sys.executable, str(CHILD), str(tmp_path), "1", "1", "0"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    assert done.returncode == 1
    assert f"another recorder (process {os.getpid()}) writes here" in done.stderr.splitlines()[-1]


class Market(NamedTuple):
    venue: Venue
    lines: Callable[..., list[str]]
    convert: Callable[..., Any]


MARKETS = [
    Market(BinanceUsdm(), depth_lines, binancefutures.convert),
    Market(BybitLinear(), bybit_lines, bybit.convert_depth),
]


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.venue.name)
def test_what_is_recorded_reads_as_a_collectors_file(
    tmp_path: Path, opened: Open, market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hftbacktest's converter, by zcat and by our own decoder, over many members."""
    lines = market.lines(400)
    name = market.venue.name
    peer = write_recording(tmp_path / "peer", name, lines)
    with opened(tmp_path / "ours") as recorder:
        for n, line in enumerate(lines):
            recorder.frame(name, "BTCUSDT", int(line[:19]), line[20:].encode())
            if n % 50 == 0:
                go_round(recorder)
    ours = gz(tmp_path / "ours", DAY, name)

    assert ours.read_bytes().count(b"\x1f\x8b\x08") > 5
    assert (
        market.convert(str(ours), buffer_size=10_000).tobytes()
        == market.convert(str(peer), buffer_size=10_000).tobytes()
    )
    zcat = subprocess.run(["gzip", "-dc", str(ours)], capture_output=True, check=True)
    assert zcat.stdout == b"".join(read_pieces(peer))
    decoded = [
        [rows.tobytes() for rows, _ in LineDecoder(market.venue, "BTCUSDT").decode(read_pieces(path))]
        for path in (ours, peer)
    ]
    assert b"".join(decoded[0]) == b"".join(decoded[1])
