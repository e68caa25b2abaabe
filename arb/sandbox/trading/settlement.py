"""Results of matching become entries of the ledger, positions, states of orders and events. Pure.

Whoever calls enters `amounts.exact` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import ZERO, rounded
from arb.sandbox.accounts.fees import fee_of, lock_of, purchase_lock
from arb.sandbox.accounts.funding_payments import payment
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.positions import PositionView
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.accounts.wallet import AssetView
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import End, EndReason, Fill, Prevented, Prevention, Result
from arb.sandbox.trading.account_orders import AccountOrders
from arb.sandbox.trading.events import AccountEvent, Cause, Change, Event, OrderEvent, TransferEvent
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.order_counts import OrderCounts
from arb.sandbox.trading.order_state import Execution, ExecutionKind, OrderStatus, VenueOrder
from arb.sandbox.trading.policy import Policy
from arb.sandbox.trading.requests import OrderKind

_STATUS = {
    EndReason.CANCELED: OrderStatus.CANCELED,
    EndReason.DEAD_MAN: OrderStatus.CANCELED,
    EndReason.AMENDED_BELOW_FILL: OrderStatus.CANCELED,
}


class Settlement:
    """The settlement of one venue."""

    def __init__(
        self,
        venue: str,
        accounts: Mapping[str, Account],
        orders: Mapping[str, AccountOrders],
        counts: Mapping[str, OrderCounts],
        instruments: Mapping[str, Instrument],
        policy: Policy,
        emit: Callable[[Event], None],
    ) -> None:
        self._venue = venue
        self._accounts = accounts
        self._orders = orders
        self._counts = counts
        self._instruments = instruments
        self._policy = policy
        self._emit = emit
        self._funding_no = 0

    def settle(self, instrument: Instrument, results: Sequence[Result], now_ns: int) -> None:
        """Applies the results in their order, then limits reduce-only orders to the positions that are left."""
        changed: set[str] = set()
        for result in results:
            orders = (result.taker, result.maker) if isinstance(result, Prevented) else (result.order,)
            if any(one.no not in instrument.resting for one in orders):
                continue  # ended before, with its position
            if isinstance(result, Prevented):
                self._prevented(instrument, result, now_ns)
            elif isinstance(result, Fill):
                changed.add(self._fill_to_position(instrument, result, now_ns))
            else:
                self._end(instrument, result, now_ns)
        if not instrument.rules.is_spot:
            for account in sorted(changed):
                self.limit_reduce_only(instrument, account, now_ns)

    def end(self, instrument: Instrument, order: VenueOrder, reason: EndReason, now_ns: int) -> None:
        """Ends an order that the matcher no longer has."""
        instrument.resting.pop(order.no, None)
        order.status = _STATUS.get(reason, OrderStatus.EXPIRED)
        order.end_reason = reason
        order.updated_ns = now_ns
        wallet = self._accounts[order.account].wallet(self._venue)
        released = wallet.release(order.no)
        self._orders[order.account].close(order)
        change = Change.CANCELED if order.status is OrderStatus.CANCELED else Change.EXPIRED
        self._emit(OrderEvent(self._venue, order.account, now_ns, change, order.view()))
        if released and self._policy.reports_locks:
            self.report_account(order, instrument.rules, now_ns)
        elif self._policy.reports_positions:
            self.report_account(order, instrument.rules, now_ns, assets=())

    def update_lock(self, instrument: Instrument, order: VenueOrder) -> None:
        """Releases what an order no longer needs."""
        if order.kind is OrderKind.MARKET or not instrument.rules.is_spot:
            return
        wallet = self._accounts[order.account].wallet(self._venue)
        spare = wallet.locked_by(order.no) - self.lock_of(instrument.rules, order)[1]
        if spare > 0:
            wallet.release(order.no, spare)

    def lock_of(self, rules: InstrumentRules, order: VenueOrder) -> tuple[str, Decimal]:
        """(asset, amount) of funds that an open limit order of spot needs."""
        account = self._accounts[order.account]
        return lock_of(account, rules, order.side, order.left, order.price or ZERO)

    def report_account(
        self,
        order: VenueOrder,
        rules: InstrumentRules,
        now_ns: int,
        *,
        cause: Cause = Cause.ORDER,
        assets: Sequence[str] | None = None,
        has_positions: bool = True,
    ) -> None:
        """Emits the balances and the position that an order concerns. `assets`: by default base and quote."""
        names = (rules.base, rules.quote) if assets is None else assets
        positions: tuple[PositionView, ...] = ()
        if not rules.is_spot and has_positions:
            positions = (self.position_view(order.account, rules.symbol, order),)
        views = self.asset_views(order.account, dict.fromkeys(names))
        isolated = self._accounts[order.account].positions.isolated_margin()
        self._emit(
            AccountEvent(self._venue, order.account, now_ns, cause, views, positions, isolated=isolated)
        )

    def asset_views(self, account: str, names: Mapping[str, object] | Sequence[str]) -> tuple[AssetView, ...]:
        """Balances of some assets."""
        wallet = self._accounts[account].wallet(self._venue)
        return tuple(wallet.view(name) for name in names if name)

    def position_view(self, account: str, symbol: str, order: VenueOrder) -> PositionView:
        """The position that an order concerns."""
        one = self._accounts[account]
        mark = self._instruments[symbol].mark or ZERO
        return one.positions.view(symbol, order.position_side, mark)

    def limit_reduce_only(self, instrument: Instrument, account: str, now_ns: int) -> None:
        """Cuts the resting orders of an account that only reduce to its position; ends those without one."""
        for order, resting in list(instrument.resting.values()):
            if order.account != account or not order.only_reduces:
                continue
            most = instrument.rules.lots(self._reducible(order))
            if most == 0:
                instrument.matcher.cancel(resting, now_ns)
                self.end(instrument, order, EndReason.REDUCED, now_ns)
            elif most < resting.left:
                lots = resting.filled + resting.prevented + most
                results = instrument.matcher.amend(resting, resting.tick or 0, lots, now_ns, keeps_place=True)
                if self._policy.cuts_reduce_only:
                    order.quantity = instrument.rules.quantity(lots)
                self.settle(instrument, results, now_ns)

    def pay_funding(self, instrument: Instrument, rate: Decimal, due_ns: int, now_ns: int) -> None:
        """Pays funding of all positions in an instrument, at its mark price."""
        rules, mark = instrument.rules, instrument.mark
        if mark is None:
            return
        instrument.funded_ns = due_ns
        for account in self._accounts.values():
            for position in account.positions.open_positions():
                if position.symbol != rules.symbol:
                    continue
                amount = payment(position, mark, rate)
                wallet = account.wallet(self._venue)
                self._funding_no += 1
                changes = [(rules.settle, amount, EntryCause.FUNDING)]
                account.ledger.post(wallet, due_ns, self._venue, changes, rules.symbol)
                execution = Execution(
                    account=account.id,
                    venue=self._venue,
                    symbol=rules.symbol,
                    trade_id=self._funding_no,
                    order_id="",
                    client_id="",
                    kind=ExecutionKind.FUNDING,
                    side=BUY if position.quantity > 0 else SELL,
                    position_side=position.side,
                    price=mark,
                    quantity=abs(position.quantity),
                    value=mark * abs(position.quantity),
                    is_maker=False,
                    at_ns=due_ns,
                    fee=-amount,
                    fee_asset=rules.settle,
                    fee_rate=rate,
                )
                self._orders[account.id].executions.append(execution)
                assets = (wallet.view(rules.settle, amount),)
                views = (account.positions.view(rules.symbol, position.side, mark),)
                self._emit(
                    AccountEvent(
                        self._venue,
                        account.id,
                        now_ns,
                        Cause.FUNDING,
                        assets,
                        views,
                        rules.symbol,
                        execution,
                        account.positions.isolated_margin(),
                    )
                )

    def transfer(self, account: str, asset: str, amount: Decimal, now_ns: int) -> None:
        """An amount comes into an account, or leaves it (negative). Raises InvariantError if it is not there."""
        one = self._accounts[account]
        changes = [(asset, amount, EntryCause.TRANSFER)]
        one.ledger.post(one.wallet(self._venue), now_ns, self._venue, changes)
        self._emit(TransferEvent(self._venue, account, now_ns, asset, amount))
        self.report_balance(account, asset, amount, Cause.TRANSFER, now_ns)

    def report_balance(self, account: str, asset: str, changed: Decimal, cause: Cause, now_ns: int) -> None:
        """Emits one balance, which changed without a trade."""
        one = self._accounts[account]
        views = (one.wallet(self._venue).view(asset, changed),)
        isolated = one.positions.isolated_margin()
        self._emit(AccountEvent(self._venue, account, now_ns, cause, views, isolated=isolated))

    def _reducible(self, order: VenueOrder) -> Decimal:
        """How much of its position an order can close."""
        held = self._accounts[order.account].positions.get(order.symbol, order.position_side).quantity
        return max(ZERO, -held if order.side == BUY else held)

    def _fill_to_position(self, instrument: Instrument, fill: Fill, now_ns: int) -> str:
        """A fill, but of an order that only reduces no more than its position: one row can fill several of them.

        Returns the account.
        """
        order, resting = instrument.resting[fill.order.no]
        most = instrument.rules.lots(self._reducible(order)) if order.only_reduces else fill.lots
        if most:
            self._fill(instrument, fill._replace(lots=min(fill.lots, most)), now_ns)
        # What was cut from it before cannot be executed either.
        is_done = not resting.left and order.left and instrument.rules.lots(order.filled) == resting.filled
        if most < fill.lots or (order.only_reduces and not resting.prevented and is_done):
            instrument.matcher.cancel(resting, now_ns)
            self.end(instrument, order, EndReason.REDUCED, now_ns)
        return order.account

    def _fill(self, instrument: Instrument, fill: Fill, now_ns: int) -> None:
        rules = instrument.rules
        order = instrument.resting[fill.order.no][0]
        price, quantity = rules.price(fill.tick), rules.quantity(fill.lots)
        value = rounded(price * quantity)
        account = self._accounts[order.account]
        if order.filled == 0:
            self._counts[order.account].give_back(order.created_ns, now_ns)
        order.filled += quantity
        order.value += value
        order.updated_ns = now_ns
        is_filled = order.filled + order.prevented >= order.quantity
        order.status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
        wallet = account.wallet(self._venue)
        # Before the release: what is being sold cannot pay the fee.
        price_of = partial(self._price_of, quote=rules.quote)
        fee, asset, rate = fee_of(account, rules, order.side, quantity, value, fill.is_maker, price_of)
        self._release(instrument, order, quantity, value)
        sign = 1 if order.side == BUY else -1
        realized = closed = ZERO
        changes = [(asset, -fee, EntryCause.FEE)] if fee else []
        if rules.is_spot:
            changes = [
                (rules.base, sign * quantity, EntryCause.TRADE_BASE),
                (rules.quote, -sign * value, EntryCause.TRADE_QUOTE),
                *changes,
            ]
        else:
            positions = account.positions
            held = positions.get(order.symbol, order.position_side).quantity
            closed = min(quantity, abs(held)) if held * sign < 0 else ZERO
            realized = positions.apply(order.symbol, order.position_side, sign * quantity, price, fill.at_ns)
            if realized:
                changes = [(rules.settle, realized, EntryCause.REALIZED), *changes]
        account.ledger.post(wallet, now_ns, self._venue, changes, order.symbol, order.order_id, fill.match_no)
        if fee:
            order.fees = {**order.fees, asset: order.fees.get(asset, ZERO) + fee}
        execution = Execution(
            account=order.account,
            venue=self._venue,
            symbol=order.symbol,
            trade_id=fill.match_no,
            order_id=order.order_id,
            client_id=order.client_id,
            kind=_KINDS.get(order.extra.get("venue_order", ""), ExecutionKind.TRADE),
            side=order.side,
            position_side=order.position_side,
            price=price,
            quantity=quantity,
            value=value,
            is_maker=fill.is_maker,
            at_ns=fill.at_ns,
            fee=fee,
            fee_asset=asset,
            fee_rate=rate,
            realized=realized,
            left=order.left,
            closed=closed,
        )
        order.executions += (execution,)
        orders = self._orders[order.account]
        orders.executions.append(execution)
        if is_filled:
            instrument.resting.pop(order.no)
            orders.close(order)
        self._report_fill(instrument, order, execution, now_ns, [name for name, _, _ in changes])

    def _release(self, instrument: Instrument, order: VenueOrder, quantity: Decimal, value: Decimal) -> None:
        """Releases what an order no longer needs, after a quantity of it was executed or prevented."""
        rules, account = instrument.rules, self._accounts[order.account]
        wallet = account.wallet(self._venue)
        if not order.left:
            wallet.release(order.no)
        elif order.kind is OrderKind.MARKET and rules.is_spot:
            share = quantity
            if order.side == BUY:
                share = purchase_lock(account, rules, quantity, value)
            wallet.release(order.no, share)
        else:
            self.update_lock(instrument, order)

    def _report_fill(
        self,
        instrument: Instrument,
        order: VenueOrder,
        execution: Execution,
        now_ns: int,
        assets: Sequence[str],
    ) -> None:
        is_venues = execution.kind is not ExecutionKind.TRADE
        change = Change.CALCULATED if is_venues else Change.TRADE
        cause = _CAUSES.get(execution.kind, Cause.ORDER)
        event = OrderEvent(self._venue, order.account, now_ns, change, order.view(), execution)
        if not self._policy.is_account_first:
            self._emit(event)
        self.report_account(order, instrument.rules, now_ns, cause=cause, assets=list(dict.fromkeys(assets)))
        if self._policy.is_account_first:
            self._emit(event)

    def _prevented(self, instrument: Instrument, result: Prevented, now_ns: int) -> None:
        taker = instrument.resting[result.taker.no][0]
        maker = instrument.resting[result.maker.no][0]
        lots = instrument.rules.quantity(result.lots)
        is_decrement = result.taker.prevention in (Prevention.DECREMENT, Prevention.TRANSFER)
        for order, other, moved in ((taker, maker, result.taker), (maker, taker, result.maker)):
            before = order.prevented
            # The matcher's order is already ahead of this result: a taker can meet several orders.
            order.prevented = before + lots if is_decrement else instrument.rules.quantity(moved.prevented)
            order.prevented_match = (result.maker.no, other.order_id, other.account, lots)
            order.updated_ns = now_ns
            is_smaller = order.prevented > before and order.left > 0
            if result.is_transfer or is_smaller:
                self._release(instrument, order, lots, instrument.rules.price(result.tick) * lots)
            if result.is_transfer:
                self._transfer_prevented(instrument, order, result, now_ns)
            if is_smaller:
                self._emit(OrderEvent(self._venue, order.account, now_ns, Change.PREVENTED, order.view()))

    def _transfer_prevented(
        self, instrument: Instrument, order: VenueOrder, result: Prevented, now_ns: int
    ) -> None:
        """One account's part of what TRANSFER moves between two: the prevented quantity for its value, without fees."""
        rules, account = instrument.rules, self._accounts[order.account]
        quantity, sign = rules.quantity(result.lots), 1 if order.side == BUY else -1
        changes = [
            (rules.base, sign * quantity, EntryCause.TRANSFER),
            (rules.quote, -sign * rounded(rules.price(result.tick) * quantity), EntryCause.TRANSFER),
        ]
        wallet = account.wallet(self._venue)
        account.ledger.post(wallet, now_ns, self._venue, changes, order.symbol, order.order_id)
        self.report_account(order, rules, now_ns)

    def _end(self, instrument: Instrument, result: End, now_ns: int) -> None:
        self.end(instrument, instrument.resting[result.order.no][0], result.reason, now_ns)

    def _price_of(self, asset: str, quote: str) -> Decimal | None:
        """The last price of an asset here, in units of `quote`, for fees in BNB."""
        if asset == quote:
            return Decimal(1)
        for instrument in self._instruments.values():
            if (instrument.rules.base, instrument.rules.quote) == (asset, quote):
                return instrument.last_price
        return None


_KINDS = {"liquidation": ExecutionKind.LIQUIDATION, "adl": ExecutionKind.ADL}
_CAUSES = {ExecutionKind.LIQUIDATION: Cause.LIQUIDATION, ExecutionKind.ADL: Cause.ADL}
