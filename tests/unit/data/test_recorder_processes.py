"""Recorders in processes of their own, and other programs that read what they wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hftbacktest.data.utils import binancefutures, bybit
from support.live_recorder import DAY, NOON, SYMBOL, VENUE, Open, events, go_round, gz, text_of
from support.recorder_kills import CHILD, run
from support.recording_files import bybit_lines, depth_lines, write_recording

from arb.data.catalog.days import find_recordings
from arb.data.text import read_pieces
from connectors.binance import BinanceUsdm
from connectors.bybit import BybitLinear
from connectors.model import Venue
from connectors.parsing.lines import LineDecoder


def test_killed_processes_lose_nothing_that_they_acknowledged(tmp_path: Path) -> None:
    found, taken = run(tmp_path, seed=1, rounds=3)

    assert found == []
    assert taken > 100


def test_another_process_is_refused_in_one_line(tmp_path: Path, opened: Open) -> None:
    opened()
    words = [sys.executable, str(CHILD), str(tmp_path), "1", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    assert done.returncode == 1
    assert f"another recorder (process {os.getpid()}) writes here" in done.stderr.splitlines()[-1]


def test_readers_meet_whole_files_while_recording_goes_on(tmp_path: Path, opened: Open) -> None:
    recorder = opened(segment_s=0.001, tick_s=0.001)
    lengths: set[int] = set()
    taken = 0
    while len(lengths) < 6 and taken < 200_000:
        for _ in range(50):
            recorder.frame(VENUE, SYMBOL, NOON + taken, b"{}")
            taken += 1
        for found in find_recordings(tmp_path):
            stamps = [int(line[:19]) for line in b"".join(read_pieces(found.path)).splitlines()]
            assert stamps == list(range(NOON, NOON + len(stamps)))
            lengths.add(len(stamps))
    recorder.close()

    assert len(lengths) >= 6
    assert len(text_of(tmp_path)) == taken


def test_threads_take_turns(tmp_path: Path, opened: Open) -> None:
    recorder = opened(segment_s=0.001, tick_s=0.001)

    def feed_own(number: int) -> None:
        for n in range(1500):
            recorder.frame(VENUE, SYMBOL, NOON, b"%d %d" % (number, n))
            if n % 100 == 0:
                recorder.event(VENUE, SYMBOL, NOON, "test", f"{number} {n}")

    threads = [threading.Thread(target=feed_own, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()

    lines = [line[20:].split() for line in text_of(tmp_path)]
    for number in range(3):
        assert [int(n) for who, n in lines if int(who) == number] == list(range(1500))
    assert len(events(tmp_path, "test")) == 45


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
