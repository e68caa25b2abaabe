"""The strategy's rules of risk: what halts it, what keeps it from new attempts, and for how long."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_bot import FakeBot, FakeRecorder, Fate, Record, Touch, fates, plain
from support.spread_params import spread_params

from arb.strategies.spread import risk
from arb.strategies.spread import strategy as spread
from arb.strategies.spread.decisions import Decision, Missed, Outcome

S = 1_000_000_000
DAY = 86_400 * S
PARAMS = SimpleNamespace(
    max_drawdown=0.05, max_attempt_loss=0.01, max_daily_loss=0.03, max_failures=3, cooldown_ns=60 * S,
    max_attempts_per_day=0,
)  # fmt: skip
look, must_halt, must_halt_after, end_attempt, obstacle, begin_attempt = (
    plain(f)
    for f in (
        *(risk.look, risk.must_halt, risk.must_halt_after, risk.end_attempt, risk.obstacle),
        risk.begin_attempt,
    )
)


def legs(mid: float = 100.0) -> list[Any]:
    """Spot with 10 base and a perpetual: a capital of 1,000 + 3,000 + 6,000."""
    both = {"bid": mid - 1.0, "ask": mid + 1.0, "mark": mid, "contract_size": 1.0}
    return [
        SimpleNamespace(**both, asset=0, is_spot=1, base=10.0, quote=3_000.0, funds=0),
        SimpleNamespace(**both, asset=1, is_spot=0, base=0.0, quote=6_000.0, funds=1),
    ]


def bot(balance: float = 0.0, fee: float = 0.0, position: float = 0.0) -> Any:
    values = [
        SimpleNamespace(balance=balance, fee=fee, position=position),
        SimpleNamespace(balance=0.0, fee=0.0, position=-position),
    ]
    return SimpleNamespace(state_values=lambda leg_no: values[leg_no])


def looked(*balances: float, now: int = S) -> Record:
    """What is remembered after profits in turn."""
    state = Record(risk.RISK)
    for balance in balances:
        look(bot(balance), state, legs(), now, PARAMS)
    return state


def test_the_capital_is_that_of_the_first_known_prices() -> None:
    state = Record(risk.RISK)
    look(bot(), state, legs(math.nan), S, PARAMS)
    assert state.capital == 0.0
    look(bot(), state, legs(100.0), S, PARAMS)
    look(bot(), state, legs(200.0), S, PARAMS)
    assert state.capital == 10_000.0


def test_profit_is_cash_less_fees_plus_positions_at_the_mid() -> None:
    state = Record(risk.RISK)
    look(bot(balance=-200.0, fee=1.0, position=2.0), state, legs(), S, PARAMS)
    assert state.profit == pytest.approx(-200.0 - 1.0 + 2.0 * 100.0 - 2.0 * 100.0)


def test_a_price_that_was_never_known_changes_nothing() -> None:
    state = looked(50.0)
    look(bot(balance=-5_000.0, position=1.0), state, legs(math.nan), 2 * S, PARAMS)
    assert (state.profit, state.is_day_lost) == (50.0, 0)


@given(st.lists(st.floats(-600.0, 600.0), min_size=1, max_size=20))
def test_it_halts_exactly_when_the_drawdown_is_at_its_limit(balances: list[float]) -> None:
    state, recorder, peak = Record(risk.RISK), FakeRecorder(), -math.inf
    for balance in balances:
        look(bot(balance), state, legs(), S, PARAMS)
        peak = max(peak, balance, 0.0)
        expected = (peak - balance) / 10_000.0 >= 0.05
        assert must_halt(recorder, state, S, PARAMS) == expected
        if expected:
            line = recorder.decisions[-1]
            assert (line.code, line.order_id) == (Decision.RISK_HALTED, Missed.DRAWDOWN)


@pytest.mark.parametrize(("loss", "halts"), [(99.0, False), (100.0, True), (math.nan, False)])
def test_an_attempt_that_loses_its_limit_halts(loss: float, halts: bool) -> None:
    recorder = FakeRecorder()
    assert must_halt_after(recorder, looked(300.0), 7, loss, S, PARAMS) is halts
    assert [(d.attempt, d.order_id) for d in recorder.decisions] == [(7, Missed.ATTEMPT_LOSS)] * halts


def test_nothing_halts_before_the_capital_is_known() -> None:
    state = Record(risk.RISK)
    assert not must_halt(FakeRecorder(), state, S, PARAMS)
    assert not must_halt_after(FakeRecorder(), state, 7, 1e9, S, PARAMS)


def test_a_lost_day_ends_with_the_day() -> None:
    state = looked(0.0, -300.0, now=DAY + S)
    assert obstacle(state, [0], DAY + 2 * S, PARAMS) == Missed.DAILY_LOSS
    look(bot(-100.0), state, legs(), DAY + 3 * S, PARAMS)
    assert obstacle(state, [0], DAY + 4 * S, PARAMS) == Missed.DAILY_LOSS, "a recovery does not reopen it"
    assert obstacle(state, [0], 2 * DAY, PARAMS) == Missed.TAKEN
    look(bot(-100.0), state, legs(), 2 * DAY, PARAMS)
    look(bot(-399.0), state, legs(), 2 * DAY + S, PARAMS)
    assert obstacle(state, [0], 2 * DAY + S, PARAMS) == Missed.TAKEN, "each day begins with its own profit"


def test_failures_in_a_row_pause_and_a_hedged_attempt_forgives() -> None:
    state = looked(0.0)
    for is_hedged in (False, False, True, False, False):
        end_attempt(state, is_hedged, S, PARAMS)
    assert obstacle(state, [0], S, PARAMS) == Missed.TAKEN
    end_attempt(state, False, S, PARAMS)
    assert obstacle(state, [0], 61 * S - 1, PARAMS) == Missed.COOLDOWN
    assert obstacle(state, [0], 61 * S, PARAMS) == Missed.TAKEN


def test_attempts_of_any_24_hours_are_counted() -> None:
    params = SimpleNamespace(**{**vars(PARAMS), "max_attempts_per_day": 2})
    state, ring = looked(0.0), [0, 0]
    for now in (S, 5 * S):
        assert obstacle(state, ring, now, params) == Missed.TAKEN
        begin_attempt(state, ring, now)
    assert obstacle(state, ring, DAY, params) == Missed.ATTEMPTS
    assert obstacle(state, ring, DAY + S, params) == Missed.TAKEN
    begin_attempt(state, ring, DAY + S)
    assert obstacle(state, ring, DAY + 4 * S, params) == Missed.ATTEMPTS
    assert obstacle(state, ring, DAY + 5 * S, params) == Missed.TAKEN


def run(then: Fate, **changes: Any) -> tuple[int, list[Any]]:
    """The whole strategy on books that offer 100 bps three times."""
    touches = [Touch(S, 0, 99.99, 100.0, 5.0, 5.0), Touch(S, 1, 101.0, 101.1, 5.0, 5.0)]
    touches += [Touch(n * 2 * S, 1, 101.0 + n / 100, 101.2, 5.0, 5.0) for n in range(1, 4)]
    params = spread_params(**{"base": 1e3, "quote": 1e6, **changes})
    recorder = FakeRecorder()
    fake = FakeBot(touches, fates([], then), touches[-1].ts + 20 * S, (0.01, 0.01), (0.001, 0.001))
    return int(plain(spread.run)(fake, params, recorder)), recorder.decisions


def test_the_strategy_pauses_after_failures() -> None:
    empty = Fate(share=0.0, delay_ns=1_000_000, code=0, is_rejected=False)
    timeout = {"order_timeout_ns": 100_000_000, "cooldown_ns": 3600 * S}
    _, free = run(empty, **timeout, max_failures=0)
    _, paused = run(empty, **timeout, max_failures=1)
    count = [sum(d.code == Decision.ATTEMPT for d in decisions) for decisions in (free, paused)]
    assert count[0] > 1
    assert count[1] == 1
    assert any(d.code == Decision.OPPORTUNITY_END for d in paused)


def test_an_attempt_that_loses_while_a_book_is_lost_halts() -> None:
    # The first moves inventory; of the second one leg is filled, the other book is lost, and leg 0 is sold for 90.
    nan = math.nan
    touches = [
        Touch(S, 0, 99.99, 100.0, 5.0, 5.0), Touch(S, 1, 101.0, 101.1, 5.0, 5.0),
        Touch(2 * S, 1, 101.0, 101.2, 5.0, 5.0), Touch(2 * S + 1, 0, 90.0, 90.1, 5.0, 5.0),
        Touch(2 * S + 1, 1, nan, nan, nan, nan),
    ]  # fmt: skip
    loose = {"max_drawdown": 1.0, "max_daily_loss": 1.0, "max_edge_bps": 1e6}
    params = spread_params(base=1e3, quote=1e6, max_attempt_loss=1e-6, order_timeout_ns=100_000_000, **loose)
    recorder = FakeRecorder()
    script = [Fate(), Fate(), Fate(), Fate(share=0.0)]
    fake = FakeBot(touches, fates(script), 30 * S, (0.01, 0.01), (0.001, 0.001))
    assert plain(spread.run)(fake, params, recorder) == Outcome.HALTED
    ends = [(d.attempt, d.order_id) for d in recorder.decisions if d.code == Decision.RISK_HALTED]
    assert ends == [(2, Missed.ATTEMPT_LOSS)]


def test_the_strategy_halts_on_its_drawdown() -> None:
    full = Fate(share=1.0, delay_ns=1_000_000, code=0, is_rejected=False)
    outcome, decisions = run(
        full, taker_fee_0=0.001, taker_fee_1=0.001, max_drawdown=1e-9, min_spread_bps=1.0
    )
    assert outcome == Outcome.HALTED
    assert [Missed(d.order_id) for d in decisions if d.code == Decision.RISK_HALTED] == [Missed.DRAWDOWN]
