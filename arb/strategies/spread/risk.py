"""The strategy's own rules of risk: what stops it for good, and what keeps it from new attempts for a while.

They look at the profit of the run (cash less fees plus positions at the mid), in shares of the capital that the venues
began with, and at how attempts end. What closes a position is never kept back. Order-level limits are elsewhere, inside
the bot. Pure; checked when an attempt has ended and at every record, never while legs are open.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb.strategies.spread.decisions import Decision, Missed

_DAY_NS = 86_400_000_000_000

#: What the rules remember. Profits in quote units, times in ns.
RISK = np.dtype(
    [
        # Of all legs at their first known mid prices; 0 until then.
        ("capital", "f8"),
        ("profit", "f8"),
        ("peak_profit", "f8"),
        # The UTC day under way, the profit it began with, and whether it has lost what a day may lose.
        ("day", "i8"),
        ("day_profit", "f8"),
        ("is_day_lost", "i8"),
        # How many attempts have failed in a row.
        ("failures", "i8"),
        ("resume_ts", "i8"),
        # How many attempts were begun: the number of the last one, and its place in the ring of their times.
        ("begun", "i8"),
    ],
    align=True,
)


@njit
def profit_of(bot, legs):  # type: ignore[no-untyped-def]
    """Cash less fees plus positions at the mid, of these legs; NaN before a price that counts was known.

    Where a book is not known now its last mid counts: losses are looked for in a gap, too.
    """
    profit = 0.0
    for leg in legs:
        values = bot.state_values(leg.asset)
        profit += values.balance - values.fee
        if values.position != 0.0:
            profit += values.position * leg.mark * leg.contract_size
    return profit


@njit
def capital_of(legs):  # type: ignore[no-untyped-def]
    """What the venues hold before the run, at the mid; NaN before a price that counts was known.

    legs: the first two are at two venues, whose money the further ones share.
    """
    capital = legs[0].quote + legs[1].quote
    for leg in legs:
        if leg.is_spot != 0 and leg.base > 0.0:
            capital += leg.base * leg.mark * leg.contract_size
    return capital


@njit
def look(bot, risk, legs, now, params):  # type: ignore[no-untyped-def]
    """Brings profit, peak and day up to date; nothing changes before a price that counts was known."""
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
def begin_attempt(risk, begun, now):  # type: ignore[no-untyped-def]
    """Notes the time of an attempt in the ring `begun`; its number."""
    begun[risk.begun % len(begun)] = now
    risk.begun += 1
    return risk.begun


@njit
def end_attempt(risk, is_hedged, now, params):  # type: ignore[no-untyped-def]
    """Counts failures in a row; too many of them, and nothing is opened for a while."""
    risk.failures = 0 if is_hedged else risk.failures + 1
    if params.max_failures > 0 and risk.failures >= params.max_failures:
        risk.failures = 0
        risk.resume_ts = now + np.int64(params.cooldown_ns)


@njit
def must_halt(recorder, risk, now, params):  # type: ignore[no-untyped-def]
    """Whether the drawdown stops the strategy for good; logs it."""
    if not risk.capital > 0.0:
        return False
    drawdown = (risk.peak_profit - risk.profit) / risk.capital
    if drawdown < params.max_drawdown:
        return False
    recorder.decide(now, Decision.RISK_HALTED, 0, -1, np.uint64(Missed.DRAWDOWN), drawdown)
    return True


@njit
def must_halt_after(recorder, risk, number, loss, now, params):  # type: ignore[no-untyped-def]
    """Whether what attempt `number` lost (in quote units, NaN where it is not known) stops the strategy; logs it."""
    if not (risk.capital > 0.0 and loss >= params.max_attempt_loss * risk.capital):
        return False
    recorder.decide(
        now, Decision.RISK_HALTED, number, -1, np.uint64(Missed.ATTEMPT_LOSS), loss / risk.capital
    )
    return True


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
