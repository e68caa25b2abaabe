"""A sandbox that runs beside the test, on a thread of its own, and what a dry-run on it is configured with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arb.commands.legs import known_venues
from arb.commands.serve import sandbox_of
from arb.config import Config, load
from arb.errors import InputError
from arb.results.evidence import SESSION_DB
from arb.runtime.session_store import read_store
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.urls import VenueUrls, ports_from
from support.paths import GUARD, ROOT, strategy_file
from support.simulated import LISTINGS, PRICES

VENUES = ("binance_spot", "bybit_spot")

#: Of a session in the process of its sandbox: what holds the interpreter, such as a compilation, stops both, and is no
#: fault of the session.
PATIENT_GUARD = "guard.timeout_ms=60000"
#: What holds the ports of `free_ports` for this process.
_CLAIMS: list[socket.socket] = []

#: Orders at both legs all the time: buys through the ask and sells through the bid, and one that rests.
BUSY = """
import numpy as np

from picks import pick


def busy(bot):
    bot.wait_next_feed(True, 10_000_000_000)
    n = 1
    while bot.elapse(37_000_000) == 0:
        # With an order always on its way, a backtest goes on for ever behind the last row.
        feed = bot.feed_latency(0)
        if feed is not None:
            exch_ts, local_ts = feed
            if bot.current_timestamp - local_ts > 10_000_000_000:
                break
        leg = n % 2
        depth = bot.depth(leg)
        if depth.best_bid > 0 and depth.best_ask > 0:
            if n % 4 < 2:
                bot.submit_buy_order(leg, n, depth.best_ask * 1.0002, 0.01, 0, 0, False)
            else:
                bot.submit_sell_order(leg, n, depth.best_bid * 0.9998, 0.01, 0, 0, False)
            if n % 5 == 0:
                bot.submit_buy_order(leg, 100_000 + n, depth.best_bid, 0.01, 0, 0, False)
            if n % 7 == 0:
                bot.cancel(leg, 100_000 + n - n % 5, False)
        bot.clear_inactive_orders(-1)
        n += 1
    return 0


def resting(bot):
    # Rests an order far below the market at each leg.
    n = 1
    while bot.elapse(50_000_000) == 0:
        depth = bot.depth(n % 2)
        if n <= 2 and depth.best_bid > 0:
            bot.submit_buy_order(n % 2, n, depth.best_bid * 0.98, 0.01, 0, 0, False)
            n += 1
    return 0


def half_refused(bot):
    # Small and large orders in turn.
    n = 1
    while bot.elapse(37_000_000) == 0:
        ask = bot.depth(n % 2).best_ask
        if ask > 0:
            bot.submit_buy_order(n % 2, n, ask * 1.0002, 0.01 if n % 4 < 2 else 1.0, 0, 0, False)
            n += 1
        bot.clear_inactive_orders(-1)
    return 0


def halting(bot):
    # Buys at one leg, sells at the other, and halts when both were answered.
    n = 1
    while bot.elapse(100_000_000) == 0:
        depths = bot.depth(0), bot.depth(1)
        if n == 1 and depths[0].best_ask > 0 and depths[1].best_bid > 0:
            bot.submit_buy_order(0, n, depths[0].best_ask * 1.01, 0.05, 0, 0, False)
            bot.submit_sell_order(1, n, depths[1].best_bid * 0.99, 0.03, 0, 0, False)
            n += 1
        if bot.position(0) > 0 and bot.position(1) < 0:
            return 3
    return 0


def idle(bot):
    while bot.elapse(50_000_000) == 0:
        pass
    return 0


def raises(bot):
    bot.wait_next_feed(True, 10_000_000_000)
    n = sum_of = 0
    while bot.elapse(50_000_000) == 0:
        n += 1
        sum_of += 1 // (10 - n)
    return sum_of


def breaks(bot):
    # Fails when it is stopped, behind its last wait, whose clock its error names.
    while bot.wait_next_feed(True, 10_000_000_000) != 1:
        pass
    return 1 // bot.submit_buy_order(0, 1, 100.0, 0.01, 0, 0, False) // (bot.num_assets - 2)


def sums(bot):
    # Reads the book as arrays.
    total = 0.0
    while bot.elapse(50_000_000) == 0:
        total += bot.depth(0).bid_depth.sum()
    return 0


def endless(bot):
    # Calls the bot for ever, and never waits.
    bot.wait_next_feed(True, 10_000_000_000)
    while not bot.depth(0).best_ask > 0:
        bot.wait_next_feed(True, 10_000_000_000)
    bot.submit_buy_order(0, 1, bot.depth(0).best_ask * 1.01, 0.01, 0, 0, True)
    print("under way")
    while bot.position(0) == bot.position(0):
        pass
    return 0


def deaf(bot):
    # Heeds no stop, and goes on calling the bot.
    while bot.elapse(50_000_000) == 0:
        pass
    while bot.position(0) == bot.position(0):
        pass
    return 0


def silent(bot):
    bot.wait_next_feed(True, 10_000_000_000)
    print("under way")
    x = 0
    while x >= 0:
        x = (x + 1) % 1000
    return x


def errs(bot):
    bot.wait_next_feed(True, 10_000_000_000)
    n = 0
    while bot.elapse(50_000_000) == 0:
        n += 1
        if n == 10:
            return int(pick(np.zeros(3), np.int64(bot.num_assets) + 7))
    return 0


def hangs(bot):
    bot.wait_next_feed(True, 10_000_000_000)
    x = 0
    while x >= 0:
        x = (x + 1) % 1000
    return x


def rests_and_hangs(bot):
    # Computes for ever with an open order.
    while not bot.depth(0).best_bid > 0:
        bot.wait_next_feed(True, 10_000_000_000)
    bot.submit_buy_order(0, 1, bot.depth(0).best_bid * 0.99, 0.01, 0, 0, True)
    x = 0
    while x >= 0:
        x = (x + 1) % 1000
    return x
"""

#: A helper of theirs, in a module of its own.
PICKS = """
from numba import njit


@njit
def pick(values, index):
    return values[index]
"""


class LiveSandbox:
    """Real time, real sockets, a seeded market. `urls` once it is entered."""

    def __init__(
        self, sandbox: Sandbox | None = None, *, faults: Sequence[Any] = (), port_base: int = 0
    ) -> None:
        """sandbox: another one than that of BTCUSDT at two venues."""
        listings = [LISTINGS[venue] for venue in VENUES]
        self._sandbox = sandbox or Sandbox(
            SeededMarket(listings, PRICES, 7),
            faults=faults,
            ports=ports_from(port_base) if port_base else {},
        )
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.urls: dict[str, VenueUrls] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(300)  # a busy machine may have yet to compile
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @property
    def injected(self) -> list[dict[str, Any]]:
        """The faults that happened."""
        return list(self._sandbox.injected)

    def _run(self) -> None:
        # A venue is another machine: where the system allows it, it does not wait for a processor of this one.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        async with self._sandbox:
            self.urls = dict(self._sandbox.urls)
            self._ready.set_result(None)
            await self._over.wait()


class Served(LiveSandbox):
    """A running `arb sandbox serve`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.port_base = free_ports()
        usual: dict[str, Any] = {
            "recording": None, "seed": 7, "speed": 1.0, "venues": VENUES, "symbols": ("BTCUSDT",),
            "keeps_times": False, "faults": None, "fault_log": None, "port_base": self.port_base,
        }  # fmt: skip
        super().__init__(sandbox_of(known_venues(folder / "none.toml"), **{**usual, **options}))

    def begin(self, **fault: Any) -> None:
        """Begins a fault."""
        post = urllib.request.Request(
            f"{next(iter(self.urls.values())).rest}/sandbox/faults", json.dumps(fault).encode(), method="POST"
        )
        urllib.request.urlopen(post).close()


@contextlib.contextmanager
def alarms_interrupt() -> Iterator[None]:
    """Inside the context an alarm is a Ctrl+C. None is left to the tests that follow, whose process it would end."""
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def free_ports() -> int:
    """The first of four ports in a row that nobody uses, and nobody who asks here, in any process, is given again.

    They are below those that the system gives to connections. Each four have a fifth, which whoever was given them
    keeps bound until its process ends: to bind one port is the only claim that two processes cannot both make.
    """
    for base in range(20_100, 32_000, 5):
        claim = socket.socket()
        try:
            claim.bind(("127.0.0.1", base + 4))
            _refuse_used(range(base, base + 4))
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        return base
    raise AssertionError("no free ports")


def _refuse_used(ports: range) -> None:
    """Raises OSError where somebody uses one of them."""
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(socket.socket()).bind(("127.0.0.1", port))


def demo_config(folder: Path, *overrides: str, function: str = "") -> Config:
    """The demo's configuration, for a strategy of BUSY where one is named; its files are copied into `folder`."""
    return load(demo_files(folder), demo_settings(folder, function, *overrides))


def demo_files(folder: Path) -> Path:
    """The demo's main file, copied."""
    copied = folder / "demo"
    if not copied.exists():
        shutil.copytree(ROOT / "examples" / "demo", copied)
    return copied / "arbitrage.toml"


def demo_settings(folder: Path, function: str, *overrides: str) -> list[str]:
    """As `--set` takes them."""
    own = (
        [f'strategy.function="{strategy_file("busy.py", BUSY, picks=PICKS)}:{function}"'] if function else []
    )
    return [*own, "risk.position_limit=1000000.0", "risk.max_orders_per_second=0", *overrides]


def dry_run_process(folder: Path, port_base: int, function: str, *words: str) -> subprocess.Popen[str]:
    """`arb dry-run` on the sandbox at `port_base`, in a process of its own; it writes `folder / "run"`."""
    settings = [word for setting in demo_settings(folder, function, *words) for word in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "arb", "dry-run", "--sandbox", "--port-base", str(port_base), "--no-report",
         "--config", str(demo_files(folder)), "--out", str(folder / "run"), *settings],
        env={**os.environ, "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def await_first_row(run: Path) -> None:
    """Returns when the session's strategy has received a row."""
    log = run / "log.txt"
    await_that(
        lambda: log.exists() and "received its first row" in log.read_text(), "the strategy's first row"
    )


def await_fills(run: Path, more: int) -> None:
    """Returns when the session has kept `more` fills than it has now."""
    before = fills_kept(run)
    await_that(lambda: fills_kept(run) >= before + more, f"{more} fills more than {before}")


def fills_kept(run: Path, leg: int | None = None) -> int:
    """How many fills a running session has kept; leg: of this one alone."""
    try:
        fills = read_store(run / SESSION_DB).fills
        return len(fills if leg is None else fills[fills["asset_no"] == leg])
    except InputError:
        # Not begun, or nothing in it yet.
        return 0


def await_that(is_so: Callable[[], bool], what: str, look_s: float = 0.05) -> None:
    """Returns when it is so. The time is for a machine with other work that has yet to compile everything."""
    deadline = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < deadline, f"not within five minutes: {what}"
        time.sleep(look_s)
