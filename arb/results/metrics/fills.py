"""The fills of a run as an array."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from arb.results.trades import Trade

#: One fill. base: quantity in base units, positive for purchases; cash excludes the fee; attempt 0: none.
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
            (1.0 if trade.side == "buy" else -1.0) * trade.quantity * contract_sizes[numbers[trade.leg]],
            trade.cash,
            trade.fee,
        )
        for trade in trades
    ]
    return np.array(rows, FILL_ROW)
