"""What watches a session in `socket_to_order.py --watched`: its own files, `arb watch` beside it, pages and scrapes.

One session runs in segments that take turns: it writes nothing for others; it writes its files as in `arb live`; it is
watched as well, by `arb watch --beside` with PAGES open streams and a scrape of `/metrics` a second. Outside of the
last kind the watcher and its readers are stopped by SIGSTOP, so that all kinds meet the same session and the same
machine. The first part of a segment is not counted: what was stopped catches up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import statistics
import time
from collections.abc import Sequence
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from hftbacktest.order import GTX, IOC, LIMIT

from arb.bot.recorder import Recorder
from arb.commands.watch_beside import start_beside
from arb.engine.live import LiveBot
from arb.files import lock
from arb.results.evidence import SESSION_LOCK
from arb.risk.limits import AssetLimits, Limits
from arb.runtime.output import SessionOutput
from arb.runtime.session import Session
from arb.runtime.session_orders import NoOrders
from arb.runtime.session_watch import WATCH_S, Facts, SessionWatch

PAGES = 10
SILENT, PUBLISHED, WATCHED = "nothing written", "files written", "watched"
#: Limits: of a watched session's times to those of the same that is not, and of a core for writing the files.
P50_RATIO, P99_RATIO, CORE_PCT = 1.03, 1.15, 0.3
#: Every so many rows an order crosses the touch and is filled.
_FILL_EVERY = 25
_SETTLE_S = 1.0


def answer_and_trade(bot: Any, counts: Any) -> None:
    """A post-only order for every row, and now and then one that is filled: the files have fills, too."""
    order_id = 1
    while bot.wait_next_feed(False, 3_600_000_000_000) != 1:
        depth = bot.depth(0)
        if depth.best_bid > 0.0 and depth.best_ask > 0.0:
            bot.clear_inactive_orders(0)
            if len(bot.orders(0)) > 20:
                bot.cancel(0, order_id - 20, False)
            if order_id % _FILL_EVERY:
                bot.submit_buy_order(0, order_id, depth.best_bid - 50.0, 0.001, GTX, LIMIT, False)
            elif order_id % (2 * _FILL_EVERY):
                bot.submit_buy_order(0, order_id, depth.best_ask + 50.0, 0.001, IOC, LIMIT, False)
            else:
                bot.submit_sell_order(0, order_id, depth.best_bid - 50.0, 0.001, IOC, LIMIT, False)
            counts[0] += 1
            order_id += 1


class Segment(NamedTuple):
    """When a kind of segment was measured. used_s: processor time of each call that wrote files, without the lines of
    the log, which a session writes for itself."""

    kind: str
    from_ns: int
    until_ns: int
    used_s: Sequence[float]


async def read_pages(address: str, session: str, seen: SynchronizedArray[int]) -> None:
    """Reads PAGES streams and scrapes once a second. seen: messages, their bytes, scrapes, fills of the first page."""

    async def page(number: int, client: aiohttp.ClientSession) -> None:
        async with client.get(f"{address}/events", params={"session": session}) as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    seen[0] += 1
                    seen[1] += len(line)
                    if not number:
                        news = json.loads(line[5:])
                        seen[3] += sum(one[2] == "fill" for one in news.get("events", ()))

    async def scrape(client: aiohttp.ClientSession) -> None:
        while True:
            async with client.get(f"{address}/metrics") as answer:
                seen[2] += b"arb_up{" in await answer.read()
            await asyncio.sleep(1.0)

    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 24) as client:
        await asyncio.gather(scrape(client), *(page(number, client) for number in range(PAGES)))


def readers(address: str, session: str, seen: SynchronizedArray[int]) -> None:
    """The process of the pages, which are on another machine, or on a core that trading leaves alone."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(10)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(read_pages(address, session, seen))


class Watchers:
    """`arb watch` and the pages, stopped or going on."""

    def __init__(self, root: Path, session: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address, self._pid = start_beside(root, port)
        context = multiprocessing.get_context("spawn")
        self.seen = context.Array("q", 4)
        self._readers = context.Process(target=readers, args=(self.address, session, self.seen), daemon=True)

    async def start(self) -> None:
        """Returns once the pages are open."""
        async with aiohttp.ClientSession() as client, asyncio.timeout(60.0):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.get(f"{self.address}/data/runs.json") as answer:
                        if (await answer.json())["runs"]:
                            break
                await asyncio.sleep(0.1)
            self._readers.start()
            while self.seen[0] < PAGES:
                await asyncio.sleep(0.1)

    def stop(self, number: int) -> None:
        """Sends a signal to both."""
        for pid in (self._pid, self._readers.pid):
            if pid is not None:
                os.kill(pid, number)

    def close(self) -> None:
        self.stop(signal.SIGCONT)
        self.stop(signal.SIGTERM)


class Published:
    """The files of one session for other processes, written by a timer as `arb live` does, or not."""

    def __init__(self, root: Path, bot: LiveBot, session: Session, output: TimedOutput) -> None:
        self.folder = root / "run"
        self._lock = (self.folder / SESSION_LOCK).open("w+b")
        lock(self._lock)
        facts = Facts(self.folder, "live", time.monotonic_ns(), None, 1.0, is_over_basis=False)
        limits = Limits([AssetLimits()])
        self._watch = SessionWatch(
            bot, Recorder(1), session, [], facts, limits=limits, orders=NoOrders(), output=output
        )
        self._output = output
        self._writes = False
        #: Processor time of each call so far.
        self.used_s: list[float] = []

    async def run(self) -> None:
        """The timer."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._writes:
                before = time.thread_time_ns() - self._output.log_ns
                self._watch.tick()
                self.used_s.append((time.thread_time_ns() - self._output.log_ns - before) / 1e9)

    def write(self, writes: bool) -> None:
        self._writes = writes

    def close(self) -> None:
        self._watch.close()
        self._lock.close()


async def take_turns(published: Published, watchers: Watchers, groups: int, seconds: float) -> list[Segment]:
    """Runs `groups` segments of each kind; the order within a group changes."""
    kinds, found = [SILENT, PUBLISHED, WATCHED], []
    for _ in range(groups):
        for kind in kinds:
            published.write(kind != SILENT)
            watchers.stop(signal.SIGCONT if kind == WATCHED else signal.SIGSTOP)
            await asyncio.sleep(_SETTLE_S)
            from_ns, calls = time.time_ns(), len(published.used_s)
            await asyncio.sleep(seconds)
            found.append(Segment(kind, from_ns, time.time_ns(), published.used_s[calls:]))
        kinds.append(kinds.pop(0))
    return found


@contextlib.asynccontextmanager
async def _running(published: Published, watchers: Watchers) -> Any:
    """Inside the context the files are written, and the pages open at first."""
    timer = asyncio.create_task(published.run())
    published.write(True)
    try:
        await watchers.start()
        yield
    finally:
        timer.cancel()


async def watch_in_turns(
    root: Path, bot: LiveBot, session: Session, output: TimedOutput, groups: int, seconds: float
) -> tuple[list[Segment], list[int]]:
    """The segments, and what the pages have read: messages, bytes, scrapes, fills of one."""
    published = Published(root, bot, session, output)
    watchers = Watchers(root, published.folder.name)
    try:
        async with _running(published, watchers):
            segments = await take_turns(published, watchers, groups, seconds)
        return segments, watchers.seen[:]
    finally:
        watchers.close()
        published.close()


def show_segments(segments: Sequence[Segment], times_ns: Any, spans_ns: Any, seen: Sequence[int]) -> bool:
    """Prints the distribution by kind and the ratios of neighbouring segments; whether all limits are kept.

    times_ns: when each frame was sent; spans_ns: from there to its order.
    """
    of = {kind: [one for one in segments if one.kind == kind] for kind in (SILENT, PUBLISHED, WATCHED)}
    us = {
        kind: [spans_ns[(times_ns >= one.from_ns) & (times_ns < one.until_ns)] / 1e3 for one in ones]
        for kind, ones in of.items()
    }
    for kind, parts in us.items():
        p25, p50, p75, p90, p99 = np.percentile(np.concatenate(parts), [25, 50, 75, 90, 99])
        count = sum(map(len, parts))
        print(
            f"{kind:<16} n {count}  p50 {p50:6.1f} us [{p25:.1f} to {p75:.1f}]  p90 {p90:6.1f}  p99 {p99:7.1f}"
        )
    good = True
    for kind, peer in ((WATCHED, PUBLISHED), (WATCHED, SILENT), (PUBLISHED, SILENT)):
        for share, limit in ((50, P50_RATIO), (99, P99_RATIO)):
            ratios = [
                float(np.percentile(a, share) / np.percentile(b, share))
                for a, b in zip(us[kind], us[peer], strict=True)
            ]
            low, middle, high = map(float, np.percentile(ratios, [25, 50, 75]))
            whole = float(
                np.percentile(np.concatenate(us[kind]), share)
                / np.percentile(np.concatenate(us[peer]), share)
            )
            is_bound = (kind, peer) == (WATCHED, PUBLISHED)
            good = good and (not is_bound or middle <= limit)
            print(
                f"{kind} / {peer}: p{share} {middle:.3f}x [{low:.3f} to {high:.3f}] of {len(ratios)} pairs, "
                f"{whole:.3f}x of all{f', limit {limit:g}x' if is_bound else ''}"
            )
    writing = [*of[PUBLISHED], *of[WATCHED]]
    shares = [100.0 * sum(one.used_s) / ((one.until_ns - one.from_ns) / 1e9) for one in writing]
    core_pct = statistics.median(shares)
    calls_us = np.concatenate([one.used_s for one in writing]) * 1e6
    p50, p90, p99 = np.percentile(calls_us, [50, 90, 99])
    print(
        f"writing the files: {core_pct:.2f} % of a core, at most {max(shares):.2f}, limit {CORE_PCT:g}; "
        f"{len(calls_us)} calls: p50 {p50:.0f} us  p90 {p90:.0f}  p99 {p99:.0f}  max {calls_us.max():.0f}"
    )
    print(f"pages: {seen[0]} messages, {seen[1] / 1e6:.1f} MB, {seen[3]} fills on one; {seen[2]} scrapes")
    return good and core_pct <= CORE_PCT and seen[2] > 0 and seen[3] > 0


class TimedOutput(SessionOutput):
    """The log and the events of the session, with the processor time of the lines of the log."""

    log_ns = 0

    def line(self, event: str, text: str, time_ns: int | None = None) -> None:
        before = time.thread_time_ns()
        super().line(event, text, time_ns)
        self.log_ns += time.thread_time_ns() - before


def output_of(root: Path) -> TimedOutput:
    """The log and the events of the session."""
    (root / "run").mkdir()
    return TimedOutput(root / "run" / "log.txt")
