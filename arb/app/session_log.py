"""The log of a live session: a line an event, in a file that is rotated. Any thread."""

from __future__ import annotations

import json
import logging
import logging.handlers
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

#: Size at which a log file is put aside, and how many are kept beside the current one.
_BYTES_MAX, _FILES = 10 << 20, 5


class SessionLog:
    """Writes `time event text`, or JSON lines. Use as a context manager."""

    def __init__(self, path: Path, *, as_json: bool, echo: Callable[[str], None] | None = None) -> None:
        """echo: hears every line as well."""
        self._handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=_BYTES_MAX, backupCount=_FILES, encoding="utf-8"
        )
        self._as_json = as_json
        self._echo = echo
        #: What other libraries of the process warn of belongs here, too.
        self._handler.setFormatter(_Format(self._line))

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()

    def event(self, event: str, text: str) -> None:
        """A line."""
        record = logging.LogRecord("arb", logging.INFO, "", 0, "%s", (text,), None)
        record.event = event
        self._handler.handle(record)
        if self._echo is not None:
            self._echo(self._line(event, text))

    def _line(self, event: str, text: str) -> str:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        text = " ".join(text.split())
        if self._as_json:
            return json.dumps({"time": now, "event": event, "text": text})
        return f"{now} {event} {text}"


class _Format(logging.Formatter):
    def __init__(self, line: Callable[[str, str], str]) -> None:
        super().__init__()
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        return self._line(getattr(record, "event", record.levelname.lower()), record.getMessage())
