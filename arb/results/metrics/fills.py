"""The fills and the funding payments of a run as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from arb.leg import Leg
from arb.results.trades import BASE, Payment, Trade, attempts_of_orders, trades_of

#: One fill. base: change of the position in base units, positive for purchases, less a fee that is charged in base;
#: cash excludes the fee; fee: all but one in base; attempt 0: none.
FILL_ROW = np.dtype(
    [
        ("timestamp", "i8"),
        ("attempt", "i8"),
        ("leg", "i8"),
        ("order_id", "u8"),
        ("price", "f8"),
        ("base", "f8"),
        ("cash", "f8"),
        ("fee", "f8"),
    ],
    align=True,
)


def rows_of_fills(fills: Any, decisions: Any, legs: Sequence[Leg], charges: Any) -> Any:
    """Rows of FILL_ROW for the log of a run, as `fills_of` has them for its lines.

    Faster, where nothing is charged beside the legs' rates.
    """
    if (charges["is_funding"] == 0).any():
        trades = trades_of(fills, decisions, legs, charges)
        return fills_of(trades, [leg.name for leg in legs], [leg.contract_size for leg in legs])
    fills = fills[np.lexsort((fills["order_id"], fills["asset_no"], fills["exch_ts"]))]
    leg_no, side, price, qty = (fills[name] for name in ("asset_no", "side", "price", "qty"))
    size = np.array([leg.contract_size for leg in legs])[leg_no]
    rates = np.array([(leg.taker_fee, leg.maker_fee) for leg in legs])
    amount = size * price * qty
    rows = np.zeros(len(fills), FILL_ROW)
    attempts = attempts_of_orders(decisions)
    sent = zip(leg_no.tolist(), fills["order_id"].tolist(), strict=True)
    numbers = (attempts.get(order, 0) for order in sent)
    rows["timestamp"], rows["leg"], rows["order_id"] = fills["exch_ts"], leg_no, fills["order_id"]
    rows["attempt"] = [number if isinstance(number, int) else 0 for number in numbers]
    rows["price"] = price
    rows["base"] = np.where(side > 0, 1.0, -1.0) * qty * size
    rows["cash"] = -side * amount
    rows["fee"] = amount * rates[leg_no, np.minimum(fills["maker"], 1)]
    return rows


def fills_of(trades: Iterable[Trade], names: Sequence[str], contract_sizes: Sequence[float]) -> Any:
    """Rows of FILL_ROW for lines of `trades.csv`. names, contract_sizes: of the legs."""
    numbers = {name: leg_no for leg_no, name in enumerate(names)}
    rows = [
        (
            trade.exch_ts,
            trade.attempt if isinstance(trade.attempt, int) else 0,
            numbers[trade.leg],
            trade.order_id,
            trade.price,
            _position_change(trade) * contract_sizes[numbers[trade.leg]],
            trade.cash,
            0.0 if trade.fee_asset == BASE else trade.fee,
        )
        for trade in trades
    ]
    return np.array(rows, FILL_ROW)


def _position_change(trade: Trade) -> float:
    if trade.fee_asset == BASE:
        return trade.quantity - trade.fee_amount
    return (1.0 if trade.side == "buy" else -1.0) * trade.quantity


#: One funding payment. cash: received, in quote.
PAYMENT_ROW = np.dtype([("timestamp", "i8"), ("leg", "i8"), ("cash", "f8")], align=True)


def payments_of(payments: Iterable[Payment], names: Sequence[str]) -> Any:
    """Rows of PAYMENT_ROW for the funding payments of a run. names: of the legs."""
    numbers = {name: leg_no for leg_no, name in enumerate(names)}
    return np.array([(one.exch_ts, numbers[one.leg], one.cash) for one in payments], PAYMENT_ROW)
