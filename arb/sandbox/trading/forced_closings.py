"""Positions that the venue closes: liquidation when the maintenance margin is reached, and ADL. Pure.

A model: orders of the symbols are cancelled, then a market order with the venue's own id closes the position at the
prices of the book. What it cannot execute remains until the next check. Binance charges the instrument's liquidation
fee; what an account without positions owes afterwards is paid by the insurance fund.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import PLACES, ZERO, exact, rounded
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.liquidation import Forced, closing_id, due
from arb.sandbox.accounts.margin import PositionMargin
from arb.sandbox.events import BUY, SELL
from arb.sandbox.matching.orders import EndReason, Force
from arb.sandbox.trading.desk import Desk
from arb.sandbox.trading.events import Cause
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import OrderKind, Place
from connectors.units import MILLISECOND, SECOND

#: Positions are checked at most this often.
_CHECK_NS = SECOND
_KINDS = {Forced.LIQUIDATION: "liquidation", Forced.ADL: "adl"}


class ForcedClosings:
    """See the module; of all venues with positions."""

    def __init__(self, desks: Mapping[str, Desk], accounts: Mapping[str, Mapping[str, Account]]) -> None:
        """accounts: by house and id."""
        self._desks = [
            desk for desk in desks.values() if any(not one.rules.is_spot for one in desk.instruments.values())
        ]
        self._accounts = accounts
        self._checked_ns = 0

    def check(self, now_ns: int) -> None:
        """Liquidates the positions whose maintenance margin is reached; at most once a second.

        Before every position has a mark price, as at the start, nothing is known about an account's margin.
        """
        if now_ns - self._checked_ns < _CHECK_NS:
            return
        self._checked_ns = now_ns
        for desk in self._desks:
            for account in self._accounts[desk.venue.partition("_")[0]].values():
                held = account.positions.open_positions()
                has_marks = all(
                    one.symbol not in desk.instruments or desk.instruments[one.symbol].mark is not None
                    for one in held
                )
                if held and has_marks and (positions := due(desk.margin(account.id))):
                    self.close(desk, account, positions, Forced.LIQUIDATION, now_ns)

    def close(
        self,
        desk: Desk,
        account: Account,
        positions: Sequence[PositionMargin],
        forced: Forced,
        now_ns: int,
        share: float = 1.0,
    ) -> list[VenueOrder]:
        """Closes a share of each position with an order of the venue."""
        for symbol in dict.fromkeys(one.symbol for one in positions):
            desk.cancel_all(account.id, symbol, now_ns, EndReason.LIQUIDATION)
        orders = []
        with exact():
            for position in positions:
                rules = desk.instruments[position.symbol].rules
                part = abs(position.quantity) * Decimal(repr(share))
                place = Place(
                    account=account.id,
                    symbol=position.symbol,
                    side=SELL if position.quantity > 0 else BUY,
                    kind=OrderKind.MARKET,
                    force=Force.IOC,
                    quantity=max(rules.lot, part - part % rules.lot),
                    client_id=closing_id(account.house, forced, now_ns // MILLISECOND),
                    position_side=position.side,
                    is_venues=True,
                    extra={"venue_order": _KINDS[forced]},
                )
                orders.append(desk.place(place, now_ns))
                if forced is Forced.LIQUIDATION:
                    self._charge(desk, account, orders[-1], now_ns)
        return orders

    def _charge(self, desk: Desk, account: Account, order: VenueOrder, now_ns: int) -> None:
        rules = desk.instruments[order.symbol].rules
        wallet, asset = account.wallet(desk.venue), rules.settle
        fee = rounded(order.value * rules.liquidation_fee, PLACES, ROUND_DOWN)
        changes = [(asset, -fee, EntryCause.LIQUIDATION_FEE)]
        owed = -(wallet.total(asset) - fee)
        if owed > 0 and not account.positions.open_positions():
            changes.append((asset, owed, EntryCause.INSURANCE))
        if posted := account.ledger.post(wallet, now_ns, desk.venue, changes, order.symbol, order.order_id):
            changed = sum((entry.amount for entry in posted), ZERO)
            desk.settlement.report_balance(account.id, asset, changed, Cause.LIQUIDATION, now_ns)
