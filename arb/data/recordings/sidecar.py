"""Event files, next to the day's `.gz`: one JSON line per event of the recording.

`{"local_ts":<ns>,"kind":"...","detail":...}`. Kinds that begin with `recorder.` are the recorder's own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from arb.data.recordings.journal import DayKey, cut_torn_line
from arb.files import write_all
from connectors.text import json_line

#: Detail of an event: any JSON value; bytes are raw received text.
Detail = Any

SEGMENT = "recorder.segment"
_TAIL_BYTES = 64 << 10


class Event(msgspec.Struct, frozen=True):
    """One line."""

    local_ts: int
    kind: str
    detail: Detail = None


_ENCODER = msgspec.json.Encoder(enc_hook=repr)
_DECODER = msgspec.json.Decoder(Event)


class Sidecar:
    """The event files of one instrument; one day's is open at a time. The caller synchronises threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key: DayKey | None = None
        self.handle = -1

    def write(self, key: DayKey, local_ts: int, kind: str, detail: Detail) -> None:
        """Appends a line to the file of the day. Raises OSError; the partial line is then removed if possible."""
        if key != self._key:
            self._open(key, local_ts)
        if isinstance(detail, bytes | bytearray | memoryview):
            detail = bytes(detail).decode("utf-8", "replace")
        line = _line(Event(local_ts, kind, detail))
        try:
            write_all(self.handle, line)
        except OSError:
            cut_torn_line(self.handle)
            raise

    def _open(self, key: DayKey, local_ts: int) -> None:
        self.close()
        path = key.events(self._directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._key = key
        cut = cut_torn_line(self.handle)
        if cut:
            self.write(key, local_ts, "recorder.repair", {"what": "torn line of this file", "bytes": cut})

    def close(self) -> None:
        """Closes the open file."""
        if self._key is not None:
            self._key = None
            os.close(self.handle)
            self.handle = -1


def _line(event: Event) -> bytes:
    """The line of an event, in printable ASCII, so that a venue's text cannot control a terminal."""
    text = _ENCODER.encode(event)
    if not text.isascii() or b"\x7f" in text:
        text = json_line(msgspec.json.decode(text)).encode()
    return text + b"\n"


def read_events(path: Path) -> list[Event]:
    """All complete events of a file, in the order of writing. Skips a partial last line. Raises OSError."""
    return _events(path.read_bytes())


def last_length(path: Path) -> int | None:
    """The length of the day's `.gz` after the last member recorded in the events; None without one."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except OSError:
        return None
    for event in reversed(_events(tail)):
        if event.kind == SEGMENT and isinstance(event.detail, dict):
            return event.detail.get("gz_bytes")
    return None


def _events(text: bytes) -> list[Event]:
    events = []
    for line in text.split(b"\n")[:-1]:
        try:
            events.append(_DECODER.decode(line))
        except msgspec.DecodeError:
            continue
    return events
