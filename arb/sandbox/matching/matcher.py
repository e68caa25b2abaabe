"""The interface of both matchings: `levels.LevelMatcher` and `whole.WholeMatcher`. One per instrument."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arb.sandbox.matching.orders import Estimate, Order, Result

#: Rows of hftbacktest's event dtype, as the pipeline of a recorder derives them.
Rows = NDArray[np.void]


class Matcher(Protocol):
    """Matches the orders of all accounts at one instrument. Times never decrease; results are in order of execution.

    Call `advance` with the time of a request before it: with `whole`, what has no time (`touch`, `estimate`,
    `is_ready`) is of the last call with one.
    """

    @property
    def is_ready(self) -> bool:
        """Whether the book is complete; before, orders are refused."""

    def place(self, order: Order, at_ns: int, bound: int | None = None) -> list[Result]:
        """Takes an order. No result: it rests, unchanged.

        bound: the worst tick at which it may be executed, by a rule of the venue (end reason PRICE_LIMIT).
        """

    def cancel(self, order: Order, at_ns: int) -> bool:
        """Removes a resting order, without a result. False if it no longer rests."""

    def amend(
        self, order: Order, tick: int, lots: int, at_ns: int, *, keeps_place: bool, bound: int | None = None
    ) -> list[Result]:
        """Changes price and total quantity of a resting order, which may then execute.

        keeps_place: of an unchanged price and a smaller quantity. Without it the order is behind all others.
        """

    def receive(self, rows: Rows, now_ns: int) -> list[Result]:
        """Rows of a frame that is sent now, or of a frame that will be (`whole`)."""

    def advance(self, to_ns: int) -> list[Result]:
        """Results up to `to_ns` that no call caused."""

    def next_due_ns(self) -> int | None:
        """When `advance` has its next result at the earliest; None: not before the next rows."""

    def next_match_no(self) -> int:
        """The number of an execution that happens outside of the matcher."""

    def touch(self) -> tuple[int | None, int | None]:
        """Best bid and ask, in ticks, of what is displayed and not yet taken, and of resting orders."""

    def estimate(
        self, side: int, bound: int | None, *, lots: int | None = None, value: int | None = None
    ) -> Estimate:
        """What an order of this side would obtain up to price `bound`, for at most `lots` or `value`."""
