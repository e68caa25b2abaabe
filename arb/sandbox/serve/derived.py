"""Derives streams from others, as venues do: aggregated trades, klines, mark prices, tickers. Pure.

They are consistent with the sent trades and books, so a client can check them. No data from before the tape is
invented: 24-hour figures of a ticker start at the beginning of the tape.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from arb.sandbox.serve.bars import INTERVALS_MS, Bar, Bars, Trade

Sent = tuple[str, str]
"""A key and the frame to send to its subscribers."""


class Derived(ABC):
    """One listing's derived streams; klines are common to all venues."""

    def __init__(self, trade_key: str, keys: frozenset[str], kline_interval_ms: int) -> None:
        """`keys`: those that clients may subscribe to."""
        self.keys = keys
        self._trade_key = trade_key
        self._bars = {name: Bars(ms) for name, ms in INTERVALS_MS.items()}
        self._kline_stroke = Stroke(kline_interval_ms)
        self._out: list[Sent] = []

    def receive(self, key: str, text: str) -> None:
        """Processes a sent frame of the venue."""
        if key != self._trade_key:
            return
        for trade in self.trades(text):
            self.on_trade(trade)
            for name, bars in self._bars.items():
                for bar in bars.receive(trade):
                    self.send_kline(name, bars, bar, trade.at_ms, is_closed=True)

    def due(self, now_ms: int) -> list[Sent]:
        """The frames due at `now_ms`, in the time of the frames."""
        self.send_due(now_ms)
        out, self._out = self._out, []
        return out

    def opening(self, key: str, now_ms: int) -> str:
        """The frame that a new subscriber of `key` receives first; "" if there is none."""
        return ""

    def send(self, key: str, text: str) -> None:
        """Queues a frame for `due`."""
        self._out.append((key, text))

    def send_klines(self, now_ms: int) -> None:
        """Queues the klines that are due."""
        if not self._kline_stroke.is_due(now_ms):
            return
        for name, bars in self._bars.items():
            for bar in bars.roll(now_ms):
                self.send_kline(name, bars, bar, now_ms, is_closed=True)
            if bars.open is not None and bars.is_changed:
                self.send_kline(name, bars, bars.open, now_ms, is_closed=False)
                bars.is_changed = False

    @abstractmethod
    def trades(self, text: str) -> list[Trade]:
        """The trades of a frame of the trade stream."""

    @abstractmethod
    def on_trade(self, trade: Trade) -> None:
        """Processes a trade."""

    @abstractmethod
    def send_due(self, now_ms: int) -> None:
        """Queues everything that is due, the klines by `send_klines`."""

    @abstractmethod
    def send_kline(self, name: str, bars: Bars, bar: Bar, now_ms: int, *, is_closed: bool) -> None:
        """Queues the kline of an interval."""


class Stroke:
    """A periodic trigger: due once per interval."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._last = -1

    def is_due(self, now_ms: int) -> bool:
        number = now_ms // self._interval_ms
        if number == self._last:
            return False
        self._last = number
        return True
