"""Interrupts that Python discards are raised again; which signals end a command."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from arb.interrupts import ending_signals, interrupt_handled, interrupts_kept, was_interrupted

#: How long an interrupt may take to come again on a busy machine; nothing waits for it longer than it takes.
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Python's own handler, whatever runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def in_a_callback_from_c() -> None:
    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()


def in_a_weak_reference() -> None:
    class Gone:
        pass

    gone = Gone()
    watched = weakref.ref(gone, lambda _: signal.raise_signal(signal.SIGINT))
    del gone
    assert watched() is None


def discard_and_go_on(discard: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    discard()
    while time.monotonic() < deadline:
        pass


@pytest.mark.parametrize("discard", [in_a_callback_from_c, in_a_weak_reference])
def test_a_discarded_interrupt_is_raised_again(
    discard: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        discard_and_go_on(discard)
    assert "Exception ignored" not in capsys.readouterr().err


def test_other_discarded_errors_are_reported_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda discarded: reported.append(discarded.exc_type.__name__))

    def fail() -> None:
        raise ValueError("not an interrupt")

    with interrupts_kept():
        ctypes.CFUNCTYPE(None)(fail)()
    assert reported == ["ValueError"]


def test_a_closed_terminal_ends_commands_but_under_nohup() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert ending_signals() == [signal.SIGTERM, signal.SIGHUP]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert ending_signals() == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


PRESS = "signal.raise_signal(signal.SIGINT)"
#: Sends itself Ctrl+C when a module is looked for, and goes on as the `arb` command does.
AT_IMPORT = """
import signal, sys

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

wanted = sys.argv.pop(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Pressed())
from arb.__main__ import main
main()
"""


#: What is interrupted makes an error of its own of it, as modules in C do.
SPOILED = """try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise SyntaxError("can't load a module") from None"""
#: A variable of the interrupted code has a finalizer that fails.
HALF_MADE = """made = type("HalfMade", (), {"__del__": lambda self: self.missing})()
            signal.raise_signal(signal.SIGINT)"""


@pytest.mark.parametrize(
    ("press", "name", "words"),
    [
        (PRESS, "arb.interrupts", ()),
        (PRESS, "arb.cli", ()),
        (SPOILED, "arb.cli", ()),
        (SPOILED, "arb.commands.recordings", ("data", "list", ".")),
        (HALF_MADE, "arb.commands.recordings", ("data", "list", ".")),
    ],
)
def test_ctrl_c_while_a_command_loads_anything_is_one_line(
    press: str, name: str, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_IMPORT.replace(PRESS, press), name, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")


def test_an_error_behind_an_interrupt_that_was_handled_is_an_error() -> None:
    with interrupts_kept():
        assert not was_interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert was_interrupted()
        interrupt_handled()
        assert not was_interrupted()


def test_an_interrupt_of_one_command_is_none_of_the_next_in_the_process() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        signal.raise_signal(signal.SIGINT)
    assert not was_interrupted()


def test_what_an_interrupt_left_half_made_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    class HalfMade:
        def __del__(self) -> None:
            raise AttributeError("not there yet")

    with interrupts_kept():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        made = [HalfMade()]
        made.clear()
    assert "Exception ignored" not in capsys.readouterr().err
