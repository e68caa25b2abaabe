"""Bybit's derived streams: kline and tickers. Pure."""

from __future__ import annotations

import msgspec

from arb.sandbox.bybit import Ticker, funding_fields
from arb.sandbox.events import Listing
from arb.sandbox.funding import Funding
from arb.sandbox.serve.bars import INTERVALS_MS, Bar, Bars, Trade
from arb.sandbox.serve.derived import Derived, Stroke
from arb.sandbox.serve.followed import FollowedBook

#: Bybit's names of the intervals.
_INTERVALS = {"1m": "1", "5m": "5", "15m": "15", "1h": "60"}


class _Trade(msgspec.Struct, frozen=True):
    T: int
    S: str
    v: str
    p: str


class _Frame(msgspec.Struct, frozen=True):
    data: list[_Trade]


_TRADES = msgspec.json.Decoder(_Frame)


class BybitDerived(Derived):
    """kline and tickers of a listing."""

    def __init__(self, listing: Listing, book: FollowedBook, funding: Funding) -> None:
        """`book`: source of the ticker's touch."""
        self.funding = funding
        self._symbol = listing.symbol
        self._is_spot = listing.is_spot
        self._book = book
        self._ticker_stroke = Stroke(50 if self._is_spot else 100)
        self._day: Bar | None = None
        self._ticker = Ticker(listing.symbol, is_spot=self._is_spot)
        klines = (f"kline.{_INTERVALS[name]}.{listing.symbol}" for name in INTERVALS_MS)
        super().__init__(f"publicTrade.{listing.symbol}", frozenset([self._ticker.key, *klines]), 1000)

    def trades(self, text: str) -> list[Trade]:
        return [Trade(0, one.T, one.p, one.v, one.S == "Buy") for one in _TRADES.decode(text).data]

    def on_trade(self, trade: Trade) -> None:
        self._day = self._day or Bar(trade.at_ms, trade.px)
        self._day.receive(trade)

    def send_due(self, now_ms: int) -> None:
        self.send_klines(now_ms)
        if self._ticker_stroke.is_due(now_ms):
            self._send_ticker(now_ms)

    def opening(self, key: str, now_ms: int) -> str:
        """A snapshot of the ticker."""
        return self._ticker.snapshot(now_ms) if key == self._ticker.key else ""

    def send_kline(self, name: str, bars: Bars, bar: Bar, now_ms: int, *, is_closed: bool) -> None:
        interval = _INTERVALS[name]
        key = f"kline.{interval}.{self._symbol}"
        closed = "true" if is_closed else "false"
        text = (
            f'{{"type":"snapshot","topic":"{key}","data":[{{"start":{bar.start_ms},"end":{bars.end_ms(bar)},'
            f'"interval":"{interval}","open":"{bar.open}","close":"{bar.close}","high":"{bar.high}",'
            f'"low":"{bar.low}","volume":"{bar.base:f}","turnover":"{bar.quote:f}","confirm":{closed},'
            f'"timestamp":{now_ms}}}],"ts":{now_ms}}}'
        )
        self.send(key, text)

    def _send_ticker(self, now_ms: int) -> None:
        if text := self._ticker.update(self._ticker_now(now_ms), now_ms):
            self.send(self._ticker.key, text)

    def _ticker_now(self, now_ms: int) -> dict[str, str]:
        day = self._day
        if day is None:
            return {}
        ticker = {
            "lastPrice": day.close,
            "highPrice24h": day.high,
            "lowPrice24h": day.low,
            "prevPrice24h": day.open,
            "volume24h": f"{day.base:f}",
            "turnover24h": f"{day.quote:f}",
        }
        if self._is_spot:
            return ticker
        return ticker | funding_fields(day.close, self.funding, now_ms) | self._touch()

    def _touch(self) -> dict[str, str]:
        self._book.settle()
        bids, asks = self._book.sides.best(1)
        touch = {}
        for name, levels in (("bid1", bids), ("ask1", asks)):
            if levels:
                touch[f"{name}Price"], touch[f"{name}Size"] = levels[0]
        return touch

    def ticker(self, now_ms: int) -> dict[str, str]:
        """The fields of the ticker that are known, on spot with the touch too."""
        return self._ticker_now(now_ms) | self._touch()
