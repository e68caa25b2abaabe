"""What the strategy that measures edges logs: the codes of its lines, in the order in which it writes them.

A line has a code, an index (in `attempt`), a leg and a value. Times are in ns, prices in quote units, edges in bps of
the buy price. An edge belongs to the leg that is bought; what both directions share, to the first leg of the pair.
"""

from __future__ import annotations

from enum import IntEnum

#: The points of a distribution: its largest value, then the values that these shares of the time do not exceed.
SHARES = (1.0, 0.999, 0.99, 0.5)
#: The levels of `Measure.ABOVE`, in bps; the last index is the threshold.
LEVELS = (0.0, 1.0, 2.0, 5.0)
#: How many of the highest rises are logged.
RISES_MAX = 10


class Measure(IntEnum):
    """What a line measures; its index in brackets."""

    SPAN = 1
    """From the first row to the last one; no leg."""
    QUOTED = 2
    """Time with a bid below the ask, of each leg."""
    LATE = 3
    """Of that, the time after rows that arrived later than `stale_after_ns`, of each leg."""
    LAG_MIN = 4
    """The shortest time from the venue to the arrival of a row that changed a price, of each leg; NaN without one."""
    BOTH = 5
    """Time with both legs quoted."""
    WARM_UP = 6
    """Of that, the time before the basis was known."""
    NET = 7
    """[of SHARES] Gain net of fees, over the basis, less the cost of leaving: what the threshold is compared with. The
    time of the largest value is that of its line."""
    GROSS = 8
    """[of SHARES] What the sale brings above the purchase."""
    FEES = 9
    """[of SHARES] Both taker fees."""
    BASIS = 10
    """[of SHARES] The average gain, which does not count; 0 without a basis."""
    LEAVE = 11
    """[of SHARES] The cost of closing the spread later; 0 in inventory mode."""
    ABOVE = 12
    """[of LEVELS, then the threshold] Time with an edge above it."""
    RISE = 13
    """[from 0] The edge rose above this so many times, and once more; rises within `attempt_interval_ns` are one."""
    BUY_PX = 14
    """The price to buy at, at the largest edge."""
    SELL_PX = 15
    """The price to sell at, at the largest edge."""
    SHOWN = 16
    """The largest quantity that both touches showed while the edge was above the threshold; 0 if it never was."""
