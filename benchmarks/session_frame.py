"""Processor time of one market frame in a whole session: `arb dry-run --live-data`, with its recording.

The frames are the recordings of BTC at Binance USD-M and Bybit linear, sent over loopback by another process
(`market_sender.py`). The session is the command that a user runs, in a process of its own; its processor time (user
and system, all threads) is read from outside, from the first frame until a second after the last one. Floor: a process
with a bare picows client that counts the same frames.

    python benchmarks/session_frame.py [RECORDINGS]               # 2 legs: as fast as it goes, 10x, as recorded
    python benchmarks/session_frame.py [RECORDINGS] --legs 2,20,64 --hz 3000    # at one rate for all legs together
    python benchmarks/session_frame.py [RECORDINGS] --legs 64 --hz 3000 --times # with the time from the receipt of
                                                    # a message until the strategy is done with it (an upper bound)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import picows
from alternate import show_machine
from market_sender import VENUES, symbol_of
from numpy.typing import NDArray

_HERE = Path(__file__).parent
_EXAMPLE = _HERE.parent / "examples" / "usdm_bybit"
_URLS = {
    "binance_usdm": "wss://fstream.binance.com",
    "bybit_linear": "wss://stream.bybit.com/v5/public/linear",
}
_REST = {"binance_usdm": "https://fapi.binance.com", "bybit_linear": "https://api.bybit.com"}
_LOCAL = {"binance_usdm": "ws://127.0.0.1:{}", "bybit_linear": "ws://127.0.0.1:{}/v5/public/linear"}
_TICK_HZ = os.sysconf("SC_CLK_TCK")
#: How long the machine rests before and after the frames.
_CALM_S, _AFTER_S = 3.0, 1.0


class Load(NamedTuple):
    """What is sent. speed: of the recording's; 0: as fast as it goes."""

    pairs: int
    frames: int
    speed: float = 0.0
    hz: float = 0.0


class Cost(NamedTuple):
    """Of one process."""

    frames: int
    seconds: float
    user_s: float
    system_s: float

    @property
    def us(self) -> float:
        """Processor time of a frame."""
        return 1e6 * (self.user_s + self.system_s) / self.frames

    @property
    def cores(self) -> float:
        """Processor time of a second."""
        return (self.user_s + self.system_s) / self.seconds


class Sender:
    """The process that sends."""

    def __init__(self, load: Load, folder: Path) -> None:
        core = sorted(os.sched_getaffinity(0))[-1]
        command = [str(_HERE / "market_sender.py"), str(folder), str(load.pairs), str(load.frames), str(core)]
        self.process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        head = self._line()
        self.ports: dict[str, int] = head["ports"]
        self.speed = load.hz / head["hz"] if load.hz else load.speed

    def go(self) -> dict[str, Any]:
        """Sends all frames; returns what was sent."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"go {self.speed}\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def sender_of(load: Load, folder: Path) -> Iterator[Sender]:
    """The sender, on the last core."""
    sender = Sender(load, folder)
    try:
        yield sender
    finally:
        sender.process.kill()
        sender.process.wait()


def processor_s(pid: int) -> tuple[float, float]:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / _TICK_HZ, int(fields[12]) / _TICK_HZ


def measured(sender: Sender, pid: int) -> Cost:
    """What the frames cost a process that is ready for them."""
    time.sleep(_CALM_S)
    user_s, system_s = processor_s(pid)
    sent = sender.go()
    time.sleep(_AFTER_S)
    user_after_s, system_after_s = processor_s(pid)
    return Cost(sent["frames"], sent["seconds"], user_after_s - user_s, system_after_s - system_s)


def write_configuration(folder: Path, pairs: int, ports: dict[str, int]) -> Path:
    """The example of these two venues, at the sender's addresses, for all pairs."""
    for venue in VENUES:
        text = (_EXAMPLE / f"{venue}.toml").read_text()
        text = text.replace(_URLS[venue], _LOCAL[venue].format(ports[venue]))
        text = text.replace(_REST[venue], f"http://127.0.0.1:{ports['rest']}")
        for pair in range(1, pairs):
            text += (
                f'\n[symbols.{symbol_of(pair)}]\ntick_size = "0.10"\nlot_size = "0.001"\nmin_notional = 5.0\n'
                "contract_size = 1.0\n"
            )
        (folder / f"{venue}.toml").write_text(text)
    symbols = ", ".join(f'"{symbol_of(pair)}"' for pair in range(pairs))
    text = (_EXAMPLE / "arbitrage.toml").read_text()
    text = text.replace('symbol = "BTCUSDT"', f"symbols = [{symbols}]" if pairs > 1 else 'symbol = "BTCUSDT"')
    # Each pair may need four orders at once.
    text = text.replace("[risk]\n", f"[risk]\nmax_orders_per_second = {max(50, 4 * pairs)}\n")
    (folder / "arbitrage.toml").write_text(text.partition("[data]")[0])
    return folder / "arbitrage.toml"


@contextlib.contextmanager
def session(load: Load, sender: Sender, folder: Path, times: Path | None) -> Iterator[tuple[int, Path]]:
    """A session whose books are known: its process, and its folder, which is complete afterwards.

    times: where it writes when the strategy was done with each message."""
    out = folder / "run"
    program = [str(_HERE / "session_times.py"), str(times)] if times else ["-m", "arb"]
    command = [sys.executable, *program, "dry-run", "--live-data", "--no-report", "--out", str(out)]
    command += ["--config", str(write_configuration(folder, load.pairs, sender.ports))]
    core = sorted(os.sched_getaffinity(0))[0]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )
    try:
        _await_books(process, out, 2 * load.pairs)
        yield process.pid, out
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def _await_books(process: subprocess.Popen[bytes], out: Path, legs: int) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.2)
        log = out / "log.txt"
        if log.is_file() and sum(": synced" in line for line in log.read_text().splitlines()) >= legs:
            return
    sys.exit(f"the session's books are not known: {(out.parent / 'output').read_text()[-2000:]}")


class _Counts(picows.WSListener):
    """A client that counts."""

    frames = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self.frames += 1


async def _count(urls: list[tuple[str, bytes]]) -> None:
    sockets = []
    for url, request in urls:
        socket, _ = await picows.ws_connect(_Counts, url)
        socket.send(picows.WSMsgType.TEXT, request)
        sockets.append(socket)
    await asyncio.gather(*(socket.wait_disconnected() for socket in sockets))


def run_bare(ports: dict[str, int], pairs: int) -> None:
    """The floor's process: subscribes to what the session does, and counts frames."""
    from connectors.net.sockets import new_event_loop

    symbols = [symbol_of(pair) for pair in range(pairs)]
    usdm = json.dumps(
        {"method": "SUBSCRIBE", "params": [f"{s.lower()}@depth@100ms" for s in symbols], "id": 1}
    )
    bybit = json.dumps({"op": "subscribe", "args": [f"orderbook.50.{s}" for s in symbols], "req_id": "1"})
    urls = [
        (_LOCAL[venue].format(ports[venue]), request.encode())
        for venue, request in zip(VENUES, (usdm, bybit), strict=True)
    ]
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_count(urls))


@contextlib.contextmanager
def bare(load: Load, sender: Sender) -> Iterator[int]:
    """The floor."""
    core = sorted(os.sched_getaffinity(0))[0]
    process = subprocess.Popen(
        [sys.executable, __file__, "--bare", json.dumps(sender.ports), str(load.pairs)],
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        time.sleep(2.0)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def cost_of_session(load: Load, recordings: Path, *, is_timed: bool, kept: Path | None = None) -> Cost:
    """What a session takes; ends the benchmark if it has lost a frame."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        times = Path(name) / "times.npz" if is_timed else None
        with sender_of(load, recordings) as sender, session(load, sender, Path(name), times) as (pid, out):
            cost = measured(sender, pid)
        frames, late = _counts_of(out)
        if times is not None:
            noted = np.load(times)
            show_times(noted["spans"][-cost.frames :], noted["pauses"])
        if kept is not None:
            shutil.copytree(out, kept, dirs_exist_ok=True)
    if frames < cost.frames:
        sys.exit(f"the session received {frames} frames of {cost.frames}")
    if late:
        print(f"  {late} rows were late for the simulated exchange")
    return cost


def _counts_of(out: Path) -> tuple[int, int]:
    """Recorded frames and late rows of a session."""
    frames = sum(gzip.decompress(path.read_bytes()).count(b"\n") for path in out.glob("recording/*/*.gz"))
    return frames, int(json.loads((out / "manifest.json").read_text())["session"]["late_rows"])


def cost_of_floor(load: Load, recordings: Path) -> Cost:
    """What a bare client takes."""
    with sender_of(load, recordings) as sender, bare(load, sender) as pid:
        return measured(sender, pid)


def show(what: str, ours: Cost, floor: Cost) -> None:
    """One line."""
    print(
        f"{what:<34} {ours.us:6.1f} us a frame ({1e6 * ours.user_s / ours.frames:.1f} user, "
        f"{1e6 * ours.system_s / ours.frames:.1f} system), floor {floor.us:5.1f} us, {ours.us / floor.us:5.2f}x; "
        f"{ours.frames / ours.seconds:,.0f} frames/s, {ours.cores:.3f} of a core; load {os.getloadavg()[0]:.1f}"
    )


def show_times(spans: NDArray[np.int64], pauses: NDArray[np.int64]) -> None:
    """The times from receipt to the strategy, and garbage collections."""
    p50, p99, p999 = np.percentile(spans / 1e6, [50, 99, 99.9])
    print(
        f"  receipt to strategy: p50 {p50:.3f} ms, p99 {p99:.2f} ms, p99.9 {p999:.2f} ms, "
        f"most {spans.max() / 1e6:.1f} ms; {len(pauses)} garbage collections, the longest "
        f"{pauses.max(initial=0) / 1e6:.2f} ms of processor time"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recordings", nargs="?", type=Path)
    parser.add_argument("--legs", default="2")
    parser.add_argument("--hz", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--speeds", default="0,10,1")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    recordings = given.recordings or Path(__file__).parents[2] / "shared" / "recordings"
    show_machine()
    for legs in map(int, given.legs.split(",")):
        if given.hz:
            loads = [
                (
                    f"{legs} legs, {given.hz:,.0f} a second",
                    Load(legs // 2, int(given.hz * given.seconds), hz=given.hz),
                )
            ]
        else:
            loads = [
                (
                    f"{legs} legs, " + (f"{speed:g}x as recorded" if speed else "as fast as it goes"),
                    Load(legs // 2, int(given.seconds * 353 * speed) if speed else 121_000, speed),
                )
                for speed in map(float, given.speeds.split(","))
            ]
        for what, load in loads:
            floor = cost_of_floor(load, recordings)
            show(what, cost_of_session(load, recordings, is_timed=given.times, kept=given.keep), floor)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        run_bare(json.loads(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
