"""What a strategy does, as lines for its session's log and screen: attempts, their outcomes, fills, lost opportunities.

From the decision log and the fills, in batches taken between two calls of the strategy. Codes are those of the spread
strategy; a strategy that logs none has lines of fills. Pure; one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from arb.bot.account import CHARGE
from arb.bot.codes import LIMIT_EXCEEDED
from arb.leg import Leg, legs_of_pairs
from arb.results.metrics.opportunities import reason_name
from arb.results.trades import OTHER
from arb.strategies.spread.decisions import Decision, Missed, Purpose
from connectors.units import SECOND

#: Lines of one batch; further ones are counted in a line. Halts are always written.
LINES_MAX = 20
#: Least time between two lines of opportunities that were not taken; those between are counted in the next line.
MISSED_EVERY_NS = 10 * SECOND
#: Orders, and attempts without an outcome, that are remembered.
_REMEMBERED_MAX = 10_000
#: A quantity left below this part of what was traded is rounding.
_ROUNDING = 1e-9
_NO_CHARGES = np.empty(0, CHARGE)

_PURPOSES: dict[int, str] = {
    Purpose.LEAVE: "closes the spread",
    Purpose.STOP_LOSS: "stop loss",
    Purpose.TIMEOUT: "held for too long",
    Purpose.REBALANCE: "moves inventory back",
    Purpose.HEDGE: "hedges a late execution",
}
_SENT = (Decision.OPEN, Decision.CHASE, Decision.REVERSE)
_HALTED = "halted"


class TradingLine(NamedTuple):
    """ts: ns on the run's clock. event: its kind, in one word."""

    ts: int
    event: str
    text: str


class Totals(NamedTuple):
    """Counts since the start. best_bps: the largest logged edge of buying each leg, NaN for none."""

    attempts: int
    hedged: int
    seen: int
    taken: int
    best_bps: tuple[float, ...]


class _Decision(NamedTuple):
    """A row of `arb.bot.recorder.DECISION`."""

    timestamp: int
    code: int
    attempt: int
    leg: int
    order_id: int
    value: float


class _Fill(NamedTuple):
    """A row of `arb.bot.fills.FILL`."""

    leg: int
    order_id: int
    side: int
    price: float
    qty: float
    maker: int
    exch_ts: int
    request_ts: int


class _Attempt:
    """The fills of an attempt so far: quote after fees, and what was bought and sold."""

    def __init__(self) -> None:
        self.cash = self.bought = self.sold = 0.0

    @property
    def profit(self) -> str:
        """Its profit as text; "" while something is left, whose price is not known."""
        is_flat = abs(self.bought - self.sold) <= _ROUNDING * self.bought
        return f", profit {signed_money(self.cash)}" if is_flat and self.bought else ""


def _charged(charge: Any, leg: Leg) -> str:
    """What a fee took that was not the quote; "" if it was."""
    if charge["base"]:
        return f" ({exact(float(charge['base']))} base)"
    if not charge["other"]:
        return ""
    return f" ({exact(float(charge['other']))} {leg.fee_asset if leg.has_named_fee_asset else OTHER})"


class TradingLines:
    """Turns batches of decisions and fills into lines."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._legs = legs
        self._partners = {a: b for pair in legs_of_pairs(legs) for a, b in (pair, pair[::-1])}
        #: The attempt of each order, by leg and order id; the fills of each attempt. Oldest first.
        self._orders: dict[tuple[int, int], int] = {}
        #: Number of fills so far.
        self._fills = 0
        self._attempts: dict[int, _Attempt] = {}
        #: The last attempt with a refused order.
        self._refused = 0
        #: By leg to buy, when its opportunity began.
        self._begins: dict[int, int] = {}
        #: When an opportunity was written that was not taken, and how many were not written since.
        self._missed_ts: int | None = None
        self._left_out = 0
        self._begun = self._hedged = self._seen = self._taken = 0
        self._best = [math.nan] * len(legs)
        self._texts: dict[int, Callable[[_Decision], tuple[str, str] | None]] = {
            Decision.ATTEMPT: self._attempt,
            Decision.REFUSED: self._refusal,
            Decision.HEDGED: self._hedge,
            Decision.MISSED: self._miss,
            Decision.REVERSED: self._reversal,
            Decision.HALTED: self._halt,
            Decision.RISK_HALTED: self._risk_halt,
            Decision.FLATTEN: self._flattening,
            Decision.HEDGE: self._first_hedge,
            Decision.IMBALANCE: self._imbalance,
            Decision.UNCOUNTED: self._difference,
            Decision.RESIDUAL: self._residual,
            Decision.OPPORTUNITY: self._opportunity,
            Decision.OPPORTUNITY_END: self._end_of_opportunity,
        }

    @property
    def totals(self) -> Totals:
        """The counts so far."""
        return Totals(self._begun, self._hedged, self._seen, self._taken, tuple(self._best))

    def follow(self, decisions: Any, fills: Any, charges: Any = _NO_CHARGES) -> list[TradingLine]:
        """The lines of new decisions (dtype DECISION), fills (dtype FILL) and charges (dtype CHARGE), in the order of
        their times."""
        logged = [_Decision(*row) for row in decisions.tolist()]
        self._orders.update(((one.leg, one.order_id), one.attempt) for one in logged if one.code in _SENT)
        # Before the decisions: an outcome follows all fills of its attempt.
        charged = {int(one["fill_no"]): one for one in charges[charges["is_funding"] == 0]}
        lines = [
            self._fill(_Fill(*row), charged.get(no)) for no, row in enumerate(fills.tolist(), self._fills)
        ]
        self._fills += len(fills)
        lines += [self._funding(one) for one in charges[charges["is_funding"] != 0]]
        for one in logged:
            describe = self._texts.get(one.code)
            if describe is not None and (found := describe(one)) is not None:
                lines.append(TradingLine(one.timestamp, *found))
        _forget_oldest(self._orders)
        _forget_oldest(self._attempts)
        return list(_bounded(sorted(lines, key=lambda line: line.ts)))

    def _funding(self, payment: Any) -> TradingLine:
        name = self._legs[int(payment["asset_no"])].name
        text = f"{name} {signed_money(float(payment['quote']))} on {exact(float(payment['qty']))}, rate "
        return TradingLine(int(payment["exch_ts"]), "funding", f"{text}{exact(float(payment['rate']))}")

    def _fill(self, fill: _Fill, charge: Any | None) -> TradingLine:
        leg, number = self._legs[fill.leg], self._orders.get((fill.leg, fill.order_id), 0)
        amount = leg.contract_size * fill.price * fill.qty
        fee = amount * (leg.maker_fee if fill.maker else leg.taker_fee)
        if charge is not None:
            fee = float(charge["value"])
        base_fee = 0.0 if charge is None else float(charge["base"])
        if number > 0:
            attempt = self._attempts.setdefault(number, _Attempt())
            attempt.cash -= fill.side * amount + (0.0 if base_fee else fee)
            base = leg.contract_size * (fill.qty - fill.side * base_fee)
            attempt.bought += base if fill.side > 0 else 0.0
            attempt.sold += base if fill.side < 0 else 0.0
        side, kind = "buy" if fill.side > 0 else "sell", "maker fee" if fill.maker else "fee"
        text = f"{leg.name} {side} {exact(fill.qty)} at {exact(fill.price)}, {kind} {money(fee)}"
        if charge is not None:
            text += _charged(charge, leg)
        return TradingLine(fill.exch_ts, "fill", f"{text}, attempt {number}" if number > 0 else text)

    def _attempt(self, one: _Decision) -> tuple[str, str]:
        self._begun += 1
        self._note_best(one)
        partner, purpose = self._partners.get(one.leg), _PURPOSES.get(one.order_id)
        legs = (
            self._name(one.leg) if partner is None else f"{self._name(one.leg)}, sell {self._name(partner)}"
        )
        text = f"{one.attempt}: buy {legs}"
        if one.order_id != Purpose.HEDGE:
            text += f", edge {one.value:+.2f} bps"
        return "attempt", f"{text}, {purpose}" if purpose else text

    def _refusal(self, one: _Decision) -> tuple[str, str] | None:
        """One line an attempt: a refused order is sent again."""
        if one.attempt == self._refused:
            return None
        self._refused = one.attempt
        why = "a limit of [risk], or lack of funds" if one.value == LIMIT_EXCEEDED else f"code {one.value:g}"
        return "refused", f"attempt {one.attempt}, an order of {self._name(one.leg)} was not sent: {why}"

    def _hedge(self, one: _Decision) -> tuple[str, str]:
        self._hedged += 1
        return "hedged", f"attempt {one.attempt}, {exact(one.value)} a leg{self._profit(one)}"

    def _miss(self, one: _Decision) -> tuple[str, str]:
        return "missed", f"attempt {one.attempt}, neither leg was filled"

    def _reversal(self, one: _Decision) -> tuple[str, str]:
        return "reversed", f"attempt {one.attempt}, {exact(one.value)} traded back{self._profit(one)}"

    def _profit(self, one: _Decision) -> str:
        attempt = self._attempts.pop(one.attempt, None)
        return "" if attempt is None else attempt.profit

    def _halt(self, one: _Decision) -> tuple[str, str]:
        why = "an order in doubt, or a leg that could not be traded back in time"
        return _HALTED, f"attempt {one.attempt}, leg imbalance {one.value:+.10g}: {why}"

    def _risk_halt(self, one: _Decision) -> tuple[str, str]:
        rule = "the drawdown" if one.order_id == Missed.DRAWDOWN else f"the loss of attempt {one.attempt}"
        return _HALTED, f"{rule} is {100.0 * one.value:.3g} % of the capital, more than [risk] allows"

    def _flattening(self, one: _Decision) -> tuple[str, str]:
        return "flatten", f"{self._name(one.leg)}, an order at {exact(one.value)} trades the position back"

    def _first_hedge(self, one: _Decision) -> tuple[str, str]:
        return (
            "hedge",
            f"{self._name(one.leg)}, an order at {exact(one.value)} balances the pair",
        )

    def _imbalance(self, one: _Decision) -> tuple[str, str]:
        more = f"{self._name(one.leg)} filled {exact(one.value)} more than the other leg"
        return "imbalance", f"attempt {one.attempt}, {more}"

    def _difference(self, one: _Decision) -> tuple[str, str]:
        found = f"{self._name(one.leg)} has {one.value:+.10g} beyond the executions of its orders"
        return "uncounted", f"{found}: it is hedged"

    def _residual(self, one: _Decision) -> tuple[str, str]:
        return "residual", f"{one.value:+.10g} is too small to be traded, and counts in the next attempt"

    def _opportunity(self, one: _Decision) -> None:
        self._seen += 1
        self._begins[one.leg] = one.timestamp
        self._note_best(one)

    def _end_of_opportunity(self, one: _Decision) -> tuple[str, str] | None:
        self._note_best(one)
        lasted_s = (one.timestamp - self._begins.pop(one.leg, one.timestamp)) / SECOND
        if one.order_id == Missed.TAKEN:
            self._taken += 1
            return None
        if self._missed_ts is not None and one.timestamp - self._missed_ts < MISSED_EVERY_NS:
            self._left_out += 1
            return None
        text = (
            f"buy {self._name(one.leg)}, edge {one.value:+.2f} bps at most, {lasted_s:.3f} s, not taken: "
            f"{reason_name(one.order_id).replace('_', ' ')}"
        )
        if self._left_out:
            text += f"; {self._left_out:,} others since the last such line"
        self._missed_ts, self._left_out = one.timestamp, 0
        return "opportunity", text

    def _note_best(self, one: _Decision) -> None:
        if 0 <= one.leg < len(self._best):
            self._best[one.leg] = known_max(self._best[one.leg], one.value)

    def _name(self, leg_no: int) -> str:
        return self._legs[leg_no].name if 0 <= leg_no < len(self._legs) else f"leg {leg_no}"


def known_max(a: float, b: float) -> float:
    """The larger value; the known one if the other is NaN."""
    return b if math.isnan(a) or b > a else a


def exact(value: float) -> str:
    """A price or quantity with all its digits."""
    return f"{value:.10g}"


def money(value: float) -> str:
    """Quote units: two decimals; below one, four."""
    return f"{value:,.2f}" if abs(value) >= 1.0 or value == 0.0 else f"{value:,.4f}"


def signed_money(value: float) -> str:
    """Quote units with a sign."""
    return f"+{money(value)}" if value > 0.0 else money(value)


def _bounded(lines: Sequence[TradingLine]) -> Iterator[TradingLine]:
    yield from lines[:LINES_MAX]
    rest = lines[LINES_MAX:]
    left_out = [line for line in rest if line.event != _HALTED]
    if left_out:
        yield TradingLine(
            left_out[-1].ts, "more", f"{len(left_out):,} lines of orders and fills; the files have them"
        )
    yield from (line for line in rest if line.event == _HALTED)


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    for key in list(islice(remembered, max(0, len(remembered) - _REMEMBERED_MAX))):
        del remembered[key]
