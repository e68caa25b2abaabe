"""What a strategy writes into the decision log, and what it returns. Reports and `trades.csv` read these codes."""

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
    """An order that undoes the long leg was sent; value: its limit price."""
    EXPIRED = 5
    """An order ended without being filled whole; value: the quantity that was not filled."""
    REFUSED = 6
    """The bot did not send an order; value: its return code."""
    HEDGED = 7
    """The attempt ended with both legs filled; value: the quantity."""
    MISSED = 8
    """The attempt ended with neither leg filled."""
    REVERSED = 9
    """The attempt ended flat: the long leg was undone; value: the quantity."""
    HALTED = 10
    """The strategy stopped with a leg imbalance or an order in doubt; value: the leg imbalance in base units."""
    IMBALANCE = 11
    """One leg is short after the opening orders; value: by how much, in base units. Ends with the attempt."""
    OPPORTUNITY = 12
    """An edge rose above the threshold; leg: which would be bought, value: the edge in bps."""
    OPPORTUNITY_END = 13
    """It is gone; leg as at its beginning, value: its highest edge in bps, order_id: a `Missed` reason, 0 for taken."""
    RISK_HALTED = 14
    """A rule of risk stopped the strategy; order_id: a `Missed` reason, value: what broke the rule."""
    FLATTEN = 15
    """The host sent an order that trades a halted strategy's position back; value: its limit price."""


class Purpose(IntEnum):
    """What an attempt is for; the order_id of its ATTEMPT line."""

    ENTER = 1
    """To take an edge."""
    LEAVE = 2
    """To close the spread that was entered, which has come back."""
    STOP_LOSS = 3
    """To close it at a loss; in inventory mode, to move back what has moved."""
    TIMEOUT = 4
    """To close it because it was held for longer than allowed."""
    REBALANCE = 5
    """To bring inventory back to the venue that runs short."""


class Missed(IntEnum):
    """Why an opportunity was not taken: the last thing that stood in its way."""

    TAKEN = 0
    """It was taken."""
    BUSY = 1
    """An attempt was under way."""
    STALE = 2
    """A book was silent for too long."""
    DISTRUSTED = 3
    """The edge was above the sanity cap: a price is more likely wrong than generous."""
    POSITION = 4
    """A position limit, the leverage cap or the share of capital in use left no room."""
    INVENTORY = 5
    """A leg had not the base to sell or the quote to pay."""
    TOO_SMALL = 6
    """What was left is below a venue's least quantity or value."""
    INTERVAL = 7
    """Too soon after the attempt before."""
    COOLDOWN = 8
    """Too many failures in a row."""
    ATTEMPTS = 9
    """As many attempts in 24 hours as are allowed."""
    DAILY_LOSS = 10
    """The day's loss is at its limit."""
    DRAWDOWN = 11
    """The drawdown is at its limit."""
    ATTEMPT_LOSS = 12
    """An attempt lost more than one may."""
    STOPPED = 13
    """This spread was closed at a loss or for its time, and has not come back since."""


class Outcome(IntEnum):
    """Return value of a strategy that says how it ended. Any other value means nothing to the runner."""

    ENDED = 0
    """The data, or the session, came to its end."""
    HALTED = 3
    """Stopped by its own rules; a person must look before it runs again."""


def is_halted(value: object) -> bool:
    """Whether a strategy returned HALTED, also as a float, which Numba makes of 3 where another branch returns one."""
    return isinstance(value, int | float) and value == Outcome.HALTED
