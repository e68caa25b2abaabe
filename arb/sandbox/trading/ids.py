"""Ids that the venues give to orders and executions; the same seed gives the same ids. Pure."""

from __future__ import annotations

import hashlib

#: Binance's and Bybit spot's ids are numbers; they begin here, so that they are larger than those in documents.
_FIRST = 7_000_000_000


class Ids:
    """Numbers of orders, rising over all venues of a sandbox, and their texts."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._no = 0

    def next_no(self) -> int:
        """The number of a new order."""
        self._no += 1
        return self._no

    def order_id(self, venue: str, no: int) -> str:
        """The venue's id of an order: a UUID for Bybit linear, a number for the others."""
        return self.uuid("order", no) if venue == "bybit_linear" else str(_FIRST + no)

    def client_id(self, venue: str, no: int) -> str:
        """The client id of an order that was sent without one: 22 letters and digits; none at Bybit."""
        return "" if venue.startswith("bybit") else self._digest("client", no)[:22]

    def uuid(self, what: str, no: int) -> str:
        """A UUID for object `no` of a kind."""
        digits = self._digest(what, no)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    def _digest(self, what: str, no: int) -> str:
        return hashlib.sha256(f"{self._seed} {what} {no}".encode()).hexdigest()
