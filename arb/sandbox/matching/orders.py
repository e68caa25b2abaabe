"""Orders as a matcher knows them, in ticks and lots, and the results of matching."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from arb.sandbox.events import BUY


class Force(IntEnum):
    """Time in force, with post-only as one of them."""

    GTC = 0
    IOC = 1
    FOK = 2
    POST_ONLY = 3


class Prevention(IntEnum):
    """Self-trade prevention: what ends when an order would be executed against one of the same trade group."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    #: Both lose the smaller quantity; the one with nothing left ends.
    DECREMENT = 4
    #: DECREMENT. If both orders say so and are of different accounts, what was prevented is transferred between these.
    TRANSFER = 5


class EndReason(IntEnum):
    """Why an order ended without being filled completely."""

    CANCELED = 0
    #: The rest of an IOC or market order found no more quantity at its price.
    IOC_REST = 1
    #: A market order found an empty book.
    NO_LIQUIDITY = 2
    #: A FOK order could not be filled completely; nothing of it was.
    FOK = 3
    #: A post-only order would have taken.
    WOULD_TAKE = 4
    #: By self-trade prevention.
    PREVENTED = 5
    #: The next execution would have been outside of the venue's price range.
    PRICE_LIMIT = 6
    #: A reduce-only order for which no position is left.
    REDUCED = 7
    #: An amendment left a quantity that was already filled.
    AMENDED_BELOW_FILL = 8
    #: By the venue's dead man's switch.
    DEAD_MAN = 9
    #: By the venue, before a liquidation.
    LIQUIDATION = 10
    #: By the venue, for another reason.
    VENUE = 11


@dataclass(slots=True, eq=False)
class Order:
    """An order at a matcher. The matcher alone changes it after `Matcher.place`."""

    #: Unique in the sandbox; later orders have larger numbers.
    no: int
    account: int
    #: The trade group of self-trade prevention; -1: none.
    group: int
    #: BUY or SELL of `arb.sandbox.events`.
    side: int
    force: Force
    #: The limit price; None: a market order, which never rests.
    tick: int | None
    lots: int
    prevention: Prevention
    #: When it arrived, or last lost its place in the queue.
    arrived_ns: int
    filled: int = 0
    #: Lots that self-trade prevention took away.
    prevented: int = 0
    #: Displayed lots before it at its price, while it rests.
    ahead: int = 0

    @property
    def left(self) -> int:
        """Lots that can still be filled."""
        return self.lots - self.filled - self.prevented


class Fill(NamedTuple):
    """An execution of one order. Between two orders of clients there are two, with the same `match_no`."""

    order: Order
    tick: int
    lots: int
    is_maker: bool
    at_ns: int
    match_no: int
    #: The other order, if it is a client's; None: the displayed market.
    counter: Order | None = None


class Prevented(NamedTuple):
    """Lots that were not executed between two orders of one trade group. Ends follow as results of their own."""

    taker: Order
    maker: Order
    tick: int
    #: Lots that would have been executed. Both orders lose them with DECREMENT and TRANSFER (`Order.prevented`); with
    #: the other modes an order that ends loses all that is left of it.
    lots: int
    at_ns: int
    #: Whether the lots and their value change accounts, without fees (TRANSFER).
    is_transfer: bool = False


class End(NamedTuple):
    """An order ended without being filled completely."""

    order: Order
    reason: EndReason
    at_ns: int


Result = Fill | Prevented | End


class Estimate(NamedTuple):
    """What a taking order would obtain from the present book."""

    lots: int
    #: Sum of tick times lots.
    value: int
    #: The worst price; None if there is nothing to take.
    tick: int | None


def is_beyond(side: int, tick: int, limit: int | None) -> bool:
    """Whether a tick is a worse price for an order of `side` than its limit."""
    return limit is not None and (tick > limit if side == BUY else tick < limit)
