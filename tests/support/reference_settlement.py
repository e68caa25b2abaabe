"""What rows and results do to the accounts of `reference_exchange`: fills, ends, funding, reduce-only orders."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.funding import Funding
from connectors.units import MILLISECOND
from support.reference_accounts import Account, fee_of, funding_payment, lock_of_buy
from support.reference_matcher import (
    BUY,
    SELL,
    ZERO,
    Filled,
    Outcome,
    ReferenceLevels,
    Row,
    Stopped,
)
from support.reference_prices import ReferencePrice
from support.reference_records import Deal, Record
from support.reference_whole import ReferenceWhole


class ReferenceSettlement:
    """The state of one venue and what changes it besides requests."""

    def __init__(
        self, venue: str, rules: dict[str, InstrumentRules], accounts: dict[str, Account], matching: str
    ) -> None:
        self.venue = venue
        self.rules = rules
        self.accounts = accounts
        self.matchers: dict[str, ReferenceLevels | ReferenceWhole] = {
            symbol: ReferenceLevels() if matching == "levels" else ReferenceWhole(one.lot)
            for symbol, one in rules.items()
        }
        self.reference = {symbol: ReferencePrice() for symbol in rules}
        self.expected: dict[str, list[Row]] = {symbol: [] for symbol in rules}
        self.marks: dict[str, Decimal] = {}
        self.last_prices: dict[str, Decimal] = {}
        self.rates: dict[str, Decimal] = {}
        self._funding: Funding | None = None
        #: Symbols whose frames carry funding rates.
        self._has_frames: set[str] = set()
        self.funding_ns: dict[str, int] = {}
        self.funded_ns: dict[str, int] = {}
        self.orders: dict[int, Record] = {}
        self.deals: list[Deal] = []
        #: (account, symbol, at_ns, amount)
        self.payments: list[tuple[str, str, int, Decimal]] = []
        #: Prevented executions by mode.
        self.stops: Counter[str] = Counter()
        self.used_ids: dict[str, set[str]] = {}
        #: Price of BNB in quote.
        self.bnb_price: Decimal | None = None
        self.next_no = 1

    # rows and time

    def see(self, symbol: str, row: Row) -> None:
        """A row of a frame that is sent now, for prices; all rows of a frame are seen before the first is matched."""
        if row.kind == "trade":
            assert row.price is not None
            self.reference[symbol].add(row.at_ns, row.price)
            self.last_prices[symbol] = row.price

    def expect(self, symbol: str, row: Row) -> None:
        """A row that is matched at its own time (`whole`)."""
        insort(self.expected[symbol], row, key=lambda one: one.at_ns)

    def _match_until(self, to_ns: int) -> None:
        for symbol, rows in self.expected.items():
            while rows and rows[0].at_ns <= to_ns:
                self.receive(symbol, rows.pop(0))

    def receive(self, symbol: str, row: Row) -> None:
        """Matches a row."""
        self.settle(self.matchers[symbol].receive(row))

    def receive_funding(self, symbol: str, mark: Decimal | None, rate: Decimal | None, next_ns: int) -> None:
        if mark is not None:
            self.marks[symbol] = mark
        if rate is not None:
            self.rates[symbol] = rate
            self._has_frames.add(symbol)
        if next_ns > self.funded_ns.get(symbol, 0):
            self.funding_ns[symbol] = next_ns

    def start_funding(self, funding: Funding, now_ns: int) -> None:
        """Funding of perpetuals whose frames carry none: at fixed times, marked at the last trade."""
        self._funding = funding
        for symbol, rules in self.rules.items():
            if not rules.is_spot:
                self._schedule(symbol, now_ns)

    def _schedule(self, symbol: str, now_ns: int) -> None:
        if self._funding is not None:
            now_ms = now_ns // MILLISECOND
            if symbol not in self._has_frames:
                self.rates[symbol] = Decimal(self._funding.rate(now_ms))
            self.funding_ns[symbol] = self._funding.next_ms(now_ms) * MILLISECOND

    def mark(self, symbol: str) -> Decimal | None:
        return self.marks.get(symbol, self.last_prices.get(symbol))

    def advance(self, to_ns: int) -> None:
        """Matches expected rows, and makes funding payments whose time has passed."""
        due = sorted((at_ns, symbol) for symbol, at_ns in self.funding_ns.items() if at_ns < to_ns)
        for at_ns, symbol in due:
            self._match_until(at_ns)
            mark, rate = self.mark(symbol), self.rates.get(symbol)
            del self.funding_ns[symbol]
            self.funded_ns[symbol] = at_ns
            self._schedule(symbol, to_ns)
            if mark is None or rate is None:
                continue
            for account in self.accounts.values():
                for (symbol_held, _), position in account.positions.items():
                    if symbol_held == symbol and position.quantity:
                        amount = funding_payment(position, mark, rate)
                        account.wallets[self.venue].add(self.rules[symbol].settle, amount)
                        self.payments.append((account.name, symbol, at_ns, amount))
        self._match_until(to_ns)

    def transfer(self, account: str, asset: str, amount: Decimal) -> None:
        self.accounts[account].wallets[self.venue].add(asset, amount)

    def price_of_reference(self, symbol: str, now_ns: int) -> Decimal | None:
        """The price that a market order is taken to have, and from which bands are measured."""
        if not self.rules[symbol].is_spot:
            return self.mark(symbol)
        mean = self.reference[symbol].at(now_ns) if self.venue == "binance_spot" else None
        return mean or self.last_prices.get(symbol)

    def open_orders(self, account: str) -> list[Record]:
        return [one for one in self.orders.values() if one.is_open and one.resting.account == account]

    def held(self, account: str, symbol: str, position_side: str, side: int) -> Decimal:
        """What orders of a side can reduce."""
        position = self.accounts[account].position(symbol, position_side)
        return max(ZERO, position.quantity if side == SELL else -position.quantity)

    def reducing(self, account: str, symbol: str, side: str) -> list[Record]:
        return [
            one
            for one in self.open_orders(account)
            if one.symbol == symbol and one.reduces and one.position_side == side
        ]

    def _fit(self, account: str, symbol: str, position_side: str) -> None:
        """Cuts each order that only reduces to its position; ends those without one."""
        for record in self.reducing(account, symbol, position_side):
            order = record.resting
            room = self.held(account, symbol, position_side, order.side)
            excess = order.left - room
            if room <= 0:
                self.matchers[symbol].cancel(order, 0)
                self.end(record, "REDUCED")
            elif excess > 0:
                order.quantity -= excess
                if self.venue == "bybit_linear":
                    record.quantity -= excess

    # results

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Stopped):
                self._stop(outcome)
            elif self.orders[outcome.order.no].end:
                continue
            elif isinstance(outcome, Filled):
                self._fill_to_position(outcome)
            else:
                self.end(self.orders[outcome.order.no], outcome.reason)
        for account, symbol, side in sorted(
            {self._place_of(one) for one in outcomes if isinstance(one, Filled)}
        ):
            self._fit(account, symbol, side)

    def _fill_to_position(self, fill: Filled) -> None:
        """A fill, cut to the position that is left for an order that only reduces; the order then ends."""
        record = self.orders[fill.order.no]
        quantity = fill.quantity
        if record.reduces:
            quantity = min(quantity, self.held(*self._place_of(fill), fill.order.side))
        if quantity:
            self._fill(fill._replace(quantity=quantity))
        if quantity < fill.quantity:
            fill.order.filled -= fill.quantity - quantity
            self.matchers[record.symbol].cancel(fill.order, 0)
            self.end(record, "REDUCED")

    def _place_of(self, fill: Filled) -> tuple[str, str, str]:
        record = self.orders[fill.order.no]
        return fill.order.account, record.symbol, record.position_side

    def _fill(self, fill: Filled) -> None:
        record = self.orders[fill.order.no]
        account, rules = self.accounts[fill.order.account], self.rules[record.symbol]
        wallet = account.wallets[self.venue]
        side, value = fill.order.side, fill.price * fill.quantity
        quote = rules.quote if rules.is_spot else rules.settle
        fees = account.fees[self.venue]
        fee, asset = fee_of(
            self.venue,
            fees,
            wallet,
            rules.base,
            quote,
            side,
            fill.quantity,
            value,
            fill.is_maker,
            self.bnb_price,
        )
        sign = 1 if side == BUY else -1
        realized = ZERO
        if rules.is_spot:
            wallet.add(rules.base, sign * fill.quantity)
            wallet.add(rules.quote, -sign * value)
        else:
            position = account.position(record.symbol, record.position_side)
            realized = position.apply(sign * fill.quantity, fill.price)
            wallet.add(quote, realized)
        wallet.add(asset, -fee)
        record.value += value
        record.fees[asset] = record.fees.get(asset, ZERO) + fee
        self.deals.append(
            Deal(
                account.name,
                fill.order.no,
                record.symbol,
                side,
                fill.price,
                fill.quantity,
                fill.is_maker,
                fill.at_ns,
                fee,
                asset,
                realized,
            )
        )
        record.settled += fill.quantity
        is_last = not fill.order.left and record.settled == fill.order.filled
        if is_last and record.quantity > fill.order.filled + fill.order.prevented:
            record.end = "REDUCED"
        self.update_lock(record)

    def _stop(self, stop: Stopped) -> None:
        maker, taker = self.orders[stop.maker.no], self.orders[stop.taker.no]
        self.stops["transfer" if stop.is_transfer else stop.taker.prevention] += 1
        self.update_lock(maker)
        if stop.is_transfer:
            rules, value = self.rules[maker.symbol], stop.price * stop.quantity
            for order in (maker.resting, taker.resting):
                wallet = self.accounts[order.account].wallets[self.venue]
                sign = 1 if order.side == BUY else -1
                wallet.add(rules.base, sign * stop.quantity)
                wallet.add(rules.quote, -sign * value)

    def end(self, record: Record, reason: str) -> None:
        record.end = reason
        self.update_lock(record)

    def update_lock(self, record: Record) -> None:
        """Sets what an order locks now: nothing if it does not rest."""
        order, rules = record.resting, self.rules[record.symbol]
        account = self.accounts[order.account]
        if not rules.is_spot:
            return
        amount, asset = ZERO, rules.base
        if record.is_open and order.price is not None:
            left = order.quantity - record.settled - order.prevented
            amount = left
            if order.side == BUY:
                amount, asset = (
                    lock_of_buy(account.fees[self.venue], order.price, left, rules.lot),
                    rules.quote,
                )
        account.wallets[self.venue].set_lock(order.no, asset, amount)
