"""Whether an account can pay for an order: the arithmetic of the order-level rule `funds`.

Spot: an order may only sell what is held, and only buy what can be paid including the fee. Perpetuals: the notional of
the positions, including the worst case of working orders, is at most equity times leverage (initial margin = notional /
leverage). Assets at one venue share its money. Pure: numbers in, numbers out; `arb.bot.working_orders` sums the working
orders. Sums are of whole lots and ticks, so that they do not depend on the sequence of the orders.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectors.jit.compilation import compiled

#: One asset. base, quote: the account's initial holdings, in the asset's unit of quantity and in quote units. fee: the
#: largest fee of an order, as a fraction of its value. mark: the last known mid, NaN before the first.
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
    ],
    align=True,
)

#: A purchase with a modify in flight: it may still fill at its old price, which the local order no longer has.
#: value: quantity times price before the modify, in lots times ticks.
CHANGE = np.dtype([("asset_no", "i8"), ("order_id", "u8"), ("value", "f8")], align=True)
#: Maximum number of spot purchases with a modify in flight; one more is refused.
CHANGES_MAX = 1024

#: Relative tolerance for comparing sums, and absolute tolerance for whole lots, in lots.
_ROOM = 1.0 + 1e-9
_LOT_ROOM = 1e-6


@dataclass(frozen=True)
class AssetFunds:
    """An asset's account and its initial holdings.

    account: assets with the same account share `quote`. base: in the asset's unit of quantity; 0 for perpetuals. fee:
    the largest fee of an order, as a fraction of its value; rebates are ignored. leverage: of perpetuals.
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


def funds_rows(assets: Sequence[AssetFunds]) -> np.ndarray[Any, Any]:
    """The records of the assets, of dtype `FUNDS_ROW`, accounts numbered in the order of their first asset."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(asset.account for asset in assets))}
    rows = np.zeros(len(assets), FUNDS_ROW)
    for row, asset in zip(rows, assets, strict=True):
        for name in FUNDS_ROW.names or ():
            if name not in ("account", "mark", "fee"):
                row[name] = getattr(asset, name)
        row["account"] = numbers[asset.account]
        row["fee"] = max(asset.fee, 0.0)
        row["mark"] = np.nan
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
    """The largest cost of purchases of `value` (lots times ticks), in quote units, including fees."""
    return value * funds.tick_size * funds.lot_size * funds.contract_size * (1.0 + funds.fee)


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
