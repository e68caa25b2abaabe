"""Fees that are taken from what is bought: an attempt hedges what was received, in its own orders and in later ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hftbacktest.order import BUY, SELL
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_bot import FakeBot, FakeRecorder, Fate, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Outcome

MS = 1_000_000
START = 1_000 * MS
LOT = 0.001
ENDS = (Decision.HEDGED, Decision.REVERSED, Decision.MISSED)
FULL, NOTHING = Fate(), Fate(share=0.0)
FATES = (FULL, FULL, NOTHING, Fate(share=0.4), Fate(share=0.4567), Fate(code=20), Fate(is_rejected=True))
VALUES: dict[str, Any] = {
    "max_position_size": 1.0, "slippage_tolerance": 0.001, "order_timeout_ns": 100 * MS, "attempt_interval_ns": 0,
    "max_failures": 0, "max_attempt_loss": 1e9, "max_drawdown": 1e9, "max_daily_loss": 1e9,
    "inventory_skew_bps": 0.0, "rebalance_threshold": 1.0, "stop_loss_bps": 1e4, "common_lot": LOT, "base": 50.0,
    "quote": 1e5, "taker_fee": 0.0,
}  # fmt: skip


class Watching(FakeRecorder):
    """Also keeps what both legs hold together whenever an attempt has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[float] = []
        self._last: Any = None

    def record(self, bot: FakeBot) -> None:
        super().record(bot)
        last = self.decisions[-1] if self.decisions else None
        if last is not self._last and last is not None and last.code in ENDS:
            self._last = last
            self.held.append(sum(bot.state_values(leg).position for leg in range(2)))


def run(
    touches: Sequence[Touch],
    script: Sequence[Fate],
    fees: tuple[float, float],
    then: Fate = FULL,
    **changes: Any,
) -> tuple[FakeBot, Watching, int]:
    bot = FakeBot(
        touches, fates(script, then), touches[-1].ts + 3_000 * MS, (0.01, 0.01), (LOT, LOT), base_fees=fees
    )
    recorder = Watching()
    params = spread_params(**{**VALUES, "base_fee_0": fees[0], "base_fee_1": fees[1], **changes})
    return bot, recorder, plain(spread.run)(bot, params, recorder)


def opportunities(count: int, cheap: int = 0, qty: float = 5.0) -> list[Touch]:
    """Leg `cheap` can be bought below the other's bid, so many times."""
    return [
        Touch(
            START + 10 * MS * n,
            leg,
            *((99.9, 100.0) if leg == cheap else (101.0, 101.1)),
            qty + n / 1e3,
            qty + n / 1e3,
        )
        for n in range(count)
        for leg in (0, 1)
    ]


def orders(bot: FakeBot) -> list[tuple[int, int, float]]:
    return [(order.leg_no, order.side, round(order.qty, 9)) for order in bot.sent]


def test_a_purchase_is_larger_by_its_fee() -> None:
    bot, recorder, _ = run(opportunities(1), [], (0.01, 0.0))

    # 1.010 less a hundredth is 0.9999: 0.0001 is less than a lot, and left.
    assert orders(bot) == [(0, BUY, 1.01), (1, SELL, 1.0)]
    assert recorder.held == [pytest.approx(-0.0001)]
    assert Decision.UNCOUNTED not in [d.code for d in recorder.decisions]  # a fee that was expected


def test_what_was_received_too_little_is_bought_later() -> None:
    bot, recorder, _ = run(opportunities(7), [], (0.0004, 0.0))

    # A purchase of 1.0 brings 0.9996: after two more of them a lot is missing, and the next but one has it.
    assert [qty for leg, _, qty in orders(bot) if leg == 0] == [1.0, 1.0, 1.001, 1.0, 1.001, 1.0, 1.0]
    assert min(recorder.held) > -LOT
    assert max(recorder.held) <= 0.0


def test_what_was_received_too_much_is_not_bought_again() -> None:
    # Bought 1.01 and received 0.9999; nothing was sold, and 0.999 are sold back: 0.0009 too many.
    touches = [*opportunities(1), Touch(START + MS // 2, 1, 99.0, 99.1, 5.0, 5.0)]
    later = [touch._replace(ts=touch.ts + 500 * MS) for touch in opportunities(1)]
    bot, recorder, _ = run([*touches, *later], [FULL, NOTHING], (0.01, 0.0))

    assert orders(bot)[2:] == [(0, SELL, 0.999), (0, BUY, 1.009), (1, SELL, 1.0)]
    assert recorder.held == [pytest.approx(0.0009), pytest.approx(-0.00019)]


def test_a_chase_is_larger_by_its_fee() -> None:
    bot, recorder, _ = run(opportunities(1), [NOTHING, FULL], (0.01, 0.0))

    assert orders(bot)[2:] == [(0, BUY, 1.01)]
    assert recorder.held == [pytest.approx(-0.0001)]


def test_a_reversal_that_buys_is_larger_by_its_fee() -> None:
    # Sold on leg 1, where fees are taken from what is bought; leg 0 is gone.
    touches = [*opportunities(1), Touch(START + MS // 2, 0, 101.9, 102.0, 5.0, 5.0)]
    bot, recorder, _ = run(touches, [NOTHING, FULL], (0.0, 0.01))

    assert orders(bot)[2:] == [(1, BUY, 1.01)]
    assert "REVERSED" in [d.code.name for d in recorder.decisions]
    assert recorder.held == [pytest.approx(-0.0001)]


def test_a_coarse_leg_trades_the_lots_that_a_finer_one_was_meant_to() -> None:
    # 0.9993 are received on leg 0, whose lot is a tenth of leg 1's: a sale of 1.0 is chased, not of 0.99.
    bot = FakeBot(
        opportunities(1),
        fates([FULL, NOTHING]),
        10 * START,
        (0.01, 0.01),
        (0.001, 0.01),
        base_fees=(0.0007, 0.0),
    )
    params = {**VALUES, "base_fee_0": 0.0007, "common_lot": 0.01}
    plain(spread.run)(bot, spread_params(**params), FakeRecorder())

    assert orders(bot)[2:] == [(1, SELL, 1.0)]


def test_one_lot_is_an_attempt_although_less_arrives() -> None:
    _, recorder, _ = run(opportunities(1), [], (0.01, 0.0), max_position_size=LOT)

    assert [d.code.name for d in recorder.decisions if d.code in (Decision.HEDGED, Decision.MISSED)] == [
        "HEDGED"
    ]


def test_a_purchase_takes_no_more_than_is_shown_or_allowed() -> None:
    shown = opportunities(1, qty=0.5)
    assert orders(run(shown, [], (0.01, 0.0))[0]) == [(0, BUY, 0.5), (1, SELL, 0.495)]
    plenty = opportunities(1)
    assert orders(run(plenty, [], (0.01, 0.0), max_order_qty=0.7)[0]) == [(0, BUY, 0.7), (1, SELL, 0.693)]
    assert orders(run(plenty, [], (0.01, 0.0), position_limit=0.7)[0]) == [(0, BUY, 0.7), (1, SELL, 0.693)]


def test_a_purchase_that_pays_its_fee_in_base_needs_no_quote_for_it() -> None:
    # One at 100.1, with the tolerance, is exactly spent.
    money = {"quote_0": 100.1, "capital_allocation": 1.0, "taker_fee_0": 0.005}
    assert orders(run(opportunities(1), [], (0.0, 0.0), **money)[0]) == [(0, BUY, 0.995), (1, SELL, 0.995)]
    assert orders(run(opportunities(1), [], (0.005, 0.0), **money)[0]) == [(0, BUY, 1.0), (1, SELL, 0.995)]


def test_the_stop_loss_is_before_fees() -> None:
    # Convergence: bought at 100 and sold at 101; when both are at 100.5 again, closing costs the books' width alone.
    books = [*opportunities(1), *(Touch(START + 50 * MS, leg, 100.45, 100.55, 9.0, 9.0) for leg in (0, 1))]
    held = {"is_convergence": True, "exit_spread_bps": -1e4, "stop_loss_bps": 20.0, "max_holding_ns": 0}
    for fee in (0.0, 0.01):
        _, recorder, _ = run(books, [], (fee, 0.0), **held)
        assert len([d for d in recorder.decisions if d.code == Decision.ATTEMPT]) == 1, fee


changes = st.lists(
    st.tuples(
        st.integers(1, 60).map(lambda ms: ms * MS),
        st.integers(0, 1),
        st.integers(-150, 150),
        st.sampled_from([0.0005, 0.004, 0.02, 0.3, 5.0]),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(FATES), max_size=12), st.sampled_from(FATES), changes,
    st.sampled_from([(0.001, 0.0), (0.0, 0.00075), (0.0137, 0.0), (0.001, 0.002), (-0.0003, 0.01)]),
)  # fmt: skip
def test_no_attempt_ends_with_more_than_a_lot_unhedged(
    script: list[Fate], then: Fate, moves: list[tuple[int, int, int, float]], fees: tuple[float, float]
) -> None:
    touches, now = opportunities(1), START
    for gap, leg, offset, qty in moves:
        now += gap
        touches.append(Touch(now, leg, 100.5 + offset / 100, 100.6 + offset / 100, qty, qty))
    bot, recorder, outcome = run(touches, script, fees, then)

    assert all(abs(held) < LOT + 1e-9 for held in recorder.held)
    is_halted = Decision.HALTED in [d.code for d in recorder.decisions]
    assert outcome == (Outcome.HALTED if is_halted else Outcome.ENDED)
    for order in bot.sent:
        shown = order.touch.ask_qty if order.side == BUY else order.touch.bid_qty
        assert 0.0 < order.qty <= shown + 1e-9
        assert math.isclose(order.qty / LOT, round(order.qty / LOT), abs_tol=1e-6)
