"""Margin of an account's perpetuals: what positions and orders need, and what is available.

A model of both venues: positions at the mark price over the leverage, the exposure that open orders could add, and
maintenance by brackets. Figures are rounded towards 0, as in the samples of USD-M's "Position Information V3" (read
2025-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import PLACES, ZERO, divided, rounded
from arb.sandbox.accounts.fees import PriceOf
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY


class OpenOrder(NamedTuple):
    """What margin needs to know of an open order. side: BUY or SELL; left: its unfilled quantity."""

    symbol: str
    side: int
    position_side: PositionSide
    left: Decimal
    price: Decimal
    reduce_only: bool = False


class PositionMargin(NamedTuple):
    """Figures of one position and of the orders that could change it, in the settlement asset."""

    symbol: str
    side: PositionSide
    #: Signed.
    quantity: Decimal
    mark: Decimal
    #: Signed value at the mark price.
    notional: Decimal
    unrealized: Decimal
    initial: Decimal
    order_margin: Decimal
    maintenance: Decimal
    is_isolated: bool
    #: Margin of its own; 0 unless isolated.
    isolated_margin: Decimal

    @property
    def isolated_balance(self) -> Decimal:
        """What an isolated position has against its maintenance margin."""
        return self.isolated_margin + self.unrealized


@dataclass(frozen=True)
class Margin:
    """Figures of all positions and orders in one settlement asset.

    positions: those that are open or have orders.
    """

    asset: str
    #: Total of the wallet, and what spot orders lock of it (Bybit).
    wallet: Decimal
    locked: Decimal
    #: Value of other assets that count as margin: in multi-assets mode, and at Bybit.
    collateral: Decimal
    positions: tuple[PositionMargin, ...]

    @property
    def unrealized(self) -> Decimal:
        return sum((one.unrealized for one in self.positions), ZERO)

    @property
    def cross_unrealized(self) -> Decimal:
        return sum((one.unrealized for one in self.positions if not one.is_isolated), ZERO)

    @property
    def initial(self) -> Decimal:
        """Of all positions."""
        return sum((one.initial for one in self.positions), ZERO)

    @property
    def maintenance(self) -> Decimal:
        return sum((one.maintenance for one in self.positions), ZERO)

    @property
    def cross_maintenance(self) -> Decimal:
        return sum((one.maintenance for one in self.positions if not one.is_isolated), ZERO)

    @property
    def order_margin(self) -> Decimal:
        return sum((one.order_margin for one in self.positions), ZERO)

    @property
    def cross_wallet(self) -> Decimal:
        """The wallet without the margins of isolated positions."""
        return self.wallet - sum((one.isolated_margin for one in self.positions), ZERO)

    @property
    def cross_balance(self) -> Decimal:
        """What the cross positions have against their maintenance margin."""
        return self.cross_wallet - self.locked + self.collateral + self.cross_unrealized

    @property
    def available(self) -> Decimal:
        """What new orders can use; never negative."""
        cross = sum((one.initial for one in self.positions if not one.is_isolated), ZERO)
        return max(ZERO, self.cross_balance - cross - self.order_margin)


def margin_of(
    account: Account,
    venue: str,
    rules: Mapping[str, InstrumentRules],
    marks: Callable[[str], Decimal],
    open_orders: Iterable[OpenOrder],
    *,
    asset: str = "USDT",
    price_of: PriceOf | None = None,
) -> Margin:
    """The margin of all instruments of `venue` that settle in `asset`.

    price_of: of other assets in `asset`; those without a price do not count. Without it only `asset` counts.
    """
    wallet = account.wallet(venue)
    orders: dict[tuple[str, PositionSide], list[OpenOrder]] = {}
    for order in open_orders:
        orders.setdefault((order.symbol, order.position_side), []).append(order)
    keys = dict.fromkeys(
        (one.symbol, one.side) for one in account.positions.open_positions()
    ) | dict.fromkeys(orders)
    return Margin(
        asset,
        wallet.total(asset),
        wallet.locked(asset),
        _collateral(account, venue, asset, price_of) if price_of else ZERO,
        tuple(
            _position_margin(account, rules[symbol], side, marks(symbol), orders.get((symbol, side), ()))
            for symbol, side in keys
            if rules[symbol].settle == asset
        ),
    )


def order_margin(
    account: Account,
    rules: InstrumentRules,
    side: int,
    position_side: PositionSide,
    quantity: Decimal,
    price: Decimal,
    *,
    mark: Decimal | None = None,
    others: Iterable[OpenOrder] = (),
) -> Decimal:
    """What a new order adds to the order margin; 0 for the part that reduces the position.

    others: the open orders of the same symbol and position side. mark: by default `price`.
    """
    position = account.positions.get(rules.symbol, position_side)
    leverage = account.modes.leverage(rules.symbol)
    order = OpenOrder(rules.symbol, side, position_side, quantity, price)
    notional = position.quantity * (price if mark is None else mark)
    present = list(others)
    added = _exposure(notional, [*present, order]) - _exposure(notional, present)
    return divided(max(ZERO, added), Decimal(leverage), PLACES, ROUND_DOWN)


def _position_margin(
    account: Account,
    rules: InstrumentRules,
    side: PositionSide,
    mark: Decimal,
    orders: Iterable[OpenOrder],
) -> PositionMargin:
    position = account.positions.get(rules.symbol, side)
    leverage = Decimal(account.modes.leverage(rules.symbol))
    notional = position.quantity * mark
    bracket = rules.bracket(abs(notional))
    maintenance = abs(notional) * bracket.maintenance - bracket.amount if notional else ZERO
    return PositionMargin(
        symbol=rules.symbol,
        side=side,
        quantity=position.quantity,
        mark=mark,
        notional=rounded(notional, PLACES, ROUND_DOWN),
        unrealized=rounded(position.unrealized(mark), PLACES, ROUND_DOWN),
        initial=divided(abs(notional), leverage, PLACES, ROUND_DOWN),
        order_margin=divided(_exposure(notional, orders), leverage, PLACES, ROUND_DOWN),
        maintenance=rounded(maintenance, PLACES, ROUND_DOWN),
        is_isolated=account.modes.is_isolated(rules.symbol),
        isolated_margin=position.isolated_margin,
    )


def _exposure(notional: Decimal, orders: Iterable[OpenOrder]) -> Decimal:
    """By how much the orders of one side, all executed, could enlarge the position's value."""
    bids = asks = ZERO
    for order in orders:
        if not order.reduce_only:
            value = order.left * order.price
            if order.side == BUY:
                bids += value
            else:
                asks += value
    # In hedge mode one of the two only reduces, never beyond the position.
    return max(abs(notional + bids), abs(notional - asks), abs(notional)) - abs(notional)


def _collateral(account: Account, venue: str, asset: str, price_of: PriceOf) -> Decimal:
    if account.house == "binance" and not account.modes.is_multi_assets:
        return ZERO
    wallet = account.wallet(venue)
    prices = ((wallet.free(one), price_of(one)) for one in wallet.assets() if one != asset)
    return sum((free * price for free, price in prices if price is not None), ZERO)
