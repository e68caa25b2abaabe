"""Prints on its own thread, so that a blocked terminal or an unread pipe delays neither the caller nor the exit.

Any thread may add output; adding never blocks. Output beyond the queue's limit is dropped. The first output that cannot
be printed turns the display off.
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

#: Lines that may be queued; further ones are dropped and counted.
LINES_MAX = 1000
#: How long `close` waits for queued output.
CLOSE_S = 1.0
#: How long a process may take to print its final output.
LAST_WORDS_S = 5.0
_NAME = "display"

Print = Callable[[], object]
#: `rich` raises SystemExit on a closed pipe.
_FAILURES = (Exception, SystemExit)


class Display:
    """Prints lines in order, and a view only if no other view is queued. Use as a context manager."""

    def __init__(self, on_error: Callable[[BaseException], object]) -> None:
        """on_error: called once, on the display's thread, when output fails; nothing is printed afterwards."""
        self._on_error = on_error
        # Takes no lock: a signal handler may interrupt a `put`.
        self._waiting: queue.SimpleQueue[Print | None] = queue.SimpleQueue()
        self._has_view = False
        #: Nothing more is accepted; queued output is still printed, unless the display is off.
        self._is_closed = self._is_off = False
        self._last: tuple[Print, ...] = ()
        #: Lines that were dropped. Written by the threads that add lines.
        self.left_out = 0
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)

    def line(self, print_line: Print) -> None:
        """Queues a line; drops and counts it when `LINES_MAX` are queued."""
        if self._is_closed or self._is_off:
            return
        if self._waiting.qsize() >= LINES_MAX:
            self.left_out += 1
            return
        self._waiting.put(print_line)

    def view(self, of_now: Callable[[], Print]) -> None:
        """Calls `of_now` at once and queues the view it returns; skipped while the previous view is queued."""
        if not (self._is_closed or self._is_off or self._has_view):
            self._has_view = True
            self._waiting.put(partial(self._draw, of_now()))

    def close(self, *last: Print) -> None:
        """Closes after the queued output and then `last`, which is tried even if printing failed. Waits `CLOSE_S` at
        most.

        A second call only waits again.
        """
        if not self._is_closed:
            self._is_closed = True
            self._last = last
            self._waiting.put(None)
        self._thread.join(CLOSE_S)

    def __enter__(self) -> Self:
        try:
            self._thread.start()
        except BaseException:  # an interrupt; the thread may run already, or begin later
            self._is_closed = True
            self._waiting.put(None)
            raise
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
    """Writes log records of libraries to standard error through a display. Records it cannot write are dropped."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.line(partial(write_error, self.format(record)))


@contextlib.contextmanager
def warnings_on(display: Display) -> Iterator[None]:
    """Inside the context, warnings of libraries go through the display instead of directly to standard error."""
    handler = DisplayHandler(display)
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def write_error(line: str) -> None:
    """Writes one line to standard error if that is possible; see `connectors.text.one_line`."""
    if sys.stderr is None:  # closed before the process started
        return
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{one_line(line)}\n")
        sys.stderr.flush()


def end_within(code: int) -> None:
    """Ends the process with `code` after `LAST_WORDS_S`, whatever still blocks. Call it when all work is done."""
    timer = threading.Timer(LAST_WORDS_S, os._exit, [code])
    timer.daemon = True
    timer.start()


def held_displays() -> list[threading.Thread]:
    """Display threads that are still printing. `enumerate` also lists threads that an interrupt kept from starting."""
    return [thread for thread in threading.enumerate() if thread.name == _NAME and thread.is_alive()]
