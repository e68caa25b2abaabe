"""The order desk of one venue: places, changes and cancels orders of all accounts.

An order passes: rules of the instrument, price bounds, order counts, client id, position mode, funds, matcher,
settlement. A refusal at any step leaves nothing behind but counts. Pure; times are arguments and never decrease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from arb.errors import InvariantError
from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import ZERO, exact
from arb.sandbox.accounts.fees import purchase_lock
from arb.sandbox.accounts.margin import Margin, order_values
from arb.sandbox.accounts.wallet import ShortfallError
from arb.sandbox.events import BUY
from arb.sandbox.matching.orders import End, EndReason, Force, Order, Result
from arb.sandbox.trading.account_orders import AccountOrders
from arb.sandbox.trading.checks import check_order, check_price, check_quantity, check_value
from arb.sandbox.trading.events import Change, Event, OrderEvent
from arb.sandbox.trading.ids import Ids
from arb.sandbox.trading.instrument import Instrument, Match, match_new
from arb.sandbox.trading.margin_checks import check_margin, margin_at
from arb.sandbox.trading.mode_changes import ModeChanges
from arb.sandbox.trading.order_counts import OrderCounts
from arb.sandbox.trading.order_state import Execution, OrderStatus, Replaced, VenueOrder, new_order
from arb.sandbox.trading.policy import Policy
from arb.sandbox.trading.position_checks import check_position
from arb.sandbox.trading.price_rules import execution_bound, price_refusal
from arb.sandbox.trading.requests import (
    Amend,
    Cancel,
    Named,
    OrderKind,
    Place,
    Reason,
    RefusalError,
    Replace,
)
from arb.sandbox.trading.settlement import Settlement

_COUNT_REASONS = {
    "10S": Reason.TOO_MANY_ORDERS_10S,
    "1M": Reason.TOO_MANY_ORDERS_1M,
    "1D": Reason.TOO_MANY_ORDERS_1D,
}


class Desk:
    """See the module. Orders that it returns are copies."""

    def __init__(
        self,
        venue: str,
        accounts: Mapping[str, Account],
        instruments: Mapping[str, Instrument],
        policy: Policy,
        ids: Ids,
        emit: Callable[[Event], None],
    ) -> None:
        """accounts, instruments: by id and by symbol. emit: receives what happens, in order."""
        self.venue = venue
        self.instruments = dict(instruments)
        self.policy = policy
        self._accounts = accounts
        self._ids = ids
        self._emit = emit
        self._orders = {account: AccountOrders() for account in accounts}
        self._counts = {
            account: OrderCounts(policy.order_limits, gives_back=policy.gives_back) for account in accounts
        }
        self.settlement = Settlement(
            venue, accounts, self._orders, self._counts, self.instruments, policy, emit
        )
        #: Both may be replaced by faults: what matches new orders, and which ones queries do not find.
        self.match: Match = match_new
        self.is_hidden: Callable[[VenueOrder], bool] = lambda order: False
        #: When the venue last restarted: Bybit's cache of closed orders is empty then.
        self.restarted_ns = 0
        self.modes = ModeChanges(venue, accounts, self._orders, self.instruments, emit)

    # requests

    def place(self, request: Place, now_ns: int, match: Match | None = None) -> VenueOrder:
        """Places an order. Returns it as it is after matching, with its executions. Raises RefusalError.

        match: instead of the usual one.
        """
        with exact():
            return self._place(request, now_ns, match).view()

    def test(self, request: Place, now_ns: int) -> None:
        """Checks an order without placing it. Raises RefusalError."""
        with exact():
            self._check(request, now_ns)

    def cancel(self, request: Cancel, now_ns: int) -> VenueOrder:
        """Cancels an order. Raises RefusalError."""
        with exact():
            return self._cancel(request, now_ns).view()

    def cancel_all(
        self, account: str, symbol: str | None, now_ns: int, reason: EndReason = EndReason.CANCELED
    ) -> list[VenueOrder]:
        """Cancels the open orders of an account, or those of one symbol, in the order in which they were placed."""
        with exact():
            for one in dict.fromkeys(order.symbol for order in self._orders[account].open.values()):
                self._brought_to(one, now_ns)
            orders = [
                order for order in self._orders[account].open.values() if symbol in (None, order.symbol)
            ]
            for order in orders:
                if order.is_open:  # the end of one may have ended others
                    self._end(order, reason, now_ns)
            return [order.view() for order in orders]

    def amend(self, request: Amend, now_ns: int) -> VenueOrder:
        """Changes price or quantity of an open order. Raises RefusalError."""
        with exact():
            return self._amend(request, now_ns).view()

    def replace(self, request: Replace, now_ns: int) -> Replaced:
        """Cancels one order and places another."""
        with exact():
            cancelled = placed = cancel_refusal = place_refusal = None
            try:
                cancelled = self._cancel(request.cancel, now_ns).view()
            except RefusalError as refusal:
                cancel_refusal = refusal
            if cancel_refusal is None or not request.stops_on_failure:
                try:
                    placed = self._place(request.place, now_ns).view()
                except RefusalError as refusal:
                    place_refusal = refusal
            return Replaced(cancelled, cancel_refusal, placed, place_refusal)

    def report_rejection(self, request: Place, reason: Reason, now_ns: int) -> None:
        """Reports a new order that was refused after another one was cancelled for it (Binance spot)."""
        no, quantity = self._ids.next_no(), request.quantity or ZERO
        order = self._new_order(request, no, quantity, now_ns)
        order.status, order.working_ns = OrderStatus.REJECTED, 0
        self._emit(OrderEvent(self.venue, order.account, now_ns, Change.REJECTED, order, reason=reason))

    # queries

    def order(self, named: Named) -> VenueOrder:
        """An order, open or closed. Raises RefusalError."""
        self.instrument(named.symbol)
        with exact():
            order = self._orders[named.account].find(named)
            if self.is_hidden(order):
                raise RefusalError(Reason.UNKNOWN_ORDER)
            return order.view()

    def is_open(self, account: str, order_id: str) -> bool:
        """Whether an order is open."""
        return order_id in self._orders[account].open

    def open_orders(self, account: str, symbol: str | None = None, *, all: bool = False) -> list[VenueOrder]:
        """Open orders, in the order in which they were placed. all: also those that a fault hides from queries."""
        with exact():
            orders = self._orders[account].open.values()
            return [one.view() for one in orders if self._is_shown(one, symbol, all)]

    def closed_orders(
        self, account: str, symbol: str | None = None, last: int | None = None, *, all: bool = False
    ) -> list[VenueOrder]:
        """Closed orders that are kept, in the order in which they ended; of the `last` ones of all symbols.

        all: also those that a fault hides from queries.
        """
        with exact():
            # No copies: a closed order does not change.
            closed = self._orders[account].closed[-last if last else None :]
            return [one for one in closed if self._is_shown(one, symbol, all)]

    def _is_shown(self, order: VenueOrder, symbol: str | None, all: bool) -> bool:
        return symbol in (None, order.symbol) and (all or not self.is_hidden(order))

    def executions(self, account: str, symbol: str | None = None) -> list[Execution]:
        """Executions that are kept, in order."""
        return [one for one in self._orders[account].executions if symbol in (None, one.symbol)]

    def margin(self, account: str) -> Margin:
        """Margin of the perpetuals, at present mark prices."""
        with exact():
            orders = order_values(self._orders[account].open.values())
            return margin_at(self._accounts[account], self.venue, self.instruments, orders)

    def order_counts(self, account: str, now_ns: int) -> dict[str, int]:
        """Orders counted in the present windows, by the window's name."""
        return self._counts[account].present(now_ns)

    def count_order(self, account: str, now_ns: int) -> None:
        """Counts a request that the venue counts as a new order. Raises RefusalError if there were too many."""
        self._check_counts(account, now_ns)
        self._counts[account].add(now_ns)

    def instrument(self, symbol: str) -> Instrument:
        """An instrument. Raises RefusalError."""
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise RefusalError(Reason.UNKNOWN_SYMBOL)
        return instrument

    def _brought_to(self, symbol: str, now_ns: int) -> Instrument:
        """An instrument with its book at the time of a request. Raises RefusalError."""
        instrument = self.instrument(symbol)
        if results := instrument.matcher.advance(now_ns):
            self.settlement.settle(instrument, results, now_ns)
        return instrument

    # placing

    def _check(self, request: Place, now_ns: int) -> tuple[Instrument, Decimal, Decimal, int | None]:
        """All checks of a new order without funds; its quantity, how much of it can be executed, and its bound."""
        instrument = self._brought_to(request.symbol, now_ns)
        rules = instrument.rules
        if request.is_venues:
            quantity = request.quantity or ZERO
            return instrument, quantity, quantity, None
        reference = instrument.reference_price(now_ns)
        if not instrument.matcher.is_ready:
            raise RefusalError(Reason.BOOK_NOT_READY)
        check_order(request, rules, reference)
        if request.price is not None and (
            refused := price_refusal(rules, request.side, request.price, reference)
        ):
            raise RefusalError(refused)
        orders = self._orders[request.account]
        if 0 < rules.max_orders <= len(orders.open):
            resting = sum(1 for order in orders.open.values() if order.symbol == request.symbol)
            if resting >= rules.max_orders:
                raise RefusalError(Reason.TOO_MANY_OPEN_ORDERS)
        self._check_counts(request.account, now_ns)
        self._check_client_id(request.account, request.client_id)
        quantity, most = check_position(request, rules, self._accounts[request.account], self.policy)
        is_market = request.kind is OrderKind.MARKET
        bound = execution_bound(rules, request.side, reference, is_market=is_market)
        if request.quote_quantity is not None:
            value = int(request.quote_quantity // (rules.tick * rules.lot))
            lots = instrument.matcher.estimate(request.side, bound, value=value).lots
            if not lots:
                raise RefusalError(self._nothing_for(request, instrument))
            quantity = most = rules.quantity(lots)
        return instrument, quantity, most, bound

    def _check_counts(self, account: str, now_ns: int) -> None:
        if window := self._counts[account].full(now_ns):
            raise RefusalError(_COUNT_REASONS[window], str(self.policy.order_limits[window]))

    def _check_client_id(self, account: str, client_id: str | None) -> None:
        orders = self._orders[account]
        if client_id and (
            orders.was_used(client_id) if self.policy.client_ids_once else orders.is_open(client_id)
        ):
            raise RefusalError(Reason.DUPLICATE_CLIENT_ID)

    def _nothing_for(self, request: Place, instrument: Instrument) -> Reason:
        bid, ask = instrument.matcher.touch()
        is_empty = (ask if request.side == BUY else bid) is None
        return Reason.NO_LIQUIDITY if is_empty else Reason.QUANTITY_TOO_SMALL

    def _place(self, request: Place, now_ns: int, match: Match | None = None) -> VenueOrder:
        instrument, quantity, most, bound = self._check(request, now_ns)
        rules = instrument.rules
        account = self._accounts[request.account]
        no = self._ids.next_no()
        order = self._new_order(request, no, quantity, now_ns)
        if not request.is_venues:
            self._reserve(order, instrument, bound)
        taking = Order(
            no=no,
            account=account.no,
            group=account.group,
            side=request.side,
            force=Force.IOC if request.kind is OrderKind.MARKET else request.force,
            tick=None if request.price is None else rules.ticks(request.price),
            lots=rules.lots(most),
            prevention=order.prevention,
            arrived_ns=now_ns,
        )
        results = (match or self.match)(instrument, order, taking, now_ns, bound)
        if refused := self._refusal_of(results):
            account.wallet(self.venue).release(no)
            raise RefusalError(refused)
        self._orders[request.account].add(order)
        if not request.is_venues:
            self._counts[request.account].add(now_ns)
        instrument.resting[no] = (order, taking)
        self._emit(OrderEvent(self.venue, order.account, now_ns, Change.NEW, order.view()))
        if self.policy.reports_positions:
            self.settlement.report_account(order, rules, now_ns, assets=())
        self.settlement.settle(instrument, results, now_ns)
        if order.is_open:
            self.settlement.update_lock(instrument, order)
            if self.policy.reports_locks and not order.filled:
                self.settlement.report_account(order, rules, now_ns)
        return order

    def _new_order(self, request: Place, no: int, quantity: Decimal, now_ns: int) -> VenueOrder:
        usual = self.instruments[request.symbol].rules.default_prevention
        order_id = self._ids.order_id(self.venue, no)
        client_id = request.client_id or self._ids.client_id(self.venue, no)
        return new_order(request, self.venue, no, order_id, client_id, usual, quantity, now_ns)

    def _refusal_of(self, results: list[Result]) -> Reason | None:
        """The reason if the venue refuses, instead of ending, an order with these results."""
        if len(results) != 1 or not isinstance(results[0], End):
            return None
        if self.policy.refuses_post_only and results[0].reason is EndReason.WOULD_TAKE:
            return Reason.WOULD_TAKE
        if self.policy.refuses_fok and results[0].reason is EndReason.FOK:
            return Reason.NOT_FILLABLE
        return None

    def _reserve(self, order: VenueOrder, instrument: Instrument, bound: int | None) -> None:
        """Locks the funds of a new order on spot; checks the margin of one on perpetuals. Raises RefusalError."""
        rules = instrument.rules
        account = self._accounts[order.account]
        if not rules.is_spot:
            price = order.price
            if price is None:
                worst = instrument.matcher.estimate(order.side, bound, lots=rules.lots(order.quantity)).tick
                price = ZERO if worst is None else rules.price(worst)
            open_orders = self._orders[order.account].open.values()
            check_margin(account, self.venue, order, price, self.instruments, open_orders)
            return
        if order.side != BUY or order.kind is OrderKind.LIMIT:
            asset, amount = self.settlement.lock_of(rules, order)
        else:
            estimate = instrument.matcher.estimate(order.side, bound, lots=rules.lots(order.quantity))
            value = order.quote_quantity or estimate.value * rules.tick * rules.lot
            quantity = rules.quantity(estimate.lots)
            asset, amount = rules.quote, purchase_lock(account, rules, quantity, value)
        self._lock(order, asset, amount)

    def _lock(self, order: VenueOrder, asset: str, amount: Decimal) -> None:
        try:
            self._accounts[order.account].wallet(self.venue).lock(order.no, asset, amount)
        except ShortfallError:
            raise RefusalError(Reason.INSUFFICIENT_BALANCE) from None

    # ending and changing

    def _cancel(self, request: Cancel, now_ns: int) -> VenueOrder:
        self._brought_to(request.symbol, now_ns)
        order = self._orders[request.account].find_open(request)
        if request.only_unfilled is not None and request.only_unfilled == bool(order.filled):
            raise RefusalError(Reason.CANCEL_RESTRICTION)
        order.cancel_id = request.request_id or ""
        self._end(order, EndReason.CANCELED, now_ns)
        return order

    def _end(self, order: VenueOrder, reason: EndReason, now_ns: int) -> None:
        instrument = self.instruments[order.symbol]
        _, resting = instrument.resting[order.no]
        if not instrument.matcher.cancel(resting, now_ns):
            raise InvariantError(f"order {order.no} is open and does not rest")
        self.settlement.end(instrument, order, reason, now_ns)

    def _amend(self, request: Amend, now_ns: int) -> VenueOrder:
        instrument = self._brought_to(request.symbol, now_ns)
        rules = instrument.rules
        order = self._orders[request.account].find_open(request)
        _, resting = instrument.resting[order.no]
        price = order.price if request.price is None else request.price
        quantity = order.quantity if request.quantity is None else request.quantity
        if order.kind is OrderKind.MARKET or price is None:
            raise RefusalError(Reason.NOT_AMENDABLE)
        if price == order.price and quantity == order.quantity:
            raise RefusalError(Reason.NO_CHANGE)
        if request.keeps_place and not order.filled < quantity < order.quantity:
            raise RefusalError(Reason.QUANTITY_NOT_SMALLER)
        check_price(price, rules)
        check_quantity(quantity, rules, is_market=False)
        if not order.reduce_only:
            check_value(price * quantity, rules, is_market=False)
        reference = instrument.reference_price(now_ns)
        if refused := price_refusal(rules, order.side, price, reference):
            raise RefusalError(refused)
        if request.new_client_id not in (None, order.client_id):
            self._check_client_id(order.account, request.new_client_id)
        order.executions = ()
        is_used_up = quantity <= order.filled + order.prevented
        if not is_used_up:
            self._reserve_change(order, instrument, price, quantity)
        if request.new_client_id not in (None, order.client_id):
            self._orders[order.account].rename(order, request.new_client_id or "")
        if is_used_up:
            self._end(order, EndReason.AMENDED_BELOW_FILL, now_ns)
            return order
        keeps_place = self.policy.keeps_place and price == order.price and quantity < order.quantity
        order.price, order.quantity, order.updated_ns = price, quantity, now_ns
        order.amendments += 1
        if request.extra is not None:
            order.extra = request.extra
        self._emit(OrderEvent(self.venue, order.account, now_ns, Change.AMENDED, order.view()))
        bound = execution_bound(rules, order.side, reference, is_market=False)
        results = instrument.matcher.amend(
            resting, rules.ticks(price), rules.lots(quantity), now_ns, keeps_place=keeps_place, bound=bound
        )
        self.settlement.settle(instrument, results, now_ns)
        if order.is_open:
            self.settlement.update_lock(instrument, order)
            if not order.executions:
                self._report_change(order, instrument, now_ns)
        return order

    def _report_change(self, order: VenueOrder, instrument: Instrument, now_ns: int) -> None:
        if self.policy.reports_locks:
            self.settlement.report_account(order, instrument.rules, now_ns)
        elif self.policy.reports_positions:
            self.settlement.report_account(order, instrument.rules, now_ns, assets=())

    def _reserve_change(
        self, order: VenueOrder, instrument: Instrument, price: Decimal, quantity: Decimal
    ) -> None:
        """Locks what the order needs more than before, or checks the margin. Raises RefusalError."""
        rules = instrument.rules
        account = self._accounts[order.account]
        later = order.view()
        later.price, later.quantity = price, quantity
        if not rules.is_spot:
            others = (one for one in self._orders[order.account].open.values() if one is not order)
            check_margin(account, self.venue, later, price, self.instruments, others)
            return
        wallet = account.wallet(self.venue)
        asset, needed = self.settlement.lock_of(rules, later)
        more = needed - wallet.locked_by(order.no)
        if more > 0:
            self._lock(order, asset, more)
