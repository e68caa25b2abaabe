"""What happened to an account, as its user data streams report it; in no venue's words.

All objects in events are copies. Times are of the sandbox's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.accounts.positions import PositionView
from arb.sandbox.accounts.wallet import AssetView
from arb.sandbox.trading.order_state import Execution, VenueOrder
from arb.sandbox.trading.requests import Reason


class Change(Enum):
    """What happened to an order."""

    NEW = auto()
    TRADE = auto()
    CANCELED = auto()
    AMENDED = auto()
    EXPIRED = auto()
    PREVENTED = auto()
    REJECTED = auto()
    #: An execution of a liquidation or ADL order.
    CALCULATED = auto()


class Cause(Enum):
    """Why balances or positions changed."""

    ORDER = auto()
    FUNDING = auto()
    TRANSFER = auto()
    LIQUIDATION = auto()
    ADL = auto()
    MODE = auto()


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An order changed. `execution` with TRADE and CALCULATED only."""

    venue: str
    account: str
    at_ns: int
    change: Change
    order: VenueOrder
    execution: Execution | None = None
    #: With REJECTED.
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Balances and positions that changed together."""

    venue: str
    account: str
    at_ns: int
    cause: Cause
    assets: tuple[AssetView, ...] = ()
    positions: tuple[PositionView, ...] = ()
    #: Of a funding payment: its symbol and the payment as an execution.
    symbol: str = ""
    funding: Execution | None = None
    #: Sum of the margins of all isolated positions, which belong to the balance of the settlement asset.
    isolated: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class TransferEvent:
    """An amount of an asset came into the account, or left it (negative)."""

    venue: str
    account: str
    at_ns: int
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ConfigEvent:
    """Leverage of a symbol, or the multi-assets mode, changed."""

    venue: str
    account: str
    at_ns: int
    symbol: str = ""
    leverage: int = 0
    is_multi_assets: bool | None = None


@dataclass(frozen=True, slots=True)
class MarginCallEvent:
    """The margin balance approaches the maintenance margin."""

    venue: str
    account: str
    at_ns: int
    wallet: Decimal
    #: (position, its maintenance margin, unrealized profit)
    positions: tuple[tuple[PositionView, Decimal, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class DeadManEvent:
    """Dead man's switch: all orders were cancelled (Bybit `dcp`)."""

    venue: str
    account: str
    at_ns: int


Event = OrderEvent | AccountEvent | TransferEvent | ConfigEvent | MarginCallEvent | DeadManEvent


def event_name(event: Event) -> str:
    """The name by which faults find an event: "order:trade", "account:funding", "transfer", "config", ..."""
    if isinstance(event, OrderEvent):
        return f"order:{event.change.name.lower()}"
    if isinstance(event, AccountEvent):
        return f"account:{event.cause.name.lower()}"
    return _NAMES[type(event)]


_NAMES = {
    TransferEvent: "transfer",
    ConfigEvent: "config",
    MarginCallEvent: "margin_call",
    DeadManEvent: "dead_man",
}
