"""The host of a live session: the first signal is its ending, the first error its error, and timers end with it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
import weakref
from collections.abc import Awaitable, Callable

import pytest

from arb.interrupts import interrupts_kept
from arb.runtime.host import Ending, Host


def run(host: Host, work: Callable[[], Awaitable[object]]) -> object:
    """Runs a session whose feeds count as started."""
    host.start_feeds()
    with host:
        return host.run(work)


def test_a_session_that_nothing_ends_lasts_its_time() -> None:
    host, calls = Host({}), list[int]()

    async def work() -> str:
        host.every(0.01, lambda: calls.append(1))
        await host.wait(0.1)
        return "done"

    assert run(host, work) == "done"
    assert host.ending == Ending.DURATION
    assert host.error is None
    assert 2 <= len(calls) <= 10


@pytest.mark.parametrize("stop", ["signal", "duration", "error"])
def test_what_is_done_before_the_end_is_done_with_its_timers_unless_an_error_ends_it(stop: str) -> None:
    host, calls = Host({}), list[int]()
    done = list[bool]()

    async def last() -> None:
        calls.clear()
        while not calls:
            await asyncio.sleep(0.001)
        done.append(True)

    async def work() -> None:
        host.every(0.01, lambda: calls.append(1))
        if stop != "duration":
            end = {
                "signal": lambda: signal.raise_signal(signal.SIGTERM),
                "error": lambda: host.end(OSError()),
            }
            asyncio.get_running_loop().call_soon(end[stop])
        await host.wait(0.02 if stop == "duration" else 60.0, last)
        assert await host.until_over(asyncio.sleep(60.0)) is None, "it is over"

    run(host, work)
    assert done == [True] * (stop != "error")
    assert host.is_interrupted == (stop == "signal")


def test_garbage_collection_leaves_out_what_was_loaded_before_the_session() -> None:
    host = Host({})

    async def work() -> int:
        host.start_feeds()
        return gc.get_freeze_count()

    with host:
        frozen = host.run(work)
    assert frozen is not None
    assert frozen > 10_000
    assert gc.get_freeze_count() == 0


def test_a_full_garbage_collection_looks_only_at_what_was_made_since_the_last_one() -> None:
    host, kept, looked = Host({}), [], []
    before = gc.get_threshold(), len(gc.callbacks)

    def count(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            looked.append(len(gc.get_objects()))

    async def work() -> bool:
        host.start_feeds()
        gc.callbacks.append(count)
        cycle = Host({})
        cycle.error = cycle  # type: ignore[assignment]
        is_there = weakref.ref(cycle)
        del cycle
        for _ in range(400_000):
            kept.append([])
        gc.callbacks.remove(count)
        return is_there() is None

    with host:
        assert host.run(work), "garbage is collected"
    assert max(looked) < 60_000
    assert (gc.get_threshold(), len(gc.callbacks)) == before


@pytest.mark.parametrize(
    ("number", "ending"), [(signal.SIGINT, Ending.INTERRUPTED), (signal.SIGTERM, Ending.STOPPED)]
)
def test_the_first_signal_is_the_ending(number: signal.Signals, ending: Ending) -> None:
    host = Host({})

    async def work() -> None:
        for one in (number, signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().call_soon(signal.raise_signal, one)
        await host.wait(60.0)

    run(host, work)
    assert host.ending == ending
    assert host.is_interrupted
    assert host.ctrl_c_count == 1 + (number == signal.SIGINT), "only Ctrl+C counts"


def test_a_signal_before_the_feeds_are_started_is_an_interrupt() -> None:
    host = Host({})

    async def work() -> None:
        raise AssertionError("nothing may begin")

    with host:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            host.run(work)


def test_a_signal_after_the_loop_changes_nothing() -> None:
    host = Host({})
    host.start_feeds()
    with host:
        host.run(lambda: host.wait(0.0))
        signal.raise_signal(signal.SIGINT)
    assert host.ending == Ending.DURATION


def test_the_first_error_of_any_thread_ends_it() -> None:
    host, first = Host({}), OSError(28, "No space left on device")

    async def work() -> None:
        for error in (first, ValueError("later")):
            thread = threading.Thread(target=host.end, args=(error,))
            thread.start()
            thread.join()
        await host.wait(60.0)

    run(host, work)
    assert host.error is first


def test_an_error_of_a_timer_ends_it() -> None:
    host, fault = Host({}), ValueError("a timer")
    calls: list[int] = []

    def fail() -> float:
        calls.append(1)
        raise fault

    async def work() -> None:
        host.repeat(fail)
        await host.wait(60.0)

    run(host, work)
    assert host.error is fault
    assert calls == [1]


def test_work_that_waits_is_cancelled_at_the_end() -> None:
    host, cancelled = Host({}), list[bool]()

    async def forever() -> None:
        try:
            await asyncio.sleep(60.0)
        finally:
            cancelled.append(True)

    async def work() -> object:
        asyncio.get_running_loop().call_later(0.01, host.end)
        return await host.until_over(forever())

    assert run(host, work) is None
    assert cancelled == [True]


def test_a_signal_that_code_in_c_has_cleared_ends_the_session_before_it_begins() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts_kept():
            with contextlib.suppress(KeyboardInterrupt):  # as a C module's import does
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                Host({}).__enter__()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_polling_session_does_not_wait_for_messages_until_it_ends() -> None:
    class Counted(Host):
        passes = 0

        def poll(self) -> None:
            self.passes += 1
            super().poll()

    host, counts = Counted({}), list[int]()

    async def work() -> None:
        host.poll()
        for _ in range(3):
            await asyncio.sleep(0.02)
            counts.append(host.passes)
        host.end()
        for _ in range(10):
            await asyncio.sleep(0)
        counts.append(host.passes)
        await asyncio.sleep(0.02)
        counts.append(host.passes)

    run(host, work)
    assert counts[0] > 10
    assert counts[2] > counts[1] > counts[0]
    assert counts[4] == counts[3]
