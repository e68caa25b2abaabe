"""Whether an account can pay for an order: the arithmetic of the order-level rule `funds`.

Spot: an order may only sell what is held, and only buy what can be paid including the fee. Perpetuals: the notional of
the positions, including the worst case of working orders, is at most equity times leverage (initial margin = notional /
leverage). Assets at one venue share its money. Where fees are charged in a further asset such as BNB, what is left of
it must pay for the order and all working ones. Pure: numbers in, numbers out; `arb.bot.working_orders` sums the working
orders. Sums are of whole lots and ticks, so that they do not depend on the sequence of the orders.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arb.leg import IN_QUOTE, IN_RECEIVED
from connectors.jit.compilation import compiled

#: One asset. base, quote: the account's initial holdings, in the asset's unit of quantity and in quote units. fee: the
#: largest fee of an order that is taken from the quote, as a fraction of its value. mark: the last known mid, NaN
#: before the first. Of fees in a further asset, other_fee: the largest, as a fraction of the value, 0 without one;
#: other_account: assets with the same number share `other`, the units held; other_price: in quote, or the mark of the
#: asset `other_price_no` if that is not -1.
FUNDS_ROW = np.dtype(
    [
        ("account", "i8"),
        ("is_spot", "i8"),
        ("base", "f8"),
        ("quote", "f8"),
        ("tick_size", "f8"),
        ("lot_size", "f8"),
        ("contract_size", "f8"),
        ("fee", "f8"),
        ("leverage", "f8"),
        ("mark", "f8"),
        ("other_fee", "f8"),
        ("other_account", "i8"),
        ("other", "f8"),
        ("other_price", "f8"),
        ("other_price_no", "i8"),
    ],
    align=True,
)

#: An order with a modify in flight: it may still fill at its old price, which the local order no longer has.
#: value: quantity times price before the modify, in lots times ticks.
CHANGE = np.dtype([("asset_no", "i8"), ("order_id", "u8"), ("value", "f8")], align=True)
#: Maximum number of such orders, spot purchases and orders whose fee is in a further asset; one more is refused.
CHANGES_MAX = 1024

#: How much more than at the ask a purchase without a limit price may cost, which fills at the ask of its arrival.
MARKET_ROOM = 1.05
#: How often a further asset must cover the fees. Until an order fills, the asset's price may fall, and a sale's price,
#: which its limit does not bound, may rise.
OTHER_ROOM = 2.0

#: Relative tolerance for comparing sums, and absolute tolerance for whole lots, in lots.
_ROOM = 1.0 + 1e-9
_LOT_ROOM = 1e-6


@dataclass(frozen=True)
class AssetFunds:
    """An asset's account and its initial holdings.

    account: assets with the same account share `quote`. base: in the asset's unit of quantity; 0 for perpetuals. fee:
    the largest fee of an order, as a fraction of its value; rebates are ignored. leverage: of perpetuals. fee_asset: as
    `Leg.fee_asset`. other: units held of a named one, which assets with the same `other_account` share; other_price:
    its price in quote, or, if other_price_no is not -1, the mid of the asset of that number.
    """

    account: Hashable
    is_spot: bool
    base: float
    quote: float
    tick_size: float
    lot_size: float
    contract_size: float = 1.0
    fee: float = 0.0
    leverage: float = 1.0
    fee_asset: str = IN_QUOTE
    other: float = 0.0
    other_account: Hashable = ""
    other_price: float = np.nan
    other_price_no: int = -1


def funds_rows(assets: Sequence[AssetFunds]) -> np.ndarray[Any, Any]:
    """The records of the assets, of dtype `FUNDS_ROW`, accounts numbered in the order of their first asset."""
    accounts = list(dict.fromkeys(asset.account for asset in assets))
    others = list(dict.fromkeys(asset.other_account for asset in assets))
    rows = np.zeros(len(assets), FUNDS_ROW)
    for row, asset in zip(rows, assets, strict=True):
        for name in FUNDS_ROW.names or ():
            if name not in ("account", "mark", "fee", "other_fee", "other_account"):
                row[name] = getattr(asset, name)
        row["account"] = accounts.index(asset.account)
        row["mark"] = np.nan
        fee = max(asset.fee, 0.0)
        # The margin of a perpetual keeps room for a fee in quote, which is charged while the price of a named asset is
        # unknown.
        row["fee"] = fee if asset.fee_asset == IN_QUOTE or not asset.is_spot else 0.0
        row["other_fee"] = fee if asset.fee_asset not in (IN_QUOTE, IN_RECEIVED) else 0.0
        row["other_account"] = others.index(asset.other_account)
    return rows


@compiled
def has_funds(funds):
    """Whether the rule is on for the asset: an empty record has no lot size."""
    return funds.lot_size > 0.0


@compiled
def lots_of(qty, lot_size):
    """A quantity in lots; an integer if it is one except for rounding."""
    lots = qty / lot_size
    whole = np.rint(lots)
    return whole if abs(lots - whole) <= _LOT_ROOM else lots


@compiled
def can_sell(funds, position, sold_lots):
    """Whether a spot account holds `sold_lots`: the lots that working sales and the order may sell in total."""
    return sold_lots <= (funds.base + position) / funds.lot_size * _ROOM + _LOT_ROOM


@compiled
def cost_of(funds, value):
    """The largest cost of purchases of `value` (lots times ticks), in quote units, including fees in quote."""
    return value * funds.tick_size * funds.lot_size * funds.contract_size * (1.0 + funds.fee)


@compiled
def other_fees(funds, value):
    """What fees in a further asset must be covered for orders of `value` (lots times ticks), in quote units."""
    return OTHER_ROOM * funds.other_fee * value * funds.tick_size * funds.lot_size * funds.contract_size


@compiled
def can_pay(cost, cash):
    """Whether `cash` covers the cost of working purchases and the order. False if either is unknown (NaN)."""
    return cost <= cash * _ROOM


@compiled
def exposure_lots(position_lots, buy_lots, sell_lots):
    """The largest absolute position that can result when the orders of one side fill."""
    return max(position_lots + buy_lots, sell_lots - position_lots, 0.0)


@compiled
def has_margin(notional, equity, leverage):
    """Whether the equity covers the initial margin, notional / leverage. False if either is unknown (NaN)."""
    return notional <= equity * leverage * _ROOM
