"""The trading rules of one instrument: one source for what is published about it and for every check of an order."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from arb.sandbox.events import Listing
from arb.sandbox.matching.orders import Prevention

#: Quote assets by which a symbol is split, longest first.
_QUOTES = ("FDUSD", "USDT", "USDC", "BTC", "ETH", "EUR", "BNB")


class Facts(NamedTuple):
    """Data of an instrument besides tick and lot; quantities and values as decimals."""

    min_qty: str
    min_notional: str


def assets_of(listing: Listing) -> tuple[str, str]:
    """Base and quote asset of a symbol."""
    for quote in _QUOTES:
        if listing.symbol.endswith(quote) and len(listing.symbol) > len(quote):
            return listing.symbol.removesuffix(quote), quote
    return listing.symbol, "USDT"


@dataclass(frozen=True)
class Bracket:
    """A level of notional value with its largest leverage and its maintenance margin, as Binance lists them."""

    #: From this notional value, up to that one.
    floor: Decimal
    cap: Decimal
    max_leverage: int
    maintenance: Decimal
    #: Deducted from the maintenance margin, so that it is continuous.
    amount: Decimal


@dataclass
class InstrumentRules:
    """Rules of one instrument. Faults change them while the sandbox runs; 0 disables a bound."""

    listing: Listing
    base: str
    quote: str
    #: Asset of margin, profit and fees of a perpetual.
    settle: str
    tick: Decimal
    lot: Decimal
    min_qty: Decimal
    min_notional: Decimal
    max_notional: Decimal
    min_price: Decimal
    max_price: Decimal
    max_qty: Decimal
    #: Of market orders.
    max_market_qty: Decimal
    max_orders: int
    #: Bounds of a price as factors of the reference price (Binance): of buys, and of sells; (up, down).
    bid_multipliers: tuple[Decimal, Decimal]
    ask_multipliers: tuple[Decimal, Decimal]
    #: Range of executions as factors of the reference price (Binance spot): (up, down) of buys and of sells; None: no
    #: rule. Source: price_range_execution_rules.md of binance-spot-api-docs.
    execution_range: tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]] | None
    #: Bounds of a limit price (Bybit): limit X of orders that open, Y of the others; see `trading.price_rules`.
    price_limit_x: Decimal
    price_limit_y: Decimal
    preventions: frozenset[Prevention]
    default_prevention: Prevention
    max_leverage: int = 1
    brackets: tuple[Bracket, ...] = field(default=())
    #: False: no new orders; cancellations are accepted.
    is_open: bool = True

    @property
    def venue(self) -> str:
        return self.listing.venue

    @property
    def symbol(self) -> str:
        return self.listing.symbol

    @property
    def is_spot(self) -> bool:
        return self.listing.is_spot

    def ticks(self, price: Decimal) -> int:
        """A price that is a multiple of the tick, in ticks."""
        return int(price / self.tick)

    def lots(self, quantity: Decimal) -> int:
        """A quantity that is a multiple of the lot, in lots."""
        return int(quantity / self.lot)

    def price(self, ticks: int) -> Decimal:
        """A price in ticks as a decimal."""
        return ticks * self.tick

    def quantity(self, lots: int) -> Decimal:
        """A quantity in lots as a decimal."""
        return lots * self.lot
