"""What rows of market data say that answers of a venue lack: mark price and funding rate, prices of fee assets."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from arb.engine.book import BOOK, NO_ASK, NO_BID
from arb.engine.live import LiveWorld
from arb.leg import Leg
from connectors.model import FUNDING_EVENT, Rows

_NAN = float("nan")


class Marks:
    """Of all legs of a world, which must outlive it."""

    def __init__(self, world: LiveWorld, legs: Sequence[Leg]) -> None:
        self._legs = tuple(legs)
        self._marks = [_NAN] * len(legs)
        self._rates = [_NAN] * len(legs)
        self._books: list[Any] = [_record_at(int(address)) for address in world.assets["book"][: len(legs)]]

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """Rows of a leg, in the order of receipt."""
        kinds = rows["ev"].astype(np.int64) & 0xFF
        for row in rows[kinds == FUNDING_EVENT]:
            if row["px"] > 0.0:
                self._marks[leg_no] = float(row["px"])
            if not np.isnan(row["fval"]):
                self._rates[leg_no] = float(row["fval"])

    def of(self, leg_no: int) -> tuple[float, float]:
        """The last mark price and funding rate of a leg; NaN if not known."""
        return self._marks[leg_no], self._rates[leg_no]

    def fee_price(self, leg_no: int) -> float:
        """Price in quote of the asset that a leg's fees are charged in, if that is a third one; NaN if not known."""
        leg = self._legs[leg_no]
        if leg.fee_price_leg < 0:
            return leg.fee_price
        book = self._books[leg.fee_price_leg]
        bid, ask = int(book["best_bid"][0]), int(book["best_ask"][0])
        if bid == NO_BID or ask == NO_ASK:
            return _NAN
        return 0.5 * (bid + ask) * float(book["tick_size"][0])


def _record_at(address: int) -> Any:
    memory: Any = (ctypes.c_char * BOOK.itemsize).from_address(address)
    return np.frombuffer(memory, BOOK)
