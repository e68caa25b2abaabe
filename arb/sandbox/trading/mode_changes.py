"""Changes of an account's settings for perpetuals, with the conditions under which a venue refuses them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import ZERO, exact
from arb.sandbox.accounts.margin import order_values
from arb.sandbox.accounts.modes import ISOLATED
from arb.sandbox.trading.account_orders import AccountOrders
from arb.sandbox.trading.events import ConfigEvent, Event
from arb.sandbox.trading.instrument import Instrument
from arb.sandbox.trading.margin_checks import margin_at
from arb.sandbox.trading.requests import Reason, RefusalError


class ModeChanges:
    """The settings at one venue. Every method raises RefusalError, and changes nothing then."""

    def __init__(
        self,
        venue: str,
        accounts: Mapping[str, Account],
        orders: Mapping[str, AccountOrders],
        instruments: Mapping[str, Instrument],
        emit: Callable[[Event], None],
    ) -> None:
        self._venue = venue
        self._accounts = accounts
        self._orders = orders
        self._instruments = instruments
        self._emit = emit

    def set_leverage(self, account: str, symbol: str, leverage: int, now_ns: int) -> None:
        """The leverage of a symbol."""
        one, instrument = self._accounts[account], self._instrument(symbol)
        if not 1 <= leverage <= instrument.rules.max_leverage:
            raise RefusalError(Reason.LEVERAGE_TOO_LARGE, str(instrument.rules.max_leverage))
        before = one.modes.leverage(symbol)
        with exact():
            mark = instrument.mark or ZERO
            value = sum(
                (abs(p.quantity) * mark for p in one.positions.open_positions() if p.symbol == symbol), ZERO
            )
            if value > instrument.rules.position_limit(leverage):
                raise RefusalError(Reason.LEVERAGE_TOO_LARGE, str(instrument.rules.max_leverage))
            one.modes.leverages[symbol] = leverage
            orders = order_values(self._orders[account].open.values())
            margin = margin_at(one, self._venue, self._instruments, orders)
            if leverage < before and margin.cross_balance < margin.initial + margin.order_margin:
                one.modes.leverages[symbol] = before
                raise RefusalError(Reason.LEVERAGE_MARGIN)
        self._emit(ConfigEvent(self._venue, account, now_ns, symbol, leverage))

    def set_hedge(self, account: str, is_hedge: bool) -> None:
        """The position mode of the account: only without open orders and positions."""
        modes = self._accounts[account].modes
        if modes.is_hedge == is_hedge:
            raise RefusalError(Reason.MODE_UNCHANGED)
        self._require_flat(account, None)
        modes.is_hedge = is_hedge

    def set_margin_type(self, account: str, symbol: str, margin: str) -> None:
        """The margin mode of a symbol (Binance): only without open orders and position in it."""
        modes = self._accounts[account].modes
        self._instrument(symbol)
        if modes.margin_of(symbol) == margin:
            raise RefusalError(Reason.MARGIN_TYPE_UNCHANGED)
        if margin in ISOLATED and modes.is_multi_assets:
            raise RefusalError(Reason.NOT_SUPPORTED)
        self._require_flat(account, symbol)
        modes.margins[symbol] = margin

    def set_margin_mode(self, account: str, margin: str) -> None:
        """The margin mode of the account (Bybit)."""
        modes = self._accounts[account].modes
        if modes.margin == margin:
            raise RefusalError(Reason.MARGIN_TYPE_UNCHANGED)
        self._require_flat(account, None)
        modes.margin = margin

    def set_multi_assets(self, account: str, is_multi_assets: bool, now_ns: int) -> None:
        """Whether other assets count as margin (Binance)."""
        modes = self._accounts[account].modes
        if modes.is_multi_assets == is_multi_assets:
            raise RefusalError(Reason.MODE_UNCHANGED)
        if self._orders[account].open:
            raise RefusalError(Reason.MODE_HAS_ORDERS)
        if is_multi_assets and any(margin in ISOLATED for margin in (modes.margin, *modes.margins.values())):
            raise RefusalError(Reason.NOT_SUPPORTED)
        modes.is_multi_assets = is_multi_assets
        self._emit(ConfigEvent(self._venue, account, now_ns, is_multi_assets=is_multi_assets))

    def _instrument(self, symbol: str) -> Instrument:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise RefusalError(Reason.UNKNOWN_SYMBOL)
        return instrument

    def _require_flat(self, account: str, symbol: str | None) -> None:
        if any(symbol in (None, order.symbol) for order in self._orders[account].open.values()):
            raise RefusalError(Reason.MODE_HAS_ORDERS)
        positions = self._accounts[account].positions.open_positions()
        if any(symbol in (None, position.symbol) for position in positions):
            raise RefusalError(Reason.MODE_HAS_POSITION)
