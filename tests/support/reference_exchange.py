"""A plain second exchange: orders, funds and positions of several accounts at one venue, written from the documents.

`ReferenceExchange` takes the sandbox's requests and rows as decimals, and keeps everything in dicts and lists that a
test compares after every step. It shares no code with `arb.sandbox` but the types of requests and rules.

Readings (where the text allows more than one; see also `reference_matcher`, `reference_whole`, `reference_accounts`
and `reference_prices`):

1. A limit buy on spot needs free `price x quantity`, also if it would be executed at better prices; a market buy needs
   the value that the present book asks for its quantity.
2. A market order by value has the quantity that a walk over the book finds for it, level by level, in whole lots.
3. Refused at a post-only cross: Binance keeps no order (-2010, -5022); Bybit accepts and ends it. The same holds for
   FOK at USD-M (-5021). Other ends leave an order.
4. A reduce-only order needs a position of the other side. At most its size, less what older reduce-only orders of the
   same side still want, can be placed: Bybit cuts the quantity, USD-M refuses a larger one only if nothing is left.
5. When a position shrinks, reduce-only orders end (REDUCED), the youngest first, until the others fit into it.
6. A position's sides in hedge mode: LONG is closed by sells, SHORT by buys; closing orders are reduce-only orders.
7. Client ids are unique among open orders at Binance, and for ever at Bybit.
8. An amendment of spot (keep priority) must make the quantity smaller; USD-M always loses its place, and prevention
   becomes NONE (Modify-Order); Bybit keeps the place for a smaller quantity at the same price.
9. Margin is a model of the sandbox: refusals for it are not predicted here.
10. Funding is paid once per time, by what is held when the next request or row after that time arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.trading.requests import Amend, Named, OrderKind, Place
from tests.support.reference_accounts import Account, fee_of, funding_payment, lock_of_buy
from tests.support.reference_matcher import (
    BUY,
    SELL,
    ZERO,
    Ended,
    Filled,
    Outcome,
    ReferenceLevels,
    Resting,
    Row,
    Stopped,
)
from tests.support.reference_prices import ReferencePrice, bybit_bound, range_bound
from tests.support.reference_records import Deal, Record, RefusedError, check_price, check_quantity
from tests.support.reference_whole import ReferenceWhole

#: Ends with which a venue refuses an order instead of keeping it.
REFUSING = {"binance_spot": {"WOULD_TAKE"}, "binance_usdm": {"WOULD_TAKE", "FOK"}}


class ReferenceExchange:
    """All instruments of one venue."""

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
        self.marks: dict[str, Decimal] = {}
        self.rates: dict[str, Decimal] = {}
        self.funding_ns: dict[str, int] = {}
        self.funded_ns: dict[str, int] = {}
        self.orders: dict[int, Record] = {}
        self.deals: list[Deal] = []
        #: (account, symbol, at_ns, amount)
        self.payments: list[tuple[str, str, int, Decimal]] = []
        self.used_ids: dict[str, set[str]] = {}
        #: Price of BNB in quote.
        self.bnb_price: Decimal | None = None
        self._next_no = 1

    # rows and time

    def receive(self, symbol: str, row: Row) -> None:
        if row.kind == "trade":
            assert row.price is not None
            self.reference[symbol].add(row.at_ns, row.price)
        self._settle(self.matchers[symbol].receive(row))

    def receive_funding(self, symbol: str, mark: Decimal | None, rate: Decimal | None, next_ns: int) -> None:
        if mark is not None:
            self.marks[symbol] = mark
        if rate is not None:
            self.rates[symbol] = rate
        if next_ns > self.funded_ns.get(symbol, 0):
            self.funding_ns[symbol] = next_ns

    def advance(self, to_ns: int) -> None:
        """Makes funding payments whose time has passed."""
        for symbol, at_ns in list(self.funding_ns.items()):
            if at_ns >= to_ns:
                continue
            del self.funding_ns[symbol]
            self.funded_ns[symbol] = at_ns
            for account in self.accounts.values():
                for (held, _), position in account.positions.items():
                    if held == symbol and position.quantity and symbol in self.marks and symbol in self.rates:
                        amount = funding_payment(position, self.marks[symbol], self.rates[symbol])
                        account.wallets[self.venue].add(self.rules[symbol].settle, amount)
                        self.payments.append((account.name, symbol, at_ns, amount))

    def transfer(self, account: str, asset: str, amount: Decimal) -> None:
        self.accounts[account].wallets[self.venue].add(asset, amount)

    # requests

    def place(self, request: Place, now_ns: int) -> Record:
        """Raises RefusedError."""
        rules, account = self._rules(request.symbol), self.accounts[request.account]
        matcher = self.matchers[request.symbol]
        bound = self.bound(request.symbol, request.side, is_limit=request.price is not None, now_ns=now_ns)
        self._check_figures(rules, request)
        self._check_id(request.account, request.client_id)
        reduces = self._is_reducing(request)
        quantity = request.quantity
        if request.quote_quantity is not None:
            quantity = self._quantity_of_value(request.symbol, request.side, bound, request.quote_quantity)
        assert quantity is not None
        if reduces:
            quantity = self._reducible(request, quantity)
        mode = request.prevention if request.prevention is not None else rules.default_prevention
        order = Resting(
            self._next_no,
            request.account,
            account.group,
            request.side,
            request.force.name,
            request.price,
            quantity,
            mode.name,
        )
        if rules.is_spot:
            self._check_funds(rules, account, order, bound, request.quote_quantity)
        outcomes = matcher.place(order, now_ns, bound)
        refusal = [one.reason for one in outcomes if isinstance(one, Ended) and one.order is order]
        if refusal and refusal[0] in REFUSING.get(self.venue, set()):
            raise RefusedError({"FOK": "NOT_FILLABLE"}.get(refusal[0], refusal[0]))
        self._next_no += 1
        record = Record(
            order, request.symbol, request.position_side.name, request.client_id or f"#{order.no}", reduces
        )
        self.orders[order.no] = record
        self.used_ids.setdefault(request.account, set()).add(record.client_id)
        self._settle(outcomes)
        self._lock(record)
        return record

    def cancel(self, named: Named, now_ns: int) -> Record:
        record = self.find(named)
        self.matchers[record.symbol].cancel(record.resting, now_ns)
        self._end(record, "CANCELED")
        return record

    def cancel_all(self, account: str, symbol: str | None, now_ns: int) -> list[Record]:
        ended = [one for one in self.open_orders(account) if symbol in (None, one.symbol)]
        for one in ended:
            self.cancel(Named(account, one.symbol, client_id=one.client_id), now_ns)
        return ended

    def amend(self, request: Amend, now_ns: int) -> Record:
        record = self.find(request)
        rules, order = self._rules(record.symbol), record.resting
        price = request.price if request.price is not None else order.price
        quantity = request.quantity if request.quantity is not None else order.quantity
        assert price is not None
        if self.venue == "binance_spot" and (quantity >= order.quantity or price != order.price):
            raise RefusedError("QUANTITY_NOT_SMALLER")
        if (price, quantity) == (order.price, order.quantity):
            raise RefusedError("NO_CHANGE")
        if self.venue != "binance_usdm" and quantity <= order.filled:
            raise RefusedError("QUANTITY_TOO_SMALL")
        check_price(rules, price)
        check_quantity(rules, quantity)
        if rules.is_spot:
            self._check_amended_funds(rules, record, price, quantity)
        keeps = self.venue == "binance_spot" or (
            self.venue.startswith("bybit") and quantity <= order.quantity
        )
        if self.venue == "binance_usdm":
            order.prevention = "NONE"
        if request.new_client_id is not None:
            record.client_id = request.new_client_id
            self.used_ids[request.account].add(request.new_client_id)
        bound = self.bound(record.symbol, order.side, is_limit=True, now_ns=now_ns)
        matcher = self.matchers[record.symbol]
        self._settle(matcher.amend(order, price, quantity, now_ns, keeps and price == order.price, bound))
        self._lock(record)
        return record

    def find(self, named: Named) -> Record:
        """The open order of a request."""
        for record in reversed(list(self.orders.values())):
            if record.resting.account == named.account and record.symbol == named.symbol:
                if record.client_id == named.client_id and record.is_open:
                    return record
        raise RefusedError("UNKNOWN_ORDER")

    def open_orders(self, account: str) -> list[Record]:
        return [one for one in self.orders.values() if one.is_open and one.resting.account == account]

    def bound(self, symbol: str, side: int, *, is_limit: bool, now_ns: int) -> Decimal | None:
        """The worst price at which a taker may be executed now."""
        rules = self.rules[symbol]
        if self.venue == "binance_spot":
            return range_bound(side, self.reference[symbol].at(now_ns), rules.execution_range)
        if self.venue == "binance_usdm" or is_limit:
            return None
        reference = self.matchers[symbol].last_trade if rules.is_spot else self.marks.get(symbol)
        return bybit_bound(side, reference, rules.price_limit_x)

    # checks

    def _rules(self, symbol: str) -> InstrumentRules:
        if symbol not in self.rules:
            raise RefusedError("UNKNOWN_SYMBOL")
        if not self.matchers[symbol].is_ready:
            raise RefusedError("BOOK_NOT_READY")
        return self.rules[symbol]

    def _check_figures(self, rules: InstrumentRules, request: Place) -> None:
        if request.price is not None:
            check_price(rules, request.price)
        if request.quantity is not None:
            check_quantity(rules, request.quantity)
            if (
                request.kind is OrderKind.MARKET
                and rules.max_market_qty
                and request.quantity > rules.max_market_qty
            ):
                raise RefusedError("MARKET_QUANTITY_TOO_LARGE")
        if request.price is not None and request.quantity is not None and not self._is_reducing(request):
            value = request.price * request.quantity
            if value < rules.min_notional:
                raise RefusedError("NOTIONAL_TOO_SMALL")
            if rules.max_notional and value > rules.max_notional:
                raise RefusedError("NOTIONAL_TOO_LARGE")

    def _check_id(self, account: str, client_id: str | None) -> None:
        taken = {one.client_id for one in self.open_orders(account)}
        if self.venue.startswith("bybit"):
            taken = self.used_ids.get(account, set())
        if client_id is not None and client_id in taken:
            raise RefusedError("DUPLICATE_CLIENT_ID")

    def _check_funds(
        self,
        rules: InstrumentRules,
        account: Account,
        order: Resting,
        bound: Decimal | None,
        value: Decimal | None,
    ) -> None:
        wallet, fees = account.wallets[self.venue], account.fees[self.venue]
        if order.side == SELL:
            needed, asset = order.quantity, rules.base
        elif order.price is not None:
            needed, asset = lock_of_buy(fees, order.price, order.quantity, rules.lot), rules.quote
        else:
            cost = value if value is not None else self._cost(order, rules.symbol, bound)
            needed, asset = lock_of_buy(fees, cost, Decimal(1), Decimal(1)), rules.quote
        if needed > wallet.free(asset):
            raise RefusedError("INSUFFICIENT_BALANCE")

    def _check_amended_funds(
        self, rules: InstrumentRules, record: Record, price: Decimal, quantity: Decimal
    ) -> None:
        order = record.resting
        account = self.accounts[order.account]
        wallet = account.wallets[self.venue]
        left = quantity - order.filled - order.prevented
        needed, asset = left, rules.base
        if order.side == BUY:
            needed, asset = lock_of_buy(account.fees[self.venue], price, left, rules.lot), rules.quote
        if needed > wallet.free(asset) + wallet.locks.get(order.no, ("", ZERO))[1]:
            raise RefusedError("INSUFFICIENT_BALANCE")

    def _cost(self, order: Resting, symbol: str, bound: Decimal | None) -> Decimal:
        """What the present book asks for a market order's quantity."""
        cost, left = ZERO, order.quantity
        for price, quantity in self.matchers[symbol].walk(order.side, bound):
            cost += price * min(left, quantity)
            left -= min(left, quantity)
        return cost

    def _quantity_of_value(self, symbol: str, side: int, bound: Decimal | None, value: Decimal) -> Decimal:
        lot, found = self.rules[symbol].lot, ZERO
        for price, quantity in self.matchers[symbol].walk(side, bound):
            lots = min(quantity, value / price // lot * lot)
            found += lots
            value -= lots * price
            if lots < quantity:
                break
        return found

    # positions that orders reduce

    def _is_reducing(self, request: Place) -> bool:
        side = request.position_side.name
        return request.reduce_only or (side, request.side) in (("LONG", SELL), ("SHORT", BUY))

    def _reducible(self, request: Place, quantity: Decimal) -> Decimal:
        position = self.accounts[request.account].position(request.symbol, request.position_side.name)
        held = position.quantity if request.side == SELL else -position.quantity
        left = held - sum((one.resting.left for one in self._reducing(request.account, request.symbol)), ZERO)
        if left <= 0 or (quantity > left and self.venue == "binance_usdm"):
            raise RefusedError("REDUCE_ONLY")
        return min(quantity, left)

    def _reducing(self, account: str, symbol: str) -> list[Record]:
        return [one for one in self.open_orders(account) if one.symbol == symbol and one.reduces]

    def _knock_out(self, account: str, symbol: str) -> None:
        """Ends reduce-only orders, the youngest first, that no longer fit into their position."""
        for record in reversed(self._reducing(account, symbol)):
            order = record.resting
            position = self.accounts[account].position(symbol, record.position_side)
            held = position.quantity if order.side == SELL else -position.quantity
            same = [
                one for one in self._reducing(account, symbol) if one.position_side == record.position_side
            ]
            wanted = sum((one.resting.left for one in same if one.resting.side == order.side), ZERO)
            if wanted > max(ZERO, held):
                self.matchers[symbol].cancel(order, 0)
                self._end(record, "REDUCED")

    # results

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Filled):
                self._fill(outcome)
            elif isinstance(outcome, Ended):
                self._end(self.orders[outcome.order.no], outcome.reason)
            else:
                self._stop(outcome)

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
        self._lock(record)
        if not rules.is_spot:
            self._knock_out(account.name, record.symbol)

    def _stop(self, stop: Stopped) -> None:
        maker, taker = self.orders[stop.maker.no], self.orders[stop.taker.no]
        self._lock(maker)
        if stop.is_transfer:
            rules, value = self.rules[maker.symbol], stop.price * stop.quantity
            for order in (maker.resting, taker.resting):
                wallet = self.accounts[order.account].wallets[self.venue]
                sign = 1 if order.side == BUY else -1
                wallet.add(rules.base, sign * stop.quantity)
                wallet.add(rules.quote, -sign * value)

    def _end(self, record: Record, reason: str) -> None:
        record.end = reason
        self._lock(record)

    def _lock(self, record: Record) -> None:
        """Sets what an order locks now: nothing if it does not rest."""
        order, rules = record.resting, self.rules[record.symbol]
        account = self.accounts[order.account]
        if not rules.is_spot:
            return
        amount, asset = ZERO, rules.base
        if record.is_open and order.price is not None:
            amount = order.left
            if order.side == BUY:
                amount, asset = (
                    lock_of_buy(account.fees[self.venue], order.price, order.left, rules.lot),
                    rules.quote,
                )
        account.wallets[self.venue].set_lock(order.no, asset, amount)
