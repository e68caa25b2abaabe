"""Orders and executions as a venue keeps them. Only the desk changes them; others receive copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import Enum, auto
from operator import attrgetter
from typing import NamedTuple

from arb.sandbox.accounts.amounts import PLACES, ZERO, divided
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import BUY
from arb.sandbox.matching.orders import EndReason, Force, Prevention
from arb.sandbox.trading.requests import OrderKind, Place, RefusalError


class OrderStatus(Enum):
    """Status of an order. The venues' words are in their folders."""

    NEW = auto()
    PARTIALLY_FILLED = auto()
    FILLED = auto()
    CANCELED = auto()
    #: Ended by the venue's rules: the rest of an IOC order, a FOK order, self-trade prevention.
    EXPIRED = auto()
    REJECTED = auto()


class ExecutionKind(Enum):
    """Why an execution happened."""

    TRADE = auto()
    FUNDING = auto()
    LIQUIDATION = auto()
    ADL = auto()


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of one order, or a funding payment."""

    account: str
    venue: str
    symbol: str
    trade_id: int
    order_id: str
    client_id: str
    kind: ExecutionKind
    side: int
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    #: price times quantity.
    value: Decimal
    is_maker: bool
    at_ns: int
    #: Positive: paid. Of a funding payment: the payment.
    fee: Decimal = ZERO
    fee_asset: str = ""
    #: 0.001 is 0.1 %; of a funding payment the funding rate.
    fee_rate: Decimal = ZERO
    #: Realized profit without fees, in the settlement asset.
    realized: Decimal = ZERO
    #: Left of the order after it.
    left: Decimal = ZERO
    #: The part of its quantity that reduced a position.
    closed: Decimal = ZERO


@dataclass(slots=True, eq=False)
class VenueOrder:
    """An order."""

    account: str
    venue: str
    symbol: str
    #: Unique in the sandbox, rising.
    no: int
    #: The venue's id as text.
    order_id: str
    client_id: str
    side: int
    kind: OrderKind
    force: Force
    #: None: a market order.
    price: Decimal | None
    quantity: Decimal
    quote_quantity: Decimal | None
    reduce_only: bool
    position_side: PositionSide
    prevention: Prevention
    created_ns: int
    updated_ns: int
    extra: Mapping[str, str]
    status: OrderStatus = OrderStatus.NEW
    end_reason: EndReason | None = None
    #: Base quantity executed, its quote value, and the quantity that self-trade prevention took away.
    filled: Decimal = ZERO
    value: Decimal = ZERO
    prevented: Decimal = ZERO
    #: Fees paid, by asset; replaced, never changed: views share it.
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    #: The executions of the request that placed or amended it, for answers that list them.
    executions: tuple[Execution, ...] = ()
    #: When it last entered the book.
    working_ns: int = 0
    #: The client's id of a cancellation (Binance spot), and how often it was amended.
    cancel_id: str = ""
    amendments: int = 0
    #: Of the last self-trade prevention: match number, the other order's number and account, lots prevented.
    prevented_match: tuple[int, str, str, Decimal] | None = None

    @property
    def is_open(self) -> bool:
        return self.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)

    @property
    def only_reduces(self) -> bool:
        """Whether it must not open a position: reduce-only, or against its side of hedge mode."""
        is_short = self.position_side is PositionSide.SHORT
        return self.reduce_only or (
            self.position_side is not PositionSide.BOTH and (self.side == BUY) == is_short
        )

    @property
    def left(self) -> Decimal:
        """Quantity that can still be executed, of an open order."""
        return self.quantity - self.filled - self.prevented

    @property
    def average(self) -> Decimal:
        """Average price of the executions, 8 decimals; 0 without one."""
        return divided(self.value, self.filled, PLACES) if self.filled else ZERO

    def view(self) -> VenueOrder:
        """A copy that later changes do not reach."""
        return VenueOrder(*_VALUES(self))


#: All fields of an order: a copy by them takes a third of the time of `copy.copy`.
_VALUES = attrgetter(*(one.name for one in fields(VenueOrder)))


class Replaced(NamedTuple):
    """The outcome of a replacement: each part has an order or a refusal; the second one neither if not attempted."""

    cancelled: VenueOrder | None
    cancel_refusal: RefusalError | None
    placed: VenueOrder | None
    place_refusal: RefusalError | None


def new_order(
    request: Place,
    venue: str,
    no: int,
    order_id: str,
    client_id: str,
    prevention: Prevention,
    quantity: Decimal,
    now_ns: int,
) -> VenueOrder:
    """The order of a request. prevention: where the request names none."""
    return VenueOrder(
        account=request.account,
        venue=venue,
        symbol=request.symbol,
        no=no,
        order_id=order_id,
        client_id=client_id,
        side=request.side,
        kind=request.kind,
        force=request.force,
        price=request.price,
        quantity=quantity,
        quote_quantity=request.quote_quantity,
        reduce_only=request.reduce_only or request.closes_all,
        position_side=request.position_side,
        prevention=prevention if request.prevention is None else request.prevention,
        created_ns=now_ns,
        updated_ns=now_ns,
        working_ns=now_ns,
        extra=request.extra,
    )
