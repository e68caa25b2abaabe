"""Scripted faults: kind, schedule and targets. All randomness is seeded.

A fault begins at times of the sandbox's clock. It modifies the next frames that are sent to at least one client (gap,
duplicate, reorder, truncate, garbage), or everything for its duration (silence, refuse, clock, the REST faults), or
connections at once (disconnect, half_open, shutdown). Its effects are logged as they happen. Pure; one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from numpy.random import Generator

from connectors.units import SECOND

_LOGGED_CHARS_MAX = 160
_NEVER = sys.maxsize


class FaultKind(StrEnum):
    GAP = "gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"
    SILENCE = "silence"
    DISCONNECT = "disconnect"
    HALF_OPEN = "half_open"
    REFUSE = "refuse"
    SHUTDOWN = "shutdown"
    CLOCK = "clock"
    REST_SLOW = "rest_slow"
    REST_STALE = "rest_stale"
    REST_429 = "rest_429"
    REST_418 = "rest_418"


FRAME_KINDS = frozenset(
    {FaultKind.GAP, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.TRUNCATE, FaultKind.GARBAGE}
)
CONNECTION_KINDS = frozenset({FaultKind.DISCONNECT, FaultKind.HALF_OPEN, FaultKind.SHUTDOWN})


@dataclass(frozen=True)
class Fault:
    """One fault. `venue` and `stream` are patterns with `*`; `client` counts a venue's connections from 1."""

    kind: FaultKind
    name: str = ""
    venue: str = "*"
    stream: str = "*"
    client: int | None = None
    #: When: once at `at_s`, or every `every_s` (first at `at_s`, if given), or randomly `per_minute` on average.
    at_s: float | None = None
    every_s: float | None = None
    per_minute: float | None = None
    #: Number of frames; duration; arguments of individual kinds.
    count: int = 1
    duration_s: float = 5.0
    delay_s: float = 2.0
    offset_ms: int = 1000
    retry_after_s: int = 5
    notice_s: float = 5.0
    code: int | None = None

    def times(self, chance: Generator) -> Iterator[float]:
        """The times at which it begins, in seconds from the start."""
        if self.per_minute is not None:
            at = self.at_s or 0.0
            while True:
                at += chance.exponential(60.0 / self.per_minute)
                yield at
        elif self.every_s is not None:
            at = self.every_s if self.at_s is None else self.at_s
            while True:
                yield at
                at += self.every_s
        else:
            yield self.at_s or 0.0

    def is_about(self, venue: str, stream: str | None = None, client: int | None = None) -> bool:
        """Whether the fault applies to a venue, stream and client; None matches any."""
        return (
            fnmatchcase(venue, self.venue)
            and (stream is None or fnmatchcase(stream, self.stream))
            and (client is None or self.client in (None, client))
        )


class Scheduled:
    """A fault with its schedule and, once it has begun, the number of frames left to modify, or its end."""

    def __init__(self, no: int, fault: Fault, start_ns: int, chance: Generator) -> None:
        self.no = no
        self.fault = fault
        self.frames_left = 0
        self.until_ns = 0
        self._times = (start_ns + round(at_s * SECOND) for at_s in fault.times(chance))
        self._next_ns = next(self._times, _NEVER)

    def begins(self, now_ns: int) -> Iterator[Scheduled]:
        """Begins the fault, and yields it, once for each of its times up to `now_ns`."""
        while self._next_ns <= now_ns:
            if self.fault.kind in FRAME_KINDS:
                self.frames_left += self.fault.count
            elif self.fault.kind not in CONNECTION_KINDS:
                self.until_ns = self._next_ns + round(self.fault.duration_s * SECOND)
            self._next_ns = next(self._times, _NEVER)
            yield self


class Injector:
    """All faults of a sandbox."""

    def __init__(
        self, faults: Sequence[Fault], chance: Generator, start_ns: int, log: Callable[[dict[str, Any]], None]
    ) -> None:
        """`log` is called with every injected fault as a dict of plain values."""
        self._start_ns = start_ns
        self._log = log
        self._noise, *chances = chance.spawn(1 + len(faults))
        self._scheduled = [
            Scheduled(no, fault, start_ns, own)
            for no, (fault, own) in enumerate(zip(faults, chances, strict=True))
        ]
        self._active: list[Scheduled] = []

    def strikes(self, now_ns: int) -> list[Scheduled]:
        """Returns the faults that begin by `now_ns`, and forgets those that have ended."""
        struck = [begun for one in self._scheduled for begun in one.begins(now_ns)]
        self._active = [one for one in self._scheduled if one.frames_left or one.until_ns > now_ns]
        return struck

    def is_calm(self, venue: str) -> bool:
        """Whether no fault modifies frames of `venue` now."""
        return not any(
            (one.fault.kind in FRAME_KINDS or one.fault.kind in (FaultKind.SILENCE, FaultKind.CLOCK))
            and one.fault.is_about(venue)
            for one in self._active
        )

    def take(self, venue: str, stream: str, clients: Iterable[int], text: str, now_ns: int) -> list[Fault]:
        """Returns the faults of a frame about to be sent to `clients`; logs those of single frames."""
        taken = []
        for one in self._active:
            fault = one.fault
            is_of_frames = fault.kind in FRAME_KINDS
            if not ((is_of_frames and one.frames_left) or fault.kind == FaultKind.SILENCE):
                continue
            targets = [no for no in clients if fault.is_about(venue, stream, no)]
            if not targets:
                continue
            taken.append(fault)
            if is_of_frames:
                one.frames_left -= 1
                self.report(
                    one, now_ns, venue, stream=stream, clients=targets, frame=text[:_LOGGED_CHARS_MAX]
                )
        return taken

    def first(self, kind: FaultKind, venue: str, now_ns: int) -> Fault | None:
        """The first active fault of a kind with a duration."""
        for one in self._active:
            if one.fault.kind == kind and one.until_ns > now_ns and one.fault.is_about(venue):
                return one.fault
        return None

    def clock_offset_ms(self, venue: str, now_ns: int) -> int:
        """The current error of the venue's clock."""
        fault = self.first(FaultKind.CLOCK, venue, now_ns)
        return fault.offset_ms if fault else 0

    def garbage(self, length: int) -> str:
        """Random printable characters that are not a frame."""
        return bytes(self._noise.integers(33, 127, max(1, min(length, 512)), "u1")).decode("ascii")

    def report(self, one: Scheduled, now_ns: int, venue: str, **more: Any) -> None:
        """Logs an effect of a fault."""
        self._log(
            {
                "time_ns": now_ns,
                "since_start_s": round((now_ns - self._start_ns) / SECOND, 6),
                "fault": one.fault.name or one.no + 1,
                "kind": str(one.fault.kind),
                "venue": venue,
                **more,
            }
        )
