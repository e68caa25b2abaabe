"""The log of a live session: one line per event, in a rotated file. Any thread."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from connectors.text import one_line

#: Size at which a log file is rotated, and how many old files are kept.
_BYTES_MAX, _FILES = 10 << 20, 5


class SessionLog:
    """Writes `time event text`, or JSON lines. Use as a context manager.

    A failed write raises nothing and is counted in `lost`.
    """

    def __init__(self, path: Path, *, as_json: bool) -> None:
        self._handler = _CountingHandler(path, maxBytes=_BYTES_MAX, backupCount=_FILES, encoding="utf-8")
        self._as_json = as_json
        #: Warnings of other libraries go to the same file.
        self._handler.setFormatter(_Format(self._line))

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Detaches and closes the file."""
        logging.getLogger().removeHandler(self._handler)
        with contextlib.suppress(OSError):  # buffered lines that could not be written before fail again here
            self._handler.close()

    def event(self, event: str, text: str) -> str:
        """Writes a line and returns it."""
        record = logging.LogRecord("arb", logging.INFO, "", 0, "%s", (text,), None)
        record.event = event
        self._handler.handle(record)
        return self._line(event, text)

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._handler.lost

    @property
    def loss(self) -> str:
        """The number of lost lines and the reason, as a message."""
        return f"{self.lost} lines of the log could not be written: {self._handler.reason}"

    def _line(self, event: str, text: str) -> str:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        text = one_line(text)
        if self._as_json:
            return json.dumps({"time": now, "event": event, "text": text})
        return f"{now} {event} {text}"


class _CountingHandler(logging.handlers.RotatingFileHandler):
    """Counts lines that it cannot write; `logging` would print a traceback for each."""

    lost = 0
    reason = ""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exception()
        self.lost += 1
        self.reason = (isinstance(error, OSError) and error.strerror) or str(error)


class _Format(logging.Formatter):
    def __init__(self, line: Callable[[str, str], str]) -> None:
        super().__init__()
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        return self._line(getattr(record, "event", record.levelname.lower()), record.getMessage())
