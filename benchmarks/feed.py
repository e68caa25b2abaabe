"""Market data from a socket to rows in a sink: frames a second on one core, and the latency of one frame.

The frames are those of a recording of USD-M BTC (depth, best bid and offer, trades), sent over loopback by another
process (`flood.py`). Ours is the whole path of a feed: picows under uvloop, session, decoding, the chain of the book
proven from a snapshot, the fused touch, rows to a sink that counts them. First the rows are compared with those of
`arb convert` over the same frames.

Peers: ccxt.pro's handling of the same frames, without a socket; a picows client that only takes the time of each.

    python benchmarks/feed.py [RECORDINGS]
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import picows
from alternate import Times, alternate_measured, show, show_machine
from hftbacktest.types import LOCAL_EVENT
from numpy.typing import NDArray
from samples import raw_text

from arb.data.catalog.days import find_recordings
from arb.data.rows import convert as conversion
from arb.data.rows.cache import RowCache
from connectors.binance import BinanceUsdm
from connectors.feed.feed import Feed
from connectors.feed.interfaces import FeedTimes
from connectors.feed.pipeline import Pipeline, warm_up
from connectors.feed.status import FeedStatus
from connectors.model import Instrument, Kind, RestRequest, Rows, Stream
from connectors.net.interfaces import Rest, RestAnswer
from connectors.net.picows_socket import PicowsTransport
from connectors.net.sockets import AsyncioTimers, new_event_loop

INSTRUMENT = Instrument("binance_usdm", "BTCUSDT", 0.1, 0.001)
STREAMS = (Stream.DEPTH, Stream.TOUCH, Stream.TRADE)
#: A little less than the busiest second of the recording.
PACED_HZ, PACED_S = 2_000, 5
FLOODS, PACES, CCXT_RUNS = 15, 7, 3


class Sample(NamedTuple):
    """Recorded lines in three parts: those before the snapshot was known to join, the snapshot, and the rest."""

    prelude: list[bytes]
    snapshot: bytes
    rest: list[bytes]

    @property
    def frames(self) -> list[bytes]:
        return [line[20:] for line in self.prelude + self.rest]


def sample() -> Sample:
    """The recording, its depth stream under the name that a feed asks for."""
    text = raw_text(INSTRUMENT.venue, INSTRUMENT.symbol)
    lines = text.replace(b"@depth@0ms", b"@depth@100ms").splitlines()
    at = next(n for n, line in enumerate(lines) if b'"lastUpdateId"' in line)
    last_id = json.loads(lines[at][20:])["lastUpdateId"]
    snapshot = lines.pop(at)
    # A feed uses a snapshot when a held change reaches behind it.
    while b"depthUpdate" not in lines[at] or json.loads(lines[at][20:])["data"]["u"] <= last_id:
        at += 1
    return Sample(lines[: at + 1], lines[at][:20] + snapshot[20:], lines[at + 1 :])


def converted(sample: Sample) -> Rows:
    """The rows that `arb convert` makes of the same frames, as a bot sees them."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / INSTRUMENT.venue / "btcusdt_20240808.gz"
        path.parent.mkdir()
        text = b"\n".join([*sample.prelude, sample.snapshot, *sample.rest])
        path.write_bytes(gzip.compress(text + b"\n", 1))
        feed = conversion.Feed(BinanceUsdm(), find_recordings(Path(name)), 0, INSTRUMENT)
        with RowCache(Path(name) / "cache") as cache:
            rows = np.concatenate(conversion.convert([feed], cache).files[0][0].load(is_first=True))
    return rows[rows["ev"] & np.uint64(LOCAL_EVENT) != 0]


class Counts:
    """A sink that counts rows, and says when there are as many as expected."""

    def __init__(self, expected: int) -> None:
        self.rows = 0
        self.ended_ns = 0
        self.ended_cpu_s = 0.0
        self.end = asyncio.Event()
        self.is_synced = asyncio.Event()
        self._expected = expected

    def on_rows(self, no: int, rows: Rows) -> None:
        self.rows += len(rows)
        if self.rows == self._expected:
            self.ended_ns, self.ended_cpu_s = time.monotonic_ns(), time.thread_time()
            self.end.set()

    def on_status(self, no: int, status: FeedStatus) -> None:
        if status == FeedStatus.SYNCED:
            self.is_synced.set()


class Keeps(Counts):
    """A sink that keeps all rows."""

    def __init__(self, expected: int) -> None:
        super().__init__(expected)
        self.kept: list[Rows] = []

    def on_rows(self, no: int, rows: Rows) -> None:
        self.kept.append(rows.copy())
        super().on_rows(no, rows)


class Clocked(Counts):
    """A sink that takes the time of each call: one a frame that has rows."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.times: list[int] = []

    def on_rows(self, no: int, rows: Rows) -> None:
        self.times.append(time.monotonic_ns())


class KnownSnapshot(Rest):
    """Answers with the recorded snapshot, when it is told to."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._done: Callable[[RestAnswer], None] | None = None

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        if "depth" in request.path:
            self._done = done

    def answer(self) -> None:
        now = time.time_ns()
        assert self._done is not None, "no snapshot was asked for"
        self._done(RestAnswer(200, self._body, now, now))


class Sender:
    """The process that sends."""

    def __init__(self, process: subprocess.Popen[str], prelude: int, folder: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._requests, self._answers = process.stdin, process.stdout
        self.url = f"ws://127.0.0.1:{self._answers.readline().strip()}"
        self.prelude = prelude
        self._times = folder / "sent.npy"

    def flood(self) -> int:
        """Lets all frames come; when that was said."""
        began = time.monotonic_ns()
        self._say("flood")
        return began

    def pace(self, count: int) -> None:
        """Lets frames come one by one."""
        self._say(f"pace {PACED_HZ} {count} {self._times}")

    def sent(self) -> NDArray[np.int64]:
        """When each paced frame was sent."""
        self._answers.readline()
        times: NDArray[np.int64] = np.load(self._times)
        return times

    def _say(self, words: str) -> None:
        self._requests.write(f"{words}\n")
        self._requests.flush()


@contextmanager
def sender(sample: Sample) -> Iterator[Sender]:
    """A sender of the sample, on another processor than ours where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "frames"
        file.write_bytes(b"\n".join(sample.frames))
        flood = str(Path(__file__).with_name("flood.py"))
        command = [sys.executable, flood, str(file), str(len(sample.prelude)), str(cores[-1])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(0, {cores[0]})
        try:
            yield Sender(process, len(sample.prelude), Path(name))
        finally:
            process.kill()
            process.wait()


@contextmanager
def feed_of(sender: Sender, sample: Sample, sink: Any) -> Iterator[tuple[Feed, KnownSnapshot]]:
    """A feed of the sender's frames."""
    rest = KnownSnapshot(sample.snapshot[20:])
    feed = Feed(
        BinanceUsdm(),
        [INSTRUMENT],
        STREAMS,
        (sender.url,),
        transport=PicowsTransport(),
        rest=rest,
        timers=AsyncioTimers(),
        chance=lambda: 0.5,
        sink=sink,
        times=FeedTimes(time_ns=0),
    )
    feed.start()
    yield feed, rest
    feed.stop()


async def begin(feed: Feed, rest: KnownSnapshot, sender: Sender, sink: Counts) -> None:
    """Until the prelude is in and the book is proven."""
    while sum(stream.messages for stream in feed.states()[0].streams) < sender.prelude:
        await asyncio.sleep(0.002)
    rest.answer()
    await sink.is_synced.wait()


async def flooded(sender: Sender, sample: Sample, sink: Counts) -> Times:
    """How long the frames behind the prelude took."""
    with feed_of(sender, sample, sink) as (feed, rest):
        await begin(feed, rest, sender, sink)
        cpu_s = time.thread_time()
        began = sender.flood()
        await asyncio.wait_for(sink.end.wait(), 60)
        slow = feed.states()[0].slow_frames
    if slow:
        sys.exit(f"{slow} frames needed the JSON decoder")
    return Times((sink.ended_ns - began) / 1e9, sink.ended_cpu_s - cpu_s)


async def paced(sender: Sender, sample: Sample, with_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """ns from the sending of each frame of those `with_rows` to its rows in the sink."""
    count = PACED_HZ * PACED_S
    sink = Clocked()
    with feed_of(sender, sample, sink) as (feed, rest):
        await begin(feed, rest, sender, sink)
        known = len(sink.times)
        sender.pace(count)
        while sum(stream.messages for stream in feed.states()[0].streams) < sender.prelude + count:
            await asyncio.sleep(0.1)
        times = np.array(sink.times[known:])
    return times - sender.sent()[with_rows]


class Bare(picows.WSListener):
    """Takes the time of each frame, and does nothing else."""

    def __init__(self, expected: int) -> None:
        self.times: list[int] = []
        self.end = asyncio.Event()
        self._expected = expected

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self.times.append(time.monotonic_ns())
        if len(self.times) == self._expected:
            self.end.set()


async def bare(sender: Sender, count: int, begin: Callable[[], Any]) -> tuple[Any, NDArray[np.int64]]:
    """What `begin` returns, and when each of so many frames came to a bare client."""
    listener = Bare(1 + sender.prelude + count)
    socket, _ = await picows.ws_connect(lambda: listener, sender.url)
    socket.send(picows.WSMsgType.TEXT, b'{"method":"SUBSCRIBE","params":[],"id":1}')
    while len(listener.times) < 1 + sender.prelude:
        await asyncio.sleep(0.002)
    began = begin()
    await asyncio.wait_for(listener.end.wait(), 60)
    socket.disconnect()
    await socket.wait_disconnected()
    return began, np.array(listener.times[1 + sender.prelude :])


async def bare_flooded(sender: Sender, sample: Sample) -> Times:
    """How long the same frames take a client that only takes the time."""
    cpu_s = time.thread_time()
    began, times = await bare(sender, len(sample.rest), sender.flood)
    return Times(float(times[-1] - began) / 1e9, time.thread_time() - cpu_s)


async def bare_paced(sender: Sender) -> NDArray[np.int64]:
    """ns from the sending of each frame to a bare client."""
    count = PACED_HZ * PACED_S
    _, times = await bare(sender, count, lambda: sender.pace(count))
    return times - sender.sent()


class Ccxt:
    """ccxt.pro's client of the venue with its book as it is behind the prelude. It has no socket."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._texts = [line[20:].decode() for line in sample.rest]

    async def times(self) -> Times:
        """What it takes to handle the frames behind the prelude."""
        exchange = import_module("ccxt.pro").binanceusdm({"newUpdates": True})
        try:
            client = await self._begin(exchange)
            began, cpu_s = time.perf_counter(), time.thread_time()
            for text in self._texts:
                client.handle_text_or_binary_message(text)
            took = Times(time.perf_counter() - began, time.thread_time() - cpu_s)
        finally:
            await exchange.close()
        last = json.loads(next(text for text in reversed(self._texts) if "depthUpdate" in text))["data"]["u"]
        if exchange.orderbooks["BTC/USDT:USDT"]["nonce"] != last:
            sys.exit("ccxt did not follow the book to its end")
        return took

    async def _begin(self, exchange: Any) -> Any:
        symbol = "BTC/USDT:USDT"
        exchange.set_markets([_market(exchange)])
        client = exchange.client("wss://fstream.binance.com/public/ws/1")
        exchange.orderbooks[symbol] = exchange.order_book({}, 1000)
        for line in self._sample.prelude:
            client.handle_text_or_binary_message(line[20:].decode())
        snapshot = exchange.parse_order_book(json.loads(self._sample.snapshot[20:]), symbol)
        snapshot["nonce"] = json.loads(self._sample.snapshot[20:])["lastUpdateId"]

        async def known(*_: object) -> Any:
            return snapshot

        exchange.fetch_rest_order_book_safe = known
        await exchange.fetch_order_book_snapshot(client, None, {"symbol": symbol, "type": "linear"})
        return client


def _market(exchange: Any) -> Any:
    return exchange.safe_market_structure(
        {
            "id": INSTRUMENT.symbol,
            "symbol": "BTC/USDT:USDT",
            "base": "BTC",
            "quote": "USDT",
            "settle": "USDT",
            "type": "swap",
            "swap": True,
            "linear": True,
            "contract": True,
            "contractSize": 1,
            "precision": {"price": 0.1, "amount": 0.001},
        }
    )


def frames_with_rows(sample: Sample) -> NDArray[np.int64]:
    """Which of the paced frames give rows: the others never reach a sink."""
    pipeline = Pipeline(BinanceUsdm(), INSTRUMENT, 0, Kind.TRADE)
    for line in sample.prelude:
        pipeline.decode(line[20:], int(line[:19]))
        pipeline.receive(0)
    pipeline.decode_snapshot(sample.snapshot[20:], int(sample.snapshot[:19]))
    pipeline.receive(0)
    found = []
    for n, line in enumerate(sample.rest[: PACED_HZ * PACED_S]):
        pipeline.decode(line[20:], int(line[:19]))
        pipeline.receive(0)
        found += [n] if len(pipeline.rows) else []
    return np.array(found)


Run = Callable[[Coroutine[Any, Any, Any]], Any]


def prove(run: Run, sender: Sender, sample: Sample, rows: Rows) -> None:
    """Compares what comes out of the feed with what a conversion makes of the same frames."""
    run(flooded(sender, sample, sink := Keeps(len(rows))))
    kept = np.concatenate(sink.kept)[: len(rows)]  # at its end a feed forgets its book
    for field in ("exch_ts", "px", "qty"):
        np.testing.assert_array_equal(kept[field], rows[field])
    np.testing.assert_array_equal(kept["ev"] & np.uint64(0xFF), rows["ev"] & np.uint64(0xFF))
    print(f"{len(sample.frames):,} frames, {len(rows):,} rows: those of a conversion of the same frames")


def throughput(run: Run, sender: Sender, sample: Sample, rows: Rows) -> None:
    """Frames a second, beside a client that does nothing with them."""
    pairs = [
        (run(flooded(sender, sample, Counts(len(rows)))), run(bare_flooded(sender, sample)))
        for _ in range(1 + FLOODS)
    ][1:]
    for what, field in (("of the clock, target: 250k", 0), ("of the processor", 1)):
        ours, bare_client = (
            sorted(len(sample.rest) / one[field] / 1e3 for one in side) for side in zip(*pairs, strict=True)
        )
        low, high = len(ours) // 4, -1 - len(ours) // 4
        print(
            f"socket to sink, frames a second {what}: {np.median(ours):.0f}k [{ours[low]:.0f} to {ours[high]:.0f}]; "
            f"a bare picows client: {np.median(bare_client):.0f}k"
        )


def against_ccxt(run: Run, sender: Sender, sample: Sample, rows: Rows) -> None:
    """The same frames through both."""

    def ours() -> Times:
        return run(flooded(sender, sample, Counts(len(rows))))

    ccxt = Ccxt(sample)
    result = alternate_measured(ours, lambda: run(ccxt.times()), CCXT_RUNS)
    show("the same frames through ccxt.pro, without a socket", result, 10.0)
    rate = len(sample.rest) / 1e3
    print(f"  ccxt.pro: {rate / result.peer:.1f}k frames/s; ours: {rate / result.ours:.0f}k")


def latency(run: Run, sender: Sender, sample: Sample) -> None:
    """Socket to sink of paced frames, against a bare read."""
    known = frames_with_rows(sample)
    pairs = [(run(paced(sender, sample, known)), run(bare_paced(sender))[known]) for _ in range(PACES)]
    for q, target in ((50, ", target: 1.5x"), (99, "")):
        both = [(np.percentile(a, q), np.percentile(b, q)) for a, b in pairs]
        ratios = sorted(a / b for a, b in both)
        a, b = (np.median(side) / 1e3 for side in zip(*both, strict=True))
        print(
            f"paced at {PACED_HZ} a second, p{q}: {a:.1f} us, bare read {b:.1f} us, {np.median(ratios):.2f}x "
            f"[{ratios[len(ratios) // 4]:.2f} to {ratios[-1 - len(ratios) // 4]:.2f}]{target}"
        )


def main() -> None:
    show_machine()
    known = sample()
    rows = converted(known)
    warm_up(BinanceUsdm(), INSTRUMENT)
    with sender(known) as process, asyncio.Runner(loop_factory=new_event_loop) as runner:
        prove(runner.run, process, known, rows)
        throughput(runner.run, process, known, rows)
        against_ccxt(runner.run, process, known, rows)
        latency(runner.run, process, known)


if __name__ == "__main__":
    main()
