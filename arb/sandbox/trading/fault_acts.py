"""Faults that do something to accounts at once: what their owners do by hand, and what venues do to them. Pure.

Every act gives its outcome as plain values for the fault log. One that the venue would refuse changes nothing; its
outcome has `refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import PLACES, ZERO, exact, plain, rounded
from arb.sandbox.accounts.keys import KeyRing
from arb.sandbox.accounts.liquidation import Forced
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import BUY, SELL
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.matching.orders import End, EndReason, Force, Order, Result
from arb.sandbox.matching.prevention import meet
from arb.sandbox.trading.delivery import Outbox
from arb.sandbox.trading.desk import Desk
from arb.sandbox.trading.events import Event, MarginCallEvent
from arb.sandbox.trading.forced_closings import ForcedClosings
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import OrderKind, Place, RefusalError
from connectors.units import MILLISECOND, SECOND

Outcome = dict[str, Any]
_ANNOUNCED = (FaultKind.DELISTED, FaultKind.MAINTENANCE)
_OF_RULES = (FaultKind.FILTER_CHANGED, FaultKind.CANCEL_ONLY, *_ANNOUNCED)


class FaultActs:
    """See the module."""

    def __init__(
        self,
        desks: Mapping[str, Desk],
        accounts: Mapping[str, Mapping[str, Account]],
        keys: KeyRing,
        outbox: Outbox,
        closings: ForcedClosings,
        emit: Callable[[Event], None],
    ) -> None:
        """accounts: by house and id. Events of an act are emitted; the caller sends them."""
        self._desks = desks
        self._accounts = accounts
        self._keys = keys
        self._outbox = outbox
        self._closings = closings
        self._emit = emit
        self._made = 0
        #: Values of attributes that faults change, by owner and name, and by number of the change; 0: without one.
        self._held: dict[tuple[int, str], dict[int, object]] = {}
        self._acts: dict[FaultKind, Callable[[Fault, Desk, Account, int], Iterator[Outcome]]] = {
            FaultKind.KEY_REVOKED: self._revoke_keys,
            FaultKind.SELF_TRADE: self._self_trade,
            FaultKind.LIQUIDATE: self._liquidate,
            FaultKind.ADL: self._liquidate,
            FaultKind.FOREIGN_ORDER: self._foreign_order,
            FaultKind.TRANSFER: self._transfer,
            FaultKind.MODE_SWITCHED: self._switch_mode,
            FaultKind.MARGIN_CALL: self._margin_call,
        }

    def account(self, venue: str, account: str) -> Account:
        """An account at the house of a venue."""
        return self._accounts[venue.partition("_")[0]][account]

    def accounts_of(self, fault: Fault) -> Iterator[tuple[str, Account]]:
        """The accounts that a fault is about, with their venues."""
        for venue, desk in self._desks.items():
            for account in self._accounts[venue.partition("_")[0]].values():
                if desk.instruments and fault.concerns(venue, account.id):
                    yield venue, account

    def carry_out(self, fault: Fault, now_ns: int) -> Iterator[tuple[str, Outcome]]:
        """Does what a fault says; yields the venue and the outcome of each act."""
        if fault.kind in _OF_RULES:
            for venue, desk in self._desks.items():
                for symbol, instrument in desk.instruments.items():
                    if fault.is_about(venue) and fault.concerns(venue, fault.account, symbol):
                        yield venue, self._change_rules(fault, instrument, now_ns)
            return
        act = self._acts[fault.kind]
        for venue, account in self.accounts_of(fault):
            try:
                for outcome in act(fault, self._desks[venue], account, now_ns):
                    yield venue, {"account": account.id, **outcome}
            except RefusalError as refusal:
                yield venue, {"account": account.id, "refused": refusal.reason.name}

    # by the venue

    def _change_rules(self, fault: Fault, instrument: Instrument, now_ns: int) -> Outcome:
        field, value = fault.field, fault.value
        if fault.kind is FaultKind.CANCEL_ONLY:
            self._hold(instrument.rules, "is_open", False, fault.duration_s, now_ns)
        elif fault.kind in _ANNOUNCED:
            return self._announce(fault, instrument, now_ns)
        else:
            new = int(value) if field == "max_orders" else Decimal(value)
            self._hold(instrument.rules, field, new, fault.duration_s, now_ns)
        shown = {"field": field, "value": value} if field else {}
        return {"symbol": instrument.rules.symbol, **shown, "duration_s": fault.duration_s}

    def _announce(self, fault: Fault, instrument: Instrument, now_ns: int) -> Outcome:
        """Says when a symbol will not be traded any more; then that is so."""
        rules, closes_ns = instrument.rules, now_ns + round(fault.notice_s * SECOND)
        opens_ns = closes_ns + round(fault.duration_s * SECOND)
        span_s = fault.duration_s and fault.notice_s + fault.duration_s
        if fault.kind is FaultKind.MAINTENANCE:
            span = closes_ns // MILLISECOND, opens_ns // MILLISECOND
            self._hold(rules, "maintenance_ms", span, span_s, now_ns)
        elif not rules.is_spot:
            self._hold(rules, "closes_ms", closes_ns // MILLISECOND, span_s, now_ns)
        self._outbox.put(
            closes_ns, lambda at_ns: self._hold(rules, "is_open", False, fault.duration_s, at_ns)
        )
        return {"symbol": rules.symbol, "notice_s": fault.notice_s, "duration_s": fault.duration_s}

    def _revoke_keys(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        keys = [key for key in self._keys.of_account(account.id) if key.house == account.house]
        for key in keys:
            self._hold(key, "is_revoked", True, fault.duration_s, now_ns)
        yield {"keys": len(keys), "duration_s": fault.duration_s}

    def _hold(self, owner: object, name: str, value: object, span_s: float, now_ns: int) -> None:
        """Changes an attribute for a time, for ever if 0; of several faults the last one that began has effect."""
        values = self._held.setdefault((id(owner), name), {0: getattr(owner, name)})
        values[no := max(values) + 1] = value
        setattr(owner, name, value)

        def end(_: int) -> None:
            del values[no]
            setattr(owner, name, [*values.values()][-1])

        if span_s:
            self._outbox.put(now_ns + round(span_s * SECOND), end)

    def _liquidate(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        forced = Forced.ADL if fault.kind is FaultKind.ADL else Forced.LIQUIDATION
        positions = [
            one
            for one in desk.margin(account.id).positions
            if one.quantity and fault.concerns(desk.venue, account.id, one.symbol)
        ]
        share = 1.0 if fault.share is None else fault.share
        for order in self._closings.close(desk, account, positions, forced, now_ns, share):
            yield _placed(order)

    def _margin_call(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        margin = desk.margin(account.id)
        positions = tuple(
            (account.positions.view(one.symbol, one.side, one.mark), one.maintenance, one.unrealized)
            for one in margin.positions
            if one.quantity and fault.concerns(desk.venue, account.id, one.symbol)
        )
        if positions:
            self._emit(MarginCallEvent(desk.venue, account.id, now_ns, margin.cross_wallet, positions))
            yield {"symbols": [position.symbol for position, _, _ in positions]}

    # by the owner's hand

    def _foreign_order(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        side = BUY if fault.side == "buy" else SELL
        for symbol, instrument in desk.instruments.items():
            best = instrument.touch()[0 if side == BUY else 1]
            if not fault.concerns(desk.venue, account.id, symbol) or best is None:
                continue
            tick = instrument.rules.tick
            away = best * Decimal(repr(fault.price_bps)) / 10_000
            price = best + away if side == BUY else best - away
            place = Place(
                account=account.id,
                symbol=symbol,
                side=side,
                kind=OrderKind.LIMIT,
                force=Force.GTC,
                price=price - price % tick,
                quantity=fault.quantity,
                client_id=self._by_hand(account),
                position_side=_opened(account, instrument, side),
            )
            try:
                yield _placed(desk.place(place, now_ns))
            except RefusalError as refusal:
                yield {"symbol": symbol, "refused": refusal.reason.name}

    def _self_trade(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        resting = next(
            (
                order
                for order in desk.open_orders(account.id, all=True)
                if order.price is not None and fault.concerns(desk.venue, account.id, order.symbol)
            ),
            None,
        )
        if resting is None:
            return
        rules = desk.instruments[resting.symbol].rules
        part = resting.left * Decimal(repr(1.0 if fault.share is None else fault.share))

        def meet(
            instrument: Instrument, order: VenueOrder, taking: Order, at_ns: int, bound: int | None
        ) -> list[Result]:
            return _meet(instrument, instrument.resting[resting.no][1], taking, at_ns, bound)

        place = Place(
            account=account.id,
            symbol=resting.symbol,
            side=1 - resting.side,
            kind=OrderKind.LIMIT,
            force=Force.IOC,
            price=resting.price,
            quantity=max(rules.lot, part - part % rules.lot),
            client_id=self._by_hand(account),
            position_side=resting.position_side,
        )
        taken = desk.place(place, now_ns, meet)
        yield {**_placed(taken), "resting_order_id": resting.order_id, "prevented": plain(taken.prevented)}

    def _transfer(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        with exact():
            amount, wallet = fault.quantity, account.wallet(desk.venue)
            free = wallet.free(fault.asset)
            if wallet.is_margin and account.positions.open_positions():
                margin = desk.margin(account.id)
                free = min(free, rounded(margin.available, PLACES, ROUND_DOWN))
            amount = max(amount, -max(ZERO, free))
            if amount:
                desk.settlement.transfer(account.id, fault.asset, amount, now_ns)
            yield {"asset": fault.asset, "quantity": plain(amount)}

    def _switch_mode(self, fault: Fault, desk: Desk, account: Account, now_ns: int) -> Iterator[Outcome]:
        modes, value = desk.modes, fault.value
        symbols = [symbol for symbol in desk.instruments if fault.concerns(desk.venue, account.id, symbol)]
        if all(desk.instruments[symbol].rules.is_spot for symbol in symbols):
            return
        if fault.field == "leverage":
            for symbol in symbols:
                modes.set_leverage(account.id, symbol, int(value), now_ns)
        elif fault.field == "position_mode":
            modes.set_hedge(account.id, value == "hedge")
        elif fault.field == "multi_assets":
            modes.set_multi_assets(account.id, value == "on", now_ns)
        elif account.house == "binance":
            for symbol in symbols:
                modes.set_margin_type(account.id, symbol, value)
        else:
            name = "ISOLATED_MARGIN" if value == "isolated" else "REGULAR_MARGIN"
            modes.set_margin_mode(account.id, name)
        yield {"field": fault.field, "value": value}

    def _by_hand(self, account: Account) -> str | None:
        """A client id as the venue's own page makes it."""
        self._made += 1
        return f"web_{self._made:018x}" if account.house == "binance" else None


def _meet(instrument: Instrument, maker: Order, taker: Order, at_ns: int, bound: int | None) -> list[Result]:
    """Executes an order against one resting order, whatever else is in the book, or prevents that by its mode."""
    matcher = instrument.matcher
    if maker.tick is None or not matcher.cancel(maker, at_ns):  # it was executed in the meantime
        return matcher.place(taker, at_ns, bound)
    results = meet(taker, maker, maker.tick, at_ns, matcher.next_match_no)
    if maker.left:
        results += matcher.place(maker, at_ns)
    if taker.left:
        results.append(End(taker, EndReason.IOC_REST, at_ns))
    return results


def _opened(account: Account, instrument: Instrument, side: int) -> PositionSide:
    """The position that an order opens."""
    if instrument.rules.is_spot or not account.modes.is_hedge:
        return PositionSide.BOTH
    return PositionSide.LONG if side == BUY else PositionSide.SHORT


def _placed(order: VenueOrder) -> Outcome:
    return {
        "symbol": order.symbol,
        "order": order.client_id,
        "order_id": order.order_id,
        "filled": plain(order.filled),
    }
