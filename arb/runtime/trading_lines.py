"""What a strategy does, as lines for other processes and for the log: attempts, orders, outcomes, fills, opportunities.

From the decision log, the fills and what the host knows of the orders, in batches taken between two calls of the
strategy. Codes are those of the spread strategy; a strategy that logs none has lines of fills. Pure; one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from arb.bot.account import CHARGE
from arb.bot.codes import LIMIT_EXCEEDED
from arb.leg import Leg, legs_of_pairs
from arb.results.metrics.opportunities import reason_name
from arb.runtime.order_news import NO_NEWS, OrderKey, OrderNews, Rejected
from arb.runtime.trading_texts import amount_text, charged_text, exact, money, signed_money
from arb.strategies.spread.decisions import Decision, Missed, Purpose
from connectors.units import SECOND

#: Lines of one batch in the log; further ones are counted in a line. Halts are always written.
LINES_MAX = 20
#: Least time between two lines in the log of opportunities that were not taken; those between are counted in the next.
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


_SIDES = {1: "buy", -1: "sell"}

#: What a line says, by name.
Data: TypeAlias = Mapping[str, float | int | str | None]


class TradingLine(NamedTuple):
    """ts: ns on the run's clock. event: its kind, in one word. shown: its text in the log; "": it is not there."""

    ts: int
    event: str
    text: str
    data: Data = MappingProxyType({})
    shown: str = ""


class _Said(NamedTuple):
    """A line without its time. shown: None: as the text."""

    event: str
    text: str
    data: Data
    shown: str | None = None


class Totals(NamedTuple):
    """Counts since the start. best_bps: the largest logged edge of buying each leg, NaN for none. halted: why the
    strategy has stopped to trade, "" if it has not."""

    attempts: int
    hedged: int
    seen: int
    taken: int
    best_bps: tuple[float, ...]
    missed: int = 0
    reversed: int = 0
    halted: str = ""


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
    def profit(self) -> float | None:
        """None while something is left, whose price is not known."""
        is_flat = abs(self.bought - self.sold) <= _ROUNDING * self.bought
        return self.cash if is_flat and self.bought else None


class TradingLines:
    """Turns batches of decisions and fills into lines."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._legs = legs
        self._partners = {a: b for pair in legs_of_pairs(legs) for a, b in (pair, pair[::-1])}
        #: The attempt of each order, by leg and order id; the fills of each attempt. Oldest first.
        self._orders: dict[OrderKey, int] = {}
        #: The quantity of each order. Oldest first.
        self._quantities: dict[OrderKey, float] = {}
        #: The first order of each leg of the attempts of this batch.
        self._opened: dict[tuple[int, int], OrderKey] = {}
        #: The leg that each attempt buys. Oldest first.
        self._bought: dict[int, int] = {}
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
        self._begun = self._hedged = self._missed = self._reversed = self._seen = self._taken = 0
        self._halted = ""
        self._best = [math.nan] * len(legs)
        self._texts: dict[int, Callable[[_Decision], _Said | None]] = {
            Decision.ATTEMPT: self._attempt,
            Decision.OPEN: partial(self._order, "order", 1),
            Decision.CHASE: partial(self._order, "chase", 1),
            Decision.REVERSE: partial(self._order, "reverse", -1),
            Decision.EXPIRED: self._expiry,
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
        best = tuple(self._best)
        more = self._missed, self._reversed, self._halted
        return Totals(self._begun, self._hedged, self._seen, self._taken, best, *more)

    def follow(
        self, decisions: Any, fills: Any, charges: Any = _NO_CHARGES, news: OrderNews = NO_NEWS
    ) -> list[TradingLine]:
        """The lines of new decisions (dtype DECISION), fills (dtype FILL), charges (dtype CHARGE) and news of orders,
        in the order of their times."""
        logged = [_Decision(*row) for row in decisions.tolist()]
        self._orders.update(((one.leg, one.order_id), one.attempt) for one in logged if one.code in _SENT)
        self._quantities.update(news.quantities)
        self._opened = {
            (one.attempt, one.leg): (one.leg, one.order_id) for one in logged if one.code == Decision.OPEN
        }
        # Before the decisions: an outcome follows all fills of its attempt.
        charged, paid = _charged(charges) if len(charges) else ({}, ())
        lines = [
            self._fill(_Fill(*row), charged.get(no)) for no, row in enumerate(fills.tolist(), self._fills)
        ]
        self._fills += len(fills)
        lines += [self._funding(one) for one in paid]
        for one in logged:
            describe = self._texts.get(one.code)
            if describe is not None and (said := describe(one)) is not None:
                shown = said.text if said.shown is None else said.shown
                lines.append(TradingLine(one.timestamp, said.event, said.text, said.data, shown))
        lines += [self._rejection(one) for one in news.rejected]
        for remembered in (self._orders, self._attempts, self._bought, self._quantities):
            _forget_oldest(remembered)
        return sorted(lines, key=lambda line: line.ts)

    def _funding(self, payment: Any) -> TradingLine:
        name = self._legs[int(payment["asset_no"])].name
        quote, qty, rate = (float(payment[key]) for key in ("quote", "qty", "rate"))
        text = f"{name} {signed_money(quote)} on {exact(qty)}, rate {exact(rate)}"
        data: Data = {"leg": name, "quote": quote, "qty": qty, "rate": rate}
        return TradingLine(int(payment["exch_ts"]), "funding", text, data, text)

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
            text += charged_text(charge, leg)
        if number > 0:
            text += f", attempt {number}"
        data: Data = {
            "attempt": number if number > 0 else None,
            "leg": leg.name,
            "side": side,
            "price": fill.price,
            "qty": fill.qty,
            "fee": fee,
            "liquidity": "maker" if fill.maker else "taker",
            "order_id": fill.order_id,
        }
        return TradingLine(fill.exch_ts, "fill", text, data, text)

    def _attempt(self, one: _Decision) -> _Said:
        self._begun += 1
        self._note_best(one)
        self._bought[one.attempt] = one.leg
        partner, purpose = self._partners.get(one.leg), _PURPOSES.get(one.order_id)
        buy, sell = self._name(one.leg), None if partner is None else self._name(partner)
        buy_qty, sell_qty = (self._opening_qty(one.attempt, leg) for leg in (one.leg, partner))
        text = f"{one.attempt}: buy {amount_text(buy_qty)}{buy}"
        if sell is not None:
            text += f", sell {amount_text(sell_qty)}{sell}"
        is_edge = one.order_id != Purpose.HEDGE
        if is_edge:
            text += f", edge {one.value:+.2f} bps"
        data: Data = {
            "attempt": one.attempt,
            "buy": buy,
            "sell": sell,
            "edge_bps": one.value if is_edge else None,
            "buy_qty": buy_qty,
            "sell_qty": sell_qty,
            "purpose": purpose,
        }
        return _Said("attempt", f"{text}, {purpose}" if purpose else text, data)

    def _opening_qty(self, attempt: int, leg: int | None) -> float | None:
        """Of an attempt's first order at a leg; None without one, or if nobody knows its quantity."""
        order = None if leg is None else self._opened.get((attempt, leg))
        return None if order is None else self._quantities.get(order)

    def _order(self, event: str, sign: int, one: _Decision) -> _Said:
        """An order was sent; sign: -1 if it trades back what an earlier one of its leg has traded."""
        leg, bought = self._name(one.leg), self._bought.get(one.attempt)
        side = None if bought is None else _SIDES[sign if one.leg == bought else -sign]
        qty = self._quantities.get((one.leg, one.order_id))
        data: Data = {
            "attempt": one.attempt,
            "leg": leg,
            "side": side,
            "price": one.value,
            "qty": qty,
            "order_id": one.order_id,
        }
        text = f"attempt {one.attempt}, {leg}, {side or 'an order'} {amount_text(qty)}at {exact(one.value)}"
        return _Said(event, text, data, "")

    def _rejection(self, one: Rejected) -> TradingLine:
        """Not in the log, which has the first of each kind."""
        leg, attempt = self._name(one.leg), self._orders.get((one.leg, one.order_id)) or None
        data: Data = {"attempt": attempt, "leg": leg, "reason": one.reason, "order_id": one.order_id}
        text = f"an order of {leg} was refused: {one.reason}"
        return TradingLine(one.ts, "rejected", f"attempt {attempt}, {text}" if attempt else text, data)

    def _expiry(self, one: _Decision) -> _Said:
        leg = self._name(one.leg)
        data: Data = {"attempt": one.attempt, "leg": leg, "qty": one.value, "order_id": one.order_id}
        return _Said("expired", f"attempt {one.attempt}, {leg}, {exact(one.value)} was not filled", data, "")

    def _refusal(self, one: _Decision) -> _Said:
        """In the log one an attempt: a refused order is sent again."""
        why = "a limit of [risk], or lack of funds" if one.value == LIMIT_EXCEEDED else f"code {one.value:g}"
        leg = self._name(one.leg)
        text = f"attempt {one.attempt}, an order of {leg} was not sent: {why}"
        shown = None if one.attempt != self._refused else ""
        self._refused = one.attempt
        return _Said("refused", text, {"attempt": one.attempt, "leg": leg, "reason": why}, shown)

    def _hedge(self, one: _Decision) -> _Said:
        self._hedged += 1
        return self._outcome("hedged", one, f", {exact(one.value)} a leg")

    def _miss(self, one: _Decision) -> _Said:
        self._missed += 1
        data: Data = {"attempt": one.attempt, "outcome": "missed"}
        return _Said("missed", f"attempt {one.attempt}, neither leg was filled", data)

    def _reversal(self, one: _Decision) -> _Said:
        self._reversed += 1
        return self._outcome("reversed", one, f", {exact(one.value)} traded back")

    def _outcome(self, outcome: str, one: _Decision, text: str) -> _Said:
        attempt = self._attempts.pop(one.attempt, None)
        profit = None if attempt is None else attempt.profit
        if profit is not None:
            text += f", profit {signed_money(profit)}"
        data: Data = {"attempt": one.attempt, "outcome": outcome, "qty": one.value, "profit": profit}
        return _Said(outcome, f"attempt {one.attempt}{text}", data)

    def _halt(self, one: _Decision) -> _Said:
        why = "an order in doubt, or a leg that could not be traded back in time"
        self._halted = f"attempt {one.attempt}, leg imbalance {one.value:+.10g}: {why}"
        data: Data = {"attempt": one.attempt, "outcome": _HALTED, "qty": one.value, "reason": why}
        return _Said(_HALTED, self._halted, data)

    def _risk_halt(self, one: _Decision) -> _Said:
        is_drawdown = one.order_id == Missed.DRAWDOWN
        rule = "the drawdown" if is_drawdown else f"the loss of attempt {one.attempt}"
        self._halted = f"{rule} is {100.0 * one.value:.3g} % of the capital, more than [risk] allows"
        data: Data = {"reason": reason_name(one.order_id), "share_pct": 100.0 * one.value}
        return _Said(_HALTED, self._halted, data if is_drawdown else {"attempt": one.attempt, **data})

    def _flattening(self, one: _Decision) -> _Said:
        return self._of_host("flatten", "trades the position back", one)

    def _first_hedge(self, one: _Decision) -> _Said:
        return self._of_host("hedge", "balances the pair", one)

    def _of_host(self, event: str, what: str, one: _Decision) -> _Said:
        leg, qty = self._name(one.leg), self._quantities.get((one.leg, one.order_id))
        data: Data = {"leg": leg, "price": one.value, "qty": qty, "order_id": one.order_id}
        of = "" if qty is None else f" of {exact(qty)}"
        return _Said(event, f"{leg}, an order{of} at {exact(one.value)} {what}", data)

    def _imbalance(self, one: _Decision) -> _Said:
        text = (
            f"attempt {one.attempt}, {self._name(one.leg)} filled {exact(one.value)} more than the other leg"
        )
        return _Said("imbalance", text, self._amount(one))

    def _difference(self, one: _Decision) -> _Said:
        found = f"{self._name(one.leg)} has {one.value:+.10g} beyond the executions of its orders"
        return _Said("uncounted", f"{found}: it is hedged", self._amount(one))

    def _amount(self, one: _Decision) -> Data:
        return {"attempt": one.attempt, "leg": self._name(one.leg), "qty": one.value}

    def _residual(self, one: _Decision) -> _Said:
        text = f"{one.value:+.10g} is too small to be traded, and counts in the next attempt"
        return _Said("residual", text, {"attempt": one.attempt, "qty": one.value})

    def _opportunity(self, one: _Decision) -> None:
        self._seen += 1
        self._begins[one.leg] = one.timestamp
        self._note_best(one)

    def _end_of_opportunity(self, one: _Decision) -> _Said:
        self._note_best(one)
        buy, partner = self._name(one.leg), self._partners.get(one.leg)
        lasted_s = (one.timestamp - self._begins.pop(one.leg, one.timestamp)) / SECOND
        reason = reason_name(one.order_id)
        data: Data = {
            "buy": buy,
            "sell": None if partner is None else self._name(partner),
            "edge_bps": one.value,
            "lasted_s": lasted_s,
            "reason": reason,
        }
        text = f"buy {buy}, edge {one.value:+.2f} bps at most, {lasted_s:.3f} s, "
        if one.order_id == Missed.TAKEN:
            self._taken += 1
            return _Said("opportunity", f"{text}taken", data, "")
        text += f"not taken: {reason.replace('_', ' ')}"
        if self._missed_ts is not None and one.timestamp - self._missed_ts < MISSED_EVERY_NS:
            self._left_out += 1
            return _Said("opportunity", text, data, "")
        more = f"; {self._left_out:,} others since the last such line" if self._left_out else ""
        self._missed_ts, self._left_out = one.timestamp, 0
        return _Said("opportunity", text, data, f"{text}{more}")

    def _note_best(self, one: _Decision) -> None:
        if 0 <= one.leg < len(self._best):
            self._best[one.leg] = known_max(self._best[one.leg], one.value)

    def _name(self, leg_no: int) -> str:
        return self._legs[leg_no].name if 0 <= leg_no < len(self._legs) else f"leg {leg_no}"


def known_max(a: float, b: float) -> float:
    """The larger value; the known one if the other is NaN."""
    return b if math.isnan(a) or b > a else a


def shown_lines(lines: Sequence[TradingLine]) -> Iterator[TradingLine]:
    """Those of one batch for the log, with their text there: LINES_MAX, and every halt."""
    shown = [line._replace(text=line.shown) for line in lines if line.shown]
    yield from shown[:LINES_MAX]
    rest = shown[LINES_MAX:]
    left_out = [line for line in rest if line.event != _HALTED]
    if left_out:
        text = f"{len(left_out):,} lines of orders and fills; the files have them"
        yield TradingLine(left_out[-1].ts, "more", text)
    yield from (line for line in rest if line.event == _HALTED)


def _charged(charges: Any) -> tuple[dict[int, Any], Any]:
    """Charges by the number of their fill, and payments of funding."""
    is_funding = charges["is_funding"] != 0
    return {int(one["fill_no"]): one for one in charges[~is_funding]}, charges[is_funding]


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    if len(remembered) > _REMEMBERED_MAX:
        for key in list(islice(remembered, len(remembered) - _REMEMBERED_MAX)):
            del remembered[key]
