"""The attempts of a run, one row each: purpose, totals of the fills, and outcome.

The profit of an attempt is the cash of its fills less their fees. A residual base quantity is valued at the mid of
its leg at the end of the attempt, and the row reports it. Base bought at one venue and sold at the other counts as
flat: the positions that an attempt leaves on the legs belong to the run and are valued in the equity. Where fees take
part of what is bought, less than a lot remains, which later attempts trade: it is valued, and no open residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arb.results.metrics.equity import Equity
from arb.results.metrics.spread import basis_bps, cross_spread_bps, values_at
from arb.results.metrics.statistics import BPS, is_any_of
from arb.strategies.spread.decisions import Decision, Purpose

#: purpose: a `Purpose`, 0 where none was logged. outcome: the `Decision` that ended it, 0 while it is under way.
#: begin and end are from the log, 0 if it has none; first_fill and last_fill are venue times, 0 without fills.
ATTEMPT_ROW = np.dtype(
    [
        ("attempt", "i8"),
        # Its place in the list of pairs.
        ("pair", "i8"),
        ("purpose", "i8"),
        ("outcome", "i8"),
        ("begin", "i8"),
        ("end", "i8"),
        ("first_fill", "i8"),
        ("last_fill", "i8"),
        ("fills", "i8"),
        ("chases", "i8"),
        ("reversals", "i8"),
        # Bought, in base and in quote; and the price of the pair's second leg over its first in bps, as filled.
        ("base", "f8"),
        ("bought", "f8"),
        ("spread_bps", "f8"),
        # The residual base of the pair's first and second leg, and their sum.
        ("net_0", "f8"),
        ("net_1", "f8"),
        ("residual", "f8"),
        ("residual_quote", "f8"),
        # Whether the residual is a lot or more, where fees take base; elsewhere, whether there is one.
        ("is_open", "i8"),
        ("cash", "f8"),
        ("fee", "f8"),
        # Funding of the pair's legs from its begin to that of the pair's next attempt, which is not in its profit.
        ("funding", "f8"),
        ("pnl", "f8"),
        # Edges in bps of what was bought, net of fees: as decided on, as filled, as filled over the basis.
        ("expected_bps", "f8"),
        ("captured_bps", "f8"),
        ("over_basis_bps", "f8"),
    ],
    align=True,
)

ENDINGS = (Decision.HEDGED, Decision.MISSED, Decision.REVERSED, Decision.HALTED)

#: A residual below this part of what was traded is rounding.
_ROUNDING = 1e-9


class _PairOfLeg:
    """The pair of each leg, -1 for none, and its side in it: 0 for the first leg, 1 for the second."""

    def __init__(self, pairs: Sequence[tuple[int, int]], legs: int) -> None:
        self.pair = np.full(legs, -1)
        self.side = np.zeros(legs, np.int64)
        for pair_no, pair in enumerate(pairs):
            self.pair[list(pair)] = pair_no
            self.side[pair[1]] = 1

    def is_paired(self, legs: Any) -> Any:
        """Whether each number is that of a leg with a pair. A user's strategy may log any number."""
        known = np.clip(legs, 0, len(self.pair) - 1)
        return (known == legs) & (self.pair[known] >= 0)


def attempts_of(
    decisions: Any,
    fills: Any,
    payments: Any,
    pairs: Sequence[tuple[int, int]],
    equity: Equity,
    basis_halflife_ns: int,
    fee_lots: Sequence[float],
) -> Any:
    """Rows of ATTEMPT_ROW by number; none for a strategy that logs no attempts, or takes no pairs.

    payments: rows of PAYMENT_ROW. pairs: the numbers of each pair's legs. basis_halflife_ns: of the average that edges
    are measured from; 0: none. fee_lots: of each leg, `LegTerms.fee_lot`.
    """
    legs = _PairOfLeg(pairs, equity.mids.shape[1])
    fills = fills[(fills["attempt"] > 0) & (legs.pair[fills["leg"]] >= 0)]
    begun = decisions[(decisions["code"] == Decision.ATTEMPT) & legs.is_paired(decisions["leg"])]
    numbers = np.unique(np.concatenate((begun["attempt"], fills["attempt"])))
    rows = np.zeros(len(numbers), ATTEMPT_ROW)
    if not len(rows):
        return rows
    rows["attempt"] = numbers
    _add_log(rows, decisions, begun, legs)
    _add_fills(rows, fills, legs)
    _add_funding(rows, payments, legs)
    _add_residuals(rows, equity, pairs, fee_lots)
    rows["pnl"] = rows["cash"] - rows["fee"] + rows["residual_quote"]
    _add_edges(rows, equity, pairs, basis_halflife_ns)
    return rows


def _with_rows(rows: Any, lines: Any) -> tuple[Any, Any]:
    """The log lines that belong to an attempt, and the attempt row of each."""
    places = np.minimum(np.searchsorted(rows["attempt"], lines["attempt"]), len(rows) - 1)
    is_own = rows["attempt"][places] == lines["attempt"]
    return lines[is_own], places[is_own]


def _add_log(rows: Any, decisions: Any, begun: Any, legs: _PairOfLeg) -> None:
    rows["expected_bps"] = np.nan
    # Backwards, so that the first line of an attempt is the one that remains.
    lines, places = _with_rows(rows, begun[::-1])
    rows["begin"][places] = lines["timestamp"]
    rows["pair"][places] = legs.pair[lines["leg"]]
    rows["purpose"][places] = lines["order_id"]
    # What hedges a late execution begins for no edge.
    rows["expected_bps"][places] = np.where(lines["order_id"] == Purpose.HEDGE, np.nan, lines["value"])
    lines, places = _with_rows(rows, decisions[is_any_of(decisions["code"], ENDINGS)])
    rows["end"][places] = lines["timestamp"]
    rows["outcome"][places] = lines["code"]
    for name, code in (("chases", Decision.CHASE), ("reversals", Decision.REVERSE)):
        _, places = _with_rows(rows, decisions[decisions["code"] == code])
        rows[name] = np.bincount(places, minlength=len(rows))


def _add_fills(rows: Any, fills: Any, legs: _PairOfLeg) -> None:
    fills, places = _with_rows(rows, fills)
    count = len(rows)

    def total(values: Any, where: Any = slice(None)) -> Any:
        return np.bincount(places[where], values[where], minlength=count)

    is_bought = fills["base"] > 0.0
    rows["pair"][places] = legs.pair[fills["leg"]]
    rows["fills"] = np.bincount(places, minlength=count)
    rows["cash"], rows["fee"] = total(fills["cash"]), total(fills["fee"])
    rows["base"], rows["bought"] = total(fills["base"], is_bought), total(-fills["cash"], is_bought)
    prices = []
    for side in range(2):
        is_own = legs.side[fills["leg"]] == side
        rows[f"net_{side}"] = total(fills["base"], is_own)
        traded = total(np.abs(fills["base"]), is_own)
        prices.append(_divided(total(np.abs(fills["base"]) * fills["price"], is_own), traded))
    rows["spread_bps"] = BPS * (prices[1] - prices[0]) / prices[0]
    # Forwards and backwards in time, so that the last and the first fill of a row remain.
    rows["last_fill"][places] = fills["timestamp"]
    rows["first_fill"][places[::-1]] = fills["timestamp"][::-1]


def _add_funding(rows: Any, payments: Any, legs: _PairOfLeg) -> None:
    begins = np.where(rows["begin"] > 0, rows["begin"], rows["first_fill"])
    for pair in np.unique(legs.pair[payments["leg"]]):
        own = payments[legs.pair[payments["leg"]] == pair]
        places = np.flatnonzero(rows["pair"] == pair)
        places = places[np.argsort(begins[places], kind="stable")]
        latest = np.searchsorted(begins[places], own["timestamp"], side="right") - 1
        is_after = latest >= 0
        np.add.at(rows["funding"], places[latest[is_after]], own["cash"][is_after])


def _add_residuals(
    rows: Any, equity: Equity, pairs: Sequence[tuple[int, int]], fee_lots: Sequence[float]
) -> None:
    nets = np.column_stack((rows["net_0"], rows["net_1"]))
    residual = nets.sum(axis=1)
    residual[np.abs(residual) <= _ROUNDING * np.abs(nets).max(axis=1)] = 0.0
    rows["residual"] = residual
    lots = np.array(fee_lots)[np.array(pairs)[rows["pair"]]].max(axis=1)
    rows["is_open"] = (residual != 0.0) & (np.abs(residual) >= lots)
    ends = np.maximum(rows["end"], rows["last_fill"])
    records = np.minimum(np.searchsorted(equity.timestamps, ends), len(equity.timestamps) - 1)
    holders = np.array(pairs)[rows["pair"], np.argmax(np.abs(nets), axis=1)]
    marks = equity.mids[records, holders]
    rows["residual_quote"] = np.where(residual == 0.0, 0.0, residual * marks)


def _add_edges(rows: Any, equity: Equity, pairs: Sequence[tuple[int, int]], basis_halflife_ns: int) -> None:
    captured = _divided(BPS * rows["pnl"], rows["bought"])
    # An open residual has no price yet, so there is no captured edge.
    captured[(rows["is_open"] != 0) | (rows["fills"] == 0)] = np.nan
    rows["captured_bps"] = rows["over_basis_bps"] = captured
    if basis_halflife_ns > 0:
        rows["over_basis_bps"] = captured - _earned_by_basis(rows, equity, pairs, basis_halflife_ns)


def _earned_by_basis(rows: Any, equity: Equity, pairs: Sequence[tuple[int, int]], halflife_ns: int) -> Any:
    """Buying the first leg and selling the second earns the basis, the opposite pays it, a reversal does neither."""
    bases = np.full(len(rows), np.nan)
    for pair in np.unique(rows["pair"]):
        spreads = cross_spread_bps(equity.prices[:, list(pairs[pair])])
        basis = basis_bps(equity.timestamps, spreads, halflife_ns)
        is_own = rows["pair"] == pair
        bases[is_own] = values_at(equity.timestamps, basis, rows["begin"][is_own])
    return bases * _divided(rows["net_0"], rows["base"])


def _divided(part: Any, whole: Any) -> Any:
    """`part / whole`; NaN where `whole` is 0."""
    result = np.full(len(part), np.nan)
    np.divide(part, whole, out=result, where=whole != 0.0)
    return result
