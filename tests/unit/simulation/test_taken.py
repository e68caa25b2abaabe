"""Quantity that was taken is not shown again until the venue changes it: at the venue, and in the strategy's book."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, EXPIRED, FILLED, FOK, GTC, IOC, LIMIT, MARKET, NEW, PARTIALLY_FILLED, SELL
from hftbacktest.types import BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, SELL_EVENT, event_dtype
from support.dry_market import MS, START_NS, leg

from arb.bot.compilation import compile_strategy
from arb.engine.account import EXECUTED, TAKEN
from arb.engine.order_table import ORDER
from arb.runtime.replay import replay
from arb.simulation.bot import DryRunBot
from arb.simulation.driven import DrivenExchange

pytestmark = pytest.mark.slow

LEG = leg(0)
LOT = LEG.lot_size
MID = 1000


def level_rows(levels: list[tuple[int, int, int, int]], flags: int = EXCH_EVENT, late_ns: int = 0) -> Any:
    """Rows of (time in ms, side, tick, lots)."""
    made = np.zeros(len(levels), event_dtype)
    for row, (at_ms, side, tick, lots) in zip(made, levels, strict=True):
        row["ev"] = flags | DEPTH_EVENT | (BUY_EVENT if side == BUY else SELL_EVENT)
        row["exch_ts"] = START_NS + at_ms * MS
        row["local_ts"] = row["exch_ts"] + late_ns
        row["px"], row["qty"] = tick * LEG.tick_size, lots * LOT
    return made


def order(at_ms: int, side: int, tick: int, lots: int, force: int = IOC, kind: int = LIMIT) -> Any:
    made = np.zeros(1, ORDER)
    made["local_timestamp"] = START_NS + at_ms * MS
    made["order_id"], made["side"], made["price_tick"], made["time_in_force"] = at_ms, side, tick, force
    made["qty"] = made["leaves_qty"] = lots * LOT
    made["tick_size"], made["order_type"], made["req"] = LEG.tick_size, kind, NEW
    return made


class Venue:
    """The same in plain integers: lots by tick that the venue shows, and of them what was taken."""

    def __init__(self) -> None:
        self.shown: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.taken: dict[tuple[int, int], int] = {}

    def set(self, side: int, tick: int, lots: int) -> None:
        if self.shown[side].get(tick, 0) != lots:
            self.taken.pop((side, tick), None)
        self.shown[side][tick] = lots

    def left(self, side: int) -> list[tuple[int, int]]:
        """(tick, lots) of a side, best first."""
        levels = [(tick, lots - self.taken.get((side, tick), 0)) for tick, lots in self.shown[side].items()]
        return sorted((one for one in levels if one[1]), key=lambda one: -side * one[0])

    def take(self, side: int, limit: int | None, lots: int, *, whole: bool) -> list[tuple[int, int]]:
        """(tick, lots) of the executions of a taker."""
        found = []
        for tick, there in self.left(-side):
            if lots and (limit is None or side * tick <= side * limit):
                found.append((tick, min(lots, there)))
                lots -= found[-1][1]
        if whole and lots:
            return []
        for tick, qty in found:
            self.taken[-side, tick] = self.taken.get((-side, tick), 0) + qty
            assert self.taken[-side, tick] <= self.shown[-side][tick]
        return found


def random_row(dice: np.random.Generator, venue: Venue) -> tuple[int, int, int]:
    """A level, often one that is as before, of a book that does not cross."""
    side = int(dice.choice([BUY, SELL]))
    tick = MID - side * int(dice.integers(1, 6))
    lots = venue.shown[side].get(tick, 0) if dice.random() < 0.4 else int(dice.integers(0, 6))
    return side, tick, lots


@pytest.mark.parametrize("seed", range(8))
def test_takers_get_what_a_model_in_integers_has_left(seed: int) -> None:
    dice = np.random.default_rng(seed)
    exchange, venue = DrivenExchange(LEG, subtracts_taken=True), Venue()
    taken = 0
    for at_ms in range(1, 400):
        if dice.random() < 0.6:
            side, tick, lots = random_row(dice, venue)
            exchange.append(level_rows([(at_ms, side, tick, lots)]))
            venue.set(side, tick, lots)
            found = exchange.run(START_NS + at_ms * MS)
            assert not found
        else:
            side = int(dice.choice([BUY, SELL]))
            limit, lots = MID + side * int(dice.integers(0, 6)), int(dice.integers(1, 9))
            kind = MARKET if dice.random() < 0.2 else LIMIT
            force = int(dice.choice([IOC, FOK])) if kind == LIMIT else GTC
            exchange.request(order(at_ms, side, limit, lots, force, kind), START_NS + at_ms * MS)
            answers = exchange.run(START_NS + at_ms * MS)
            given = venue.take(side, None if kind == MARKET else limit, lots, whole=force == FOK)
            taken += sum(qty for _, qty in given)
            check_answers([one for one in answers if one["req"] != TAKEN], given, lots)
            news = [one for one in answers if one["req"] == TAKEN]
            assert {(int(one["price_tick"]), round(float(one["exec_qty"]) / LOT)) for one in news} == {
                (tick, venue.taken[-side, tick]) for tick, _ in given
            }
        check_touch(exchange, venue)
    assert taken > 50


def check_answers(answers: list[Any], given: list[tuple[int, int]], lots: int) -> None:
    *parts, last = answers
    filled = [one for one in answers if one["fill_qty"] > 0.0]
    assert [(int(one["exec_price_tick"]), round(float(one["fill_qty"]) / LOT)) for one in filled] == given
    assert all(one["req"] == EXECUTED and one["status"] == PARTIALLY_FILLED for one in parts)
    left = lots - sum(qty for _, qty in given)
    assert round(float(last["leaves_qty"]) / LOT) == left
    assert last["status"] == (EXPIRED if left else FILLED)


def check_touch(exchange: DrivenExchange, venue: Venue) -> None:
    bid, ask, bid_qty, ask_qty = exchange.touch()
    for side, tick, qty in ((BUY, bid, bid_qty), (SELL, ask, ask_qty)):
        best = next(iter(venue.left(side)), None)
        assert (None if tick is None else (tick, round(qty / LOT))) == best


def test_the_rest_of_an_order_that_may_rest_rests_at_its_limit() -> None:
    exchange = DrivenExchange(LEG, subtracts_taken=True)
    exchange.append(level_rows([(0, BUY, 990, 5), (0, SELL, 1001, 2), (0, SELL, 1003, 9)]))
    exchange.request(order(1, BUY, 1002, 3, GTC), START_NS + MS)
    (first, _) = exchange.run(START_NS + MS)
    assert (first["status"], round(first["leaves_qty"] / LOT)) == (PARTIALLY_FILLED, 1)
    exchange.append(level_rows([(2, SELL, 1002, 4)]))
    (second,) = exchange.run(START_NS + 2 * MS)
    assert (second["status"], second["maker"], round(second["fill_qty"] / LOT)) == (FILLED, True, 1)


def buy_and_look(bot, out, lots):
    """Buys at a limit two ticks above the best ask, and writes what the book shows whenever that changes."""
    bot.wait_next_feed(False, 1_000_000_000)
    depth = bot.depth(0)
    bot.submit_buy_order(0, 1, depth.best_ask + 2 * depth.tick_size, lots * depth.lot_size, IOC, LIMIT, False)
    count = 0
    while bot.wait_next_feed(True, 10_000_000_000) != 1:
        tick, shown = depth.best_ask_tick, round(depth.best_ask_qty / depth.lot_size)
        if count == 0 or out[count - 1, 1] != tick or out[count - 1, 2] != shown:
            out[count, 0] = bot.current_timestamp
            out[count, 1], out[count, 2] = tick, shown
            count += 1
    return count


BEFORE = [(0, BUY, 990, 5), (0, SELL, 1001, 5), (0, SELL, 1002, 3)]
#: The venue repeats levels without a change, then changes them.
REPEATED = [(50, SELL, 1001, 5), (60, SELL, 1002, 3), (70, SELL, 1001, 4), (80, SELL, 1002, 1)]
#: A change before the order arrives, which the strategy receives after the answer.
CHANGED = [(45, SELL, 1001, 4), (80, SELL, 1001, 7), (90, BUY, 990, 6)]


@pytest.mark.parametrize(
    ("after", "late_ms", "seen", "filled"),
    [
        pytest.param(REPEATED, 0, [(20, 1001, 5), (20, 1002, 2), (70, 1001, 4)], (5, 1), id="usual"),
        pytest.param(REPEATED, 40, [(60, 1001, 5), (60, 1002, 2), (110, 1001, 4)], (5, 1), id="late-feed"),
        pytest.param(CHANGED, 40, [(60, 1001, 5), (85, 1002, 1), (120, 1001, 7)], (4, 2), id="in-flight"),
    ],
)
def test_the_strategy_sees_what_is_left_after_the_answer(
    after: list[Any], late_ms: int, seen: list[Any], filled: tuple[int, int]
) -> None:
    """The order leaves with the first row, arrives 10 ms later and is answered after 10 more."""
    rows = level_rows([*BEFORE, *after], EXCH_EVENT | LOCAL_EVENT, late_ms * MS)
    bot = DryRunBot([LEG], subtracts_taken=True)
    out = np.zeros((16, 3), np.int64)
    task = replay(bot, [[rows]], compile_strategy(buy_and_look), (bot, out, 6))
    assert task.error is None
    looked = [((ts - START_NS) // MS, tick, lots) for ts, tick, lots in out[: task.value].tolist()]
    assert looked == seen
    assert [
        (round(px / LEG.tick_size), round(qty / LOT)) for px, qty in bot.fills[["price", "qty"]].tolist()
    ] == [
        (1001, filled[0]),
        (1002, filled[1]),
    ]
    bot.close()
