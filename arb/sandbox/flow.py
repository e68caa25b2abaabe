"""Order flow of one simulated instrument: trades and level changes in its book as its anchor price moves.

Quotes are sticky: the touch stays until the anchor leaves it by a tolerance; then takers sweep the levels up to the
anchor, or these are cancelled, and new quotes close the gap. In between, small orders trade at the touch, and levels
are added, changed and cancelled. The book is never crossed and no side is ever empty. Pure; the caller's thread.
"""

from __future__ import annotations

import math
from decimal import Decimal

from numpy.random import Generator

from arb.sandbox.book import Book
from arb.sandbox.events import ASK, BID, BUY, SELL, Event, Execution, LevelChange, Listing
from arb.sandbox.profiles import Profile

#: Distance of the anchor from the touch at which quotes follow it.
_TOLERANCE_BPS = 0.12
#: Largest distance from the touch at which a taking order of the flow executes.
_TRADE_REACH_BPS = 1.0
#: A side with fewer levels is refilled first.
_LEVELS_MIN = 60
#: Levels lie within about this distance of the touch: coarse ticks leave room for fewer levels, but for some.
_LEVELS_REACH_BPS = 90.0
_LEVELS_FEWEST = 8


class Flow:
    """The order flow in one instrument's book. `book` may be read from outside, and is written here only."""

    def __init__(self, no: int, listing: Listing, profile: Profile, chance: Generator, px: float) -> None:
        """Fills the book around `px`."""
        self.book = Book()
        self._no = no
        self._chance = chance
        self._profile = profile
        self._tick = float(Decimal(listing.tick_size))
        self._lots_per_quote = 1.0 / (float(Decimal(listing.lot_size)) * px)
        self._ticks_per_bps = 1e-4 * px / self._tick
        room = max(_LEVELS_FEWEST, round(_LEVELS_REACH_BPS * self._ticks_per_bps))
        self._levels = min(profile.levels, room)
        self._levels_min = min(_LEVELS_MIN, room)
        self._now = 0
        self._events: list[Event] = []
        middle = math.floor(px / self._tick)
        self._set(BID, middle, self._touch_lots())
        self._set(ASK, middle + 1, self._touch_lots())
        for side in (BID, ASK):
            while self.book.count(side) < self._levels:
                self._add_level(side)
        self._events = []

    def act(self, now_ns: int, fair_px: float) -> list[Event]:
        """Events of one action at `now_ns`, given the anchor price `fair_px`."""
        fair = fair_px / self._tick
        self._begin(now_ns)
        for side in (BID, ASK):
            while self.book.count(side) < self._levels_min:
                self._add_level(side)
        tolerance = _TOLERANCE_BPS * self._ticks_per_bps
        if fair > self.book.best(ASK) + tolerance:
            self._follow(ASK, fair)
        elif fair < self.book.best(BID) - tolerance:
            self._follow(BID, fair)
        elif self.book.best(ASK) - self.book.best(BID) > 1 and self._chance.random() < 0.6:
            self._improve(fair)
        else:
            self._something_small(fair)
        return self._events

    def take(self, now_ns: int, side: int, lots: int, limit_tick: int) -> list[Event]:
        """Executes a taking order for up to `lots`, at `limit_tick` or better; the rest is cancelled.

        The first event is the Execution with the fills; no events without a fill. Never takes the last level of a side.
        """
        self._begin(now_ns)
        self._take(side, lots, limit_tick)
        return self._events

    def _begin(self, now_ns: int) -> None:
        self._now = now_ns
        self._events = []

    def _something_small(self, fair: float) -> None:
        draw = self._chance.random()
        if draw < self._profile.trade_share:
            self._trade(fair)
        elif draw < 0.5:
            self._change_touch()
        else:
            self._change_levels()

    def _follow(self, side: int, fair: float) -> None:
        """Moves the quotes to an anchor beyond `side`: removes the levels in between and quotes around it."""
        book, chance = self.book, self._chance
        inner = math.ceil(fair) if side == ASK else math.floor(fair)
        outward = 1 if side == ASK else -1
        levels_before = book.count(side)
        if chance.random() < 0.5:
            self._take(BUY if side == ASK else SELL, 1 << 60, inner - outward)
        while (inner - book.best(side)) * outward > 0 and book.count(side) > 1:
            self._set(side, book.best(side), 0)
        removed = levels_before - book.count(side)
        if book.best(side) != inner and chance.random() < 0.7:
            self._quote(side, inner)
        self._quote(1 - side, math.floor(fair) if side == ASK else math.ceil(fair))
        for _ in range(min(removed, 12)):
            self._add_level(1 - side)

    def _quote(self, side: int, tick: int) -> None:
        """Sets a touch quantity at `tick`, or at the nearest tick that does not cross the other side."""
        if side == BID:
            tick = min(tick, self.book.best(ASK) - 1)
        else:
            tick = max(tick, self.book.best(BID) + 1)
        self._set(side, tick, self._touch_lots())

    def _improve(self, fair: float) -> None:
        """Adds a better quote inside a wide spread, on the side nearer to the anchor."""
        bid, ask = self.book.best(BID), self.book.best(ASK)
        if 2 * fair > bid + ask:
            self._set(BID, min(max(math.floor(fair), bid + 1), ask - 1), self._touch_lots())
        else:
            self._set(ASK, max(min(math.ceil(fair), ask - 1), bid + 1), self._touch_lots())

    def _trade(self, fair: float) -> None:
        """Executes a taking order of random size, more likely towards the anchor than away from it."""
        bid, ask = self.book.best(BID), self.book.best(ASK)
        tilt = (fair - (bid + ask) / 2) / (_TOLERANCE_BPS * self._ticks_per_bps + 1)
        side = BUY if self._chance.random() < 0.5 + 0.25 * max(-1.0, min(1.0, tilt)) else SELL
        reach = round(_TRADE_REACH_BPS * self._ticks_per_bps)
        limit = ask + reach if side == BUY else bid - reach
        self._take(side, self._lots(self._profile.trade_quote, 1.7), limit)

    def _take(self, side: int, lots: int, limit_tick: int) -> None:
        book = self.book
        taken = ASK if side == BUY else BID
        fills = []
        for rank in range(book.count(taken) - 1):
            tick = book.tick_at(taken, rank)
            if lots == 0 or (tick > limit_tick if side == BUY else tick < limit_tick):
                break
            fill = min(lots, book.lots(taken, tick))
            fills.append((tick, fill))
            lots -= fill
        if not fills:
            return
        self._events.append(Execution(self._now, self._no, side, tuple(fills)))
        for tick, fill in fills:
            self._set(taken, tick, book.lots(taken, tick) - fill)

    def _change_touch(self) -> None:
        """Adds or removes quantity at the touch, reverting to its usual size."""
        book, chance = self.book, self._chance
        side = BID if chance.random() < 0.5 else ASK
        tick = book.best(side)
        lots = book.lots(side, tick)
        usual = self._profile.touch_quote * self._lots_per_quote
        part = self._lots(0.08 * self._profile.touch_quote, 1.0)
        if chance.random() < (0.65 if lots < usual else 0.35):
            self._set(side, tick, lots + part)
        else:
            self._set(side, tick, max(1, lots - part))

    def _change_levels(self) -> None:
        """Adds, changes or deletes some levels behind the touch; their number reverts to the usual one."""
        book, chance = self.book, self._chance
        for _ in range(1 + int(5 * chance.random())):
            side = BID if chance.random() < 0.5 else ASK
            count = book.count(side)
            if chance.random() < 0.5 + 2.0 * (self._levels - count) / self._levels:
                self._add_level(side)
                continue
            # Mostly near the touch, where most orders change.
            tick = book.tick_at(side, 1 + int((count - 1) * chance.random() ** 4))
            self._set(side, tick, 0 if chance.random() < 0.6 else self._level_lots(side, tick))

    def _add_level(self, side: int) -> None:
        draw = self._chance.random()
        reach_bps = 0.8 if draw < 0.6 else (5.0 if draw < 0.9 else 60.0)
        ticks = 1 + int(self._chance.exponential(reach_bps) * self._ticks_per_bps)
        best = self.book.best(side)
        tick = max(1, best - ticks) if side == BID else best + ticks
        self._set(side, tick, self._level_lots(side, tick))

    def _set(self, side: int, tick: int, lots: int) -> None:
        self.book.set(side, tick, lots)
        self._events.append(LevelChange(self._now, self._no, side, tick, lots))

    def _touch_lots(self) -> int:
        return self._lots(self._profile.touch_quote, 0.8)

    def _level_lots(self, side: int, tick: int) -> int:
        """A random size of a level, larger further from the touch."""
        away_bps = abs(tick - self.book.best(side)) / self._ticks_per_bps
        return self._lots(self._profile.level_quote * (1.0 + away_bps / 20.0), 1.2)

    def _lots(self, quote: float, spread: float) -> int:
        """Lots of a log-normal size with median `quote` in quote units; at least one."""
        size = quote * math.exp(spread * self._chance.standard_normal())
        return max(1, round(size * self._lots_per_quote))
