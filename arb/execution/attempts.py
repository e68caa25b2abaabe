"""Which attempt of its strategy an order belongs to: what the strategy has logged about it. Pure.

A strategy that logs its decisions (`recorder.decide`) gives each line an attempt, a leg and an order id. Of a request
the latest line with its leg and order id counts. A strategy that logs none, or only after it has waited for an answer,
has attempt 0. The number is a part of client ids, for whoever reads them; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arb.execution.ids import ATTEMPT_MAX

#: Lines of a step that are read, the latest ones: this is on the way of an order.
LINES_MAX = 64
_NONE = np.empty(0)


def no_decisions() -> Any:
    """A strategy without a log."""
    return _NONE


class Attempts:
    """Follows a log of decisions (dtype `DECISION`) from step to step."""

    def __init__(self) -> None:
        #: Set by the session: the log so far.
        self.decisions: Callable[[], Any] = no_decisions
        self._count = 0
        self._of: dict[tuple[int, int], int] = {}

    def read(self) -> None:
        """What was logged since the last step."""
        decisions = self.decisions()
        count = len(decisions)
        if count == self._count:
            self._of = {}
            return
        rows = decisions[max(self._count, count - LINES_MAX) :].tolist()
        self._count = count
        self._of = {(leg, order_id): attempt for _, _, attempt, leg, order_id, _ in rows}

    def of(self, leg: int, order_id: int) -> int:
        """The attempt of an order of this step; 0: none that is known."""
        return min(max(self._of.get((leg, order_id), 0), 0), ATTEMPT_MAX) if self._of else 0
