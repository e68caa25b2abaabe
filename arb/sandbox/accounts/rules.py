"""The trading rules of one instrument: one source for what is published about it and for every check of an order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from arb.sandbox.accounts.amounts import ZERO
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
    max_qty: Decimal
    #: Of market orders.
    max_market_qty: Decimal
    max_orders: int
    preventions: frozenset[Prevention]
    max_notional: Decimal = ZERO
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO
    #: Bounds of a price as factors of the reference price (Binance): of buys, and of sells; (up, down).
    bid_multipliers: tuple[Decimal, Decimal] = (ZERO, ZERO)
    ask_multipliers: tuple[Decimal, Decimal] = (ZERO, ZERO)
    #: Range of executions as factors of the reference price (Binance spot): (up, down) of buys and of sells; None: no
    #: rule. Source: price_range_execution_rules.md of binance-spot-api-docs.
    execution_range: tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]] | None = None
    #: Bounds of a limit price (Bybit): limit X of orders that open, Y of the others; see `trading.price_rules`.
    price_limit_x: Decimal = ZERO
    price_limit_y: Decimal = ZERO
    default_prevention: Prevention = Prevention.NONE
    max_leverage: int = 1
    brackets: tuple[Bracket, ...] = ()
    #: Share of the value of a liquidated position that is paid for it (Binance).
    liquidation_fee: Decimal = ZERO
    #: False: no new orders; cancellations are accepted.
    is_open: bool = True
    #: When trading of a perpetual ends, as the venue announces; 0: never.
    closes_ms: int = 0
    #: Begin and end of the maintenance that the venue has announced.
    maintenance_ms: tuple[int, int] | None = None

    @cached_property
    def venue(self) -> str:
        return self.listing.venue

    @cached_property
    def symbol(self) -> str:
        return self.listing.symbol

    @cached_property
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

    def bracket(self, notional: Decimal) -> Bracket:
        """The bracket of a position's value; beyond the last one, the last."""
        return next((one for one in self.brackets if notional < one.cap), self.brackets[-1])

    def position_limit(self, leverage: int) -> Decimal:
        """The largest value of a position at a leverage; 0 above the largest leverage."""
        return max((one.cap for one in self.brackets if one.max_leverage >= leverage), default=ZERO)


def rules_of(listing: Listing, facts: Facts) -> InstrumentRules:
    """The rules with which an instrument starts. Decimals keep the digits that are published: "1000000.00"."""
    base, quote = assets_of(listing)
    return InstrumentRules(
        listing=listing,
        base=base,
        quote=quote,
        settle="" if listing.is_spot else quote,
        tick=Decimal(listing.tick_size),
        lot=Decimal(listing.lot_size),
        min_qty=Decimal(facts.min_qty),
        min_notional=Decimal(facts.min_notional),
        min_price=ZERO if listing.venue == "bybit_spot" else Decimal(listing.tick_size),
        **_FIGURES[listing.venue],
    )


def _brackets(*rows: tuple[str, str, int, str, str]) -> tuple[Bracket, ...]:
    return tuple(
        Bracket(Decimal(floor), Decimal(cap), leverage, Decimal(rate), Decimal(amount))
        for floor, cap, leverage, rate, amount in rows
    )


def _pair(up: str, down: str) -> tuple[Decimal, Decimal]:
    return Decimal(up), Decimal(down)


_PREVENTIONS = frozenset(
    (Prevention.NONE, Prevention.EXPIRE_TAKER, Prevention.EXPIRE_MAKER, Prevention.EXPIRE_BOTH)
)

#: Figures of BTCUSDT in the venues' documents, for all symbols: filters.md, stp_faq.md and
#: price_range_execution_rules.md of binance-spot-api-docs (read 2026-07-21); "Exchange Information" and "Notional and
#: Leverage Brackets" of USD-M (read 2025-11); market/instrument.mdx and risk-limit.mdx of Bybit (read 2026-07-24).
#: Brackets are a model with the venues' first rates.
_FIGURES: dict[str, dict[str, Any]] = {
    "binance_spot": {
        "max_price": Decimal("1000000.00"),
        "max_qty": Decimal("9000.00000"),
        "max_market_qty": Decimal("100.0"),
        "max_notional": Decimal("9000000.00"),
        "max_orders": 200,
        "bid_multipliers": _pair("5", "0.2"),
        "ask_multipliers": _pair("5", "0.2"),
        "execution_range": (_pair("2.0000", "0.5000"), _pair("2.0000", "0.5000")),
        "preventions": frozenset(Prevention),
    },
    "binance_usdm": {
        "max_price": Decimal("1000000.00"),
        "max_qty": Decimal("9000.00000"),
        "max_market_qty": Decimal("120.000"),
        "max_orders": 200,
        "bid_multipliers": _pair("1.0500", "0.9500"),
        "ask_multipliers": _pair("1.0500", "0.9500"),
        "preventions": _PREVENTIONS,
        "default_prevention": Prevention.EXPIRE_MAKER,
        "max_leverage": 125,
        "brackets": _brackets(
            ("0", "50000", 125, "0.004", "0"),
            ("50000", "600000", 100, "0.005", "50"),
            ("600000", "20000000", 50, "0.01", "3050"),
        ),
        "liquidation_fee": Decimal("0.012500"),
    },
    "bybit_spot": {
        "max_qty": Decimal(83),
        "max_market_qty": Decimal("41.5"),
        "max_orders": 500,
        "price_limit_x": Decimal("0.005"),
        "price_limit_y": Decimal("0.01"),
        "preventions": _PREVENTIONS,
    },
    "bybit_linear": {
        "max_price": Decimal("1999999.80"),
        "max_qty": Decimal("1190.000"),
        "max_market_qty": Decimal("500.000"),
        "max_orders": 500,
        "price_limit_x": Decimal("0.01"),
        "price_limit_y": Decimal("0.02"),
        "preventions": _PREVENTIONS,
        "max_leverage": 100,
        "brackets": _brackets(
            ("0", "2000000", 100, "0.005", "0"),
            ("2000000", "20000000", 50, "0.01", "10000"),
        ),
    },
}
