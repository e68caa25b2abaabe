"""Simulates Bybit v5 spot and linear: `orderbook.50` (20 ms), `orderbook.1` (10 ms) and `publicTrade`.

A book stream begins with a snapshot and continues with deltas whose `u` increases by one; a price that leaves the best
50 is deleted with quantity "0" and sent again when it returns. `orderbook.1` sends only snapshots, and repeats the last
one after three seconds without a change.

Source: bybit-exchange/docs v5 `websocket/public/{orderbook,trade}.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from numpy.random import Generator

from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID, BUY, Execution, LevelChange, Listing
from arb.sandbox.funding import Funding
from arb.sandbox.streams import Lag, Streams, Touch
from connectors.units import MILLISECOND

DEPTH = 50
DEPTH_INTERVAL_NS = 20 * MILLISECOND
TOUCH_INTERVAL_NS = 10 * MILLISECOND
#: Of linear's tickers, which have mark price and funding.
TICKER_INTERVAL_NS = 100 * MILLISECOND
#: Intervals of the deeper books that the sandbox serves too.
_MORE_DEPTHS = {200: 100 * MILLISECOND, 1000: 200 * MILLISECOND}
#: After this time without a change, `orderbook.1` sends the last snapshot again.
SILENCE_NS = 3_000 * MILLISECOND


class _Window:
    """One depth of the book in the subscribers' state; empty before the snapshot."""

    def __init__(self, depth: int, u: int, lag: Lag) -> None:
        self.depth = depth
        self.u = u
        self.lag = lag
        #: Lots by tick as last sent to the subscribers, and the ticks changed since.
        self.levels: list[dict[int, int]] = [{}, {}]
        self.changed: list[set[int]] = [set(), set()]
        self.is_changed = True


class BybitStreams(Streams):
    """Spot or linear perpetuals."""

    def __init__(self, listing: Listing, book: Book, chance: Generator, start_ns: int) -> None:
        super().__init__(listing, book, start_ns)
        self._is_spot = listing.is_spot
        self._chance = chance
        u = int(chance.integers(1 << 24, 1 << 25))
        self._touch_u = int(chance.integers(1 << 25, 1 << 26))
        self._seq = int(chance.integers(1 << 36, 1 << 37))
        self._trade_no = int(chance.integers(1 << 40, 1 << 41))
        self._sent_touch: Touch | None = None
        self._touch_sent_ns = 0
        self._last_trade_tick = 0
        self._last_move = "PlusTick"
        self._windows: list[_Window] = []
        self._touch_lag = Lag(chance, 1.0)
        self._trade_lag = Lag(chance, 1.0)
        self._add_window(DEPTH, DEPTH_INTERVAL_NS, chance, u)
        self.every(TOUCH_INTERVAL_NS, chance, self._publish_touch)

    def add_depths(self, chance: Generator) -> None:
        for depth, interval_ns in _MORE_DEPTHS.items():
            self._add_window(depth, interval_ns, chance, int(chance.integers(1 << 24, 1 << 25)))

    def _add_window(self, depth: int, interval_ns: int, chance: Generator, u: int) -> None:
        window = _Window(depth, u, Lag(chance, 1.2))
        self._windows.append(window)
        self.every(interval_ns, chance, lambda now_ns: self._publish_book(window, now_ns))

    def add_funding(self, funding: Funding, chance: Generator) -> None:
        lag, ticker = Lag(chance, 1.0), Ticker(self._symbol)

        def publish(now_ns: int) -> None:
            send_ns = lag.send_ns(now_ns)
            now_ms, px = self.stamp(send_ns), self._px(self.last_tick)
            text = ticker.update({"lastPrice": px, **funding_fields(px, funding, now_ms)}, now_ms)
            if text:
                self.send_mark(send_ns, text)

        self.every(TICKER_INTERVAL_NS, chance, publish)

    @property
    def keys(self) -> frozenset[str]:
        names = (*(f"orderbook.{window.depth}" for window in self._windows), "orderbook.1", "publicTrade")
        return frozenset(f"{name}.{self._symbol}" for name in names)

    def on_change(self, change: LevelChange) -> None:
        self._seq += 1 + int(self._chance.exponential(20.0))  # shared with other symbols
        for window in self._windows:
            window.is_changed = True
            window.changed[change.side].add(change.tick)

    def on_touch(self, at_ns: int) -> None:
        """Does nothing: the touch is sent at the next tick of its clock."""

    def on_execution(self, execution: Execution) -> None:
        send_ns = self._trade_lag.send_ns(execution.at_ns)
        self._seq += 1
        trades = ",".join(self._trade(execution, tick, lots) for tick, lots in execution.fills)
        head = self._head(f"publicTrade.{self._symbol}", "snapshot", send_ns)
        self.send(send_ns, f'{{{head},"data":[{trades}]}}')

    def _head(self, topic: str, kind: str, send_ns: int) -> str:
        """The fields before `data`: spot sends `ts` before `type`, linear after it."""
        kind, time = f'"type":"{kind}"', f'"ts":{self.stamp(send_ns)}'
        return f'"topic":"{topic}",' + (f"{time},{kind}" if self._is_spot else f"{kind},{time}")

    def _trade(self, execution: Execution, tick: int, lots: int) -> str:
        if tick != self._last_trade_tick:
            self._last_move = "PlusTick" if tick > self._last_trade_tick else "MinusTick"
        elif not self._last_move.startswith("Zero"):
            self._last_move = f"Zero{self._last_move}"
        self._last_trade_tick = tick
        self._trade_no += 1
        side = "Buy" if execution.side == BUY else "Sell"
        move, trade_id = "", f"229{self._trade_no:016d}"
        if not self._is_spot:
            move, trade_id = f'"L":"{self._last_move}",', _uuid(self._trade_no)
        return (
            f'{{"T":{self.stamp(execution.at_ns)},"s":"{self._symbol}","S":"{side}","v":"{self._qty(lots)}",'
            f'"p":"{self._px(tick)}",{move}"i":"{trade_id}",'
            f'"BT":false,"RPI":false,"seq":{self._seq}}}'
        )

    def _publish_book(self, window: _Window, now_ns: int) -> None:
        if not window.is_changed:
            return
        window.is_changed = False
        kind = "delta" if window.levels[BID] else "snapshot"
        sides = [self._changes(window, side) for side in (BID, ASK)]
        if not (sides[BID] or sides[ASK]):
            return  # all changes are beyond the window
        window.u += 1
        self._send_book(window.lag.send_ns(now_ns), window.depth, kind, sides, window.u)

    def _publish_touch(self, now_ns: int) -> None:
        touch = self.touch
        if touch != self._sent_touch:
            self._touch_u += 1
        elif now_ns - self._touch_sent_ns < SILENCE_NS:
            return
        self._sent_touch = touch
        self._touch_sent_ns = now_ns
        bid, bid_lots, ask, ask_lots = touch
        sides = [self.levels_text([(bid, bid_lots)]), self.levels_text([(ask, ask_lots)])]
        self._send_book(self._touch_lag.send_ns(now_ns), 1, "snapshot", sides, self._touch_u)

    def _changes(self, window: _Window, side: int) -> str:
        """The changes of a side's window since the last frame: levels best first, then deleted ones."""
        known, lots = window.levels[side], self.book.lots
        ticks = set(self.book.ticks(side, window.depth))
        added = ticks - known.keys()
        removed = known.keys() - ticks
        changed = [
            tick
            for tick in window.changed[side]
            if tick in known and tick in ticks and known[tick] != lots(side, tick)
        ]
        window.changed[side].clear()
        is_bid = side == BID
        levels = [(tick, lots(side, tick)) for tick in sorted((*changed, *added), reverse=is_bid)]
        known.update(levels)
        deletions = [f'["{self._px(tick)}","0"]' for tick in sorted(removed, reverse=is_bid)]
        for tick in removed:
            del known[tick]
        return ",".join(part for part in (self.levels_text(levels), *deletions) if part)

    def _send_book(self, send_ns: int, depth: int, kind: str, sides: list[str], u: int) -> None:
        head = self._head(f"orderbook.{depth}.{self._symbol}", kind, send_ns)
        self.send(
            send_ns,
            f'{{{head},"data":{{"s":"{self._symbol}","b":[{sides[BID]}],"a":[{sides[ASK]}],'
            f'"u":{u},"seq":{self._seq}}},"cts":{self.stamp(self.last_change_ns)}}}',
        )


class Ticker:
    """The frames of one instrument's `tickers`: a snapshot, then on linear deltas of what has changed."""

    def __init__(self, symbol: str, *, is_spot: bool = False) -> None:
        self.key = f"tickers.{symbol}"
        self._symbol = symbol
        self._is_spot = is_spot
        self._fields: dict[str, str] = {}
        self._sequence = 0

    def update(self, fields: dict[str, str], now_ms: int) -> str:
        """The frame after `fields` became valid; "" if none has changed."""
        changed = {name: value for name, value in fields.items() if self._fields.get(name) != value}
        if not changed:
            return ""
        is_snapshot = self._is_spot or not self._fields
        self._fields = fields
        return self._text("snapshot", fields, now_ms) if is_snapshot else self._text("delta", changed, now_ms)

    def snapshot(self, now_ms: int) -> str:
        """The frame that a new subscriber receives first; "" before the first update."""
        return self._text("snapshot", self._fields, now_ms) if self._fields else ""

    def _text(self, kind: str, fields: dict[str, str], now_ms: int) -> str:
        self._sequence += 1
        data = ",".join(f'"{name}":"{value}"' for name, value in {"symbol": self._symbol, **fields}.items())
        return (
            f'{{"topic":"{self.key}","ts":{now_ms},"type":"{kind}","cs":{self._sequence},"data":{{{data}}}}}'
        )


def funding_fields(px: str, funding: Funding, now_ms: int) -> dict[str, str]:
    """The fields of linear's tickers with mark price and funding at `now_ms`; the index price equals the mark price."""
    return {
        "markPrice": px,
        "indexPrice": px,
        "fundingRate": funding.rate(now_ms),
        "nextFundingTime": str(funding.next_ms(now_ms)),
    }


def _uuid(number: int) -> str:
    """A text in the format of a UUID, which the number makes unique."""
    text = f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}{number:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
