"""One instrument at a desk: its rules, its matcher, its prices, and its orders in the book. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.matching.matcher import Matcher
from arb.sandbox.matching.orders import Order, Result
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.price_rules import ReferencePrice


@dataclass
class Instrument:
    """See the module."""

    rules: InstrumentRules
    matcher: Matcher
    reference: ReferencePrice = field(default_factory=ReferencePrice)
    #: Price of the last public trade.
    last_price: Decimal | None = None
    #: Mark price of a perpetual, if the market's frames carry one; the last trade otherwise.
    mark_price: Decimal | None = None
    #: Funding rate of the next payment, and its time in ns; 0: not known.
    funding_rate: Decimal | None = None
    next_funding_ns: int = 0
    #: Time of the last payment.
    funded_ns: int = 0
    #: Whether frames carry the funding rate.
    has_funding_data: bool = False
    #: Orders at the matcher, by number.
    resting: dict[int, tuple[VenueOrder, Order]] = field(default_factory=dict)

    @property
    def mark(self) -> Decimal | None:
        """The mark price: positions, margin and funding are computed from it."""
        return self.last_price if self.mark_price is None else self.mark_price

    def touch(self) -> tuple[Decimal | None, Decimal | None]:
        """Best bid and ask."""
        bid, ask = self.matcher.touch()
        return (
            None if bid is None else self.rules.price(bid),
            None if ask is None else self.rules.price(ask),
        )

    def reference_price(self, now_ns: int) -> Decimal | None:
        """The price that bounds of prices and values of market orders refer to.

        Binance spot: the reference price, or the last trade; perpetuals: the mark price; Bybit spot: the last trade.
        """
        if not self.rules.is_spot:
            return self.mark
        if self.rules.execution_range is not None:
            return self.reference.value(now_ns) or self.last_price
        return self.last_price

    def on_trade(self, price: Decimal, at_ns: int) -> None:
        """A public trade."""
        self.last_price = price
        if self.rules.execution_range is not None:
            self.reference.add(price, at_ns)


#: Matches a new order: (its instrument, the order, the matcher's own form of it, now, bound).
Match = Callable[[Instrument, VenueOrder, Order, int, int | None], list[Result]]


def match_new(
    instrument: Instrument, order: VenueOrder, taking: Order, now_ns: int, bound: int | None
) -> list[Result]:
    """Matches a new order by the instrument's matcher."""
    return instrument.matcher.place(taking, now_ns, bound)
