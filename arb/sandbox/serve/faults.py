"""When faults begin, which of them modify a frame, and what of them is logged. Pure; one thread.

Faults of frames count only frames that are sent to at least one client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from numpy.random import Generator

from arb.sandbox.faults import FRAME_KINDS, Fault, FaultKind, Scheduled
from connectors.units import SECOND

_LOGGED_CHARS_MAX = 160


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
        self._count = len(faults)
        self._active: list[Scheduled] = []

    def add(self, fault: Fault, now_ns: int) -> None:
        """A further fault, whose times count from now. Those that are over are dropped."""
        (own,) = self._noise.spawn(1)
        self._scheduled = [one for one in self._scheduled if not one.is_over(now_ns)]
        self._scheduled.append(Scheduled(self._count, fault, now_ns, own))
        self._count += 1

    def strikes(self, now_ns: int) -> list[Scheduled]:
        """Returns the faults that begin by `now_ns`, and forgets those that have ended."""
        struck = [begun for one in self._scheduled for begun in one.begins(now_ns)]
        self._active = [one for one in self._scheduled if one.left or one.until_ns > now_ns]
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
            if not ((is_of_frames and one.left) or fault.kind == FaultKind.SILENCE):
                continue
            targets = [no for no in clients if fault.is_about(venue, stream, no)]
            if not targets:
                continue
            taken.append(fault)
            if is_of_frames:
                one.left -= 1
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
