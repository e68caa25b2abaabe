"""A second opinion on the money of a sandbox account: fractions and dicts, from the venues' rules alone.

Its rules: a spot purchase locks its value, with fees in quote also the largest fee (and two units of the last decimal
per lot for their rounding); a sale locks its quantity. Fees are a share of what is received, of the value, or are paid
in BNB if that suffices; they are rounded to 8 decimals, half up. A part of a position that is closed releases its share
of the cost, rounded to 8 decimals, the last part all that is left. Long positions pay positive funding.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

#: Short, for tables of figures.
F = Fraction
UNIT = Fraction(1, 10**8)


def half_up(value: Fraction) -> Fraction:
    """The nearest multiple of 0.00000001; the middle goes away from 0."""
    size = math.floor(abs(value) / UNIT + Fraction(1, 2)) * UNIT
    return size if value >= 0 else -size


@dataclass
class Terms:
    """How an account trades at one venue. bnb_factor: with a discount, else None."""

    venue: str
    maker: Fraction
    taker: Fraction
    asset: str = "received"
    bnb_factor: Fraction | None = None
    base: str = "BTC"
    quote: str = "USDT"
    lot: Fraction = Fraction(1, 1000)

    @property
    def is_spot(self) -> bool:
        return self.venue.endswith("spot")


@dataclass
class ReferencePosition:
    """Signed quantity, and the sum of price times signed quantity of what is open."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)


@dataclass
class ReferenceAccount:
    """Balances, locks by order and positions by (symbol, side)."""

    totals: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    locks: dict[int, tuple[str, Fraction]] = field(default_factory=dict)
    positions: defaultdict[tuple[str, str], ReferencePosition] = field(
        default_factory=lambda: defaultdict(ReferencePosition)
    )

    def locked(self, asset: str) -> Fraction:
        return sum((amount for one, amount in self.locks.values() if one == asset), Fraction(0))

    def free(self, asset: str) -> Fraction:
        return self.totals[asset] - self.locked(asset)

    def place(self, no: int, terms: Terms, is_buy: bool, quantity: Fraction, price: Fraction) -> bool:
        """Locks what an order on spot needs. False, and no change, if less is free."""
        asset, amount = self._needed(terms, is_buy, quantity, price)
        if amount > self.free(asset):
            return False
        self.locks[no] = asset, amount
        return True

    def end(self, no: int) -> None:
        self.locks.pop(no, None)

    def fill_spot(
        self,
        no: int,
        terms: Terms,
        is_buy: bool,
        quantity: Fraction,
        price: Fraction,
        *,
        limit: Fraction,
        left: Fraction,
        is_maker: bool,
        prices: Mapping[str, Fraction],
    ) -> tuple[str, Fraction]:
        """Executes `quantity` of an order with this limit, of which `left` is left. Returns the fee."""
        value = quantity * price
        fee_asset, fee = self._fee(terms, is_buy, quantity, value, is_maker, prices)
        sign = 1 if is_buy else -1
        self.totals[terms.base] += sign * quantity
        self.totals[terms.quote] -= sign * value
        self.totals[fee_asset] -= fee
        self.end(no)
        if left:
            self.locks[no] = self._needed(terms, is_buy, left, limit)
        return fee_asset, fee

    def fill_position(
        self,
        terms: Terms,
        side: str,
        quantity: Fraction,
        price: Fraction,
        *,
        is_maker: bool,
        prices: Mapping[str, Fraction],
    ) -> tuple[str, Fraction]:
        """Executes a signed quantity of a perpetual on position `side`. Returns the fee."""
        position = self.positions[terms.base + terms.quote, side]
        fee_asset, fee = self._fee(
            terms, quantity > 0, abs(quantity), abs(quantity) * price, is_maker, prices
        )
        opposite = position.quantity * quantity < 0
        closed = min(abs(position.quantity), abs(quantity)) if opposite else Fraction(0)
        if closed:
            share = position.cost
            if closed < abs(position.quantity):
                share = half_up(position.cost * closed / abs(position.quantity))
            direction = 1 if position.quantity > 0 else -1
            profit = direction * closed * price - share
            position.quantity -= direction * closed
            position.cost -= share
            position.realized += profit
            self.totals[terms.quote] += profit
        opened = (abs(quantity) - closed) * (1 if quantity > 0 else -1)
        position.quantity += opened
        position.cost += opened * price
        self.totals[fee_asset] -= fee
        return fee_asset, fee

    def fund(self, terms: Terms, mark: Fraction, rate: Fraction) -> Fraction:
        """Pays or receives funding of all positions; returns the sum received."""
        received = sum((-half_up(one.quantity * mark * rate) for one in self.positions.values()), Fraction(0))
        self.totals[terms.quote] += received
        return received

    def _needed(
        self, terms: Terms, is_buy: bool, quantity: Fraction, price: Fraction
    ) -> tuple[str, Fraction]:
        if not is_buy:
            return terms.base, quantity
        rate = max(terms.maker, terms.taker)
        reserve = Fraction(0)
        if terms.asset == "quote" and rate > 0:
            reserve = half_up(quantity * price * rate) + 2 * quantity / terms.lot * UNIT
        return terms.quote, quantity * price + reserve

    def _fee(
        self,
        terms: Terms,
        is_buy: bool,
        quantity: Fraction,
        value: Fraction,
        is_maker: bool,
        prices: Mapping[str, Fraction],
    ) -> tuple[str, Fraction]:
        rate = terms.maker if is_maker else terms.taker
        if rate > 0 and terms.bnb_factor is not None and "BNB" in prices:
            in_bnb = half_up(value * rate * terms.bnb_factor / prices["BNB"])
            if in_bnb <= self.free("BNB"):
                return "BNB", in_bnb
        if not terms.is_spot or terms.asset == "quote":
            return terms.quote, half_up(value * rate)
        swaps = terms.venue == "bybit_spot" and is_maker and terms.maker <= 0
        if is_buy != swaps:
            return terms.base, half_up(quantity * rate)
        return terms.quote, half_up(value * rate)
