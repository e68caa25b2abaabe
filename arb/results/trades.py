"""The fills of a run with fee and cash: the lines of `trades.csv`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from arb.leg import Leg
from arb.strategies.spread.decisions import Decision
from connectors.units import SECOND

HEADER = (
    "time", "exch_ts", "attempt", "leg", "side", "price", "quantity", "fee", "cash", "liquidity", "order_id"
)  # fmt: skip

#: Decisions whose `order_id` is not an order's.
_NO_ORDERS = (Decision.ATTEMPT, Decision.OPPORTUNITY, Decision.OPPORTUNITY_END, Decision.RISK_HALTED)
#: The attempt of a fill by which the host traded back what a halted strategy held.
FLATTENED = "flatten"


class Trade(NamedTuple):
    """One fill. Times UTC, price in quote per base, fee and cash in quote; cash excludes the fee.

    attempt: its number, FLATTENED, or "" if unknown.
    """

    time: str
    exch_ts: int
    attempt: int | str
    leg: str
    side: str
    price: float
    quantity: float
    fee: float
    cash: float
    liquidity: str
    order_id: int


def trades_of(fills: Any, decisions: Any, legs: Sequence[Leg]) -> list[Trade]:
    """The fills (dtype FILL) in the order of the venues' time, with the attempt that sent each order.

    The cash of all lines sums to the legs' balances, and the fees to their fees: amount and fee are computed like
    hftbacktest's linear asset and trading-value fee.
    """
    attempts: dict[tuple[int, int], int | str] = {
        (int(d["leg"]), int(d["order_id"])): int(d["attempt"])
        for d in decisions
        if d["code"] not in _NO_ORDERS and d["order_id"] and d["attempt"] > 0
    } | {
        (int(d["leg"]), int(d["order_id"])): FLATTENED
        for d in decisions[decisions["code"] == Decision.FLATTEN]
    }
    order = np.lexsort((fills["order_id"], fills["asset_no"], fills["exch_ts"]))
    return [_trade(fill, attempts, legs) for fill in fills[order]]


def _trade(fill: Any, attempts: dict[tuple[int, int], int | str], legs: Sequence[Leg]) -> Trade:
    leg = legs[int(fill["asset_no"])]
    side = int(fill["side"])
    price, qty = float(fill["price"]), float(fill["qty"])
    amount = leg.contract_size * price * qty
    is_maker = bool(fill["maker"])
    exch_ts, order_id = int(fill["exch_ts"]), int(fill["order_id"])
    return Trade(
        time=iso_time(exch_ts),
        exch_ts=exch_ts,
        attempt=attempts.get((int(fill["asset_no"]), order_id), ""),
        leg=leg.name,
        side="buy" if side > 0 else "sell",
        price=price,
        quantity=qty,
        fee=amount * (leg.maker_fee if is_maker else leg.taker_fee),
        cash=-side * amount,
        liquidity="maker" if is_maker else "taker",
        order_id=order_id,
    )


def ties_of(trades: Sequence[Trade]) -> dict[str, tuple[int, int]]:
    """Per leg: times (ns) at which several resting orders filled, and their fills.

    hftbacktest processes resting orders in a random order; taking orders are filled as they arrive.
    """
    counts = Counter((trade.leg, trade.exch_ts) for trade in trades if trade.liquidity == "maker")
    ties: dict[str, tuple[int, int]] = {}
    for (leg, _), fills in counts.items():
        if fills > 1:
            moments, total = ties.get(leg, (0, 0))
            ties[leg] = moments + 1, total + fills
    return ties


def iso_time(ns: int) -> str:
    """A time in ns as UTC text with all nine digits."""
    seconds, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def time_text(ns: int) -> str:
    """`iso_time`, and "" for 0."""
    return iso_time(ns) if ns else ""
