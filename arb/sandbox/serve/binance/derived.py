"""Binance's derived streams: aggTrade, kline and, on USD-M, markPrice. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from arb.sandbox.binance import mark_price_data
from arb.sandbox.events import Listing
from arb.sandbox.funding import Funding
from arb.sandbox.serve.bars import INTERVALS_MS, Bar, Bars, Trade
from arb.sandbox.serve.binance.frames import combined
from arb.sandbox.serve.derived import Derived, Stroke


class _Trade(msgspec.Struct, frozen=True):
    t: int
    p: str
    q: str
    T: int
    m: bool
    X: str = "MARKET"


class _Frame(msgspec.Struct, frozen=True):
    data: _Trade


_TRADE = msgspec.json.Decoder(_Frame)


class BinanceDerived(Derived):
    """aggTrade, kline and, on USD-M, markPrice of a listing."""

    def __init__(self, listing: Listing, funding: Funding) -> None:
        self._funding = funding
        self._symbol = listing.symbol
        self._stream = listing.symbol.lower()
        self._is_spot = listing.is_spot
        #: Trades of one order at one price, not sent yet: Binance's rule of aggregation.
        self._same: list[Trade] = []
        self._agg_id = 0
        self._agg_stroke = Stroke(100)
        self._mark_strokes = {"markPrice": Stroke(3000), "markPrice@1s": Stroke(1000)}
        names = ["aggTrade", *(f"kline_{name}" for name in INTERVALS_MS)]
        if not self._is_spot:
            names += self._mark_strokes
        keys = frozenset(f"{self._stream}@{name}" for name in names)
        super().__init__(f"{self._stream}@trade", keys, 2000 if self._is_spot else 250)
        self._last_px = ""

    def trades(self, text: str) -> list[Trade]:
        trade = _TRADE.decode(text).data
        if trade.X != "MARKET":  # USD-M's insurance fund
            return []
        return [Trade(trade.t, trade.T, trade.p, trade.q, not trade.m)]

    def on_trade(self, trade: Trade) -> None:
        self._last_px = trade.px
        if self._same and _order(self._same[0]) != _order(trade):
            self._send_aggregate(trade.at_ms)
        self._same.append(trade)

    def send_due(self, now_ms: int) -> None:
        if self._agg_stroke.is_due(now_ms):
            self._send_aggregate(now_ms)
        self.send_klines(now_ms)
        if not self._is_spot and self._last_px:
            for name, stroke in self._mark_strokes.items():
                if stroke.is_due(now_ms):
                    self._send_mark(name, now_ms)

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

    def send_kline(self, name: str, bars: Bars, bar: Bar, now_ms: int, *, is_closed: bool) -> None:
        closed = "true" if is_closed else "false"
        self._send(
            f"kline_{name}",
            f'{{"e":"kline","E":{now_ms},"s":"{self._symbol}","k":{{"t":{bar.start_ms},"T":{bars.end_ms(bar)},'
            f'"s":"{self._symbol}","i":"{name}","f":{bar.first_id},"L":{bar.last_id},"o":"{bar.open}",'
            f'"c":"{bar.close}","h":"{bar.high}","l":"{bar.low}","v":"{bar.base:f}","n":{bar.count},"x":{closed},'
            f'"q":"{bar.quote:f}","V":"{bar.bought_base:f}","Q":"{bar.bought_quote:f}","B":"0"}}}}',
        )

    def _send_mark(self, name: str, now_ms: int) -> None:
        self._send(name, f"{{{mark_price_data(self._symbol, self._last_px, self._funding, now_ms)}}}")

    def _send(self, name: str, data: str) -> None:
        key = f"{self._stream}@{name}"
        self.send(key, combined(key, data))


def _order(trade: Trade) -> tuple[int, str, bool]:
    """What the trades of one order at one price have in common."""
    return trade.at_ms, trade.px, trade.is_buy
