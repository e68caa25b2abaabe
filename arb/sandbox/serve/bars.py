"""Aggregates trades to the bars of klines. Quantities are exact decimals. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

#: Served intervals: name and length in ms.
INTERVALS_MS = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}


class Trade(NamedTuple):
    """A public trade. `id` is 0 for Bybit, whose ids are texts."""

    id: int
    at_ms: int
    px: str
    qty: str
    is_buy: bool


class Bar:
    """The trades of one interval from `start_ms` on; prices are texts, "" before the very first trade."""

    def __init__(self, start_ms: int, px: str) -> None:
        """`px`: the last price before the bar, used as long as the bar is empty."""
        self.start_ms = start_ms
        self.open = self.high = self.low = self.close = px
        self.base = self.quote = self.bought_base = self.bought_quote = Decimal(0)
        self.count = 0
        self.first_id = self.last_id = -1

    def receive(self, trade: Trade) -> None:
        px, qty = Decimal(trade.px), Decimal(trade.qty)
        if self.count == 0:
            self.open = self.high = self.low = trade.px
            self.first_id = trade.id
        elif px > Decimal(self.high):
            self.high = trade.px
        elif px < Decimal(self.low):
            self.low = trade.px
        self.close = trade.px
        self.last_id = trade.id
        self.count += 1
        self.base += qty
        self.quote += px * qty
        if trade.is_buy:
            self.bought_base += qty
            self.bought_quote += px * qty


class Bars:
    """The open bar of an interval; returns bars as they close."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self.open: Bar | None = None
        self.is_changed = False

    def receive(self, trade: Trade) -> list[Bar]:
        """Adds a trade; returns the bars that it closes."""
        closed = self.roll(trade.at_ms)
        bar = self.open
        if bar is None:
            bar = self.open = Bar(trade.at_ms // self._interval_ms * self._interval_ms, trade.px)
        bar.receive(trade)
        self.is_changed = True
        return closed

    def roll(self, now_ms: int) -> list[Bar]:
        """Closes the bar if its time is over and opens an empty one. A gap of several intervals closes only one bar."""
        bar = self.open
        start_ms = now_ms // self._interval_ms * self._interval_ms
        if bar is None or start_ms <= bar.start_ms:
            return []
        self.open = Bar(start_ms, bar.close)
        self.is_changed = True
        return [bar]

    def end_ms(self, bar: Bar) -> int:
        """The last ms of a bar."""
        return bar.start_ms + self._interval_ms - 1
