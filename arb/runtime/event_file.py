"""Writes `events.jsonl` of a session (`arb.results.event_log`). An event goes into a queue, on any thread.

A timer of the host writes the queue, so that neither a feed nor the strategy waits for a disk. What a disk refuses
stays in the queue; beyond its bound events are lost, and counted in an event of their own.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from arb.files import write_all
from arb.results.event_log import FILE_BYTES_MAX, LoggedEvent, encode_event, event_file
from arb.runtime.trading_lines import Data
from connectors.text import one_line

NO_DATA: Data = MappingProxyType({})
#: Events that wait to be written, and those of one write.
QUEUED_MAX, WRITTEN_MAX = 20_000, 500


class AppendedFile:
    """A file that grows by whole pieces: others read it meanwhile. Created by the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        #: Why the last pieces could not be written.
        self.reason = ""
        self._handle: int | None = None
        #: There may be a part of a piece behind `size`.
        self._is_torn = False

    def append(self, pieces: Sequence[bytes]) -> int:
        """Writes pieces; returns how many: fewer than given if the disk refuses the next."""
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._mend(self._handle)
        except OSError as error:
            self.reason = error.strerror or str(error)
            return 0
        self._is_torn = True
        try:
            write_all(self._handle, b"".join(pieces))
        except OSError as error:
            self.reason = error.strerror or str(error)
            return self._whole(self._handle, pieces)
        self._is_torn = False
        self.size += sum(map(len, pieces))
        return len(pieces)

    def close(self) -> None:
        """Nothing is written afterwards. May be called repeatedly."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._mend(self._handle)
            with contextlib.suppress(OSError):
                os.close(self._handle)
            self._handle = None

    def _mend(self, handle: int) -> None:
        if self._is_torn:
            os.ftruncate(handle, self.size)
            self._is_torn = False

    def _whole(self, handle: int, pieces: Sequence[bytes]) -> int:
        """How many pieces are in the file all the same: a reader may have read them."""
        try:
            there = os.fstat(handle).st_size
        except OSError:
            return 0
        count = 0
        for piece in pieces:
            if self.size + len(piece) > there:
                break
            self.size += len(piece)
            count += 1
        return count


class EventFile:
    """The events of one session, numbered in the order of `add`."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        """warn: receives one line if the disk refuses events, the first time."""
        self._folder = folder
        self._warn = warn
        self._file_no = 1
        self._file = AppendedFile(folder / event_file(1))
        self._queue: deque[tuple[int, str, str, Data]] = deque()
        self._number = 0
        #: Events that did not fit into the queue, since those that were counted in an event.
        self._lost = 0
        self._has_warned = self._is_closed = False
        #: Of the queue, and of the file.
        self._adding, self._writing = threading.Lock(), threading.Lock()

    def add(self, time_ns: int, event: str, text: str, data: Data = NO_DATA) -> None:
        """Adds an event; it is written later. Any thread."""
        with self._adding:
            if self._is_closed:
                return
            if len(self._queue) >= QUEUED_MAX:
                self._lost += 1
                return
            self._add_lost(time_ns)
            self._queue.append((time_ns, event, text, data))

    def write(self) -> None:
        """Writes the oldest events, WRITTEN_MAX at most. The host's thread."""
        with self._writing:
            is_refused = not self._write_some()
        if is_refused and not self._has_warned:
            self._has_warned = True
            path = self._file.path
            self._warn(
                f"{path.name}: cannot be written: {self._file.reason}; others see no events until it can"
            )

    def close(self) -> None:
        """Writes what is left; later events are ignored. May be called repeatedly. Any thread."""
        with self._adding:
            self._is_closed = True
            self._add_lost(time.time_ns())
        with self._writing:
            while self._queue and self._write_some():
                pass
            self._queue.clear()
            self._file.close()

    def _add_lost(self, time_ns: int) -> None:
        if self._lost:
            text = (
                f"{self._lost:,} events are not in these files: {self._file.reason or 'there were too many'}"
            )
            self._queue.append((time_ns, "lost", text, {"events": self._lost}))
            self._lost = 0

    def _write_some(self) -> bool:
        """False if the disk refuses any."""
        with self._adding:
            events = list(islice(self._queue, WRITTEN_MAX))
        if not events:
            return True
        if self._file.size >= FILE_BYTES_MAX:
            self._file.close()
            self._file_no += 1
            self._file = AppendedFile(self._folder / event_file(self._file_no))
        count = self._file.append(
            [
                encode_event(LoggedEvent(number, time_ns, event, one_line(text), dict(data)))
                for number, (time_ns, event, text, data) in enumerate(events, self._number + 1)
            ]
        )
        self._number += count
        with self._adding:
            for _ in range(count):
                self._queue.popleft()
        return count == len(events)
