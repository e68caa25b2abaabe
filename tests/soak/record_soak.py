"""Half an hour of `arb record` while connections break: memory, cost, and whether every frame is in the files.

Runs `arb record` as users do, against a sandbox in another process that cuts connections. Prints a line a minute and
the totals. Exit code 4 if memory grew, a received frame is not in the files, or a connection did not recover.

    python -m tests.soak.record_soak [--minutes 30] [--symbols 2] [--speed 1] [--cuts 6] [--out DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from support.recording_files import command, command_environment, run_command

from arb.sandbox.events import Listing
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket

#: BTC and ETH as they are; further symbols are made up.
PRICES = {"BTCUSDT": 42_280.0, "ETHUSDT": 2_282.0} | {f"X{n:02}USDT": 2_000.0 + n for n in range(98)}
TICKS = {"BTCUSDT": "0.10", "ETHUSDT": "0.01"}
VENUE_FILES = {
    "binance_spot": "binance.toml",
    "binance_usdm": "binance_usdm.toml",
    "bybit_spot": "bybit.toml",
    "bybit_linear": "bybit_linear.toml",
}
#: Of the median resident memory of the last third of the time to that of the second.
GROWTH_MAX = 1.03
#: A book may be on its way at the end.
_SYNCED = "synced"
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """The process at one moment."""

    elapsed_s: float
    resident_mb: float
    cpu_s: float
    frames: int


def tick_of(symbol: str) -> str:
    """The tick size of a symbol; the lot size is 0.001 throughout."""
    return TICKS.get(symbol, "0.01")


async def serve(symbols: list[str], speed: float, cuts: float) -> None:
    """The sandbox, until it is killed; prints its addresses."""
    listings = [
        Listing(venue, symbol, tick_of(symbol), "0.001") for venue in VENUE_FILES for symbol in symbols
    ]
    faults = [Fault(FaultKind.DISCONNECT, "cut", per_minute=cuts)] if cuts else []
    market = SeededMarket(listings, {symbol: PRICES[symbol] for symbol in symbols}, 7)
    async with Sandbox(market, speed=speed, faults=faults) as sandbox:
        print(
            json.dumps({venue: [urls.websocket, urls.rest] for venue, urls in sandbox.urls.items()}),
            flush=True,
        )
        await sandbox.failed()


@contextmanager
def served(symbols: list[str], speed: float, cuts: float) -> Iterator[dict[str, list[str]]]:
    """The addresses of a sandbox of its own process."""
    words = [sys.executable, __file__, "--serve", "--symbols", str(len(symbols))]
    words += ["--speed", str(speed), "--cuts", str(cuts)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def configure(
    folder: Path, urls: dict[str, list[str]], symbols: list[str], environment: dict[str, str]
) -> Path:
    """A configuration whose venues are the sandbox's, and know all symbols."""
    done = run_command(["init", str(folder / "my")], environment, folder)
    if done.code:
        sys.exit(done.err)
    tables = "".join(
        f'\n[symbols.{symbol}]\ntick_size = "{tick_of(symbol)}"\nlot_size = "0.001"\nmin_notional = 5.0\n'
        "contract_size = 1.0\n"
        for symbol in symbols
    )
    for venue, file in VENUE_FILES.items():
        path = folder / "my" / file
        text = path.read_text().partition("[symbols.")[0]
        for key, value in zip(("websocket_url", "rest_api_url"), urls[venue], strict=True):
            text = re.sub(rf"(?m)^{key} = .*$", f'{key} = "{value}"', text)
        text = re.sub(r"(?m)^websocket_fallback_urls = .*$", "websocket_fallback_urls = []", text)
        path.write_text(text + tables)
    return folder / "my" / "arbitrage.toml"


def words_of(config: Path, data: Path, symbols: list[str], seconds: float) -> list[str]:
    """The command that records all symbols at all venues."""
    words = [
        "record",
        "--json",
        "--config",
        str(config),
        "--data",
        str(data),
        "--duration",
        f"{seconds:.0f}s",
    ]
    words += ["--venues", ",".join(VENUE_FILES), "--symbols", ",".join(symbols)]
    return command([*words, "--set", "record.segment_s=30"])


def sample(pid: int, reported: dict[str, Any]) -> Sample:
    """What the system says of the process, beside what it says itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    return Sample(reported["elapsed_s"], resident / 1024, cpu_s, reported["frames"])


def watch(process: subprocess.Popen[str], seconds: float) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Samples of a recording until its end, and all that it told."""
    samples: list[Sample] = []
    reported: list[dict[str, Any]] = []
    shown_s = 60.0
    for line in process.stdout:
        reported.append(json.loads(line))
        if "outcome" in reported[-1] or process.poll() is not None:
            continue
        samples.append(sample(process.pid, reported[-1]))
        if samples[-1].elapsed_s >= shown_s:
            shown_s += 60.0
            one = samples[-1]
            states = [instrument["state"] for instrument in reported[-1]["instruments"]]
            print(
                f"{one.elapsed_s:5.0f} s: {one.resident_mb:.1f} MB, {one.cpu_s:.1f} s of the processor, {one.frames:,} "
                f"frames, {states.count(_SYNCED)} of {len(states)} synced",
                flush=True,
            )
    return samples, reported


def lines_in(data: Path) -> int:
    """Frames in the finished files; ends the soak where a file is not whole."""
    count = 0
    for path in data.glob("*/*.gz"):
        with gzip.open(path) as file:
            count += sum(1 for _ in file)
    return count


def events_in(data: Path, kind: str) -> int:
    """Events of a kind in all sidecars: one about a connection stands in those of all symbols."""
    lines = [line for path in data.glob("*/*.events.jsonl") for line in path.read_text().splitlines()]
    return sum(json.loads(line).get("kind") == kind for line in lines)


def judge(samples: list[Sample], reported: list[dict[str, Any]], data: Path, cuts: float) -> list[str]:
    """What is not as it should be; prints the figures."""
    last, first = samples[-1], samples[len(samples) // 10]
    third = len(samples) // 3
    second, end = (
        [s.resident_mb for s in part] for part in (samples[third : 2 * third], samples[2 * third :])
    )
    growth = statistics.median(end) / statistics.median(second)
    share = (last.cpu_s - first.cpu_s) / (last.elapsed_s - first.elapsed_s)
    rate = (last.frames - first.frames) / (last.elapsed_s - first.elapsed_s)
    final = reported[-1]
    lines, disconnects = lines_in(data), events_in(data, "disconnect")
    messages = sum(s["messages"] for one in final["instruments"] for s in one["streams"].values())
    print(
        f"memory: {statistics.median(second):.1f} MB in the second third, {statistics.median(end):.1f} MB in the last "
        f"({growth:.3f}x), most {max(s.resident_mb for s in samples):.1f} MB\n"
        f"processor: {share:.1%} of a core at {rate:,.0f} frames a second ({1e6 * share / rate:.0f} us a frame)\n"
        f"frames: {messages:,} messages understood, {final['frames']:,} recorded with the snapshots, {lines:,} lines "
        f"in the files, {final['lost_frames']} lost\n"
        f"{disconnects} disconnects in the sidecars of {len(final['instruments'])} instruments; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    found = []
    if growth > GROWTH_MAX:
        found.append(f"memory grew {growth:.3f}x from the second third to the last")
    if not lines == final["frames"] >= messages or final["lost_frames"]:
        found.append("frames that were received are not in the files")
    if cuts and not disconnects:
        found.append("no connection was cut")
    down = [f"{one['venue']}:{one['symbol']}" for one in final["instruments"] if one["state"] == "down"]
    if len(down) == len(final["instruments"]):
        found.append("nothing was connected at the end")
    return found


def run(folder: Path, minutes: float, symbols: list[str], speed: float, cuts: float) -> list[str]:
    """One soak; what is not as it should be."""
    environment = command_environment(folder / "cache")
    with served(symbols, speed, cuts) as urls:
        config = configure(folder, urls, symbols, environment)
        words = words_of(config, folder / "data", symbols, 60 * minutes)
        with open(folder / "errors.txt", "w") as errors:
            process = subprocess.Popen(
                words, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            try:
                samples, reported = watch(process, 60 * minutes)
            finally:
                process.send_signal(signal.SIGTERM)
                code = process.wait(120)
    faults = judge(samples, reported, folder / "data", cuts) if samples else ["no sample was taken"]
    text = (folder / "errors.txt").read_text().strip()
    return [*faults, *([f"exit code {code}: {text}"] if code or text else [])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--symbols", type=int, default=2, help="at each of the four markets")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="of the market; at 1 its pace is that of recorded days"
    )
    parser.add_argument("--cuts", type=float, default=6.0, help="connections that are cut, a minute")
    parser.add_argument("--out", type=Path, help="keeps the recordings here")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    symbols = list(PRICES)[: given.symbols]
    if given.serve:
        asyncio.run(serve(symbols, given.speed, given.cuts))
    with tempfile.TemporaryDirectory() as name:
        folder = given.out or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        faults = run(folder.resolve(), given.minutes, symbols, given.speed, given.cuts)
    for fault in faults:
        print(f"NOT WELL: {fault}")
    sys.exit(4 if faults else 0)


if __name__ == "__main__":
    main()
