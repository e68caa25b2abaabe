"""What is printed beside something live: a reader that blocks or fails takes nothing from who feeds it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.runtime import display as displays
from arb.runtime.display import CLOSE_S, LINES_MAX, Display, Print, held_displays, warnings_on
from arb.runtime.output import SessionOutput

PATIENCE_S = 30.0


class Held:
    """A terminal that is held from the first print on, until it is released."""

    def __init__(self) -> None:
        self.is_reached, self._released = threading.Event(), threading.Event()
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.is_reached.set()
        assert self._released.wait(PATIENCE_S)
        self.shown.append(text)

    def close(self) -> None:
        self.show("closed")

    def let_go(self) -> None:
        self._released.set()

    def release(self) -> None:
        self.let_go()
        for thread in held_displays():
            thread.join(PATIENCE_S)


@pytest.fixture
def held() -> Iterator[Held]:
    terminal = Held()
    yield terminal
    terminal.release()


def refuse(error: BaseException) -> None:
    raise AssertionError(error)


def test_lines_come_in_order_and_the_last_words_behind_them() -> None:
    shown: list[int] = []
    with Display(refuse) as display:
        for n in range(LINES_MAX // 2):
            display.line(lambda n=n: shown.append(n))
        display.close(lambda: shown.append(-1))
    assert shown == [*range(LINES_MAX // 2), -1]
    assert display.left_out == 0


def test_what_is_held_keeps_nobody_and_what_is_left_out_is_counted(held: Held) -> None:
    with Display(refuse) as display:
        display.line(lambda: held.show("first"))
        assert held.is_reached.wait(PATIENCE_S)
        began = time.monotonic()
        for n in range(LINES_MAX + 7):
            display.line(lambda n=n: held.show(str(n)))
        assert time.monotonic() - began < CLOSE_S
        began = time.monotonic()
    assert time.monotonic() - began < CLOSE_S + PATIENCE_S / 2
    assert display.left_out == 7
    assert len(held_displays()) == 1
    held.release()
    assert held.shown == ["first", *map(str, range(LINES_MAX))]


def test_an_interrupt_while_its_thread_starts_leaves_no_thread_to_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = held_displays()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Display(print).__enter__()
    for thread in held_displays():
        thread.join(10.0)
    assert held_displays() == before


def test_a_thread_that_never_started_is_no_display_that_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.Thread(name="display")])
    assert held_displays() == []


def test_of_views_the_one_that_waits_stays_and_no_other_is_made(held: Held) -> None:
    made: list[str] = []

    def view(text: str) -> Print:
        made.append(text)
        return lambda: held.show(text)

    with Display(refuse) as display:
        display.view(lambda: view("first"))
        assert held.is_reached.wait(PATIENCE_S)
        for text in ("second", "third", "fourth"):
            display.view(lambda text=text: view(text))
        held.let_go()
    assert made == held.shown == ["first", "second"]
    assert display.left_out == 0


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), SystemExit(1)])
def test_what_fails_is_switched_off_once_and_its_last_words_are_done(error: BaseException) -> None:
    reported: list[BaseException] = []
    done: list[str] = []

    def fail() -> None:
        done.append("tried")
        raise error

    with Display(reported.append) as display:
        for _ in range(5):
            display.line(fail)
        display.close(fail, lambda: done.append("closed"))
    assert reported == [error]
    assert done == ["tried", "tried", "closed"]


def test_warnings_of_libraries_go_through_it(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(displays, "write_error", held.show)
    with Display(refuse) as display, warnings_on(display):
        logging.getLogger("library").warning("a %s", "warning")
        logging.getLogger("library").info("nothing")
        assert held.is_reached.wait(PATIENCE_S)
    held.release()
    logging.getLogger("library").warning("behind it")
    assert held.shown == ["a warning"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_on_a_full_disk_prints_no_traceback_and_is_reported_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SessionOutput(Path("/dev/full")) as output:
        for _ in range(60):
            output.event("start", "x" * 300)
        logging.getLogger("library").warning("lost as well")
    reported = capsys.readouterr()
    assert reported.err == "warning: 61 lines of the log could not be written: No space left on device\n"
    assert reported.out == ""


def test_an_echo_that_fails_is_noted_once_and_the_log_goes_on(tmp_path: Path) -> None:
    received: list[str] = []
    is_noted = threading.Event()

    def echo(line: str) -> None:
        received.append(line)
        is_noted.set()
        raise BrokenPipeError(32, "Broken pipe")

    with SessionOutput(tmp_path / "log.txt", echo=echo) as output:
        output.event("start", "first")
        assert is_noted.wait(PATIENCE_S)
        output.event("start", "second")
    lines = [line.split(" ", 1)[1] for line in (tmp_path / "log.txt").read_text().splitlines()]
    (note,) = (line for line in lines if line.startswith("display "))
    assert "Broken pipe" in note
    assert [line for line in lines if line != note] == ["start first", "start second"]
    assert len(received) == 1


def test_lines_that_nobody_read_are_reported_in_the_log(held: Held, tmp_path: Path) -> None:
    with SessionOutput(tmp_path / "log.txt", echo=held.show) as output:
        output.event("start", "first")
        assert held.is_reached.wait(PATIENCE_S)
        for n in range(LINES_MAX + 3):
            output.event("feed", str(n))
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert len(lines) == LINES_MAX + 5
    assert " display 3 lines are in this log only" in lines[-1]
