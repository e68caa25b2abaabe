"""Plain accounts: balances, locks, fees, positions and funding in decimals and dicts, written from the documents alone.

Readings (where the text allows more than one):

1. Every amount that is charged or paid (fees, funding, the released cost of a position) is rounded once, to 8 places,
   half up, also a negative one (away from zero); everything else is exact.
2. Fees in BNB: received amount in quote, times rate, times what is left of the rate after the discount (0.25 is the
   reduction), divided by the price of BNB; rounded once, at the end. They are paid in BNB only if free BNB covers the
   whole fee before the fill is booked (commission_faq.md: "if you do not have enough BNB to pay the discounted
   commission, the full commission" is in the received asset).
3. Bybit spot: an account whose maker rate is not positive has its maker fills charged in the other asset (enum.mdx
   "Spot Fee Currency Instruction"), also if the rate is zero.
4. `quote`: fees of spot are in quote for both sides. A buy then also locks its worst fee, rounded, and two units of the
   last place for each lot, because the fee of each of its executions is rounded too.
5. An order's lock after a fill is what its left needs at its own price; a better price frees the difference at once.
6. A position's cost is the exact sum of price times quantity; a reducing fill releases its share of it, rounded, and
   all of it at flat. A fill through zero closes the whole position first and opens the rest at its price.
7. Funding: position x mark x rate, of the mark and rate of the last row; positive rates are paid by longs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from support.reference_matcher import BUY, ZERO

EIGHT = Decimal("0.00000001")


def to_eight(value: Decimal) -> Decimal:
    """Rounded to 8 places, half up."""
    with localcontext(Context(prec=80)):
        return value.quantize(EIGHT, ROUND_HALF_UP)


def quotient(a: Decimal, b: Decimal) -> Decimal:
    """a / b to 8 places, half up."""
    with localcontext(Context(prec=80)):
        return (a / b).quantize(EIGHT, ROUND_HALF_UP)


@dataclass
class Fees:
    """Rates of an account at a venue. asset: "received", "quote" or a name, in which all fees are charged."""

    maker: Decimal
    taker: Decimal
    asset: str = "received"
    #: What the rate is reduced by if the fee is paid in BNB; None: fees are never paid in BNB.
    bnb_reduction: Decimal | None = None


class Wallet:
    """Totals by asset, and what each order locks: (asset, amount) by order number."""

    def __init__(self, balances: dict[str, Decimal] | None = None) -> None:
        self.totals = dict(balances or {})
        self.locks: dict[int, tuple[str, Decimal]] = {}

    def total(self, asset: str) -> Decimal:
        return self.totals.get(asset, ZERO)

    def locked(self, asset: str) -> Decimal:
        return sum((amount for locked, amount in self.locks.values() if locked == asset), ZERO)

    def free(self, asset: str) -> Decimal:
        return self.total(asset) - self.locked(asset)

    def add(self, asset: str, amount: Decimal) -> None:
        self.totals[asset] = self.total(asset) + amount

    def set_lock(self, no: int, asset: str, amount: Decimal) -> None:
        """The whole lock of an order; 0 removes it."""
        self.locks.pop(no, None)
        if amount:
            self.locks[no] = (asset, amount)


@dataclass
class Position:
    """A position of one symbol and side. `quantity` is signed, `cost` has no sign."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO

    @property
    def entry(self) -> Decimal:
        return quotient(self.cost, abs(self.quantity)) if self.quantity else ZERO

    @property
    def figures(self) -> tuple[Decimal, Decimal, Decimal]:
        """Quantity, entry price, and all profit that was realized."""
        return self.quantity, self.entry, self.realized

    def apply(self, signed: Decimal, price: Decimal) -> Decimal:
        """Adds a signed quantity; returns the realized profit."""
        if self.quantity == 0 or (self.quantity > 0) == (signed > 0):
            self.quantity += signed
            self.cost += abs(signed) * price
            return ZERO
        if abs(signed) > abs(self.quantity):
            rest = signed + self.quantity
            profit = self.apply(-self.quantity, price)
            return profit + self.apply(rest, price)
        size = abs(signed)
        if size == abs(self.quantity):
            released = self.cost
        else:
            released = quotient(self.cost * size, abs(self.quantity))
        profit = size * price - released
        if self.quantity < 0:
            profit = -profit
        self.cost -= released
        self.quantity += signed
        self.realized += profit
        return profit


@dataclass
class Account:
    """An account at one house: its wallets by venue (the same wallet twice at Bybit) and its positions."""

    name: str
    group: int
    wallets: dict[str, Wallet]
    fees: dict[str, Fees]
    is_hedge: bool = False
    #: By (symbol, side): BOTH, LONG or SHORT.
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)

    def position(self, symbol: str, side: str) -> Position:
        return self.positions.setdefault((symbol, side), Position())


def fee_of(
    venue: str,
    fees: Fees,
    wallet: Wallet,
    base: str,
    quote: str,
    side: int,
    quantity: Decimal,
    value: Decimal,
    is_maker: bool,
    bnb_price: Decimal | None = None,
) -> tuple[Decimal, str]:
    """Amount (negative: a credit) and asset of the fee of one fill.

    quote: for perpetuals the settlement asset. bnb_price: of one BNB in quote, None if unknown.
    """
    rate = fees.maker if is_maker else fees.taker
    wants_bnb = venue.startswith("binance") and (fees.asset == "BNB" or fees.bnb_reduction is not None)
    if wants_bnb and rate > 0 and bnb_price is not None:
        amount = quotient(value * rate * (1 - (fees.bnb_reduction or ZERO)), bnb_price)
        if wallet.free("BNB") >= amount:
            return amount, "BNB"
    is_spot = venue.endswith("_spot")
    is_base = is_spot and side == BUY and fees.asset != "quote"
    if venue == "bybit_spot" and fees.asset != "quote" and is_maker and fees.maker <= 0:
        is_base = side != BUY
    if is_base:
        return to_eight(quantity * rate), base
    return to_eight(value * rate), quote


def lock_of_buy(fees: Fees, price: Decimal, left: Decimal, lot: Decimal) -> Decimal:
    """What a buy order of spot locks, in quote, while it may be executed for `left` at `price`."""
    return price * left + fee_lock(fees, price * left, left, lot)


def fee_lock(fees: Fees, value: Decimal, quantity: Decimal, lot: Decimal) -> Decimal:
    """What a buy order of spot locks for fees."""
    worst = max(fees.maker, fees.taker)
    if fees.asset != "quote" or worst <= 0 or not quantity:
        return ZERO
    return to_eight(value * worst) + 2 * (quantity // lot) * EIGHT


def funding_payment(position: Position, mark: Decimal, rate: Decimal) -> Decimal:
    """Signed amount that the account receives."""
    return to_eight(-position.quantity * mark * rate)
