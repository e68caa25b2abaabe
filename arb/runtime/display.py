"""What is printed while something live goes on: on a thread of its own, so that a terminal that is held, or a pipe that
nobody reads, holds up nothing else and keeps no process.

Fed from any thread, which never waits. What comes while too much waits is left out. What cannot be printed at all
switches the display off, once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

from connectors.text import one_line

#: Lines that may wait; what comes on top is left out and counted.
LINES_MAX = 1000
#: How long the end waits for what is still to be shown.
CLOSE_S = 1.0
#: How long a process may take over its last words.
LAST_WORDS_S = 5.0
_NAME = "display"

Print = Callable[[], object]
#: `rich` leaves a closed pipe with SystemExit.
_FAILURES = (Exception, SystemExit)


class Display:
    """Prints lines in order, and of views the one that came when nothing of them waited. Use as a context manager."""

    def __init__(self, on_error: Callable[[BaseException], object]) -> None:
        """on_error: told once, on the display's thread, when something cannot be printed; nothing is from then on."""
        self._on_error = on_error
        # Takes its entries without a lock that a signal's handler could find taken.
        self._waiting: queue.SimpleQueue[Print | None] = queue.SimpleQueue()
        self._has_view = False
        #: Nothing more is taken; what waits is printed all the same, unless it is off.
        self._is_closed = self._is_off = False
        self._last: tuple[Print, ...] = ()
        #: Lines that nobody saw. Written by those who feed the display.
        self.left_out = 0
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)

    def line(self, print_line: Print) -> None:
        """Prints behind what waits; left out, and counted, where `LINES_MAX` wait already."""
        if self._is_closed or self._is_off:
            return
        if self._waiting.qsize() >= LINES_MAX:
            self.left_out += 1
            return
        self._waiting.put(print_line)

    def view(self, of_now: Callable[[], Print]) -> None:
        """Draws the moment that `of_now` takes, here and now; left out while the one before waits."""
        if not (self._is_closed or self._is_off or self._has_view):
            self._has_view = True
            self._waiting.put(partial(self._draw, of_now()))

    def close(self, *last: Print) -> None:
        """Ends it behind what waits, and behind `last`, which is done whatever failed. Takes `CLOSE_S` at most.

        Again: waits again.
        """
        if not self._is_closed:
            self._is_closed = True
            self._last = last
            self._waiting.put(None)
        self._thread.join(CLOSE_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(self, draw: Print) -> None:
        self._has_view = False
        draw()

    def _run(self) -> None:
        while (call := self._waiting.get()) is not None:
            if self._is_off:
                continue
            try:
                call()
            except _FAILURES as error:  # the thread's root
                self._is_off = True
                self._on_error(error)
        for call in self._last:
            with contextlib.suppress(*_FAILURES):
                call()


class DisplayHandler(logging.Handler):
    """What libraries warn of, to standard error by way of a display. What cannot be written there is not told."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.line(partial(write_error, self.format(record)))


@contextlib.contextmanager
def warnings_on(display: Display) -> Iterator[None]:
    """Within it warnings of libraries go through the display, not straight to standard error."""
    handler = DisplayHandler(display)
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def write_error(line: str) -> None:
    """One line on standard error, where that can still be written; see `connectors.text.one_line`."""
    if sys.stderr is None:  # it was closed before the process began
        return
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{one_line(line)}\n")
        sys.stderr.flush()


def end_within(code: int) -> None:
    """The process ends with `code` in `LAST_WORDS_S`, whatever it waits for: for when all that counts is done."""
    timer = threading.Timer(LAST_WORDS_S, os._exit, [code])
    timer.daemon = True
    timer.start()


def held_displays() -> list[threading.Thread]:
    """Threads that are still printing."""
    return [thread for thread in threading.enumerate() if thread.name == _NAME]
