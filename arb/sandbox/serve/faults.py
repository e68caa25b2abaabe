"""Scripted faults: kind, schedule and targets. All randomness is seeded.

A fault begins at times of the sandbox's clock. It modifies the next frames that are sent to at least one client (gap,
duplicate, reorder, truncate, garbage), or everything for its duration (silence, refuse, clock, the REST faults), or
connections at once (disconnect, half_open, shutdown). Its effects are logged as they happen. Pure; one thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from numpy.random import Generator

from connectors.units import SECOND

_LOGGED_CHARS_MAX = 160


class FaultKind(StrEnum):
    """Kinds of faults."""

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


@dataclass
class _Active:
    """A fault that has begun: the number of frames left to modify, or its end."""

    no: int
    fault: Fault
    frames_left: int = 0
    until_ns: int = 0


@dataclass(frozen=True)
class Act:
    """Modification of one frame for one client, or for all (None)."""

    kind: FaultKind
    client: int | None

    def is_for(self, client: int) -> bool:
        return self.client in (None, client)


@dataclass(frozen=True)
class Strike:
    """The beginning of a fault."""

    no: int
    fault: Fault


@dataclass
class Injector:
    """All faults of a sandbox."""

    faults: Sequence[Fault]
    chance: Generator
    start_ns: int
    #: Called with every injected fault as a dict of plain values.
    log: Callable[[dict[str, Any]], None]
    _queue: list[tuple[int, int]] = field(default_factory=list)
    _times: list[Iterator[float]] = field(default_factory=list)
    _active: list[_Active] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._noise, *chances = self.chance.spawn(1 + len(self.faults))
        for no, (fault, chance) in enumerate(zip(self.faults, chances, strict=True)):
            self._times.append(fault.times(chance))
            self._plan(no)
        heapq.heapify(self._queue)

    def strikes(self, now_ns: int) -> list[Strike]:
        """Returns the faults that begin by `now_ns`, and removes those that have ended."""
        self._active = [one for one in self._active if one.frames_left or one.until_ns > now_ns]
        struck = []
        while self._queue and self._queue[0][0] <= now_ns:
            at_ns, no = heapq.heappop(self._queue)
            fault = self.faults[no]
            struck.append(Strike(no, fault))
            if fault.kind in FRAME_KINDS:
                self._active.append(_Active(no, fault, frames_left=fault.count))
            elif fault.kind not in CONNECTION_KINDS:
                self._active.append(_Active(no, fault, until_ns=at_ns + round(fault.duration_s * SECOND)))
            self._plan(no)
        return struck

    def is_calm(self, venue: str) -> bool:
        """Whether no fault modifies frames of `venue` now."""
        return not any(
            (one.fault.kind in FRAME_KINDS or one.fault.kind in (FaultKind.SILENCE, FaultKind.CLOCK))
            and one.fault.is_about(venue)
            for one in self._active
        )

    def acts(self, venue: str, stream: str, clients: Iterable[int], text: str, now_ns: int) -> list[Act]:
        """Returns the modifications of a frame about to be sent to `clients`; logs those of single frames."""
        acts = []
        for one in self._active:
            fault = one.fault
            if not (fault.kind in FRAME_KINDS or fault.kind == FaultKind.SILENCE):
                continue
            targets = [no for no in clients if fault.is_about(venue, stream, no)]
            if not targets or (fault.kind in FRAME_KINDS and one.frames_left == 0):
                continue
            acts.append(Act(fault.kind, fault.client))
            if fault.kind in FRAME_KINDS:
                one.frames_left -= 1
                self.tell(
                    one.no, now_ns, venue, stream=stream, clients=targets, frame=text[:_LOGGED_CHARS_MAX]
                )
        return acts

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

    def tell(self, no: int, now_ns: int, venue: str, **more: Any) -> None:
        """Logs an effect of fault number `no`."""
        self.log(
            {
                "time_ns": now_ns,
                "since_start_s": round((now_ns - self.start_ns) / SECOND, 6),
                "fault": self.faults[no].name or no + 1,
                "kind": str(self.faults[no].kind),
                "venue": venue,
                **more,
            }
        )

    def _plan(self, no: int) -> None:
        at_s = next(self._times[no], None)
        if at_s is not None:
            heapq.heappush(self._queue, (self.start_ns + round(at_s * SECOND), no))
