"""State of a live session for display: touches, edges, positions, orders, money. The host's thread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hftbacktest.order import NEW, PARTIALLY_FILLED

from arb.bot.cache import bot_compiled
from arb.engine.book import BOOK, NO_ASK, NO_BID
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.order_table import orders_at, rows_of
from arb.leg import Leg, legs_of_pairs
from arb.runtime.feeds import LiveFeed
from arb.runtime.trading_lines import Totals, known_max
from connectors.feed.touch import PX_DECIMALS

_BEST_BID, _BEST_ASK = ((BOOK.names or ()).index(name) for name in ("best_bid", "best_ask"))
#: Feeds, each with the numbers of its legs.
Feeds = Sequence[tuple[LiveFeed, Sequence[int]]]


class LegLine(NamedTuple):
    """One leg. Unknown prices are NaN; the age is that of the book's last message, in s."""

    name: str
    status: str
    bid: float
    ask: float
    age_s: float
    messages_per_s: float
    position: float


class EdgeLine(NamedTuple):
    """The edge of buying at one leg and selling at the other, in bps after both taker fees, and the largest so far."""

    buy: str
    sell: str
    edge_bps: float
    best_bps: float


class EventLine(NamedTuple):
    """An event, with its local time."""

    time_ns: int
    event: str
    text: str


class SessionView(NamedTuple):
    """State of a session at one time. Times in s, money in quote; NaN where unknown."""

    #: The name of the session's folder.
    name: str
    elapsed_s: float
    #: NaN without a duration.
    remaining_s: float
    legs: Sequence[LegLine]
    edges: Sequence[EdgeLine]
    #: NaN for a strategy that has no such parameter.
    threshold_bps: float
    #: Whether the threshold is measured from the average cross spread, which the edges here contain.
    is_over_basis: bool
    working: int
    fills: int
    totals: Totals
    fees: float
    pnl: float
    #: Oldest first.
    events: Sequence[EventLine]


@bot_compiled
def _count_working(addresses):
    """Orders that are not terminal. Does not use the bot's iterator: the strategy may be in the middle of one."""
    count = 0
    for address in addresses:
        for row in rows_of(orders_at(address)):
            if row.status in (NEW, PARTIALLY_FILLED):
                count += 1
    return count


def working_orders(bot: LiveBot) -> int:
    """How many orders of all legs are not terminal."""
    return int(_count_working(bot.world.assets["orders"][: len(bot.world.legs)].copy()))


def leg_lines(bot: LiveBot, state: Any, feeds: Feeds) -> list[LegLine]:
    """The legs now. state: of every leg, of hftbacktest's `record_dtype`."""
    legs = bot.world.legs
    lines = [LegLine(leg.name, "", math.nan, math.nan, math.nan, 0.0, 0.0) for leg in legs]
    for live, numbers in feeds:
        states = live.feed.states()
        for no, number in enumerate(numbers):
            touch, one = live.feed.touch(no), states[no]
            lines[number] = LegLine(
                legs[number].name,
                live.feed.status(no).value,
                touch.bid_px,
                touch.ask_px,
                one.age_ns / 1e9 if one.age_ns >= 0 else math.nan,
                one.messages_per_s,
                float(state["position"][number]),
            )
    return lines


class Touches:
    """The touches of the bot's books, read without a call of compiled code: what the strategy sees."""

    def __init__(self, world: LiveWorld) -> None:
        self._books = [
            (cells, leg.tick_size) for cells, leg in zip(world.book_cells(), world.legs, strict=True)
        ]

    def prices(self) -> tuple[list[float], list[float]]:
        """Bids and asks by leg; NaN where there is none."""
        bids = [_price(cells[_BEST_BID], NO_BID, tick) for cells, tick in self._books]
        asks = [_price(cells[_BEST_ASK], NO_ASK, tick) for cells, tick in self._books]
        return bids, asks


def _price(ticks: int, none: int, tick_size: float) -> float:
    return math.nan if ticks == none else round(ticks * tick_size, PX_DECIMALS)


def profit_of(state: Any, legs: Sequence[Leg]) -> float:
    """Quote earned since the start, with positions at their last mids; NaN if one is unknown."""
    return sum(
        float(s["balance"])
        - float(s["fee"])
        + (float(s["position"]) * float(s["price"]) * leg.contract_size if s["position"] else 0.0)
        for s, leg in zip(state, legs, strict=True)
    )


class Edges:
    """The edges of all pairs in both directions, and the largest so far. The host's thread.

    Between two samples an edge may rise and fall unseen; `note` adds those that the strategy logged.
    """

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._legs = legs
        directions = [way for pair in legs_of_pairs(legs) for way in (pair, pair[::-1])]
        #: By the number of the leg to buy, that of the leg to sell; and the edges.
        self._sells = dict(directions)
        self._fees = {buy: legs[buy].taker_fee + legs[sell].taker_fee for buy, sell in directions}
        self._now = dict.fromkeys(self._sells, math.nan)
        self._best = dict(self._now)

    def sample(self, bids: Sequence[float], asks: Sequence[float]) -> None:
        """Takes the edges of the current touches, by leg."""
        for buy, sell in self._sells.items():
            ask = asks[buy]
            self._now[buy] = ((bids[sell] - ask) / ask - self._fees[buy]) * 1e4
        self.note(self._now)

    def note(self, edges_bps: Mapping[int, float]) -> None:
        """Adds edges by the number of the leg to buy; NaN is ignored."""
        for buy, edge_bps in edges_bps.items():
            if buy in self._best:
                self._best[buy] = known_max(self._best[buy], edge_bps)

    @property
    def now_bps(self) -> list[float]:
        """The edges now, in the order of `lines`."""
        return list(self._now.values())

    def lines(self) -> list[EdgeLine]:
        """All directions."""
        names = [leg.name for leg in self._legs]
        return [
            EdgeLine(names[buy], names[sell], self._now[buy], self._best[buy])
            for buy, sell in self._sells.items()
        ]
