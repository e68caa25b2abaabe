"""Who hears signals: within `signals_call` its act, behind it whoever did before; loops that sleep wake for them."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arb.runtime.signals import signals_call, signals_wake, sigterm_as_ctrl_c
from connectors.net.sockets import new_event_loop

BOTH = (signal.SIGINT, signal.SIGTERM)
#: A loop that sleeps longer than this has missed a signal; nothing is waited for where it has not.
RESCUE_S = 20.0


@pytest.fixture(autouse=True)
def outside() -> Iterator[list[int]]:
    """The signals that come to who stood before: the tests end with none of them."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in BOTH}
    for number in BOTH:
        signal.signal(number, lambda number, _: received.append(number))
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in BOTH]


def test_both_signals_call_and_then_who_stood_before_hears_them(outside: list[int]) -> None:
    before = handlers()
    inside: list[signal.Signals] = []

    with signals_call(inside.append):
        for number in (*BOTH, signal.SIGINT):
            signal.raise_signal(number)
    received_behind = list(outside)
    signal.raise_signal(signal.SIGTERM)

    assert inside == [*BOTH, signal.SIGINT]
    assert all(isinstance(number, signal.Signals) for number in inside)
    assert received_behind == []
    assert outside == [signal.SIGTERM]
    assert handlers() == before


def test_other_signals_stay_with_whom_they_were(outside: list[int]) -> None:
    inside: list[signal.Signals] = []

    with signals_call(inside.append, [signal.SIGTERM]):
        for number in BOTH:
            signal.raise_signal(number)

    assert (inside, outside) == ([signal.SIGTERM], [signal.SIGINT])


def test_the_inner_one_hears_them_until_it_ends() -> None:
    outer: list[signal.Signals] = []
    inner: list[signal.Signals] = []

    with signals_call(outer.append):
        with signals_call(inner.append):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

    assert (inner, outer) == ([signal.SIGINT], [signal.SIGTERM])


def test_what_the_act_raises_goes_on_and_the_handlers_are_put_back() -> None:
    before = handlers()

    def interrupt(_: signal.Signals) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), signals_call(interrupt):
        signal.raise_signal(signal.SIGTERM)

    assert handlers() == before


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_the_systems_own_ways_are_put_back_too(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGTERM, handler)

    with signals_call(lambda _: None):
        assert signal.getsignal(signal.SIGTERM) != handler

    assert signal.getsignal(signal.SIGTERM) == handler


def test_a_handler_that_python_does_not_know_makes_room_for_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(signal, "getsignal", lambda number: None)
        with signals_call(lambda _: None, [signal.SIGTERM]):
            pass

    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_on_another_thread_nothing_changes(outside: list[int]) -> None:
    before = handlers()
    wakeup_fd = signal.set_wakeup_fd(-1)
    inside: list[signal.Signals] = []
    found: list[Any] = []

    async def work() -> None:
        with signals_call(inside.append), signals_wake(asyncio.get_running_loop()):
            found.extend(handlers())

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()

    assert found == handlers() == before
    assert signal.set_wakeup_fd(wakeup_fd) == -1


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "as installed"]
)
@pytest.mark.parametrize("is_other_thread", [False, True], ids=["main thread", "other thread"])
def test_a_loop_that_sleeps_wakes(
    new_loop: Callable[[], asyncio.AbstractEventLoop], is_other_thread: bool, outside: list[int]
) -> None:
    rescued: list[bool] = []

    async def sleep() -> None:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake(_: signal.Signals) -> None:
            loop.call_soon_threadsafe(woken.set)

        def rescue() -> None:
            rescued.append(True)
            loop.call_soon_threadsafe(woken.set)

        with signals_call(wake), signals_wake(loop):
            main = threading.main_thread().ident or 0
            # The loop most likely sleeps by then; if not, this proves less, and fails no more.
            threading.Timer(
                0.05,
                lambda: signal.pthread_kill(
                    threading.get_ident() if is_other_thread else main, signal.SIGINT
                ),
            ).start()
            help_comes = threading.Timer(RESCUE_S, rescue)
            help_comes.start()
            await woken.wait()
            help_comes.cancel()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(sleep())

    assert rescued == []
    assert signal.set_wakeup_fd(-1) == -1
    # Nobody writes to a socket that was closed, or hears of it, behind the loop.
    signal.raise_signal(signal.SIGTERM)
    assert outside == [signal.SIGTERM]


def test_sigterm_is_received_by_who_hears_ctrl_c(outside: list[int]) -> None:
    before = handlers()
    with sigterm_as_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
        with signals_call(lambda _: None):
            signal.raise_signal(signal.SIGTERM)
    assert outside == [signal.SIGINT]
    assert handlers() == before


@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN, signal.SIG_DFL])
def test_sigterm_interrupts_also_where_ctrl_c_is_ignored(ctrl_c: Any) -> None:
    signal.signal(signal.SIGINT, ctrl_c)
    with sigterm_as_ctrl_c(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "as installed"]
)
def test_sigterm_cancels_a_task_that_can_put_away_what_it_began(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(RESCUE_S)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            done.append("put away")
            raise

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        sigterm_as_ctrl_c(),
        pytest.raises(KeyboardInterrupt),
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        runner.run(work())
    assert done == ["put away"]
