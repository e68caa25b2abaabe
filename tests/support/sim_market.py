"""A small simulated market whose true touch is known at every id, and the frames that each venue sends of it.

Written for the tests alone, with plain dicts, apart from the sandbox: what a feed publishes is compared with this.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from support.sim_time import MS

TICK, LOT = 0.1, 0.001
LEVELS = 12


class TrueTouch(NamedTuple):
    bid_px: float
    bid_qty: float
    ask_px: float
    ask_qty: float


class SimMarket:
    """One instrument: a book of a few levels a side that moves at every step."""

    def __init__(self, venue: str, symbol: str, chance: random.Random) -> None:
        self.venue = venue
        self.symbol = symbol
        self._chance = chance
        #: A decimal behind those of the tick, from `change_tick` on.
        self._finer = ""
        self._middle = 10_000 + chance.randrange(1000)
        #: Lots by tick: bids, asks.
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for n in range(1, LEVELS + 1):
            self.sides[0][self._middle - n] = chance.randrange(1, 100)
            self.sides[1][self._middle + n] = chance.randrange(1, 100)
        #: The last id: Binance's update id, Bybit's `seq`.
        self.id = chance.randrange(10_000, 20_000)
        self.truth: dict[int, TrueTouch] = {}
        #: The same of ids that were counted once more since.
        self.truths_before: list[dict[int, TrueTouch]] = []
        #: Steps so far, and the one at which an id was the market's last.
        self.steps = 0
        self.step_of: dict[int, int] = {}
        #: By how much the ids of best bid and offer are behind those of the book.
        self.touch_behind = 0
        self._note()
        #: Bybit's number of the book's messages.
        self.u = chance.randrange(1000, 2000)
        self._sent_id = self.id
        self._first_id = 0
        self._changed: tuple[set[int], set[int]] = (set(), set())
        self._trade_no = chance.randrange(1, 1000)
        self._touch = self.truth[self.id]
        #: Trades in order, as (price, quantity), none equal to another.
        self.trades: list[tuple[float, float]] = []

    @property
    def is_bybit(self) -> bool:
        return self.venue.startswith("bybit")

    def step(self, now_ns: int) -> list[tuple[str, str]]:
        """Moves on; the frames of touch and trades as (stream, data)."""
        self.steps += 1
        for _ in range(self._chance.choice((0, 1, 1, 2, 4))):
            self._change()
        frames = []
        touch = self.truth[self.id]
        if touch != self._touch:
            self._touch = touch
            frames.append(("touch", self.touch_frame(now_ns)))
        if self._chance.random() < 0.3:
            frames.append(("trade", self._trade_frame(now_ns)))
        return frames

    def depth(self, now_ns: int) -> str | None:
        """The changes since the last call as the venue sends them; None without any."""
        if not self._first_id:
            return None
        bids, asks = ([(t, self.sides[s].get(t, 0)) for t in sorted(self._changed[s])] for s in (0, 1))
        first, self._first_id = self._first_id, 0
        prev, self._sent_id = self._sent_id, self.id
        for ticks in self._changed:
            ticks.clear()
        if self.is_bybit:
            self.u += 1
            return self._bybit_book("delta", bids, asks, now_ns)
        levels = f'"b":[{self._levels(bids)}],"a":[{self._levels(asks)}]'
        head = f'"e":"depthUpdate","E":{now_ns // MS},'
        ids = f'"s":"{self.symbol}","U":{first},"u":{self.id},'
        if self.venue == "binance_usdm":
            head += f'"T":{now_ns // MS},'
            ids += f'"pu":{prev},'
        return "{" + head + ids + levels + "}"

    def step_back(self, by: int) -> None:
        """Counts on from a lower id, as a server that began again; Bybit's `u`, its `seq`, or both."""
        self.truths_before.append(self.truth.copy())
        what = self._chance.choice(("u", "seq", "both")) if self.is_bybit else "both"
        if what != "seq":
            self.u -= min(by, self.u // 2)
        if what != "u":
            self.id -= min(by, self.id // 2)
        self._sent_id = self.id
        self.id += 1
        self._first_id = self._first_id and self.id
        self._note()

    def snapshot(self, now_ns: int) -> str:
        """The whole book: of the REST interface, or Bybit's first message."""
        bids, asks = sorted(self.sides[0].items(), reverse=True), sorted(self.sides[1].items())
        if self.is_bybit:
            # What was not sent yet is in it, and will be sent again: quantities are absolute.
            return self._bybit_book("snapshot", bids, asks, now_ns)
        times = f'"E":{now_ns // MS},"T":{now_ns // MS},' if self.venue == "binance_usdm" else ""
        return (
            f'{{"lastUpdateId":{self.id},{times}"bids":[{self._levels(bids)}],"asks":[{self._levels(asks)}]}}'
        )

    def touch_frame(self, now_ns: int) -> str:
        """The best levels now."""
        bid, ask = max(self.sides[0]), min(self.sides[1])
        best = [(bid, self.sides[0][bid])], [(ask, self.sides[1][ask])]
        if self.is_bybit:
            number = self.id - self.touch_behind
            return self._bybit_book("snapshot", *best, now_ns, depth=1, u=number, seq=number)
        px, qty = self._px, _qty
        text = f'"b":"{px(bid)}","B":"{qty(best[0][0][1])}","a":"{px(ask)}","A":"{qty(best[1][0][1])}"'
        number = self.id - self.touch_behind
        if self.venue == "binance_usdm":
            times = f'"E":{now_ns // MS},"T":{now_ns // MS},'
            return f'{{"e":"bookTicker","u":{number},{times}"s":"{self.symbol}",{text}}}'
        return f'{{"u":{number},"s":"{self.symbol}",{text}}}'

    def mark_frame(self, now_ns: int, *, is_whole: bool) -> str:
        """Mark price and funding; Bybit's changes (not `is_whole`) have the mark price alone. Drawn by no chance."""
        stamp, px = now_ns // MS, f"{self._middle / 10 + self.steps % 977 / 1000:.4f}"
        rate, next_ms = f"{(self.steps % 13 - 6) / 1e5:.6f}", (stamp // 60_000 + 1) * 60_000
        if not self.is_bybit:
            return f'{{"e":"markPriceUpdate","E":{stamp},"s":"{self.symbol}","p":"{px}","r":"{rate}","T":{next_ms}}}'
        rest = f',"fundingRate":"{rate}","nextFundingTime":"{next_ms}"' if is_whole else ""
        return (
            f'{{"topic":"tickers.{self.symbol}","type":"{"snapshot" if is_whole else "delta"}","ts":{stamp},'
            f'"data":{{"symbol":"{self.symbol}","markPrice":"{px}"{rest}}}}}'
        )

    def _trade_frame(self, now_ns: int) -> str:
        self._trade_no += 1
        tick, lots = self._middle, self._trade_no
        self.trades.append((float(self._px(tick)), float(_qty(lots))))
        stamp = now_ns // MS
        if self.is_bybit:
            self.id += 1
            self._note()
            return (
                f'{{"topic":"publicTrade.{self.symbol}","type":"snapshot","ts":{stamp},"data":[{{"T":{stamp},'
                f'"s":"{self.symbol}","S":"Buy","v":"{_qty(lots)}","p":"{self._px(tick)}","i":"t{self._trade_no}",'
                f'"BT":false,"RPI":false,"seq":{self.id}}}]}}'
            )
        extra = ',"X":"MARKET"' if self.venue == "binance_usdm" else ""
        return (
            f'{{"e":"trade","E":{stamp},"T":{stamp},"s":"{self.symbol}","t":{self._trade_no},'
            f'"p":"{self._px(tick)}","q":"{_qty(lots)}"{extra},"m":false}}'
        )

    def _bybit_book(
        self,
        kind: str,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        now_ns: int,
        depth: int = 50,
        u: int = 0,
        seq: int = 0,
    ) -> str:
        stamp = now_ns // MS
        return (
            f'{{"topic":"orderbook.{depth}.{self.symbol}","type":"{kind}","ts":{stamp},'
            f'"data":{{"s":"{self.symbol}","b":[{self._levels(bids)}],"a":[{self._levels(asks)}],'
            f'"u":{u or self.u},"seq":{seq or self.id}}},"cts":{stamp}}}'
        )

    def _change(self) -> None:
        """One level changes; now and then the best one goes, or a better one comes."""
        chance = self._chance
        side = chance.randrange(2)
        own, other = self.sides[side], self.sides[1 - side]
        sign = 1 if side == 0 else -1
        best, wall = (max(own), min(other)) if side == 0 else (min(own), max(other))
        what = chance.random()
        if what < 0.25 and len(own) > LEVELS // 2:
            tick, lots = best, 0
        elif what < 0.45 and (wall - best) * sign > 1:
            tick, lots = best + sign, chance.randrange(1, 100)
        else:
            tick, lots = best - sign * chance.randrange(0, LEVELS), chance.randrange(1, 100)
        if lots:
            own[tick] = lots
        else:
            del own[tick]
        while len(own) > 2 * LEVELS:
            far = min(own) if side == 0 else max(own)
            del own[far]
            self._changed[side].add(far)
        self._changed[side].add(tick)
        self.id += 1 if self.venue == "binance_spot" else 1 + chance.randrange(20)
        self._first_id = self._first_id or self.id
        self._note()

    @property
    def is_tick_changed(self) -> bool:
        return bool(self._finer)

    def change_tick(self) -> None:
        """From the next change on, prices have a decimal more than those of the tick."""
        self._finer = "5"

    def _px(self, tick: int) -> str:
        return f"{tick // 10}.{tick % 10}{self._finer}"

    def _levels(self, levels: list[tuple[int, int]]) -> str:
        return ",".join(f'["{self._px(tick)}","{_qty(lots)}"]' for tick, lots in levels)

    def _note(self) -> None:
        self.step_of[self.id] = self.steps
        bid, ask = max(self.sides[0]), min(self.sides[1])
        self.truth[self.id] = TrueTouch(
            float(self._px(bid)),
            float(_qty(self.sides[0][bid])),
            float(self._px(ask)),
            float(_qty(self.sides[1][ask])),
        )


def _qty(lots: int) -> str:
    return f"{lots // 1000}.{lots % 1000:03d}"
