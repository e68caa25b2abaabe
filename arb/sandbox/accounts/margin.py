"""Margin of an account's perpetuals: what positions and orders need, and what is available.

A model of both venues: positions at the mark price over the leverage, the exposure that open orders could add, and
maintenance by brackets. Figures are rounded towards 0, as in the samples of USD-M's "Position Information V3" (read
2025-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple, Protocol

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import PLACES, ZERO, divided, rounded
from arb.sandbox.accounts.fees import PriceOf
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY

#: The asset whose margin is computed: perpetuals that settle in another one have none.
SETTLE = "USDT"


class OpenOrder(Protocol):
    """What margin needs to know of an open order. side: BUY or SELL; left: its unfilled quantity."""

    @property
    def symbol(self) -> str: ...
    @property
    def side(self) -> int: ...
    @property
    def position_side(self) -> PositionSide: ...
    @property
    def left(self) -> Decimal: ...
    @property
    def price(self) -> Decimal | None: ...
    @property
    def reduce_only(self) -> bool: ...


#: Values of the open orders that could enlarge a position, by its symbol and side: of buys, and of sells.
OrderValues = Mapping[tuple[str, PositionSide], tuple[Decimal, Decimal]]
_NO_ORDERS = ZERO, ZERO


def order_values(orders: Iterable[OpenOrder]) -> OrderValues:
    """The values of open orders; a position that has only reducing ones has values of 0."""
    values: dict[tuple[str, PositionSide], tuple[Decimal, Decimal]] = {}
    for order in orders:
        key = order.symbol, order.position_side
        bids, asks = values.get(key, _NO_ORDERS)
        value = ZERO if order.reduce_only or order.price is None else order.left * order.price
        values[key] = (bids + value, asks) if order.side == BUY else (bids, asks + value)
    return values


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
    orders: OrderValues,
    *,
    asset: str = SETTLE,
    price_of: PriceOf | None = None,
) -> Margin:
    """The margin of all instruments of `venue` that settle in `asset`.

    price_of: of other assets in `asset`; those without a price do not count. Without it only `asset` counts.
    """
    wallet = account.wallet(venue)
    keys = dict.fromkeys(
        (one.symbol, one.side) for one in account.positions.open_positions()
    ) | dict.fromkeys(orders)
    return Margin(
        asset,
        wallet.total(asset),
        wallet.locked(asset),
        _collateral(account, venue, asset, price_of) if price_of else ZERO,
        tuple(
            _position_margin(
                account, rules[symbol], side, marks(symbol), *orders.get((symbol, side), _NO_ORDERS)
            )
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
    orders: OrderValues | None = None,
) -> Decimal:
    """What a new order adds to the order margin; 0 for the part that reduces the position.

    orders: the open ones; None: none. mark: by default `price`.
    """
    position = account.positions.get(rules.symbol, position_side)
    leverage = account.modes.leverage(rules.symbol)
    notional = position.quantity * (price if mark is None else mark)
    bids, asks = (orders or {}).get((rules.symbol, position_side), _NO_ORDERS)
    value = quantity * price
    after = (bids + value, asks) if side == BUY else (bids, asks + value)
    added = _exposure(notional, *after) - _exposure(notional, bids, asks)
    return divided(max(ZERO, added), Decimal(leverage), PLACES, ROUND_DOWN)


def _position_margin(
    account: Account,
    rules: InstrumentRules,
    side: PositionSide,
    mark: Decimal,
    bids: Decimal,
    asks: Decimal,
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
        order_margin=divided(_exposure(notional, bids, asks), leverage, PLACES, ROUND_DOWN),
        maintenance=rounded(maintenance, PLACES, ROUND_DOWN),
        is_isolated=account.modes.is_isolated(rules.symbol),
        isolated_margin=position.isolated_margin,
    )


def _exposure(notional: Decimal, bids: Decimal, asks: Decimal) -> Decimal:
    """By how much the orders of one side, all executed, could enlarge the position's value."""
    # In hedge mode one of the two only reduces, never beyond the position.
    return max(abs(notional + bids), abs(notional - asks), abs(notional)) - abs(notional)


def _collateral(account: Account, venue: str, asset: str, price_of: PriceOf) -> Decimal:
    if account.house == "binance" and not account.modes.is_multi_assets:
        return ZERO
    wallet = account.wallet(venue)
    prices = ((wallet.free(one), price_of(one)) for one in wallet.assets() if one != asset)
    return sum((free * price for free, price in prices if price is not None), ZERO)
