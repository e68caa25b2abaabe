"""Recording processes that are killed at random moments, and what their files must hold after the next start."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from arb.data.recordings.recorder import Recorder
from arb.data.recordings.sidecar import read_events

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("recorder_child.py")
DAY_NS = 86_400_000_000_000
#: 2024-01-02 00:00 UTC; rounds begin before it and go on behind it.
MIDNIGHT_NS = 1_704_153_600_000_000_000
INSTRUMENTS = (("binance_usdm", "BTCUSDT"), ("binance_usdm", "ETHUSDT"), ("bybit_linear", "BTCUSDT"))
#: Fed to each process at most; enough that several journals are finished meanwhile.
PIECES_PER_ROUND = 20_000


class Piece(NamedTuple):
    """A frame or an event, and whether the process said that it has it."""

    is_frame: bool
    venue: str
    symbol: str
    local_ts: int
    text: bytes
    is_taken: bool = False

    @property
    def file(self) -> str:
        """Its instrument and day, as the recordings' names begin."""
        day = "20240102" if self.local_ts >= MIDNIGHT_NS else "20240101"
        return f"{self.venue}/{self.symbol.lower()}_{day}"


def pieces(chance: Random, round_no: int, rounds: int) -> Iterator[Piece]:
    """What a round feeds. Times cross midnight half-way through all rounds; some come late."""
    span_ns = 10_000_000_000
    now = MIDNIGHT_NS - span_ns * rounds // 2 + span_ns * round_no
    for n in range(PIECES_PER_ROUND):
        now += chance.randrange(2 * span_ns // PIECES_PER_ROUND)
        local_ts = now - chance.choice((0, 0, 0, 0, 3_000_000))
        venue, symbol = chance.choice(INSTRUMENTS)
        length = 300_000 if chance.random() < 0.001 else chance.randrange(600)
        text = b'{"id":"%d-%d","x":"%b"}' % (round_no, n, b"0123456789" * (length // 10))
        yield Piece(chance.random() < 0.97, venue, symbol, local_ts, text)


def start_child(folder: Path, segment_s: float) -> subprocess.Popen[bytes]:
    """A recording process."""
    words = [sys.executable, str(CHILD), str(folder), str(segment_s), "0.002"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def feed(child: subprocess.Popen[bytes], fed: list[Piece]) -> threading.Thread:
    """Sends the pieces from a thread, until the process is gone."""

    def send() -> None:
        try:
            with child.stdin as stdin:
                for piece in fed:
                    what = "F" if piece.is_frame else "E"
                    head = f"{what} {piece.venue} {piece.symbol} {piece.local_ts} ".encode()
                    stdin.write(head + piece.text + b"\n")
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def kill_round(folder: Path, chance: Random, round_no: int, rounds: int, segment_s: float) -> list[Piece]:
    """Feeds a process and kills it after a random number of acknowledgements; what it was fed, in order."""
    fed = list(pieces(chance, round_no, rounds))
    last = chance.randrange(1, PIECES_PER_ROUND)
    child = start_child(folder, segment_s)
    sender = feed(child, fed)
    for line in child.stdout:
        if line.strip() == str(last).encode():
            break
    child.kill()
    # What the process said before it died is still in the pipe.
    said = [line for line in child.stdout.read().split(b"\n")[:-1] if line.isdigit()]
    sender.join()
    child.wait()
    child.stdout.close()
    taken = int(said[-1]) if said else last
    return [piece._replace(is_taken=n < taken) for n, piece in enumerate(fed[: taken + 1])]


def faults(folder: Path, fed: list[Piece]) -> list[str]:
    """What the files hold against what was taken: each piece once and in order; one that was under way may be there."""
    found = []
    for file in sorted({piece.file for piece in fed}):
        mine = [piece for piece in fed if piece.file == file]
        path = folder / f"{file}.gz"
        lines = gzip.decompress(path.read_bytes()).split(b"\n")[:-1] if path.exists() else []
        expected = [(b"%d %b" % (p.local_ts, p.text), p.is_taken) for p in mine if p.is_frame]
        found += _differences(f"{file}.gz", lines, expected)
        path = folder / f"{file}.events.jsonl"
        events = [e for e in read_events(path) if e.kind == "test"] if path.exists() else []
        lines = [b"%d %b" % (event.local_ts, event.detail.encode()) for event in events]
        expected = [(b"%d %b" % (p.local_ts, p.text), p.is_taken) for p in mine if not p.is_frame]
        found += _differences(path.name, lines, expected)
    found += [f"{path.name}: left over" for path in folder.glob("*/*journal*")]
    return found


def _differences(name: str, lines: list[bytes], expected: list[tuple[bytes, bool]]) -> list[str]:
    n = 0
    for text, is_taken in expected:
        if n < len(lines) and lines[n] == text:
            n += 1
        elif is_taken:
            return [f"{name}: line {n + 1} of {len(lines)} is not {text[:60]!r}"]
    return [f"{name}: {len(lines) - n} lines too many"] if n < len(lines) else []


def run(folder: Path, seed: int, rounds: int, segment_s: float = 0.02) -> tuple[list[str], int]:
    """Kills `rounds` processes one after the other on one folder; the faults, and how many pieces were taken."""
    chance = Random(seed)
    fed: list[Piece] = []
    for round_no in range(rounds):
        fed += kill_round(folder, chance, round_no, rounds, segment_s)
    Recorder(folder, reserve_gb=0).close()
    return faults(folder, fed), sum(piece.is_taken for piece in fed)
