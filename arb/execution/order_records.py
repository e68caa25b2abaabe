"""Records of order states: phases, the orders of a venue behind one of ours, pending requests, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from hftbacktest.order import CANCELED, EXPIRED, FILLED

from arb.execution.answers import BotAnswer
from connectors.orders.model import Act, EndCause, Execution, OrderStatus, OrderUpdate


class Phase(IntEnum):
    """What is known of an order."""

    SENT = 0
    """Nothing yet."""
    OPEN = 1
    """The venue has it."""
    OWED = 2
    """It has ended at the venue; executions are missing."""
    FINAL = 3
    NEVER = 4
    """It was refused, not sent, or it is proven that it never arrived."""


class Owed(NamedTuple):
    """The venue said more executions of the order than have arrived."""

    client_id: str


class LookUp(NamedTuple):
    """The order's state at the venue is to be queried now, under this client id."""

    client_id: str


class Noted(NamedTuple):
    """Worth a line in the log."""

    event: str
    text: str


class Broken(NamedTuple):
    """What cannot be: the session ends."""

    text: str


Effect: TypeAlias = BotAnswer | Owed | LookUp | Noted | Broken


@dataclass(slots=True)
class Link:
    """One order at the venue. Quantities in lots."""

    client_id: str
    tick: int
    total: int
    venue_id: str = ""
    #: Sum of its known executions; the largest cumulative quantity that the venue said.
    executed: int = 0
    said: int = 0
    end: OrderStatus | None = None
    cause: EndCause = EndCause.NONE
    end_ms: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether it has ended and all of its executions are known."""
        return self.end is not None and self.executed >= self.said


@dataclass(slots=True)
class Pending:
    """A request whose outcome is not known; request_no: of the bot, 0 if the desk made it."""

    act: Act
    request_no: int
    made_ns: int
    #: The stamp of its last encoding: the venue refuses it a receive window later.
    stamped_ms: int = 0
    #: Of an amendment: what it asks for; `link`: the order that replaces the present one.
    tick: int = 0
    total: int = 0
    link: Link | None = None
    client_id: str = ""
    #: An answer arrived that leaves open what happens to the order.
    is_answered: bool = False


#: hftbacktest's code of an end, and the words of a cause.
ENDS = {
    OrderStatus.FILLED: FILLED,
    OrderStatus.CANCELED: CANCELED,
    OrderStatus.EXPIRED: EXPIRED,
    OrderStatus.REJECTED: EXPIRED,
}
CAUSE_WORDS = {cause: "" if cause is EndCause.NONE else cause.name.lower() for cause in EndCause}


def contradiction(link: Link, u: OrderUpdate, pending: Pending | None) -> str:
    """What cannot be, whatever was lost or late."""
    if link.end is not None and u.executed_lots > link.said:
        return f"{u.executed_lots} lots executed after it ended with {link.said}"
    is_raised = pending is not None and pending.act is Act.AMEND and u.executed_lots <= pending.total
    if u.executed_lots > link.total and not is_raised:
        return f"{u.executed_lots} of {link.total} lots executed"
    if u.status.is_open or u.executed_lots < 0:
        return ""
    if link.end is not None and u.executed_lots != link.said:
        return f"ended with {link.said} and with {u.executed_lots} lots"
    if u.executed_lots < link.said:
        return f"ended with {u.executed_lots} lots, after {link.said} were executed"
    return ""


def is_same(one: Execution, other: Execution) -> bool:
    """Whether two reports of an execution agree; a fee of zero may be without its asset."""
    return (
        (one.side, one.tick, one.lots, one.fee) == (other.side, other.tick, other.lots, other.fee)
        and (one.fee_asset == other.fee_asset or not one.fee)
        and one.is_maker == other.is_maker
    )
