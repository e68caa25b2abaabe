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


class Outcome(IntEnum):
    """Return value of a strategy that says how it ended. Any other value means nothing to the runner."""

    ENDED = 0
    """The data, or the session, came to its end."""
    HALTED = 3
    """Stopped by its own rules; a person must look before it runs again."""
