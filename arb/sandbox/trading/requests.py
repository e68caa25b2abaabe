"""Requests of clients in the venues' common terms, and the reasons for which they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.matching.orders import Force, Prevention


class OrderKind(Enum):
    """Type of an order."""

    LIMIT = auto()
    MARKET = auto()


@dataclass(frozen=True)
class Place:
    """A new order. Quantities are in base units; exactly one of `quantity` and `quote_quantity` is given."""

    account: str
    symbol: str
    #: BUY or SELL of `arb.sandbox.events`.
    side: int
    kind: OrderKind
    force: Force
    price: Decimal | None = None
    quantity: Decimal | None = None
    #: Of a market order on spot: what is to be spent or received.
    quote_quantity: Decimal | None = None
    #: None: the venue makes one.
    client_id: str | None = None
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    #: None: the instrument's default.
    prevention: Prevention | None = None
    #: Closes the whole position; `quantity` is None.
    closes_all: bool = False
    #: An order that the venue itself places (liquidation, ADL): no checks, no funds.
    is_venues: bool = False
    #: Other fields of the request, which queries and events repeat in the venue's own words.
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """An order by the venue's id or by the client's; both must fit if both are given."""

    account: str
    symbol: str
    order_id: str | None = None
    client_id: str | None = None


@dataclass(frozen=True)
class Cancel(Named):
    """Ends an order. `request_id`: the client's own id of the cancellation (Binance spot)."""

    request_id: str | None = None
    #: Only if it has no fill (True) or only if it has one (False).
    only_unfilled: bool | None = None


@dataclass(frozen=True)
class Amend(Named):
    """Changes an order; None keeps a value. `quantity` is the total, fills included."""

    price: Decimal | None = None
    quantity: Decimal | None = None
    #: Only a smaller quantity at the same price, which keeps the place in the queue (Binance spot).
    keeps_place: bool = False
    new_client_id: str | None = None
    #: Replaces the `extra` of the order.
    extra: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Replace:
    """Cancels an order and places another one."""

    cancel: Cancel
    place: Place
    #: Places the new order only if the cancellation succeeds.
    stops_on_failure: bool = True


class Reason(Enum):
    """Why a request was refused. Each venue has its codes and texts for them."""

    # the instrument
    UNKNOWN_SYMBOL = auto()
    NOT_OPEN = auto()
    BOOK_NOT_READY = auto()
    # figures
    PRICE_PRECISION = auto()
    PRICE_TICK = auto()
    PRICE_BOUNDS = auto()
    QUANTITY_PRECISION = auto()
    QUANTITY_STEP = auto()
    QUANTITY_TOO_SMALL = auto()
    QUANTITY_TOO_LARGE = auto()
    MARKET_QUANTITY_TOO_LARGE = auto()
    NOTIONAL_TOO_SMALL = auto()
    NOTIONAL_TOO_LARGE = auto()
    BUY_PRICE_TOO_HIGH = auto()
    SELL_PRICE_TOO_LOW = auto()
    BUY_PRICE_TOO_LOW = auto()
    SELL_PRICE_TOO_HIGH = auto()
    # the account
    TOO_MANY_OPEN_ORDERS = auto()
    TOO_MANY_ORDERS_10S = auto()
    TOO_MANY_ORDERS_1M = auto()
    TOO_MANY_ORDERS_1D = auto()
    DUPLICATE_CLIENT_ID = auto()
    INSUFFICIENT_BALANCE = auto()
    INSUFFICIENT_MARGIN = auto()
    POSITION_TOO_LARGE = auto()
    POSITION_SIDE = auto()
    REDUCE_ONLY = auto()
    REDUCE_ONLY_IN_HEDGE_MODE = auto()
    # matching
    WOULD_TAKE = auto()
    NOT_FILLABLE = auto()
    NO_LIQUIDITY = auto()
    PREVENTION_MODE = auto()
    # an order by id
    UNKNOWN_ORDER = auto()
    ORDER_FILLED = auto()
    ORDER_CANCELED = auto()
    ID_MISMATCH = auto()
    CANCEL_RESTRICTION = auto()
    NOT_AMENDABLE = auto()
    NO_CHANGE = auto()
    QUANTITY_NOT_SMALLER = auto()
    # modes
    MODE_UNCHANGED = auto()
    MODE_HAS_ORDERS = auto()
    MODE_HAS_POSITION = auto()
    LEVERAGE_UNCHANGED = auto()
    LEVERAGE_TOO_LARGE = auto()
    LEVERAGE_MARGIN = auto()
    MARGIN_TYPE_UNCHANGED = auto()
    NOT_SUPPORTED = auto()


class RefusalError(Exception):
    """A request is refused; nothing was changed."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """detail: for the venue's text, where that names a figure."""
        super().__init__(f"{reason.name} {detail}".strip())
        self.reason = reason
        self.detail = detail
