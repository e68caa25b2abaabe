"""Simulates Binance spot and USD-M: frames of `@depth@100ms`, `@bookTicker`, `@trade` and the REST snapshot.

Spot ids count the changes of one book, so the ids of consecutive depth events are contiguous; USD-M ids are shared by
all symbols, so they jump, and `pu` is the last id of the previous event. Both write the book as of the publication
time.

Source: binance-spot-api-docs web-socket-streams.md (read 2026-07-21); USDⓈ-M Websocket Market Streams (read
2026-10-23); the field order of USD-M `@trade`, which is undocumented, as recorded in 2024.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from numpy.random import Generator

from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID, BUY, Execution, LevelChange, Listing
from arb.sandbox.streams import Lag, Streams
from connectors.units import MILLISECOND

#: The stream that a recorder subscribes to, and its interval.
DEPTH_STREAM = "depth@100ms"
DEPTH_INTERVAL_NS = 100 * MILLISECOND
#: Levels per side of the REST snapshot, as with `limit=1000`.
SNAPSHOT_LEVELS = 1000
#: Spot pads prices and quantities to this many decimals, independent of tick and lot.
_SPOT_DECIMALS = 8


class _Depth:
    """One depth stream: collects the changes since its last frame."""

    def __init__(self, stream: str, sent_id: int, lag: Lag) -> None:
        self.stream = stream
        self.sent_id = sent_id
        self.lag = lag
        self.first_id = 0
        self.changed: tuple[set[int], set[int]] = (set(), set())


class BinanceStreams(Streams):
    """Common to both markets: conflated depth, a ticker at every change of the touch, one frame per trade."""

    _trade_lag_ms = 2.0
    #: Depth streams besides DEPTH_STREAM, and their intervals.
    _more_depths: ClassVar[dict[str, int]] = {}
    #: Order of bids: spot sends the best bid first, USD-M the lowest.
    _is_best_bid_first = True

    def __init__(self, listing: Listing, book: Book, chance: Generator, start_ns: int) -> None:
        super().__init__(listing, book, start_ns)
        self._chance = chance
        self._stream = listing.symbol.lower()
        self._id = int(chance.integers(1 << 35, 1 << 36))
        self._trade_id = int(chance.integers(1 << 31, 1 << 32))
        self._depths: list[_Depth] = []
        self._ticker_lag = Lag(chance, 0.5)
        self._trade_lag = Lag(chance, self._trade_lag_ms)
        self._add_depth(DEPTH_STREAM, DEPTH_INTERVAL_NS, chance)

    def add_depths(self, chance: Generator) -> None:
        for stream, interval_ns in self._more_depths.items():
            self._add_depth(stream, interval_ns, chance)

    def _add_depth(self, stream: str, interval_ns: int, chance: Generator) -> None:
        depth = _Depth(stream, self._id, Lag(chance, 0.8))
        self._depths.append(depth)
        self.every(interval_ns, chance, lambda now_ns: self._publish_depth(depth, now_ns))

    @property
    def keys(self) -> frozenset[str]:
        names = (*(depth.stream for depth in self._depths), "bookTicker", "trade")
        return frozenset(f"{self._stream}@{name}" for name in names)

    def next_id(self) -> int:
        """The id of the next change of the book."""
        return self._id + 1

    def on_change(self, change: LevelChange) -> None:
        self._id = self.next_id()
        for depth in self._depths:
            depth.first_id = depth.first_id or self._id
            depth.changed[change.side].add(change.tick)

    def on_touch(self, at_ns: int) -> None:
        send_ns = self._ticker_lag.send_ns(at_ns)
        bid, bid_lots, ask, ask_lots = self.touch
        px, qty = self._px, self._qty
        text = f'"b":"{px(bid)}","B":"{qty(bid_lots)}","a":"{px(ask)}","A":"{qty(ask_lots)}"'
        self._send(send_ns, "bookTicker", self.ticker(text, at_ns, send_ns))

    def on_execution(self, execution: Execution) -> None:
        side = "false" if execution.side == BUY else "true"
        for tick, lots in execution.fills:
            send_ns = self._trade_lag.send_ns(execution.at_ns)
            self._trade_id += 1
            text = f'"t":{self._trade_id},"p":"{self._px(tick)}","q":"{self._qty(lots)}"'
            self._send(send_ns, "trade", self.trade(text, side, execution.at_ns, send_ns))

    def snapshot(self) -> str:
        """The current response of the REST depth endpoint."""
        bids = self.levels_text(self.book.levels(BID, SNAPSHOT_LEVELS))
        asks = self.levels_text(self.book.levels(ASK, SNAPSHOT_LEVELS))
        return f'{{"lastUpdateId":{self._id},{self.snapshot_times()}"bids":[{bids}],"asks":[{asks}]}}'

    @abstractmethod
    def ticker(self, touch: str, at_ns: int, send_ns: int) -> str:
        """The `data` of a bookTicker with the given touch."""

    @abstractmethod
    def trade(self, trade: str, is_buyer_maker: str, at_ns: int, send_ns: int) -> str:
        """The `data` of a trade with the given id, price and quantity."""

    @abstractmethod
    def depth(self, levels: str, first_id: int, prev_id: int, send_ns: int) -> str:
        """The `data` of a depthUpdate with the given levels."""

    def snapshot_times(self) -> str:
        """The time fields of a REST snapshot with a trailing comma; empty on spot."""
        return ""

    def _publish_depth(self, depth: _Depth, now_ns: int) -> None:
        if not depth.first_id:
            return
        send_ns = depth.lag.send_ns(now_ns)
        bids, asks = (sorted(ticks) for ticks in depth.changed)
        if self._is_best_bid_first:
            bids.reverse()
        lots = self.book.lots
        bid_levels = self.levels_text((tick, lots(BID, tick)) for tick in bids)
        ask_levels = self.levels_text((tick, lots(ASK, tick)) for tick in asks)
        levels = f'"b":[{bid_levels}],"a":[{ask_levels}]'
        self._send(send_ns, depth.stream, self.depth(levels, depth.first_id, depth.sent_id, send_ns))
        depth.sent_id = self._id
        depth.first_id = 0
        for ticks in depth.changed:
            ticks.clear()

    def _send(self, send_ns: int, stream: str, data: str) -> None:
        self.send(send_ns, f'{{"stream":"{self._stream}@{stream}","data":{{{data}}}}}')


class BinanceSpotStreams(BinanceStreams):
    """Binance spot: no times in bookTicker and snapshot, numbers padded to eight decimals."""

    _decimals_min = _SPOT_DECIMALS
    _trade_lag_ms = 3.0
    _more_depths: ClassVar = {"depth": 1000 * MILLISECOND}

    def ticker(self, touch: str, at_ns: int, send_ns: int) -> str:
        return f'"u":{self._id},"s":"{self._symbol}",{touch}'

    def trade(self, trade: str, is_buyer_maker: str, at_ns: int, send_ns: int) -> str:
        return (
            f'"e":"trade","E":{self.stamp(send_ns)},"s":"{self._symbol}",{trade},'
            f'"T":{self.stamp(at_ns)},"m":{is_buyer_maker},"M":true'
        )

    def depth(self, levels: str, first_id: int, prev_id: int, send_ns: int) -> str:
        return (
            f'"e":"depthUpdate","E":{self.stamp(send_ns)},"s":"{self._symbol}",'
            f'"U":{first_id},"u":{self._id},{levels}'
        )


class BinanceUsdmStreams(BinanceStreams):
    """Binance USD-M, with the fields of 2026; its matching engine's time is in every frame."""

    _is_best_bid_first = False
    #: For `@depth@0ms` it is the shortest interval, as in recordings.
    _more_depths: ClassVar = {
        "depth": 250 * MILLISECOND,
        "depth@500ms": 500 * MILLISECOND,
        "depth@0ms": 20 * MILLISECOND,
    }

    def next_id(self) -> int:
        # Changes of other symbols use ids in between.
        return self._id + 1 + int(self._chance.exponential(40.0))

    def ticker(self, touch: str, at_ns: int, send_ns: int) -> str:
        return (
            f'"e":"bookTicker","u":{self._id},"E":{self.stamp(send_ns)},"T":{self.stamp(at_ns)},"s":"{self._symbol}",{touch},'
            f'"ps":"{self._symbol}","st":1'
        )

    def trade(self, trade: str, is_buyer_maker: str, at_ns: int, send_ns: int) -> str:
        return (
            f'"e":"trade","E":{self.stamp(send_ns)},"T":{self.stamp(at_ns)},"s":"{self._symbol}",{trade},'
            f'"X":"MARKET","m":{is_buyer_maker}'
        )

    def depth(self, levels: str, first_id: int, prev_id: int, send_ns: int) -> str:
        return (
            f'"e":"depthUpdate","E":{self.stamp(send_ns)},"T":{self.stamp(self.last_change_ns)},"s":"{self._symbol}",'
            f'"U":{first_id},"u":{self._id},"pu":{prev_id},{levels},"ps":"{self._symbol}","st":1'
        )

    def snapshot_times(self) -> str:
        return f'"E":{self.stamp(self._now)},"T":{self.stamp(self.last_change_ns)},'
