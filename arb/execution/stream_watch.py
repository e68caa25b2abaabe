"""Whether the stream of an account reports what happens: executions that a query has found must arrive there, too.

A connection that answers pings may still deliver nothing. Kept by the desk; pure.
"""

from __future__ import annotations

from connectors.orders.model import Execution
from connectors.units import MILLISECOND, SECOND

#: An execution that the stream has not reported after this time is lost there.
SILENT_NS = 3 * SECOND
#: A stream is not taken for silent again so soon: its successor may be as slow.
_APART_NS = 30 * SECOND
#: Executions that are waited for; of more, the oldest are dropped.
_KEPT_MAX = 1_000


class StreamWatch:
    """Executions that the stream has yet to report, with the time at which each is overdue."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], int] = {}
        self._again_ns = 0

    @property
    def next_ns(self) -> int | None:
        """When the next one is overdue."""
        return min(self._due.values()) if self._due else None

    def found(self, x: Execution, clock_offset_ms: int, now: int) -> None:
        """A query has found an execution of ours first. clock_offset_ms: of the venue's clock to ours."""
        happened_ns = (x.venue_ms - clock_offset_ms) * MILLISECOND
        self._due[x.symbol, x.execution_id] = max(now, min(now, happened_ns) + SILENT_NS)
        if len(self._due) > _KEPT_MAX:
            del self._due[next(iter(self._due))]

    def reported(self, x: Execution) -> None:
        """The stream has reported an execution."""
        if self._due:
            self._due.pop((x.symbol, x.execution_id), None)

    def clear(self) -> None:
        """The stream is another one."""
        self._due.clear()

    def is_silent(self, now: int) -> bool:
        """Whether an execution is overdue; each counts once."""
        overdue = [key for key, due in self._due.items() if due <= now]
        for key in overdue:
            del self._due[key]
        if not overdue or now < self._again_ns:
            return False
        self._again_ns = now + _APART_NS
        return True
