"""Closing the positions of a halted strategy: the legs of a pair go together, or keep each other's hedge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import NONE
from support.fake_bot import Decided, FakeBot, FakeRecorder, Fate, Order, Touch, fates, plain

from arb.strategies.flatten import REFUSALS_MAX, TRADED_LEG, flatten
from arb.strategies.spread.decisions import Decision
from connectors.units import SECOND

run = plain(flatten)
#: Known from the beginning, and for ever.
KNOWN = [Touch(SECOND, no, 100.0, 100.1, 5.0, 5.0) for no in range(2)]
NEVER = Fate(share=None)


class _Values:
    def __init__(self, orders: list[Order]) -> None:
        self._orders: Iterator[Order | None] = iter([*orders, None])
        self._next = next(self._orders)

    def has_next(self) -> bool:
        return self._next is not None

    def get(self) -> Order | None:
        found, self._next = self._next, next(self._orders, None)
        return found


class HostBot(FakeBot):
    """A bot as the host uses it."""

    #: A leg whose orders are refused at once.
    refuses = -1

    def _submit(self, side: int, leg_no: int, *args: Any) -> int:
        return 20 if leg_no == self.refuses else super()._submit(side, leg_no, *args)

    def orders(self, leg_no: int) -> Any:
        orders = super().orders(leg_no)
        for one in orders.values():
            one.cancellable = False  # type: ignore[attr-defined]
        return SimpleNamespace(values=lambda: _Values(list(orders.values())), get=orders.get)

    def elapse(self, duration: int) -> int:
        self.touches = [*self.touches]
        end = self.current_timestamp + duration
        while self.current_timestamp < end:
            if self._wait(end - self.current_timestamp) == 1:
                return 1
        return 0

    def _wait(self, timeout: int) -> int:
        orders = self._orders
        waiting = [one for leg in orders for one in leg.values() if one.req != NONE]
        assert len(waiting) <= 2, "one order a leg at a time"
        return self.wait_next_feed(True, timeout)


def flattened(
    opening: tuple[float, float],
    first: Iterable[Fate] = (),
    then: Fate | None = None,
    *,
    touches: list[Touch] | None = None,
    end_s: float = 60.0,
    has_pair: bool = True,
    refuses: int = -1,
) -> tuple[HostBot, list[Decided]]:
    """The bot afterwards, and what it logged. The given fates are those of the first orders."""
    recorder = FakeRecorder()
    bot = HostBot(
        touches or KNOWN,
        fates(first, then),
        round(end_s * SECOND),
        (0.1, 0.1),
        (0.001, 0.001),
        opening=opening,
    )
    bot.refuses = refuses
    bot.wait_next_feed(True, SECOND)
    legs = np.zeros(2, TRADED_LEG)
    for leg in legs:
        leg["tick_size"], leg["lot_size"], leg["min_qty"], leg["contract_size"] = 0.1, 0.001, 0.001, 1.0
    rows = [Row(leg) for leg in legs]
    pairs = np.array([(0, 1)] if has_pair else [], np.int64).reshape(-1, 2)
    run(bot, recorder, rows, pairs, 0.001, 0.0, 0.0)
    return bot, recorder.decisions


class Row:
    """A row of an array whose fields are attributes."""

    def __init__(self, row: Any) -> None:
        object.__setattr__(self, "_row", row)

    def __getattr__(self, name: str) -> Any:
        return self._row[name].item()

    def __setattr__(self, name: str, value: Any) -> None:
        self._row[name] = value


def positions(bot: HostBot) -> tuple[float, float]:
    return bot.position(0), bot.position(1)


def surplus_max(bot: HostBot, opening: tuple[float, float]) -> float:
    """The most that was not hedged at the end of any moment."""
    held = list(opening)
    found: dict[int, float] = {}
    for ts, leg, qty in bot.executions:
        held[leg] += qty
        found[ts] = abs(sum(held))
    return max(found.values(), default=abs(sum(opening)))


def test_both_legs_are_closed_together() -> None:
    bot, decisions = flattened((0.5, -0.5))
    assert positions(bot) == pytest.approx((0.0, 0.0))
    assert [(one.code, one.leg) for one in decisions] == [(Decision.FLATTEN, 0), (Decision.FLATTEN, 1)]
    assert decisions[0].ts == decisions[1].ts


def test_while_an_order_of_a_pair_is_in_doubt_its_other_leg_is_not_closed_further() -> None:
    # Of the first two orders one is executed by a part, and the other one's answer arrives after eleven seconds.
    bot, decisions = flattened((2.0, -2.0), [Fate(share=0.25), Fate(share=0.5, delay_ns=11 * SECOND)])
    assert positions(bot) == pytest.approx((0.0, 0.0))
    assert [one.ts for one in decisions[:2]] == [SECOND, SECOND]
    assert decisions[2].ts >= 12 * SECOND
    assert surplus_max(bot, (2.0, -2.0)) <= 0.5 + 1e-9


def test_an_order_whose_answer_never_arrives_keeps_the_pair_as_it_is() -> None:
    bot, decisions = flattened((2.0, -2.0), [Fate(share=0.0), NEVER])
    assert len(decisions) == 2
    assert positions(bot) == (2.0, -2.0)


def test_no_leg_is_closed_while_the_other_ones_book_is_unknown() -> None:
    touches = [KNOWN[0], Touch(20 * SECOND, 1, 100.0, 100.1, 5.0, 5.0)]
    bot, decisions = flattened((0.5, -0.5), touches=touches)
    assert positions(bot) == pytest.approx((0.0, 0.0))
    assert [one.ts >= 20 * SECOND for one in decisions] == [True, True]


def test_what_the_other_leg_does_not_hedge_is_closed_although_its_book_is_unknown() -> None:
    bot, _ = flattened((0.8, -0.5), touches=[KNOWN[0]])
    assert positions(bot) == pytest.approx((0.5, -0.5))


def test_a_leg_whose_orders_are_refused_keeps_its_hedge() -> None:
    bot, decisions = flattened((0.8, -0.5), [Fate(), Fate(share=0.0)], refuses=1)
    assert positions(bot) == pytest.approx((0.5, -0.5))
    assert [one.code for one in decisions if one.leg == 1] == [Decision.REFUSED] * REFUSALS_MAX


def test_a_leg_that_is_behind_goes_first() -> None:
    # Of the first orders one is executed by half, the one of the other leg is not, twice.
    bot, decisions = flattened((2.0, -2.0), [Fate(share=0.5), Fate(share=0.0), Fate(share=0.0)])
    assert positions(bot) == pytest.approx((0.0, 0.0))
    assert [one.leg for one in decisions] == [0, 1, 1, 1, 0, 1]
    assert [one.qty for one in bot.sent] == pytest.approx([2.0, 2.0, 1.0, 1.0, 1.0, 1.0])


def test_a_leg_whose_pair_is_flat_is_closed_without_the_others_book() -> None:
    bot, _ = flattened((0.5, 0.0), touches=[KNOWN[0]])
    assert positions(bot) == pytest.approx((0.0, 0.0))


def test_legs_that_are_no_pair_are_closed_each_for_itself() -> None:
    bot, _ = flattened((0.5, -0.5), touches=[KNOWN[0]], has_pair=False)
    assert positions(bot) == pytest.approx((0.0, -0.5))
    assert math.isnan(bot.depth(1).best_bid)
