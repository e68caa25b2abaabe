"""The strategy's own risk rules: what halts it, and what blocks new attempts for a while.

They use the profit of the run (cash less fees plus positions at mid), as a fraction of the venues' initial capital, and
the outcomes of attempts. Closing a position is never blocked. Order-level limits are separate, inside the bot. Pure;
checked after an attempt and at every record, never while legs are open.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Decision, Missed

_DAY_NS = 86_400_000_000_000

#: State of the rules. Profits in quote units, times in ns.
RISK = np.dtype(
    [
        # Of all legs at their first known mid prices; 0 until then.
        ("capital", "f8"),
        ("profit", "f8"),
        ("peak_profit", "f8"),
        # The current UTC day, the profit at its start, and whether it has reached the daily loss limit.
        ("day", "i8"),
        ("day_profit", "f8"),
        ("is_day_lost", "i8"),
        # Number of failed attempts in a row.
        ("failures", "i8"),
        ("resume_ts", "i8"),
        # Number of attempts so far: the number of the last one, and the next index in the ring of their times.
        ("begun", "i8"),
    ],
    align=True,
)


@njit
def profit_of(bot, legs):
    """Cash less fees plus positions at mid, of these legs; NaN until every needed price has been known.

    While a book is unknown its last mid is used: losses are checked during a gap, too.
    """
    profit = 0.0
    for leg in legs:
        values = bot.state_values(leg.asset)
        profit += values.balance - values.fee
        if values.position != 0.0:
            profit += values.position * leg.mark * leg.contract_size
    return profit


@njit
def capital_of(legs):
    """The venues' holdings before the run, at mid; NaN until every needed price has been known.

    Legs with the same `funds` share their quote, which counts once.
    """
    capital = 0.0
    counted = -1
    # Funds are numbered in the order of their first legs.
    for leg in legs:
        if leg.funds > counted:
            capital += leg.quote
            counted = leg.funds
    for leg in legs:
        if leg.is_spot != 0 and leg.base > 0.0:
            capital += leg.base * leg.mark * leg.contract_size
    return capital


@njit
def look(bot, risk, legs, now, params):
    """Updates profit, peak and day; does nothing until every needed price has been known."""
    profit = profit_of(bot, legs)
    capital = risk.capital if risk.capital > 0.0 else capital_of(legs)
    if not (profit > -np.inf and capital > 0.0):
        return
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
def begin_attempt(risk, begun, now):
    """Stores the time of an attempt in the ring `begun`; returns its number."""
    begun[risk.begun % len(begun)] = now
    risk.begun += 1
    return risk.begun


@njit
def end_attempt(risk, is_hedged, now, params):
    """Counts failures in a row; after too many, blocks new attempts for the cooldown."""
    risk.failures = 0 if is_hedged else risk.failures + 1
    if params.max_failures > 0 and risk.failures >= params.max_failures:
        risk.failures = 0
        risk.resume_ts = now + np.int64(params.cooldown_ns)


@njit
def must_halt(recorder, risk, now, params):
    """Whether the drawdown halts the strategy; logs it."""
    if not risk.capital > 0.0:
        return False
    drawdown = (risk.peak_profit - risk.profit) / risk.capital
    if drawdown < params.max_drawdown:
        return False
    recorder.decide(now, Decision.RISK_HALTED, 0, -1, np.uint64(Missed.DRAWDOWN), drawdown)
    return True


@njit
def must_halt_after(recorder, risk, number, loss, now, params):
    """Whether the loss of attempt `number` (in quote units, NaN if unknown) halts the strategy; logs it."""
    if not (risk.capital > 0.0 and loss >= params.max_attempt_loss * risk.capital):
        return False
    recorder.decide(
        now, Decision.RISK_HALTED, number, -1, np.uint64(Missed.ATTEMPT_LOSS), loss / risk.capital
    )
    return True


@njit
def obstacle(risk, begun, now, params):
    """The rule that forbids an attempt, as a `Missed` reason; TAKEN for none."""
    if risk.is_day_lost != 0 and now // _DAY_NS == risk.day:
        return np.int64(Missed.DAILY_LOSS)
    if now < risk.resume_ts:
        return np.int64(Missed.COOLDOWN)
    # The ring has one slot per allowed attempt: the next attempt would overwrite the oldest.
    if params.max_attempts_per_day > 0 and risk.begun >= len(begun):
        if now - begun[risk.begun % len(begun)] < _DAY_NS:
            return np.int64(Missed.ATTEMPTS)
    return np.int64(Missed.TAKEN)
