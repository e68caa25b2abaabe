"""What `reference_exchange` keeps of orders and executions, and its checks of figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from arb.sandbox.accounts.rules import InstrumentRules
from support.reference_matcher import ZERO, Resting


class RefusedError(Exception):
    """A request is refused; nothing changed."""


@dataclass(eq=False)
class Record:
    """An order with what became of it."""

    resting: Resting
    symbol: str
    position_side: str
    client_id: str
    reduces: bool
    #: As the venue shows it; of a reduce-only order more than `resting` can execute.
    quantity: Decimal
    value: Decimal = ZERO
    #: Executed quantity that was booked; `resting.filled` is ahead of it within one request or row.
    settled: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)
    end: str = ""

    @property
    def is_open(self) -> bool:
        return not self.end and self.resting.left > 0


@dataclass(frozen=True)
class Deal:
    """One execution as the account sees it."""

    account: str
    no: int
    symbol: str
    side: int
    price: Decimal
    quantity: Decimal
    is_maker: bool
    at_ns: int
    fee: Decimal
    fee_asset: str
    realized: Decimal


def check_price(rules: InstrumentRules, price: Decimal) -> None:
    """Raises RefusedError."""
    if price % rules.tick:
        raise RefusedError("PRICE_TICK")
    if price <= 0 or price < rules.min_price or (rules.max_price and price > rules.max_price):
        raise RefusedError("PRICE_BOUNDS")


def check_quantity(rules: InstrumentRules, quantity: Decimal) -> None:
    """Raises RefusedError."""
    if quantity % rules.lot:
        raise RefusedError("QUANTITY_STEP")
    if quantity <= 0 or quantity < rules.min_qty:
        raise RefusedError("QUANTITY_TOO_SMALL")
    if rules.max_qty and quantity > rules.max_qty:
        raise RefusedError("QUANTITY_TOO_LARGE")
