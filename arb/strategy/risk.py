"""The strategy's own rules of risk: what stops it for good, and what keeps it from new attempts for a while.

They look at the profit of the run (cash less fees plus positions at the mid), in shares of the capital that both legs
began with, and at how attempts end. Order-level limits are elsewhere, inside the bot. Pure; checked when an attempt has
ended and at every record, never while legs are open.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategy.decisions import Decision, Missed

_DAY_NS = 86_400_000_000_000

#: What the rules remember. Profits in quote units, times in ns.
RISK = np.dtype(
    [
        # Of both legs at their first known mid prices; 0 until then.
        ("capital", "f8"),
        ("profit", "f8"),
        ("peak_profit", "f8"),
        # The UTC day under way, the profit it began with, and whether it has lost what a day may lose.
        ("day", "i8"),
        ("day_profit", "f8"),
        ("is_day_lost", "i8"),
        # The profit before the attempt under way, and how many have failed in a row.
        ("attempt_profit", "f8"),
        ("failures", "i8"),
        ("resume_ts", "i8"),
        # How many attempts were begun: the place in the ring of their times.
        ("begun", "i8"),
    ],
    align=True,
)


@njit
def look(bot, risk, legs, now, params):  # type: ignore[no-untyped-def]
    """Brings profit, peak and day up to date; nothing changes while a price that counts is not known."""
    profit = 0.0
    capital = 0.0
    for leg_no in range(2):
        leg = legs[leg_no]
        value = 0.5 * (leg.bid + leg.ask) * leg.contract_size
        values = bot.state_values(leg_no)
        profit += values.balance - values.fee
        capital += leg.quote
        if values.position != 0.0:
            profit += values.position * value
        if leg.is_spot != 0 and leg.base > 0.0:
            capital += leg.base * value
    if not (profit > -np.inf and capital > 0.0):
        return
    if risk.capital == 0.0:
        risk.capital = capital
    risk.profit = profit
    risk.peak_profit = max(risk.peak_profit, profit)
    day = now // _DAY_NS
    if day != risk.day:
        risk.day = day
        risk.day_profit = profit
        risk.is_day_lost = 0
    if risk.day_profit - profit >= params.max_daily_loss * risk.capital:
        risk.is_day_lost = 1


@njit
def begin_attempt(risk, begun, now):  # type: ignore[no-untyped-def]
    """Notes an attempt: its time in the ring `begun`, and the profit before it."""
    begun[risk.begun % len(begun)] = now
    risk.begun += 1
    risk.attempt_profit = risk.profit


@njit
def end_attempt(risk, is_hedged, now, params):  # type: ignore[no-untyped-def]
    """Counts failures in a row; too many of them, and nothing is opened for a while."""
    risk.failures = 0 if is_hedged else risk.failures + 1
    if params.max_failures > 0 and risk.failures >= params.max_failures:
        risk.failures = 0
        risk.resume_ts = now + np.int64(params.cooldown_ns)


@njit
def must_halt(recorder, risk, attempt_ended, now, params):  # type: ignore[no-untyped-def]
    """Whether a rule stops the strategy for good; logs which. `attempt_ended`: the number of one, 0 for none."""
    if not risk.capital > 0.0:
        return False
    drawdown = (risk.peak_profit - risk.profit) / risk.capital
    if drawdown >= params.max_drawdown:
        recorder.decide(now, Decision.RISK_HALTED, attempt_ended, -1, np.uint64(Missed.DRAWDOWN), drawdown)
        return True
    loss = (risk.attempt_profit - risk.profit) / risk.capital
    if attempt_ended > 0 and loss >= params.max_attempt_loss:
        recorder.decide(now, Decision.RISK_HALTED, attempt_ended, -1, np.uint64(Missed.ATTEMPT_LOSS), loss)
        return True
    return False


@njit
def obstacle(risk, begun, now, params):  # type: ignore[no-untyped-def]
    """What the rules forbid an attempt for: a `Missed` reason, TAKEN for nothing."""
    if risk.is_day_lost != 0 and now // _DAY_NS == risk.day:
        return np.int64(Missed.DAILY_LOSS)
    if now < risk.resume_ts:
        return np.int64(Missed.COOLDOWN)
    # The ring has as many places as attempts are allowed: the oldest is the one that the next would overwrite.
    if params.max_attempts_per_day > 0 and risk.begun >= len(begun):
        if now - begun[risk.begun % len(begun)] < _DAY_NS:
            return np.int64(Missed.ATTEMPTS)
    return np.int64(Missed.TAKEN)
