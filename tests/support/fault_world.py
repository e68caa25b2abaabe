"""A world of trading in which faults begin when the test says so, and its log of their effects."""

from __future__ import annotations

from typing import Any

from numpy.random import default_rng

from arb.sandbox.faults import Fault, FaultKind, Scheduled
from support.trading_world import World


class FaultWorld(World):
    """See the module."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        #: (kind, venue, further values) of every effect.
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        self.trading.faults.report = self._report
        self._begun = 0

    def begin(self, kind: FaultKind, **keys: Any) -> Scheduled:
        """A fault begins now."""
        self._begun += 1
        fault = Fault(kind, at_s=0.0, **keys)
        scheduled = Scheduled(self._begun, fault, self.now_ns, default_rng(1))
        list(scheduled.begins(self.now_ns))
        self.trading.begin(scheduled, self.now_ns)
        return scheduled

    def _report(self, one: Scheduled, now_ns: int, venue: str, **more: Any) -> None:
        self.log.append((str(one.fault.kind), venue, more))
