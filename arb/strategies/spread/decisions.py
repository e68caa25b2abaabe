"""Codes of a strategy's decision log, and its return values. Reports and `trades.csv` use these codes."""

from __future__ import annotations

from enum import IntEnum


class Decision(IntEnum):
    """One line of the log: a code with attempt, leg, order id and a value."""

    ATTEMPT = 1
    """An attempt begins; value: its edge in bps."""
    OPEN = 2
    """An opening order of a leg was sent; value: its limit price."""
    CHASE = 3
    """A further order for the short leg was sent; value: its limit price."""
    REVERSE = 4
    """An order that reverses the long leg was sent; value: its limit price."""
    EXPIRED = 5
    """An order ended without being completely filled; value: the unfilled quantity."""
    REFUSED = 6
    """The bot did not send an order; value: its return code."""
    HEDGED = 7
    """The attempt ended with both legs filled; value: the quantity."""
    MISSED = 8
    """The attempt ended with neither leg filled."""
    REVERSED = 9
    """The attempt ended flat: the long leg was reversed; value: the quantity."""
    HALTED = 10
    """The strategy stopped with a leg imbalance or an order in doubt; value: the leg imbalance in base units."""
    IMBALANCE = 11
    """One leg is short after the opening orders; value: by how much, in base units. Settled when the attempt ends."""
    OPPORTUNITY = 12
    """An edge rose above the threshold; leg: the one to buy, value: the edge in bps."""
    OPPORTUNITY_END = 13
    """The opportunity ended; leg: as at its start, value: its largest edge in bps, order_id: a `Missed` reason."""
    RISK_HALTED = 14
    """A risk rule stopped the strategy; order_id: a `Missed` reason, value: the amount that broke the rule."""
    FLATTEN = 15
    """The host sent an order that trades a halted strategy's position back; value: its limit price."""
    HEDGE = 16
    """The host sent an order that balances a pair before the strategy starts; value: its limit price."""
    UNCOUNTED = 17
    """A leg's position has changed by an execution after its order's end, or a fee in base; value: by how much."""
    RESIDUAL = 18
    """A surplus is too small to be traded, and counts in the next attempt; value: base bought less base sold."""


class Purpose(IntEnum):
    """Why an attempt was begun; the order_id of its ATTEMPT line."""

    ENTER = 1
    """To take an edge."""
    LEAVE = 2
    """To close the open spread, which has reverted."""
    STOP_LOSS = 3
    """To close it at a loss; in inventory mode, to move inventory back."""
    TIMEOUT = 4
    """To close it because it was held for longer than allowed."""
    REBALANCE = 5
    """To move inventory back to the venue that runs short."""
    HEDGE = 6
    """To hedge what was executed after the end of an order."""


class Missed(IntEnum):
    """Why an opportunity was not taken: the last obstacle."""

    TAKEN = 0
    """It was taken."""
    BUSY = 1
    """An attempt was in progress."""
    STALE = 2
    """A book was stale."""
    DISTRUSTED = 3
    """The edge was above the sanity cap: a price is more likely wrong than favourable."""
    POSITION = 4
    """A position limit, the leverage cap or the share of capital in use left no room."""
    INVENTORY = 5
    """A leg had too little base to sell, too little quote to pay, or too little of the asset of its fees."""
    TOO_SMALL = 6
    """The remaining quantity is below a venue's minimum quantity or notional."""
    INTERVAL = 7
    """Too soon after the previous attempt."""
    COOLDOWN = 8
    """Too many failures in a row."""
    ATTEMPTS = 9
    """The maximum number of attempts in 24 hours was reached."""
    DAILY_LOSS = 10
    """The day's loss reached its limit."""
    DRAWDOWN = 11
    """The drawdown reached its limit."""
    ATTEMPT_LOSS = 12
    """An attempt lost more than one attempt may."""
    STOPPED = 13
    """This spread was closed by a stop loss or a timeout, and has not reverted since."""


class Outcome(IntEnum):
    """Return value of a strategy that reports how it ended. The runner ignores any other value."""

    ENDED = 0
    """The data or the session ended."""
    HALTED = 3
    """Stopped by its own rules; a person must check before it runs again."""


def is_halted(value: object) -> bool:
    """Whether a strategy returned HALTED; Numba returns 3 as a float if another branch returns one."""
    return isinstance(value, int | float) and value == Outcome.HALTED
