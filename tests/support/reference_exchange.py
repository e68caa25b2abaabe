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
4. A reduce-only order needs a position of the other side; several may want the same position. Of a larger order the
   excess cannot be executed: Bybit cuts the quantity, at USD-M the order ends (REDUCED) when the rest is filled.
5. When a position shrinks, each reduce-only order is cut to it; those without one end (REDUCED). A row that would fill
   several of them fills them in turn, no more than the position.
6. In hedge mode LONG is closed by sells, SHORT by buys; such an order only reduces too, but a larger one is refused.
7. Client ids are unique among open orders at Binance, and for ever at Bybit.
8. An amendment of spot (keep priority) must make the quantity smaller; USD-M always loses its place, and prevention
   becomes NONE (Modify-Order); Bybit keeps the place for a smaller quantity at the same price.
9. Margin is a model of the sandbox: refusals for it are not predicted here.
10. Funding is paid once per time, by what is held when the next request or row after that time arrives.
"""

from __future__ import annotations

from decimal import Decimal

from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.trading.requests import Amend, Named, OrderKind, Place, Replace
from support.reference_accounts import Account, fee_lock, lock_of_buy
from support.reference_matcher import (
    BUY,
    SELL,
    ZERO,
    Ended,
    Resting,
)
from support.reference_prices import bybit_bound, is_too_far, range_bound
from support.reference_records import Record, RefusedError, check_price, check_quantity
from support.reference_settlement import ReferenceSettlement

#: Ends with which a venue refuses an order instead of keeping it.
REFUSING = {"binance_spot": {"WOULD_TAKE"}, "binance_usdm": {"WOULD_TAKE", "FOK"}}


class ReferenceExchange(ReferenceSettlement):
    """All instruments of one venue."""

    # requests

    def place(self, request: Place, now_ns: int) -> Record:
        """Raises RefusedError."""
        rules, account = self._rules(request.symbol), self.accounts[request.account]
        matcher = self.matchers[request.symbol]
        bound = self.bound(request.symbol, request.side, is_limit=request.price is not None, now_ns=now_ns)
        self._check_figures(rules, request, now_ns)
        if request.price is not None:
            self._check_band(request.symbol, request.side, request.price, now_ns)
        self._check_id(request.account, request.client_id)
        reduces = self._is_reducing(request)
        quantity = request.quantity
        if request.quote_quantity is not None:
            quantity = self._quantity_of_value(request.symbol, request.side, bound, request.quote_quantity)
        assert quantity is not None
        shown = quantity
        if reduces:
            quantity = self._reducible(request, quantity)
            shown = quantity if self.venue == "bybit_linear" else shown
        mode = request.prevention if request.prevention is not None else rules.default_prevention
        order = Resting(
            self.next_no,
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
        self.next_no += 1
        record = Record(
            order,
            request.symbol,
            request.position_side.name,
            request.client_id or f"#{order.no}",
            reduces,
            shown,
        )
        self.orders[order.no] = record
        self.used_ids.setdefault(request.account, set()).add(record.client_id)
        if rules.is_spot and order.side == SELL:
            # What is being sold cannot pay the fee of its sale.
            account.wallets[self.venue].set_lock(order.no, rules.base, quantity)
        self.settle(outcomes)
        self.update_lock(record)
        return record

    def cancel(self, named: Named, now_ns: int) -> Record:
        record = self.find(named)
        self.matchers[record.symbol].cancel(record.resting, now_ns)
        self.end(record, "CANCELED")
        return record

    def cancel_all(self, account: str, symbol: str | None, now_ns: int) -> list[Record]:
        ended = [one for one in self.open_orders(account) if symbol in (None, one.symbol)]
        for one in ended:
            self.cancel(Named(account, one.symbol, client_id=one.client_id), now_ns)
        return ended

    def replace(self, request: Replace, now_ns: int) -> Record:
        """Cancels and places; raises RefusedError for what was refused last."""
        try:
            self.cancel(request.cancel, now_ns)
        except RefusedError:
            if request.stops_on_failure:
                raise
        return self.place(request.place, now_ns)

    def amend(self, request: Amend, now_ns: int) -> Record:
        record = self.find(request)
        rules, order = self._rules(record.symbol), record.resting
        price = request.price if request.price is not None else order.price
        quantity = request.quantity if request.quantity is not None else record.quantity
        assert price is not None
        if self.venue == "binance_spot" and (quantity >= order.quantity or price != order.price):
            raise RefusedError("QUANTITY_NOT_SMALLER")
        if (price, quantity) == (order.price, record.quantity):
            raise RefusedError("NO_CHANGE")
        if self.venue != "binance_usdm" and quantity <= order.filled:
            raise RefusedError("QUANTITY_TOO_SMALL")
        check_price(rules, price)
        check_quantity(rules, quantity)
        if not record.reduces and price * quantity < rules.min_notional:
            raise RefusedError("NOTIONAL_TOO_SMALL")
        if price != order.price:
            self._check_band(record.symbol, order.side, price, now_ns)
        if rules.is_spot:
            self._check_amended_funds(rules, record, price, quantity)
        keeps = self.venue == "binance_spot" or (
            self.venue.startswith("bybit") and quantity <= record.quantity
        )
        if self.venue == "binance_usdm":
            order.prevention = "NONE"
        if request.new_client_id is not None:
            record.client_id = request.new_client_id
            self.used_ids[request.account].add(request.new_client_id)
        if self.venue != "binance_spot" or quantity > order.filled + order.prevented:
            record.quantity = quantity  # otherwise the order ends with the quantity that it had
        bound = self.bound(record.symbol, order.side, is_limit=True, now_ns=now_ns)
        matcher = self.matchers[record.symbol]
        self.settle(matcher.amend(order, price, quantity, now_ns, keeps and price == order.price, bound))
        self.update_lock(record)
        return record

    def find(self, named: Named) -> Record:
        """The open order of a request."""
        for record in reversed(list(self.orders.values())):
            if record.resting.account == named.account and record.symbol == named.symbol:
                if record.client_id == named.client_id and record.is_open:
                    return record
        raise RefusedError("UNKNOWN_ORDER")

    def bound(self, symbol: str, side: int, *, is_limit: bool, now_ns: int) -> Decimal | None:
        """The worst price at which a taker may be executed now."""
        rules = self.rules[symbol]
        if self.venue == "binance_spot":
            return range_bound(side, self.reference[symbol].at(now_ns), rules.execution_range)
        if self.venue == "binance_usdm" or is_limit:
            return None
        reference = self.last_prices.get(symbol) if rules.is_spot else self.mark(symbol)
        return bybit_bound(side, reference, rules.price_limit_x)

    # checks

    def _rules(self, symbol: str) -> InstrumentRules:
        if symbol not in self.rules:
            raise RefusedError("UNKNOWN_SYMBOL")
        if not self.matchers[symbol].is_ready:
            raise RefusedError("BOOK_NOT_READY")
        return self.rules[symbol]

    def _check_figures(self, rules: InstrumentRules, request: Place, now_ns: int) -> None:
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
        price = request.price or self.price_of_reference(request.symbol, now_ns)
        value = request.quote_quantity
        if price is not None and request.quantity is not None:
            value = price * request.quantity
        if value is not None and not request.reduce_only:
            if value < rules.min_notional:
                raise RefusedError("NOTIONAL_TOO_SMALL")
            if request.price is not None and rules.max_notional and value > rules.max_notional:
                raise RefusedError("NOTIONAL_TOO_LARGE")

    def _check_band(self, symbol: str, side: int, price: Decimal, now_ns: int) -> None:
        rules, reference = self.rules[symbol], self.price_of_reference(symbol, now_ns)
        multipliers = rules.bid_multipliers if side == BUY else rules.ask_multipliers
        if is_too_far(self.venue, side, price, reference, multipliers, rules.price_limit_x):
            raise RefusedError("BUY_PRICE_TOO_HIGH" if side == BUY else "SELL_PRICE_TOO_LOW")

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
            needed, asset = cost + fee_lock(fees, cost, order.quantity, rules.lot), rules.quote
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
        """How much of a new order may be executed."""
        side = request.position_side.name
        left = self.held(request.account, request.symbol, side, request.side)
        if left <= 0 or (quantity > left and not request.reduce_only):
            raise RefusedError("REDUCE_ONLY")
        return min(quantity, left)
