"""What an account can pay for: the arithmetic of the order-level rule `funds`.

Spot: nothing is sold that is not held, nothing bought that cannot be paid with its fee. Perpetuals: the notional of the
positions, and of what working orders may make of them, is at most the equity times the leverage (initial margin =
notional / leverage). Assets at one venue share its money. Pure: numbers in, numbers out; `arb.bot.requests` adds up the
working orders. Sums are of whole lots and ticks, so that they do not depend on the order of the orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectors.jit.compilation import compiled

#: One asset. base, quote: what the account began with, in the asset's unit of quantity and in quote units. fee: share
#: of the value that an order may cost at most. mark: the last known mid, NaN before the first.
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

#: A purchase whose change is on its way: it may still fill at its old price, which the local order no longer has.
#: value: quantity times price before the change, in lots times ticks.
CHANGE = np.dtype([("asset_no", "i8"), ("order_id", "u8"), ("value", "f8")], align=True)
#: Changes of spot purchases under way at a time; one more is refused.
CHANGES_MAX = 1024

#: Sums are compared with this much room, relative; and quantities are whole lots with this much, in lots.
_ROOM = 1.0 + 1e-9
_LOT_ROOM = 1e-6


@dataclass(frozen=True)
class AssetFunds:
    """An asset's account and what it began with.

    account: assets of one name share `quote`. base: in the asset's unit of quantity; 0 for perpetuals. fee: share of
    the value, the dearest that an order may pay; rebates are ignored. leverage: of perpetuals.
    """

    account: str
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
def has_funds(funds):  # type: ignore[no-untyped-def]
    """Whether the rule is on for the asset: a record of nothing has no lot."""
    return funds.lot_size > 0.0


@compiled
def lots_of(qty, lot_size):  # type: ignore[no-untyped-def]
    """A quantity in lots, a whole number where it is one but for rounding."""
    lots = qty / lot_size
    whole = np.rint(lots)
    return whole if abs(lots - whole) <= _LOT_ROOM else lots


@compiled
def can_sell(funds, position, sold_lots):  # type: ignore[no-untyped-def]
    """Whether a spot account holds `sold_lots`: all that working sales and the order may sell."""
    return sold_lots <= (funds.base + position) / funds.lot_size * _ROOM + _LOT_ROOM


@compiled
def cost_of(funds, value):  # type: ignore[no-untyped-def]
    """What purchases of `value` (lots times ticks) cost at most, in quote units, fees included."""
    return value * funds.tick_size * funds.lot_size * funds.contract_size * (1.0 + funds.fee)


@compiled
def can_pay(cost, cash):  # type: ignore[no-untyped-def]
    """Whether `cash` pays for all that working purchases and the order may cost. False where either is not known."""
    return cost <= cash * _ROOM


@compiled
def exposure_lots(position_lots, buy_lots, sell_lots):  # type: ignore[no-untyped-def]
    """The largest size that a position may come to when the orders of either side fill."""
    return max(position_lots + buy_lots, sell_lots - position_lots, 0.0)


@compiled
def has_margin(notional, equity, leverage):  # type: ignore[no-untyped-def]
    """Whether the equity covers the initial margin, notional / leverage. False where either is not known."""
    return notional <= equity * leverage * _ROOM
