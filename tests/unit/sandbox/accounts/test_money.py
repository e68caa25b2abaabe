"""Random trades, fees, funding and transfers: the ledger explains every balance, and a second opinion agrees."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference_accounts as plain
from support.sandbox_accounts import D, account, rules

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.fees import fee_of, lock_of
from arb.sandbox.accounts.funding_payments import payment
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.wallet import ShortfallError
from arb.sandbox.events import BUY, SELL

START = {"BTC": "1.5", "USDT": "9000", "BNB": "0.02"}
PRICES = {"BNB": D("301.7")}

#: (what, is_buy, lots, ticks, is_maker, part in tenths)
Step = tuple[str, bool, int, int, bool, int]
#: asset of the fee, discount in BNB, maker rate
TERMS = [
    ("received", False, "0.00037"),
    ("quote", False, "0.00037"),
    ("received", True, "0.00037"),
    ("received", False, "-0.00011"),
]
lots = st.integers(1, 300)
ticks = st.integers(20_000, 120_000)
steps = st.lists(
    st.tuples(
        st.sampled_from(["trade", "trade", "rest", "rest", "cancel", "transfer", "fund"]),
        st.booleans(),
        lots,
        ticks,
        st.booleans(),
        st.integers(1, 10),
    ),
    min_size=8,
    max_size=30,
)


class Both:
    """An account and the second opinion, on which the same is done."""

    def __init__(self, venue: str, term: tuple[str, bool, str], *, is_hedge: bool = False) -> None:
        asset, is_discounted, maker = term
        modes = Modes(is_bnb_discount=is_discounted, fee_burn=is_discounted, is_hedge=is_hedge)
        self.venue, self.rules = venue, rules(venue)
        self.account: Account = account(
            venue, START, maker=maker, taker="0.00053", modes=modes, asset=asset, bnb_factor=D("0.75")
        )
        self.wallet, self.ledger = self.account.wallet(venue), self.account.ledger
        reduction = D("0.25") if is_discounted and venue.startswith("binance") else None
        self.fees = plain.Fees(D(maker), D("0.00053"), asset, reduction)
        self.other = plain.Wallet({one: D(amount) for one, amount in START.items()})
        self.positions: defaultdict[str, plain.Position] = defaultdict(plain.Position)
        #: Open orders: side, limit, left.
        self.orders: dict[int, tuple[int, Decimal, Decimal]] = {}
        self.no = 0

    def needed(self, side: int, quantity: Decimal, price: Decimal) -> tuple[str, Decimal]:
        """What an order on spot locks, by the second opinion."""
        if side == SELL:
            return "BTC", quantity
        return "USDT", plain.lock_of_buy(self.fees, price, quantity, self.rules.lot)

    def place(self, side: int, quantity: Decimal, price: Decimal) -> None:
        self.no += 1
        asset, amount = self.needed(side, quantity, price)
        is_enough = amount <= self.other.free(asset)
        try:
            self.wallet.lock(self.no, *lock_of(self.account, self.rules, side, quantity, price))
        except ShortfallError:
            assert not is_enough
        else:
            assert is_enough
            self.other.set_lock(self.no, asset, amount)
            self.orders[self.no] = side, price, quantity

    def cancel(self, no: int) -> None:
        del self.orders[no]
        self.wallet.release(no)
        self.other.set_lock(no, "", D(0))

    def execute(self, no: int, quantity: Decimal, price: Decimal, *, is_maker: bool) -> None:
        """A part of an order on spot."""
        side, limit, left = self.orders[no]
        left -= quantity
        value = price * quantity
        amount, asset, _ = fee_of(self.account, self.rules, side, quantity, value, is_maker, PRICES.get)
        sign = 1 if side == BUY else -1
        self.post(
            (self.rules.base, sign * quantity, EntryCause.TRADE_BASE),
            (self.rules.quote, -sign * value, EntryCause.TRADE_QUOTE),
            (asset, -amount, EntryCause.FEE),
        )
        after = lock_of(self.account, self.rules, side, left, limit)[1]
        self.wallet.release(no, self.wallet.locked_by(no) - after)
        assert self.fee(side, quantity, value, is_maker=is_maker) == (amount, asset)
        self.other.add("BTC", sign * quantity)
        self.other.add("USDT", -sign * value)
        self.other.add(asset, -amount)
        self.other.set_lock(no, *self.needed(side, left, limit))
        self.orders[no] = side, limit, left
        if not left:
            del self.orders[no]

    def trade(self, position_side: PositionSide, signed: Decimal, price: Decimal, *, is_maker: bool) -> None:
        """An execution of a perpetual."""
        value, side = abs(signed) * price, BUY if signed > 0 else SELL
        amount, asset, _ = fee_of(self.account, self.rules, side, abs(signed), value, is_maker, PRICES.get)
        realized = self.account.positions.apply("BTCUSDT", position_side, signed, price, 0)
        self.post(("USDT", realized, EntryCause.REALIZED), (asset, -amount, EntryCause.FEE))
        assert self.fee(side, abs(signed), value, is_maker=is_maker) == (amount, asset)
        self.other.add("USDT", self.positions[position_side.name].apply(signed, price))
        self.other.add(asset, -amount)

    def fee(self, side: int, quantity: Decimal, value: Decimal, *, is_maker: bool) -> tuple[Decimal, str]:
        """Of the second opinion, before the execution is booked."""
        return plain.fee_of(
            self.venue, self.fees, self.other, "BTC", "USDT", side, quantity, value, is_maker, PRICES["BNB"]
        )

    def fund(self, mark: Decimal, rate: Decimal) -> None:
        for position in self.account.positions.open_positions():
            self.post(("USDT", payment(position, mark, rate), EntryCause.FUNDING))
        for other in self.positions.values():
            self.other.add("USDT", plain.funding_payment(other, mark, rate))

    def transfer(self, amount: Decimal) -> None:
        if amount > 0 or -amount <= self.wallet.free("USDT"):
            self.post(("USDT", amount, EntryCause.TRANSFER))
            self.other.add("USDT", amount)

    def post(self, *changes: tuple[str, Decimal, EntryCause]) -> None:
        self.ledger.post(self.wallet, 0, self.venue, changes)

    def check(self) -> None:
        self.ledger.check()
        for asset in START:
            entries = [entry.amount for entry in self.ledger.entries if entry.asset == asset]
            assert self.wallet.total(asset) == D(START[asset]) + sum(entries) == self.other.total(asset)
            assert self.wallet.locked(asset) == self.other.locked(asset)
        for position in self.account.positions.all():
            other = self.positions[position.side.name]
            found = (position.quantity, position.cost, position.cumulative)
            assert found == (other.quantity, other.cost, other.realized)


@pytest.mark.parametrize("venue", ["binance_spot", "bybit_spot"])
@pytest.mark.parametrize("term", TERMS)
@settings(max_examples=12, deadline=None)
@given(steps)
def test_money_on_spot(venue: str, term: tuple[str, bool, str], acts: list[Step]) -> None:
    with exact():
        both = Both(venue, term)
        for what, is_buy, size, tick, is_maker, tenths in acts:
            side, quantity, price = BUY if is_buy else SELL, both.rules.quantity(size), both.rules.price(tick)
            if what == "rest":
                both.place(side, quantity, price)
            elif what == "transfer":
                both.transfer(quantity if is_buy else -quantity)
            elif both.orders:
                no = next(iter(both.orders))
                if what == "cancel":
                    both.cancel(no)
                elif what == "trade":
                    own_side, limit, left = both.orders[no]
                    part = both.rules.quantity(max(1, both.rules.lots(left) * tenths // 10))
                    best = limit - both.rules.tick if own_side == BUY else limit + both.rules.tick
                    both.execute(no, part, limit if is_maker else best, is_maker=is_maker)
            both.check()


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
@pytest.mark.parametrize("term", TERMS)
@settings(max_examples=12, deadline=None)
@given(st.booleans(), steps)
def test_money_of_perpetuals(
    venue: str, term: tuple[str, bool, str], is_hedge: bool, acts: list[Step]
) -> None:
    with exact():
        both = Both(venue, term, is_hedge=is_hedge)
        for what, is_buy, size, tick, is_maker, tenths in acts:
            signed, price = both.rules.quantity(size if is_buy else -size), both.rules.price(tick)
            if what == "fund":
                both.fund(price + D("0.00000001"), D("0.0000123") * (tenths - 5))
            elif what == "transfer":
                both.transfer(signed)
            elif not is_hedge:
                both.trade(PositionSide.BOTH, signed, price, is_maker=is_maker)
            else:
                side = PositionSide.LONG if tenths % 2 else PositionSide.SHORT
                held = both.account.positions.get("BTCUSDT", side).quantity
                if (side is PositionSide.LONG) == (held + signed >= 0) or not held + signed:
                    both.trade(side, signed, price, is_maker=is_maker)
            both.check()


def test_a_month_of_funding() -> None:
    with exact():
        both = Both("binance_usdm", ("received", False, "0.0002"))
        both.trade(PositionSide.BOTH, D("0.3"), D(50000), is_maker=True)
        for no in range(90):
            both.fund(D(50000) + no * D("0.12345678"), D("0.0001") if no % 3 else D("-0.00007513"))
            both.check()
        paid = both.ledger.sums["usdm", "USDT", EntryCause.FUNDING]
        assert len(both.ledger.entries) == 91
        assert paid == both.other.total("USDT") - D(START["USDT"]) + 3
