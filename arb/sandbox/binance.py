"""Simulates Binance spot and USD-M: frames of `@depth@100ms`, `@bookTicker`, `@trade` and the REST snapshot.

Spot ids count the changes of one book, so the ids of consecutive depth events are contiguous; USD-M ids are shared by
all symbols, so they jump, and `pu` is the last id of the previous event. Both write the book as of the publication
time.

Source: binance-spot-api-docs web-socket-streams.md (read 2026-07-21); USDⓈ-M Websocket Market Streams (read
2026-10-23); the field order of USD-M `@trade`, which is undocumented, as recorded in 2024.
"""

from __future__ import annotations

from numpy.random import Generator

from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID, BUY, Execution, LevelChange, Listing
from arb.sandbox.funding import Funding
from arb.sandbox.streams import Lag, Streams
from connectors.units import MILLISECOND

#: The stream that a recorder subscribes to, and its interval.
DEPTH_STREAM = "depth@100ms"
DEPTH_INTERVAL_NS = 100 * MILLISECOND
#: The stream of mark price and funding, and its interval.
MARK_STREAM = "markPrice@1s"
MARK_INTERVAL_NS = 1000 * MILLISECOND
#: Levels per side of the REST snapshot, as with `limit=1000`.
SNAPSHOT_LEVELS = 1000
#: Spot pads prices and quantities to this many decimals, independent of tick and lot.
_SPOT_DECIMALS = 8
#: Depth streams besides DEPTH_STREAM, and their intervals. For `@depth@0ms` it is the shortest one in recordings.
_SPOT_DEPTHS = {"depth": 1000 * MILLISECOND}
_USDM_DEPTHS = {"depth": 250 * MILLISECOND, "depth@500ms": 500 * MILLISECOND, "depth@0ms": 20 * MILLISECOND}


class _Depth:
    """One depth stream: collects the changes since its last frame."""

    def __init__(self, stream: str, sent_id: int, lag: Lag) -> None:
        self.stream = stream
        self.sent_id = sent_id
        self.lag = lag
        self.first_id = 0
        self.changed: tuple[set[int], set[int]] = (set(), set())


class BinanceStreams(Streams):
    """Conflated depth, a ticker at every change of the touch, one frame per trade.

    Spot has no times in bookTicker and snapshot; USD-M has the fields of 2026, with its matching engine's time in every
    frame.
    """

    def __init__(self, listing: Listing, book: Book, chance: Generator, start_ns: int) -> None:
        self._is_spot = listing.is_spot
        super().__init__(listing, book, start_ns, _SPOT_DECIMALS if self._is_spot else 0)
        self._chance = chance
        self._stream = listing.symbol.lower()
        #: The last fields of USD-M's depth and bookTicker.
        self._end = f'"ps":"{listing.symbol}","st":1'
        self._id = int(chance.integers(1 << 35, 1 << 36))
        self._trade_id = int(chance.integers(1 << 31, 1 << 32))
        self._depths: list[_Depth] = []
        self._ticker_lag = Lag(chance, 0.5)
        self._trade_lag = Lag(chance, 3.0 if self._is_spot else 2.0)
        self._add_depth(DEPTH_STREAM, DEPTH_INTERVAL_NS, chance)

    def add_depths(self, chance: Generator) -> None:
        more = _SPOT_DEPTHS if self._is_spot else _USDM_DEPTHS
        for stream, interval_ns in more.items():
            self._add_depth(stream, interval_ns, chance)

    def _add_depth(self, stream: str, interval_ns: int, chance: Generator) -> None:
        depth = _Depth(stream, self._id, Lag(chance, 0.8))
        self._depths.append(depth)
        self.every(interval_ns, chance, lambda now_ns: self._publish_depth(depth, now_ns))

    def add_funding(self, funding: Funding, chance: Generator) -> None:
        lag = Lag(chance, 2.0)

        def publish(now_ns: int) -> None:
            send_ns = lag.send_ns(now_ns)
            data = mark_price_data(self._symbol, self._px(self.last_tick), funding, self.stamp(send_ns))
            self.send_mark(send_ns, self._text(MARK_STREAM, data))

        self.every(MARK_INTERVAL_NS, chance, publish)

    @property
    def keys(self) -> frozenset[str]:
        names = (*(depth.stream for depth in self._depths), "bookTicker", "trade")
        return frozenset(f"{self._stream}@{name}" for name in names)

    def on_change(self, change: LevelChange) -> None:
        # On USD-M, changes of other symbols use ids in between.
        self._id += 1 if self._is_spot else 1 + int(self._chance.exponential(40.0))
        for depth in self._depths:
            depth.first_id = depth.first_id or self._id
            depth.changed[change.side].add(change.tick)

    def on_touch(self, at_ns: int) -> None:
        send_ns = self._ticker_lag.send_ns(at_ns)
        bid, bid_lots, ask, ask_lots = self.touch
        px, qty = self._px, self._qty
        touch = f'"s":"{self._symbol}","b":"{px(bid)}","B":"{qty(bid_lots)}","a":"{px(ask)}","A":"{qty(ask_lots)}"'
        text = f'"u":{self._id},{touch}'
        if not self._is_spot:
            times = f'"E":{self.stamp(send_ns)},"T":{self.stamp(at_ns)}'
            text = f'"e":"bookTicker","u":{self._id},{times},{touch},{self._end}'
        self._send(send_ns, "bookTicker", text)

    def on_execution(self, execution: Execution) -> None:
        side = "false" if execution.side == BUY else "true"
        for tick, lots in execution.fills:
            send_ns = self._trade_lag.send_ns(execution.at_ns)
            self._trade_id += 1
            trade = f'"t":{self._trade_id},"p":"{self._px(tick)}","q":"{self._qty(lots)}"'
            sent, traded = f'"E":{self.stamp(send_ns)}', f'"T":{self.stamp(execution.at_ns)}'
            if self._is_spot:
                text = f'{sent},"s":"{self._symbol}",{trade},{traded},"m":{side},"M":true'
            else:
                text = f'{sent},{traded},"s":"{self._symbol}",{trade},"X":"MARKET","m":{side}'
            self._send(send_ns, "trade", f'"e":"trade",{text}')

    def snapshot(self) -> str:
        """The current response of the REST depth endpoint."""
        bids = self.levels_text(self.book.levels(BID, SNAPSHOT_LEVELS))
        asks = self.levels_text(self.book.levels(ASK, SNAPSHOT_LEVELS))
        times = "" if self._is_spot else f'"E":{self.stamp(self._now)},"T":{self.stamp(self.last_change_ns)},'
        return f'{{"lastUpdateId":{self._id},{times}"bids":[{bids}],"asks":[{asks}]}}'

    def _publish_depth(self, depth: _Depth, now_ns: int) -> None:
        if not depth.first_id:
            return
        send_ns = depth.lag.send_ns(now_ns)
        bids, asks = (sorted(ticks) for ticks in depth.changed)
        if self._is_spot:
            bids.reverse()  # spot sends the best bid first, USD-M the lowest
        lots = self.book.lots
        bid_levels = self.levels_text((tick, lots(BID, tick)) for tick in bids)
        ask_levels = self.levels_text((tick, lots(ASK, tick)) for tick in asks)
        levels = f'"b":[{bid_levels}],"a":[{ask_levels}]'
        event, symbol = f'"e":"depthUpdate","E":{self.stamp(send_ns)}', f'"s":"{self._symbol}"'
        ids = f'"U":{depth.first_id},"u":{self._id}'
        text = f"{event},{symbol},{ids},{levels}"
        if not self._is_spot:
            time = f'"T":{self.stamp(self.last_change_ns)}'
            text = f'{event},{time},{symbol},{ids},"pu":{depth.sent_id},{levels},{self._end}'
        self._send(send_ns, depth.stream, text)
        depth.sent_id = self._id
        depth.first_id = 0
        for ticks in depth.changed:
            ticks.clear()

    def _send(self, send_ns: int, stream: str, data: str) -> None:
        self.send(send_ns, self._text(stream, data))

    def _text(self, stream: str, data: str) -> str:
        return f'{{"stream":"{self._stream}@{stream}","data":{{{data}}}}}'


def mark_price_data(symbol: str, px: str, funding: Funding, now_ms: int) -> str:
    """The fields of a `markPriceUpdate` that is sent at `now_ms`; index price and all others equal the mark price."""
    return (
        f'"e":"markPriceUpdate","E":{now_ms},"s":"{symbol}","p":"{px}","i":"{px}","P":"{px}",'
        f'"r":"{funding.rate(now_ms)}","ap":"{px}","T":{funding.next_ms(now_ms)},"st":1'
    )
