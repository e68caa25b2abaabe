"""Output of a live session: its log and its display. Any thread; nothing here blocks or raises.

A blocked, closed or full terminal or pipe does not affect the session: see `arb.runtime.display`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from arb.runtime.display import Display, write_error
from arb.runtime.event_file import EventFile
from connectors.text import one_line
from connectors.units import SECOND

if TYPE_CHECKING:
    from arb.runtime.view import SessionView

#: Size at which a log file is rotated, and how many old files are kept.
_BYTES_MAX, _FILES = 10 << 20, 5


class Viewer(Protocol):
    """Shows a session while it runs; on the display's thread only."""

    def show(self, view: SessionView) -> None: ...

    def close(self) -> None: ...


class SessionOutput:
    """The session's log file, its viewer, and the echo of log lines. Use as a context manager.

    Warnings of libraries go to the log, too.
    """

    def __init__(
        self,
        path: Path,
        *,
        as_json: bool = False,
        viewer: Viewer | None = None,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self._log = _LogFile(path, as_json=as_json)
        #: For other processes; whoever writes it closes it.
        self.events = EventFile(path.parent, partial(self.event, "warning"))
        self._viewer = viewer
        self._echo = echo
        self._display = Display(self._failed)
        self._is_closed = False

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._log)
        self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        logging.getLogger().removeHandler(self._log)
        with contextlib.suppress(OSError):  # buffered lines that could not be written before fail again here
            self._log.close()

    def event(self, event: str, text: str, time_ns: int | None = None) -> None:
        """Writes a line to the log and the echo, and has it written to the events. time_ns: of the event; now without
        it."""
        time_ns = time.time_ns() if time_ns is None else time_ns
        self.events.add(time_ns, event, text)
        self.line(event, text, time_ns)

    def line(self, event: str, text: str, time_ns: int | None = None) -> None:
        """Writes a line to the log and the echo only."""
        line = self._log.event(event, text, time_ns)
        if self._echo is not None:
            self._display.line(partial(self._echo, line))

    def show(self, of_now: Callable[[], SessionView]) -> None:
        """Shows the view that `of_now` returns, if there is a viewer and the previous view was shown."""
        if (viewer := self._viewer) is not None:
            self._display.view(lambda: partial(viewer.show, of_now()))

    def close(self) -> None:
        """Restores the terminal and reports dropped lines. May be called repeatedly; the log continues."""
        if self._is_closed:
            return
        self._is_closed = True
        if count := self._display.left_out:
            self.event("display", f"{count} lines are in this log only: nobody read the terminal or the pipe")
        last = [] if self._viewer is None else [self._viewer.close]
        if self._log.lost:
            last.append(
                partial(
                    write_error,
                    f"warning: {self._log.lost} lines of the log could not be written: {self._log.reason}",
                )
            )
        self._display.close(*last)

    def _failed(self, error: BaseException) -> None:
        what = str(error) or type(error).__name__
        self._log.event("display", f"console output failed ({what}): writing to this log only")


class _LogFile(logging.handlers.RotatingFileHandler):
    """One line per event, `time event text` or JSON. Lines that cannot be written are counted; nothing is raised."""

    def __init__(self, path: Path, *, as_json: bool) -> None:
        super().__init__(path, maxBytes=_BYTES_MAX, backupCount=_FILES, encoding="utf-8")
        self._as_json = as_json
        #: Lines that could not be written, and the last reason.
        self.lost = 0
        self.reason = ""

    def event(self, event: str, text: str, time_ns: int | None = None) -> str:
        """Writes a line and returns it."""
        record = logging.LogRecord("arb", logging.INFO, "", 0, "%s", (text,), None)
        record.event = event
        if time_ns is not None:
            record.created = time_ns / SECOND
        self.handle(record)
        return self.format(record)

    def format(self, record: logging.LogRecord) -> str:
        now = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        event, text = getattr(record, "event", record.levelname.lower()), one_line(record.getMessage())
        if self._as_json:
            return json.dumps({"time": now, "event": event, "text": text})
        return f"{now} {event} {text}"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """`logging` would print a traceback for each line."""
        error = sys.exception()
        self.lost += 1
        self.reason = (isinstance(error, OSError) and error.strerror) or str(error)
