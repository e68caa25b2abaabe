"""The price range of a book that a strategy reads as arrays: `roi_lb` to `roi_ub`, the same in every world.

It is the configured range, or else 20% below to 20% above the first known mid. The first mid is that of the first book
with both sides, after all rows of one local time, so that it does not depend on the order in which a snapshot lists its
levels. `touch_range` is the range of the best prices alone, `first_mid` that mid. Pure: takes rows,
returns a range or raises an InputError.

Source of the formula for ticks: `ROIVectorMarketDepth::new` of hftbacktest 2.4.4 (read 2026-11-22).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, LOCAL_EVENT, SELL_EVENT, event_dtype

from arb.engine.blocks import Blocks
from arb.engine.book import NO_ASK, NO_BID, book_at, make_book, rounded
from arb.engine.book_rows import apply_depth
from arb.errors import InputError
from arb.leg import Leg
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Without configured prices: share of the first mid, below it and above it.
SHARE = 0.2
#: Above this, the arrays of one leg (two sides, for the strategy and the exchange) would take too much memory.
BYTES_MAX = 1 << 30

#: Rows between two looks at a first mid, which most recordings have at once.
_ROWS_AT_A_TIME = 4096
_LOCAL_FLAG = np.uint64(LOCAL_EVENT)

#: mid: the first mid, NaN before. low, high: of all best prices so far, in ticks.
_WATCHED = np.dtype([("last_ts", "i8"), ("mid", "f8"), ("low", "i8"), ("high", "i8")])


class PriceRange(NamedTuple):
    """Lowest and highest price of a range."""

    low: float
    high: float

    def ticks(self, tick_size: float) -> tuple[int, int]:
        """Both prices in ticks, rounded as in hftbacktest."""
        return int(rounded(self.low / tick_size)), int(rounded(self.high / tick_size))

    def bytes(self, tick_size: float) -> float:
        """Bytes of a leg's arrays over this range."""
        return (self.high - self.low) / tick_size * 8 * 4


class RangeFinder:
    """Finds the range of a leg from its rows in order, and checks that the best prices stay inside."""

    def __init__(self, leg: Leg) -> None:
        """Raises InputError for a configured range that is too large."""
        self._leg = leg
        self._blocks = Blocks()
        self._book = make_book(self._blocks, leg.tick_size, leg.lot_size)
        self._state = self._blocks.record(_WATCHED, mid=np.nan, low=NO_ASK, high=NO_BID)
        #: None until it is known.
        self.range: PriceRange | None = None
        if leg.roi_lb is not None and leg.roi_ub is not None:
            self.range = self._checked(PriceRange(leg.roi_lb, leg.roi_ub))
        # Compiled here, not while a session runs.
        self.follow(np.zeros(0, event_dtype))

    def follow(self, rows: Rows) -> None:
        """Adds rows; only those flagged for the bot count. Raises InputError for a range that is too large."""
        _follow(self._book, rows, self._state, False)
        self._look()

    def finish(self) -> PriceRange:
        """Returns the range after the last row. Raises InputError if it is unknown, or a best price was outside."""
        _finish(self._book, self._state)
        self._look()
        if self.range is None:
            raise InputError(self.unknown)
        if outside := self.outside:
            raise InputError(outside)
        return self.range

    @property
    def unknown(self) -> str:
        """Error text for an unknown range."""
        return (
            f"{self._leg.name}: there was no book with bids and asks, from which the range of bid_depth and ask_depth "
            f"would follow: {self._advice()}"
        )

    @property
    def outside(self) -> str:
        """Error text if a best price has been outside the range; otherwise empty."""
        if self.range is None:
            return ""
        low, high = self.range.ticks(self._leg.tick_size)
        seen_low, seen_high = int(self._state["low"][0]), int(self._state["high"][0])
        if low <= seen_low and seen_high <= high:
            return ""
        price = (seen_high if seen_high > high else seen_low) * self._leg.tick_size
        return (
            f"{self._leg.name}: a best price of {price:.10g} is outside the range of bid_depth and ask_depth, "
            f"{self.range.low:.10g} to {self.range.high:.10g}: {self._advice()}"
        )

    def _look(self) -> None:
        mid = float(self._state["mid"][0])
        if self.range is None and mid > 0.0:
            self.range = self._checked(PriceRange(mid * (1.0 - SHARE), mid * (1.0 + SHARE)))

    def _checked(self, found: PriceRange) -> PriceRange:
        size = found.bytes(self._leg.tick_size)
        if size > BYTES_MAX:
            raise InputError(
                f"{self._leg.name}: bid_depth and ask_depth from {found.low:.10g} to {found.high:.10g} would take "
                f"{size / 2**30:.1f} GB of memory, more than {BYTES_MAX / 2**30:.0f} GB: {self._advice()}"
            )
        return found

    def _advice(self) -> str:
        venue, symbol = self._leg.venue, self._leg.symbol
        return f"set roi_lb and roi_ub (prices) in [symbols.{symbol}] of the file of {venue}"


def touch_range(pieces: Sequence[Rows], tick_size: float, lot_size: float) -> PriceRange | None:
    """Lowest and highest best price after any row: hftbacktest's vector book silently drops levels outside its range.

    None without a best price, or if a row clears part of a side, which our rows never do.
    """
    blocks = Blocks()
    book = make_book(blocks, tick_size, lot_size)
    state = blocks.record(_WATCHED, mid=np.nan, low=NO_ASK, high=NO_BID)
    for rows in pieces:
        is_clear = rows["ev"] & 0xFF == DEPTH_CLEAR_EVENT
        is_of_side = rows["ev"] & (BUY_EVENT | SELL_EVENT) != 0
        if np.any(is_clear & is_of_side & np.isfinite(rows["px"])):
            return None
        _follow(book, rows, state, True)
    low, high = int(state["low"][0]), int(state["high"][0])
    return PriceRange(low * tick_size, high * tick_size) if low <= high else None


def first_mid(pieces: Sequence[Rows], leg: Leg) -> float:
    """The first mid of a leg, NaN without a book that has both sides. Only rows for the bot count."""
    blocks = Blocks()
    book = make_book(blocks, leg.tick_size, leg.lot_size)
    state = blocks.record(_WATCHED, mid=np.nan, low=NO_ASK, high=NO_BID)
    for rows in pieces:
        for begin in range(0, len(rows), _ROWS_AT_A_TIME):
            _follow(book, rows[begin : begin + _ROWS_AT_A_TIME], state, False)
            if state["mid"][0] > 0.0:
                return float(state["mid"][0])
    _finish(book, state)
    return float(state["mid"][0])


@compiled
def _follow(address, rows, state, is_each_noted):
    """Applies the bot's rows; notes the touch at the end of each local time, or after each row."""
    book = book_at(address)
    watched = state[0]
    for index in range(len(rows)):
        row = rows[index]
        if not row.ev & _LOCAL_FLAG:
            continue
        if row.local_ts > watched.last_ts:
            _note(book, watched)
            watched.last_ts = row.local_ts
        apply_depth(book, row)
        if is_each_noted:
            _note(book, watched)


@compiled
def _finish(address, state):
    _note(book_at(address), state[0])


@compiled
def _note(book, watched):
    """Updates range and first mid from the touch at the end of a local time."""
    has_bid, has_ask = book.best_bid != NO_BID, book.best_ask != NO_ASK
    if has_bid:
        watched.low = min(watched.low, book.best_bid)
        watched.high = max(watched.high, book.best_bid)
    if has_ask:
        watched.low = min(watched.low, book.best_ask)
        watched.high = max(watched.high, book.best_ask)
    if has_bid and has_ask and np.isnan(watched.mid):
        watched.mid = (book.best_bid * book.tick_size + book.best_ask * book.tick_size) / 2.0
