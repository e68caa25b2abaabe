"""A book as a plain dict, and the venues' published rules for following one, written for the tests alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
)

from arb.data.rows.levels import Levels
from connectors.model import Rows

BUY, SELL = 1, -1


class PlainBook:
    """Price to quantity, a dict a side."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[float, float]] = {BUY: {}, SELL: {}}

    def set(self, side: int, px: float, qty: float) -> None:
        """One level; quantity 0 takes it away."""
        if qty == 0:
            self.sides[side].pop(px, None)
        else:
            self.sides[side][px] = qty

    def clear(self) -> None:
        """Empties both sides."""
        self.sides = {BUY: {}, SELL: {}}

    def copy(self) -> PlainBook:
        """A book of the same levels."""
        other = PlainBook()
        other.sides = {side: dict(levels) for side, levels in self.sides.items()}
        return other

    def apply(self, rows: Rows) -> None:
        """Applies event rows as hftbacktest does; a clear of NaN price empties its side."""
        for event, px, qty in zip(
            rows["ev"].tolist(), rows["px"].tolist(), rows["qty"].tolist(), strict=True
        ):
            side = BUY if event & BUY_EVENT else SELL
            kind = event & 0xFF
            if kind == DEPTH_CLEAR_EVENT:
                assert np.isnan(px)
                self.sides[side] = {}
            elif kind in (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT):
                self.set(side, px, qty)

    def touch(self) -> tuple[float, float, float, float]:
        """Best bid and its quantity, best ask and its quantity; NaN for an empty side."""
        bids, asks = self.sides[BUY], self.sides[SELL]
        bid, ask = max(bids, default=np.nan), min(asks, default=np.nan)
        return bid, bids.get(bid, np.nan), ask, asks.get(ask, np.nan)

    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self.sides[BUY] and not self.sides[SELL]

    def set_levels(self, bids: Iterable[Any], asks: Iterable[Any]) -> None:
        """The levels of a frame, texts as they stand in it."""
        for side, levels in ((BUY, bids), (SELL, asks)):
            for px, qty in levels:
                self.set(side, float(px), float(qty))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlainBook) and self.sides == other.sides

    __hash__ = None  # type: ignore[assignment]


def book_rows(rows: Rows, tick_size: float = 0.0) -> Rows:
    """The levels that rows leave, as snapshot rows: `Levels` of one piece."""
    levels = Levels(tick_size)
    levels.follow(rows)
    return levels.rows()


def by_tick(rows: Rows, tick_size: float) -> Rows:
    """The same rows with whole ticks for prices."""
    rows = rows.copy()
    rows["px"] = np.rint(rows["px"] / tick_size)
    return rows
