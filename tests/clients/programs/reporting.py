"""How programs report (a JSON line for each cell), ask their test for something, and wait. Not a program."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sized
from typing import Any

#: What a stream may still send after all that is expected.
_SURPLUS_S = 0.3
#: A wait for what never arrives ends; the cells then show what is missing.
_BOUND_S = 30.0


def arguments() -> dict[str, Any]:
    """The arguments of this process."""
    return json.loads(sys.argv[1])


def report(cell: str, value: Any) -> None:
    """Prints a cell."""
    _print(cell=cell, value=value)


def report_absence(cell: str, client: Any, *words: str) -> None:
    """Reports what a client has of what it should not have: by its own list, or methods with one of these words."""
    if hasattr(client, "has"):
        found = [word for word in words if client.has[word]]
    else:
        names = (name for name in dir(client) if not name.startswith("_"))
        found = [name for name in names if any(word in name.lower() for word in words)]
    report(cell, {"has": found})


def ask_test(what: str, **keys: Any) -> None:
    """Has the test do something; returns when that is done. See `harness.py`."""
    _print(**{what: keys})
    if sys.stdin.readline() != "done\n":
        raise RuntimeError(f"not done: {what} {keys}")


def begin(kind: str, **keys: Any) -> None:
    """Begins a fault now; returns when it has begun."""
    ask_test("begin", kind=kind, **keys)


def error_of(call: Callable[[], Any]) -> str:
    """The class of the error that a call raises, "none" without one."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "none"


def await_streams(venue: str, count: int) -> None:
    """Returns when the account has this many subscriptions (at Bybit: topics) at a venue."""
    ask_test("await_streams", venue=venue, count=count)


def until_refused(outcome: Callable[[], str]) -> list[str]:
    """Makes requests until one was admitted and one was not, however fast the machine is; all outcomes."""
    found: set[str] = set()
    end = time.monotonic() + 3 * _BOUND_S
    while len(found) < 2 and time.monotonic() < end:
        found.add(outcome())
    return sorted(found)


def until(is_so: Callable[[], object]) -> None:
    """Returns when it is so, or never was for a long time."""
    end = time.monotonic() + _BOUND_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)


def settle(is_complete: Callable[[], object]) -> None:
    """Waits until a stream is complete, and a little longer for what is too much."""
    until(is_complete)
    time.sleep(_SURPLUS_S)


async def settle_async(is_complete: Callable[[], object]) -> None:
    """The same in a program with an event loop."""
    await asyncio.to_thread(settle, is_complete)


def has_all(orders: dict[str, dict], fills: Sized, known: list[dict], trades: Sized) -> bool:
    """Whether a stream has sent the last state of all known orders, and all fills."""
    last = {one["id"]: one["status"] for one in known}
    return {key: one["status"] for key, one in orders.items()} == last and len(fills) >= len(trades)


def _print(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
