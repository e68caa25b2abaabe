"""Derives streams from others, as venues do: aggregated trades, klines, mark prices, tickers. Pure.

They are consistent with the sent trades and books, so a client can check them. No data from before the tape is
invented: 24-hour figures of a ticker start at the beginning of the tape.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from arb.sandbox.events import Listing
from arb.sandbox.serve.bars import (
    BYBIT_INTERVALS,
    INTERVALS_MS,
    Bar,
    Bars,
    Trade,
    binance_trades,
    bybit_trades,
)
from arb.sandbox.serve.followed import BybitBook
from arb.sandbox.serve.tape import combined

Sent = tuple[str, str]
"""A key and the frame to send to its subscribers."""

_FUNDING_INTERVAL_MS = 8 * 3_600_000
_FUNDING_RATE = "0.00010000"


class Derived(Protocol):
    """One listing's derived streams."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys that clients may subscribe to."""

    def receive(self, key: str, text: str) -> None:
        """Processes a sent frame of the venue."""

    def due(self, now_ms: int) -> list[Sent]:
        """The frames due at `now_ms`, in the time of the frames."""

    def opening(self, key: str, now_ms: int) -> str | None:
        """The frame that a new subscriber of `key` receives first, if any."""


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


class BinanceDerived:
    """aggTrade, kline and, on USD-M, markPrice of a listing."""

    def __init__(self, listing: Listing) -> None:
        self._symbol = listing.symbol
        self._stream = listing.symbol.lower()
        self._is_spot = listing.venue == "binance_spot"
        self._trade_key = f"{self._stream}@trade"
        #: Trades of one order at one price, not sent yet: Binance's rule of aggregation.
        self._same: list[Trade] = []
        self._agg_id = 0
        self._out: list[Sent] = []
        self._bars = {name: Bars(ms) for name, ms in INTERVALS_MS.items()}
        self._kline_stroke = Stroke(2000 if self._is_spot else 250)
        self._agg_stroke = Stroke(100)
        self._mark_strokes = {"markPrice": Stroke(3000), "markPrice@1s": Stroke(1000)}
        names = ["aggTrade", *(f"kline_{name}" for name in INTERVALS_MS)]
        if not self._is_spot:
            names += self._mark_strokes
        self.keys = frozenset(f"{self._stream}@{name}" for name in names)
        self._last_px = ""

    def receive(self, key: str, text: str) -> None:
        """See `Derived`."""
        if key != self._trade_key:
            return
        for trade in binance_trades(text):
            self._last_px = trade.px
            self._aggregate(trade)
            for name, bars in self._bars.items():
                for bar in bars.receive(trade):
                    self._kline(name, bars, bar, trade.at_ms, is_closed=True)

    def due(self, now_ms: int) -> list[Sent]:
        """See `Derived`."""
        if self._agg_stroke.is_due(now_ms):
            self._send_aggregate(now_ms)
        if self._kline_stroke.is_due(now_ms):
            self._send_klines(now_ms)
        if not self._is_spot and self._last_px:
            for name, stroke in self._mark_strokes.items():
                if stroke.is_due(now_ms):
                    self._send_mark(name, now_ms)
        out, self._out = self._out, []
        return out

    def opening(self, key: str, now_ms: int) -> str | None:
        """See `Derived`: None on Binance."""
        return None

    def _aggregate(self, trade: Trade) -> None:
        if self._same and (trade.at_ms, trade.px, trade.is_buy) != (
            self._same[0].at_ms,
            self._same[0].px,
            self._same[0].is_buy,
        ):
            self._send_aggregate(trade.at_ms)
        self._same.append(trade)

    def _send_aggregate(self, now_ms: int) -> None:
        if not self._same:
            return
        first, last = self._same[0], self._same[-1]
        qty = sum((Decimal(trade.qty) for trade in self._same), Decimal(0))
        self._same = []
        self._agg_id = max(self._agg_id + 1, first.id // 2)
        more = ',"M":true' if self._is_spot else ',"st":1'
        normal = "" if self._is_spot else f'"nq":"{qty}",'
        maker = "false" if first.is_buy else "true"
        self._send(
            "aggTrade",
            f'{{"e":"aggTrade","E":{now_ms},"s":"{self._symbol}","a":{self._agg_id},"p":"{first.px}","q":"{qty}",'
            f'{normal}"f":{first.id},"l":{last.id},"T":{first.at_ms},"m":{maker}{more}}}',
        )

    def _send_klines(self, now_ms: int) -> None:
        for name, bars in self._bars.items():
            for bar in bars.roll(now_ms):
                self._kline(name, bars, bar, now_ms, is_closed=True)
            if bars.open is not None and bars.is_changed:
                self._kline(name, bars, bars.open, now_ms, is_closed=False)
                bars.is_changed = False

    def _kline(self, name: str, bars: Bars, bar: Bar, now_ms: int, *, is_closed: bool) -> None:
        closed = "true" if is_closed else "false"
        self._send(
            f"kline_{name}",
            f'{{"e":"kline","E":{now_ms},"s":"{self._symbol}","k":{{"t":{bar.start_ms},"T":{bars.end_ms(bar)},'
            f'"s":"{self._symbol}","i":"{name}","f":{bar.first_id},"L":{bar.last_id},"o":"{bar.open}",'
            f'"c":"{bar.close}","h":"{bar.high}","l":"{bar.low}","v":"{bar.base:f}","n":{bar.count},"x":{closed},'
            f'"q":"{bar.quote:f}","V":"{bar.bought_base:f}","Q":"{bar.bought_quote:f}","B":"0"}}}}',
        )

    def _send_mark(self, name: str, now_ms: int) -> None:
        funding_ms = (now_ms // _FUNDING_INTERVAL_MS + 1) * _FUNDING_INTERVAL_MS
        px = self._last_px
        self._send(
            name,
            f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{self._symbol}","p":"{px}","i":"{px}","P":"{px}",'
            f'"r":"{_FUNDING_RATE}","ap":"{px}","T":{funding_ms},"st":1}}',
        )

    def _send(self, name: str, data: str) -> None:
        key = f"{self._stream}@{name}"
        self._out.append((key, combined(key, data)))


class BybitDerived:
    """kline and tickers of a listing."""

    def __init__(self, listing: Listing, book: BybitBook) -> None:
        """`book`: source of the ticker's touch."""
        self._symbol = listing.symbol
        self._is_spot = listing.venue == "bybit_spot"
        self._book = book
        self._trade_key = f"publicTrade.{listing.symbol}"
        self._ticker_key = f"tickers.{listing.symbol}"
        self._out: list[Sent] = []
        self._bars = {name: Bars(ms) for name, ms in INTERVALS_MS.items()}
        self._kline_stroke = Stroke(1000)
        self._ticker_stroke = Stroke(50 if self._is_spot else 100)
        self._day: Bar | None = None
        self._ticker: dict[str, str] = {}
        self._sequence = 0
        klines = (f"kline.{BYBIT_INTERVALS[name]}.{listing.symbol}" for name in INTERVALS_MS)
        self.keys = frozenset([self._ticker_key, *klines])

    def receive(self, key: str, text: str) -> None:
        """See `Derived`."""
        if key != self._trade_key:
            return
        for trade in bybit_trades(text):
            self._day = self._day or Bar(trade.at_ms, trade.px)
            self._day.receive(trade)
            for name, bars in self._bars.items():
                for bar in bars.receive(trade):
                    self._kline(name, bars, bar, trade.at_ms, is_closed=True)

    def due(self, now_ms: int) -> list[Sent]:
        """See `Derived`."""
        if self._kline_stroke.is_due(now_ms):
            for name, bars in self._bars.items():
                for bar in bars.roll(now_ms):
                    self._kline(name, bars, bar, now_ms, is_closed=True)
                if bars.open is not None and bars.is_changed:
                    self._kline(name, bars, bars.open, now_ms, is_closed=False)
                    bars.is_changed = False
        if self._ticker_stroke.is_due(now_ms):
            self._send_ticker(now_ms)
        out, self._out = self._out, []
        return out

    def opening(self, key: str, now_ms: int) -> str | None:
        """See `Derived`: a snapshot of the ticker."""
        if key != self._ticker_key or not self._ticker:
            return None
        return self._ticker_text("snapshot", self._ticker, now_ms)

    def _kline(self, name: str, bars: Bars, bar: Bar, now_ms: int, *, is_closed: bool) -> None:
        interval = BYBIT_INTERVALS[name]
        key = f"kline.{interval}.{self._symbol}"
        closed = "true" if is_closed else "false"
        text = (
            f'{{"type":"snapshot","topic":"{key}","data":[{{"start":{bar.start_ms},"end":{bars.end_ms(bar)},'
            f'"interval":"{interval}","open":"{bar.open}","close":"{bar.close}","high":"{bar.high}",'
            f'"low":"{bar.low}","volume":"{bar.base:f}","turnover":"{bar.quote:f}","confirm":{closed},'
            f'"timestamp":{now_ms}}}],"ts":{now_ms}}}'
        )
        self._out.append((key, text))

    def _send_ticker(self, now_ms: int) -> None:
        ticker = self._ticker_now(now_ms)
        changed = {name: value for name, value in ticker.items() if self._ticker.get(name) != value}
        if not changed:
            return
        is_snapshot = self._is_spot or not self._ticker
        self._ticker = ticker
        kind = "snapshot" if is_snapshot else "delta"
        fields = ticker if is_snapshot else {"symbol": self._symbol, **changed}
        self._out.append((self._ticker_key, self._ticker_text(kind, fields, now_ms)))

    def _ticker_text(self, kind: str, fields: dict[str, str], now_ms: int) -> str:
        self._sequence += 1
        data = ",".join(f'"{name}":"{value}"' for name, value in fields.items())
        return f'{{"topic":"{self._ticker_key}","ts":{now_ms},"type":"{kind}","cs":{self._sequence},"data":{{{data}}}}}'

    def _ticker_now(self, now_ms: int) -> dict[str, str]:
        day = self._day
        if day is None:
            return {}
        ticker = {
            "symbol": self._symbol,
            "lastPrice": day.close,
            "highPrice24h": day.high,
            "lowPrice24h": day.low,
            "prevPrice24h": day.open,
            "volume24h": f"{day.base:f}",
            "turnover24h": f"{day.quote:f}",
        }
        if self._is_spot:
            return ticker
        self._book.settle()
        bids, asks = self._book.sides.best(1)
        funding_ms = (now_ms // _FUNDING_INTERVAL_MS + 1) * _FUNDING_INTERVAL_MS
        ticker |= {
            "markPrice": day.close,
            "indexPrice": day.close,
            "fundingRate": _FUNDING_RATE,
            "nextFundingTime": str(funding_ms),
        }
        for name, levels in (("bid1", bids), ("ask1", asks)):
            if levels:
                ticker[f"{name}Price"], ticker[f"{name}Size"] = levels[0]
        return ticker
