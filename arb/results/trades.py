"""The lines of `trades.csv`: the fills of a run with fee and cash, and its funding payments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from arb.bot.account import CHARGE
from arb.leg import Leg
from arb.results.metrics.statistics import is_any_of
from arb.strategies.spread.decisions import Decision
from connectors.units import SECOND

HEADER = (
    "time", "exch_ts", "attempt", "leg", "side", "price", "quantity", "fee", "cash", "liquidity", "order_id",
    "kind", "fee_asset", "fee_amount", "rate",
)  # fmt: skip

#: Decisions whose `order_id` is not an order's.
_NO_ORDERS = (Decision.ATTEMPT, Decision.OPPORTUNITY, Decision.OPPORTUNITY_END, Decision.RISK_HALTED)
#: The attempt of a fill by which the host traded back what a halted strategy held.
FLATTENED = "flatten"
#: That of a fill by which the host balanced a pair before the strategy started.
HEDGED_FIRST = "hedge"
#: Kinds of lines.
FILL, FUNDING = "fill", "funding"
#: Fee assets that have a name of their own; others are named as in the configuration.
QUOTE, BASE = "quote", "base"
#: A fee asset beside base and quote that the configuration does not name.
OTHER = "other"


#: What a line takes of a fill.
_FILL = ("asset_no", "order_id", "side", "price", "qty", "maker", "exch_ts")
_NO_CHARGES = np.empty(0, CHARGE)


class Trade(NamedTuple):
    """One fill. Times UTC, price in quote per base, fee and cash in quote; cash excludes the fee.

    attempt: its number, FLATTENED, HEDGED_FIRST, or "" if unknown. fee: its value at the fill; it was charged as
    `fee_amount` of `fee_asset`.
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
    fee_asset: str
    fee_amount: float


class Payment(NamedTuple):
    """One funding payment. position: at the funding time, in the leg's unit of quantity; cash: received, in quote."""

    time: str
    exch_ts: int
    leg: str
    mark: float
    position: float
    rate: float
    cash: float


class Fee(NamedTuple):
    """The fee of a fill. value: in quote at the fill; it was charged as `amount` of `asset`."""

    value: float
    asset: str
    amount: float


def trades_of(fills: Any, decisions: Any, legs: Sequence[Leg], charges: Any = _NO_CHARGES) -> list[Trade]:
    """The fills (dtype FILL) in the order of the venues' time, with the attempt that sent each order.

    fills, charges: the whole logs, in their own order; charges has a row of CHARGE for every fee that is not the leg's
    rate in quote. The cash of all lines sums to the legs' balances, and the fees to their fees: amount and fee are
    computed like hftbacktest's linear asset and trading-value fee.
    """
    charged = {int(charge["fill_no"]): charge for charge in charges[charges["is_funding"] == 0]}
    attempts = attempts_of_orders(decisions)
    order = np.lexsort((fills["order_id"], fills["asset_no"], fills["exch_ts"]))
    rows = fills[list(_FILL)][order].tolist()
    return [
        _trade(fill, attempts, legs, charged.get(no)) for no, fill in zip(order.tolist(), rows, strict=True)
    ]


def attempts_of_orders(decisions: Any) -> dict[tuple[int, int], int | str]:
    """The attempt of each order, by its leg and id."""
    codes = decisions["code"]
    is_order = ~is_any_of(codes, _NO_ORDERS) & (decisions["order_id"] != 0) & (decisions["attempt"] > 0)
    sent = decisions[is_order]
    attempts: dict[tuple[int, int], int | str] = dict(
        zip(_orders(sent), sent["attempt"].tolist(), strict=True)
    )
    for code, name in ((Decision.FLATTEN, FLATTENED), (Decision.HEDGE, HEDGED_FIRST)):
        attempts |= dict.fromkeys(_orders(decisions[codes == code]), name)
    return attempts


def _orders(decisions: Any) -> list[tuple[int, int]]:
    """Leg and id of the order of each decision."""
    return list(zip(decisions["leg"].tolist(), decisions["order_id"].tolist(), strict=True))


def payments_of(charges: Any, legs: Sequence[Leg]) -> list[Payment]:
    """The funding payments among rows of CHARGE, in the order of the venues' time."""
    rows = charges[charges["is_funding"] != 0]
    return [
        Payment(
            time=iso_time(int(row["exch_ts"])),
            exch_ts=int(row["exch_ts"]),
            leg=legs[int(row["asset_no"])].name,
            mark=float(row["price"]),
            position=float(row["qty"]),
            rate=float(row["rate"]),
            cash=float(row["quote"]),
        )
        for row in rows[np.lexsort((rows["asset_no"], rows["exch_ts"]))]
    ]


def lines_of(trades: Sequence[Trade], payments: Sequence[Payment]) -> list[tuple[Any, ...]]:
    """The lines of `trades.csv`, by time; a payment follows the fills of its time."""
    lines: list[tuple[int, int, tuple[Any, ...]]] = [
        (one.exch_ts, 0, (*one[:11], FILL, one.fee_asset, one.fee_amount, "")) for one in trades
    ]
    lines += [
        (
            one.exch_ts,
            1,
            (
                one.time, one.exch_ts, "", one.leg, FUNDING, one.mark, one.position, 0.0, one.cash, "", 0,
                FUNDING, "", 0.0, one.rate,
            ),
        )
        for one in payments
    ]  # fmt: skip
    return [line for _, _, line in sorted(lines, key=lambda line: line[:2])]


def _trade(
    fill: tuple[Any, ...],
    attempts: dict[tuple[int, int], int | str],
    legs: Sequence[Leg],
    charge: Any | None,
) -> Trade:
    """fill: the fields of `_FILL`."""
    asset_no, order_id, side, price, qty, maker, exch_ts = fill
    leg = legs[asset_no]
    amount = leg.contract_size * price * qty
    is_maker = bool(maker)
    fee = fee_of(leg, amount, charge, is_maker=is_maker)
    return Trade(
        time=iso_time(exch_ts),
        exch_ts=exch_ts,
        attempt=attempts.get((asset_no, order_id), ""),
        leg=leg.name,
        side="buy" if side > 0 else "sell",
        price=price,
        quantity=qty,
        fee=fee.value,
        cash=-side * amount,
        liquidity="maker" if is_maker else "taker",
        order_id=order_id,
        fee_asset=fee.asset,
        fee_amount=fee.amount,
    )


def fee_of(leg: Leg, amount: float, charge: Any | None, *, is_maker: bool) -> Fee:
    """The fee of a fill. amount: its value in quote; charge: its row of CHARGE, None if it has none."""
    if charge is None:
        value = amount * (leg.maker_fee if is_maker else leg.taker_fee)
        return Fee(value, QUOTE, value)
    value = float(charge["value"])
    if charge["base"] != 0.0:
        return Fee(value, BASE, float(charge["base"]))
    if charge["other"] != 0.0:
        return Fee(value, leg.fee_asset if leg.has_named_fee_asset else OTHER, float(charge["other"]))
    return Fee(value, QUOTE, value)


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
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest:09d}Z"


def time_text(ns: int) -> str:
    """`iso_time`, and "" for 0."""
    return iso_time(ns) if ns else ""
