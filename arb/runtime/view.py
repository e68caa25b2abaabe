"""State of a live session for display: touches, edges, positions, orders, money. The host's thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hftbacktest.order import NEW, PARTIALLY_FILLED

from arb.bot.cache import bot_compiled
from arb.bot.recorder import state_of
from arb.engine.live import LiveBot
from arb.engine.order_table import orders_at, rows_of
from arb.leg import Leg, legs_of_pairs
from arb.runtime.feeds import LiveFeed


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
    """The edge of buying at one leg and selling at the other, in bps after both taker fees."""

    buy: str
    sell: str
    edge_bps: float


class SessionView(NamedTuple):
    """State of a session at one time."""

    legs: list[LegLine]
    edges: list[EdgeLine]
    working: int
    fills: int
    pnl: float
    events: list[str]


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


def view_of(
    bot: LiveBot, feeds: Sequence[tuple[LiveFeed, Sequence[int]]], events: Sequence[str]
) -> SessionView:
    """The session's current state. feeds: each with the numbers of its legs."""
    legs = bot.world.legs
    state = state_of(bot, len(legs))
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
    edges = [
        edge
        for pair in legs_of_pairs(legs)
        for edge in _edges([legs[n] for n in pair], [lines[n] for n in pair])
    ]
    pnl = sum(
        float(s["balance"])
        - float(s["fee"])
        + (float(s["position"]) * float(s["price"]) * leg.contract_size if s["position"] else 0.0)
        for s, leg in zip(state, legs, strict=True)
    )
    return SessionView(lines, edges, working_orders(bot), int(state["num_trades"].sum()), pnl, list(events))


def _edges(legs: Sequence[Leg], lines: Sequence[LegLine]) -> list[EdgeLine]:
    return [
        EdgeLine(
            legs[buy].name,
            legs[sell].name,
            ((lines[sell].bid - lines[buy].ask) / lines[buy].ask - legs[0].taker_fee - legs[1].taker_fee)
            * 1e4,
        )
        for buy, sell in ((0, 1), (1, 0))
    ]
