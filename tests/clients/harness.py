"""Clients that nobody here wrote, against a sandbox in real time.

A client runs in a process of its own (`programs/`) and prints a JSON line for each cell of the table of clients; the
sandbox runs on a thread of this process, whose desks and accounts the tests compare with what the client reported.
A program may also ask the test for what it cannot do itself: to begin a fault, to move a mark price, or to wait until
the sandbox has its subscriptions. It goes on when that is done, so that no step depends on the speed of the machine.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from clients.forked import forked
from numpy.random import default_rng
from support.live_sandbox import await_that
from support.simulated import LISTINGS, PRICES

from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.bybit.private_session import PrivateSession
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.setup import TradingSetup
from arb.sandbox.trading.state import Trading

PROGRAMS = Path(__file__).parent / "programs"
#: A program that hangs is ended; the slowest one takes some 20 s.
_PROGRAM_S = 150.0
T = TypeVar("T")
#: Programs mostly wait: for their imports, for timeouts, for connections.
_TOGETHER = 2
_POOL = ThreadPoolExecutor(_TOGETHER, thread_name_prefix="program")


class Ahead(Generic[T]):
    """Runs each case once. While a test waits for one, the next ones run beside it, in the order of the tests."""

    def __init__(self, run: Callable[..., T], cases: Sequence[tuple[Any, ...]]) -> None:
        self._run = run
        self._cases = list(cases)
        self._begun: dict[tuple[Any, ...], Future[T]] = {}

    def __call__(self, *case: Any) -> T:
        number = self._cases.index(case)
        for one in self._cases[number : number + _TOGETHER]:
            if one not in self._begun:
                self._begun[one] = _POOL.submit(self._run, *one)
        return self._begun[case].result()


def ahead(cases: Sequence[tuple[Any, ...]]) -> Callable[[Callable[..., T]], Ahead[T]]:
    """Makes an `Ahead` of a function."""
    return lambda run: Ahead(run, cases)


class RunningSandbox:
    """A seeded sandbox of BTCUSDT at some venues on a thread, in real time."""

    def __init__(self, setup: TradingSetup, *venues: str, seed: int = 7, **options: Any) -> None:
        listings = [LISTINGS[venue] for venue in venues or LISTINGS]
        self.sandbox = Sandbox(
            SeededMarket(listings, PRICES, seed),
            trading=trading_of(setup, seed, default_rng(seed)),
            **options,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)

    def __enter__(self) -> RunningSandbox:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.sandbox.__aenter__(), self._loop).result(120)
        await_that(lambda: self.ask(_has_books), "the books of all venues")
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.sandbox.__aexit__(None, None, None), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def addresses(self) -> dict[str, str]:
        """Base address of REST by venue, without a slash at the end."""
        return {venue: urls.rest for venue, urls in self.sandbox.urls.items()}

    def ask(self, question: Callable[[Any], T]) -> T:
        """What `question` says of the sandbox's trading, asked on its thread."""

        async def answer() -> T:
            assert self.sandbox.trading is not None
            return question(self.sandbox.trading)

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(30)

    def begin(self, fault: Fault) -> None:
        """Begins a fault, on the sandbox's thread."""

        async def begin() -> None:
            self.sandbox.begin(fault)

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result(30)


def _has_books(trading: Trading) -> bool:
    return all(one.matcher.is_ready for desk in trading.desks.values() for one in desk.instruments.values())


class Reported(NamedTuple):
    """What a program printed, by cell; the error with which it ended."""

    cells: Mapping[str, Any]
    error: str


def run_program(running: RunningSandbox, name: str, **arguments: Any) -> Reported:
    """Runs `programs/NAME.py` in a process of its own with its arguments as JSON, and does what it asks for.

    One that hangs before it has reported anything is run once more: pybit waits for its connections without a limit.
    """
    reported = _run_once(running, name, arguments)
    if not (reported.cells or reported.error):
        reported = _run_once(running, name, arguments)
    return reported


def _run_once(running: RunningSandbox, name: str, arguments: dict[str, Any]) -> Reported:
    cells: dict[str, Any] = {}
    with forked(PROGRAMS / f"{name}.py", json.dumps(arguments), seconds=_PROGRAM_S) as program:
        for line in program.stream:
            if not line.startswith("{"):
                continue
            found = json.loads(line)
            if "cell" in found:
                cells[found["cell"]] = found["value"]
                continue
            for request, keys in found.items():
                _REQUESTS[request](running, **keys)
            program.stream.write("done\n")
            program.stream.flush()
        return Reported(cells, program.error())


def _begin(running: RunningSandbox, kind: str, **keys: Any) -> None:
    """Begins a fault now."""
    if "quantity" in keys:
        keys["quantity"] = Decimal(keys["quantity"])
    running.begin(Fault(FaultKind(kind), at_s=0.0, **keys))


def _move_mark(running: RunningSandbox, venue: str, share: float) -> None:
    """Moves the mark price to a share of itself."""

    def move(trading: Trading) -> None:
        instrument = trading.desks[venue].instruments["BTCUSDT"]
        assert instrument.mark is not None
        instrument.mark_price = instrument.mark * Decimal(repr(share))

    running.ask(move)


def _await_streams(running: RunningSandbox, venue: str, count: int) -> None:
    """Returns when an account has this many subscriptions to its events."""
    await_that(lambda: running.ask(lambda trading: _subscriptions(trading, venue)) >= count, "subscriptions")


def _subscriptions(trading: Trading, venue: str) -> int:
    """Bybit's are the topics of its sockets."""
    sockets = [getattr(one, "__self__", None) for one in trading._listeners.get((venue, "main"), {}).values()]
    return sum(len(one._topics) if isinstance(one, PrivateSession) else 1 for one in sockets)


_REQUESTS: dict[str, Callable[..., None]] = {
    "begin": _begin, "move_mark": _move_mark, "await_streams": _await_streams,
}  # fmt: skip
