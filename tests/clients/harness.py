"""Clients that nobody here wrote, against a sandbox in real time.

A client runs in a process of its own (`programs/`) and prints a JSON line for each cell of the table of clients; the
sandbox runs on a thread of this process, whose desks and accounts the tests compare with what the client reported.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES

from arb.sandbox.faults import Fault
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.setup import TradingSetup

PROGRAMS = Path(__file__).parent / "programs"
#: A program that hangs is ended; the slowest one takes some 10 s.
_PROGRAM_S = 90.0
T = TypeVar("T")


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


class Reported(NamedTuple):
    """What a program printed, by cell; the error with which it ended."""

    cells: Mapping[str, Any]
    error: str


def run_program(name: str, **arguments: Any) -> Reported:
    """Runs `programs/NAME.py` in a process of its own with its arguments as JSON."""
    command = [sys.executable, str(PROGRAMS / f"{name}.py"), json.dumps(arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_PROGRAM_S, cwd=PROGRAMS, check=False
    )
    cells: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found = json.loads(line)
            cells[found["cell"]] = found["value"]
    return Reported(cells, done.stderr[-3000:] if done.returncode else "")


@cache
def source_line(place: str) -> str:
    """The line of an installed package that `place`, such as "ccxt/pro/bybit.py:40", names."""
    path, _, number = place.rpartition(":")
    package, _, rest = path.partition("/")
    module = sys.modules.get(package) or importlib.import_module(package)
    lines = (Path(str(module.__file__)).parent / rest).read_text(encoding="utf-8").splitlines()
    return lines[int(number) - 1]


def equal(found: object, expected: Decimal | None) -> bool:
    """Whether a client's number, which may be a float, is the sandbox's decimal."""
    if found is None or expected is None:
        return found is expected
    if isinstance(found, float):
        return found == float(expected)
    return Decimal(str(found)) == expected
