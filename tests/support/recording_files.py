"""Legs and small synthetic recordings, and the command line run over them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arb.leg import Leg
from connectors.jit.compilation import cache_folder
from support.paths import GUARD, ROOT

DAY = "20240808"
#: 2024-08-08 12:00 UTC.
NOON_NS = 1_723_118_400_000_000_000
MS = 1_000_000


def make_leg(venue: str, **changes: Any) -> Leg:
    """A leg with plain defaults."""
    facts = {
        "symbol": "BTCUSDT", "is_spot": True, "tick_size": 0.1, "lot_size": 0.001, "min_qty": 0.001,
        "min_notional": 5.0, "contract_size": 1.0, "maker_fee": 0.0, "taker_fee": 0.0005, "feed_latency_ns": 0,
        "entry_latency_ns": 2 * MS, "response_latency_ns": 2 * MS, "queue_model": "risk_adverse",
        "queue_power": 3.0, "base": 100.0, "quote": 1e6,
    }  # fmt: skip
    return Leg(venue=venue, **{**facts, **changes})


def depth_lines(count: int, gap_ms: int = 100, px: float = 60_000.0, start_ns: int = NOON_NS) -> list[str]:
    """A USD-M recording of one book: a snapshot, then `count` changes of the touch's quantities."""
    bids = [[f"{px - n:.1f}", "5.000"] for n in range(1, 6)]
    asks = [[f"{px + n:.1f}", "5.000"] for n in range(1, 6)]
    snapshot = {"lastUpdateId": 100, "E": start_ns // MS, "T": start_ns // MS, "bids": bids, "asks": asks}
    lines = [f"{start_ns} {json.dumps(snapshot, separators=(',', ':'))}"]
    for n in range(count):
        at = start_ns + (n + 1) * gap_ms * MS
        data = {
            "e": "depthUpdate", "E": at // MS, "T": at // MS, "s": "BTCUSDT", "U": 101 + n, "u": 101 + n,
            "pu": 100 + n, "b": [[bids[0][0], f"{5 + n % 7}.000"]], "a": [[asks[0][0], f"{5 + n % 5}.000"]],
        }  # fmt: skip
        frame = {"stream": "btcusdt@depth@0ms", "data": data}
        lines.append(f"{at + 5 * MS} {json.dumps(frame, separators=(',', ':'))}")
    return lines


def bybit_lines(count: int, gap_ms: int = 100, px: float = 60_000.0, start_ns: int = NOON_NS) -> list[str]:
    """The like as a Bybit linear recording."""
    lines = []
    for n in range(count + 1):
        at = start_ns + n * gap_ms * MS
        size = "5.000" if n == 0 else f"{5 + n % 3}.000"
        depth = 5 if n == 0 else 1
        data = {
            "s": "BTCUSDT",
            "b": [[f"{px - k:.2f}", size] for k in range(1, depth + 1)],
            "a": [[f"{px + k:.2f}", size] for k in range(1, depth + 1)],
            "u": n + 1, "seq": 1000 + n,
        }  # fmt: skip
        frame = {
            "topic": "orderbook.50.BTCUSDT", "type": "snapshot" if n == 0 else "delta",
            "ts": at // MS, "data": data, "cts": at // MS,
        }  # fmt: skip
        lines.append(f"{at + 5 * MS} {json.dumps(frame, separators=(',', ':'))}")
    return lines


def write_recording(
    folder: Path, venue: str, lines: Iterable[str], day: str = DAY, symbol: str = "btcusdt"
) -> Path:
    """A collector's file."""
    path = folder / venue / f"{symbol}_{day}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 1))
    return path


def write_pair(folder: Path, count: int = 50, **shape: Any) -> Path:
    """USD-M and Bybit linear recordings of one day."""
    write_recording(folder, "binance_usdm", depth_lines(count, **shape))
    write_recording(folder, "bybit_linear", bybit_lines(count, **shape))
    return folder


@contextlib.contextmanager
def clean_imports(folder: Path) -> Iterator[None]:
    """Takes away what loading strategies from `folder` leaves behind in this process."""
    paths = list(sys.path)
    yield
    sys.path[:] = paths
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


class Finished(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def command_environment(cache: Path) -> dict[str, str]:
    """An environment whose cache folder is `cache`, but for the compiled code, which is the user's own.

    What runs in it connects to this machine only.
    """
    compiled = cache / "arb" / "compiled"
    if not compiled.is_symlink():
        compiled.parent.mkdir(parents=True, exist_ok=True)
        home = cache_folder().parent
        home.mkdir(parents=True, exist_ok=True)
        compiled.symlink_to(home)
    return {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"}


def command(words: Sequence[str]) -> list[str]:
    """`arb` as a subprocess of this Python."""
    return [sys.executable, "-m", "arb", *words]


def run_command(words: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Finished:
    """Runs `arb` to its end."""
    done = subprocess.run(
        command(words),
        env=dict(environment),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def example(pair: str) -> str:
    """The main file of an example."""
    return str(ROOT / "examples" / pair / "arbitrage.toml")
