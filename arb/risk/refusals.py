"""Legs that are closed for a while because a venue refuses their orders again and again. Pure.

Three refusals of one kind in a row close a leg, for 100 ms at first; one more after that closes it for twice as long,
up to 10 s, until an order is accepted. Orders that open, orders that reduce and cancellations are counted apart; the
last wait for a second at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from connectors.units import MILLISECOND, SECOND

IN_A_ROW = 3
FIRST_NS = 100 * MILLISECOND


class Part(IntEnum):
    """What is counted apart."""

    OPENING = 0
    REDUCING = 1
    CANCEL = 2


LONGEST_NS = {Part.OPENING: 10 * SECOND, Part.REDUCING: 10 * SECOND, Part.CANCEL: SECOND}


@dataclass(slots=True)
class _Row:
    """Refusals in a row."""

    kind: str = ""
    count: int = 0
    span_ns: int = FIRST_NS
    until_ns: int = 0


class ClosedLegs:
    """By leg and part."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, Part], _Row] = {}

    @property
    def has_any(self) -> bool:
        """Whether any order was refused since the last one that was accepted."""
        return bool(self._rows)

    def kind_of(self, leg: int, part: Part, now_ns: int) -> str:
        """The kind of refusal that closed a leg; "": it is open."""
        row = self._rows.get((leg, part))
        return row.kind if row is not None and now_ns < row.until_ns else ""

    def refused(self, leg: int, part: Part, kind: str, now_ns: int) -> None:
        """The venue refused a request about an order."""
        row = self._rows.setdefault((leg, part), _Row())
        row.count = row.count + 1 if row.kind == kind else 1
        row.kind = kind
        if row.count >= IN_A_ROW and now_ns >= row.until_ns:
            row.until_ns = now_ns + row.span_ns
            row.span_ns = min(2 * row.span_ns, LONGEST_NS[part])

    def accepted(self, leg: int, part: Part) -> None:
        """The venue accepted an order, or has ended one that was to be cancelled."""
        if self._rows:
            self._rows.pop((leg, part), None)
