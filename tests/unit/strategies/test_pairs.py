"""Several pairs on shared money: whatever becomes of their orders, none spends what another may still need."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_bot import FakeBot, FakeRecorder, Fate, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Outcome

S = 1_000_000_000
MS = 1_000_000
LOT = 0.001
QUOTE = 120.0
BASE = 2.0
TOLERANCE = 0.001

FATES = [
    Fate(),
    Fate(),
    Fate(delay_ns=30 * MS),
    Fate(share=0.0),
    Fate(share=0.5),
    Fate(code=20),
    Fate(is_rejected=True),
]
moves = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 20, 150]).map(lambda ms: ms * MS),
        st.integers(0, 3),
        st.integers(-150, 150).map(lambda bps: 100.0 * (1 + bps / 1e4)),
        st.sampled_from([0.0004, 0.3, 5.0]),
        st.sampled_from([1.0] * 8 + [math.nan, 0.0]),
    ),
    min_size=4,
    max_size=40,
)


def params(is_spot: bool, is_convergence: bool) -> Any:
    return spread_params(
        legs=4, is_spot=is_spot, is_convergence=is_convergence, base=BASE if is_spot else 0.0, quote=QUOTE,
        taker_fee=0.0, capital_allocation=1.0, slippage_tolerance=TOLERANCE, order_timeout_ns=50 * MS,
        attempt_interval_ns=0, max_failures=0, max_drawdown=1e9, max_daily_loss=1e9, max_attempt_loss=1e9,
        rebalance_threshold=0.2, inventory_skew_bps=0.0, position_limit=1.5, min_spread_bps=5.0, stop_loss_bps=80.0,
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(moves, st.lists(st.sampled_from(FATES), max_size=25), st.booleans(), st.booleans())
def test_pairs_keep_within_what_they_share_and_end_flat(
    walk: list[tuple[int, int, float, float, float]], script: list[Fate], is_spot: bool, is_convergence: bool
) -> None:
    touches, now = [Touch(S, leg, 99.99, 100.01, 5.0, 5.0) for leg in range(4)], S
    for gap, leg, mid, qty, known in walk:
        now += gap
        touches.append(Touch(now, leg, (mid - 0.01) * known, (mid + 0.01) * known, qty * known, qty * known))
    bot, recorder = FakeBot(touches, fates(script), now + 20 * S, (0.01,) * 4, (LOT,) * 4), FakeRecorder()
    outcome = plain(spread.run)(bot, params(is_spot, is_convergence), recorder)
    opened = {(d.leg, d.order_id) for d in recorder.decisions if d.code == Decision.OPEN}
    entered = {d.attempt for d in recorder.decisions if d.code == Decision.ATTEMPT and d.order_id == 1}
    entering = {
        (d.leg, d.order_id) for d in recorder.decisions if d.code == Decision.OPEN and d.attempt in entered
    }
    position, cash = [0.0] * 4, [QUOTE, QUOTE]
    working: list[Any] = []
    for order in sorted(bot.sent, key=lambda o: o.sent_ts):
        for done in [o for o in working if o.answer_ts <= order.sent_ts]:
            working.remove(done)
            position[done.leg_no] += done.side * done.filled
            cash[done.leg_no % 2] -= done.side * done.filled * done.price
        working.append(order)
        if (order.leg_no, order.order_id) not in entering:
            continue
        venue = order.leg_no % 2
        bought = sum(o.qty * o.price for o in working if o.leg_no % 2 == venue and o.side > 0)
        after = position[order.leg_no] + order.side * order.qty
        assert abs(after) <= 1.5 + 1e-9
        if is_spot:
            assert cash[venue] - bought >= -1e-6, "more was bought than both pairs can pay"
            assert BASE + after >= -1e-9
    assert opened <= {(o.leg_no, o.order_id) for o in bot.sent}
    begun = sum(d.code == Decision.ATTEMPT for d in recorder.decisions)
    ends = (Decision.HEDGED, Decision.MISSED, Decision.REVERSED, Decision.HALTED)
    assert begun == sum(d.code in ends for d in recorder.decisions), "an attempt did not end"
    if outcome == Outcome.ENDED:
        for pair in (0, 2):
            total = bot.state_values(pair).position + bot.state_values(pair + 1).position
            assert total == pytest.approx(0.0, abs=LOT)
