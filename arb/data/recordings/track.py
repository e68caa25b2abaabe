"""One instrument's open files: the journal of each day that receives frames, and the sidecar.

All calls are made under the recorder's lock, on the caller's thread or the recorder's.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from arb.data.recordings.journal import DayKey, Journal, cut_torn_line
from arb.data.recordings.sidecar import Detail, Sidecar
from connectors.units import DAY, SECOND

#: The range of local times: 19 digits, within 64 bits.
_LOCAL_TS_MIN, _LOCAL_TS_MAX = 10**18, 2**63
#: The journal of a finished day stays open this long for late frames.
LATE_S = 10.0
#: A journal is complete at this size, regardless of age.
SEGMENT_BYTES = 64 << 20


class ClockError(Exception):
    """A local time outside the format's range."""


class Segment:
    """An open journal, and the time when it is complete (monotonic seconds)."""

    def __init__(self, journal: Journal, age_s: float) -> None:
        """Creates the file. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.handle = os.open(journal.path, flags, 0o644)
        self.journal = journal
        self.due_s = time.monotonic() + age_s

    def is_complete(self) -> bool:
        """Whether it is old enough or full."""
        return time.monotonic() >= self.due_s or os.fstat(self.handle).st_size >= SEGMENT_BYTES

    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return os.fstat(self.handle).st_size == 0


class Place(NamedTuple):
    """The folder and settings of tracks."""

    directory: Path
    segment_s: float
    versions: Mapping[str, str]
    #: The highest journal number of earlier processes, by day.
    numbers: Mapping[DayKey, int]


class Track:
    """One instrument. Frames of `start_ns` to `end_ns` are written to `handle`; other times need `turn` first."""

    def __init__(self, venue: str, name: str, place: Place) -> None:
        self.venue = venue
        self.name = name
        self.start_ns = self.end_ns = 0
        self.handle = -1
        self.last_ns = 0
        self.sidecar = Sidecar(place.directory)
        self._place = place
        #: By day number since 1970.
        self._segments: dict[int, Segment] = {}
        self._numbers: dict[DayKey, int] = {}
        #: Days whose sidecar has the event `recorder.start`.
        self._begun: set[DayKey] = set()

    def turn(self, local_ts_ns: int) -> None:
        """Switches to the journal of the time's day. Raises OSError, ClockError."""
        key = self._key(local_ts_ns)
        day_no = local_ts_ns // DAY
        segment = self._segments.get(day_no)
        if segment is None:
            segment = self._segments[day_no] = self._new_segment(key)
            self._begin(key, local_ts_ns)
        last = self._current()
        if last is not None and last is not segment:
            last.due_s = min(last.due_s, time.monotonic() + LATE_S)
        self._point_at(day_no, segment)

    def write_event(self, local_ts_ns: int, kind: str, detail: Detail) -> None:
        """Writes an event to the sidecar of the time's day. Raises OSError, ClockError."""
        self.write_day_event(self._key(local_ts_ns), local_ts_ns, kind, detail)

    def write_day_event(self, key: DayKey, local_ts_ns: int, kind: str, detail: Detail) -> None:
        """Writes an event to a day's sidecar. Raises OSError."""
        self._begin(key, local_ts_ns)
        self.sidecar.write(key, local_ts_ns, kind, detail)

    def handles(self) -> list[int]:
        """The handles of all open journals."""
        handles = [segment.handle for segment in self._segments.values()]
        return [*handles, self.sidecar.handle] if self.sidecar.handle >= 0 else handles

    @property
    def is_recording(self) -> bool:
        """Whether it has a journal."""
        return bool(self._segments)

    def take_complete(self, taken: list[Segment], *, is_end: bool) -> None:
        """Moves complete journals to `taken`; further frames are written to new ones. With `is_end`, moves all of them.

        Raises OSError if a new one cannot be created; the old one then stays in use.
        """
        for day_no, segment in list(self._segments.items()):
            if not is_end and not segment.is_complete():
                continue
            is_current = segment is self._current()
            if is_current and not is_end and segment.is_empty():
                segment.due_s = time.monotonic() + self._place.segment_s
                continue
            if is_current and not is_end:
                fresh = self._segments[day_no] = self._new_segment(segment.journal.key)
                self._point_at(day_no, fresh)
            else:
                del self._segments[day_no]
                if is_current:
                    self.start_ns = self.end_ns = 0
            taken.append(segment)

    def cut_torn_lines(self) -> None:
        """Removes partial last lines from all journals, as far as the disk allows."""
        for segment in self._segments.values():
            with contextlib.suppress(OSError):
                cut_torn_line(segment.handle)

    def _current(self) -> Segment | None:
        return self._segments.get(self.start_ns // DAY) if self.end_ns else None

    def _point_at(self, day_no: int, segment: Segment) -> None:
        self.handle = segment.handle
        self.start_ns = day_no * DAY
        self.end_ns = self.start_ns + DAY

    def _new_segment(self, key: DayKey) -> Segment:
        number = self._numbers.get(key, self._place.numbers.get(key, 0)) + 1
        segment = Segment(key.journal(self._place.directory, number), self._place.segment_s)
        self._numbers[key] = number
        return segment

    def _begin(self, key: DayKey, local_ts_ns: int) -> None:
        if key not in self._begun:
            self._begun.add(key)
            self.sidecar.write(key, local_ts_ns, "recorder.start", {"versions": dict(self._place.versions)})

    def _key(self, local_ts_ns: int) -> DayKey:
        """The day of a local time. Raises ClockError outside of the format's range."""
        if not _LOCAL_TS_MIN <= local_ts_ns < _LOCAL_TS_MAX:
            raise ClockError(
                f"the local time {local_ts_ns} ns lies outside of 2001 to 2262: recording stops; set the clock and "
                "start again"
            )
        day = datetime.fromtimestamp(local_ts_ns // SECOND, UTC)
        return DayKey(self.venue, self.name, f"{day:%Y%m%d}")
