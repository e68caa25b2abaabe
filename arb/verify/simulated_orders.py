"""What the simulated exchange of dry-runs would have made of the orders of a live session, order by order. Pure.

Every request reaches the simulated exchange when it reached the venue, by the venue's own time. A refusal has none: its
request was as far on its way as the configured latencies divide the time to its answer. A request without an answer, or
in doubt, takes the configured latency. Orders do not see each other's quantity there, and it knows no money: each is
judged alone, by the market. The configured latencies are compared apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from hftbacktest.order import CANCELED, EXPIRED, FILLED, MARKET, NEW, REJECTED
from hftbacktest.types import event_dtype

from arb.engine.account import FUNDING, REPLACED
from arb.engine.book import NO_ASK, NO_BID
from arb.execution.ids import SessionIds
from arb.leg import Leg
from arb.results.simulated_orders import (
    BOTH,
    LIVE_ONLY,
    NEITHER,
    NO_PRICE,
    NOT_SENT,
    OPEN,
    REFUSED,
    SIMULATED_ONLY,
    UNKNOWN,
    SimulatedOrder,
)
from arb.results.trades import iso_time
from arb.runtime.live_files import OrderRecords
from arb.simulation.answers import ExchangeAnswer, answers_of
from arb.simulation.latency import Latency, live_latency
from connectors.model import FUNDING_EVENT, Rows
from connectors.orders.model import Force

_ENDS = {FILLED: "filled", CANCELED: "canceled", EXPIRED: "expired"}
_BPS = 1e4
#: Rows at the end of a leg's market by which its delay is measured.
_LAST_ROWS = 1000


@dataclass(slots=True)
class _Outcome:
    """What an exchange made of an order. ticks: the sum of price ticks times lots."""

    lots: int = 0
    ticks: int = 0
    end: str = OPEN
    end_ts: int = 0
    #: Of the answer to its placement: the exchange's time, 0 if unknown, and the receipt.
    answer_ts: int = 0
    received_ts: int = 0

    def execute(self, lots: int, tick: int, timestamp: int) -> None:
        self.lots += lots
        self.ticks += lots * tick
        self.end_ts = timestamp


@dataclass(slots=True)
class _Order:
    """An order of the session. row: of ORDER, its placement; is_sent: whether a byte of it was."""

    leg: int
    row: Any
    is_sent: bool
    attempt: int
    live: _Outcome = field(default_factory=_Outcome)
    simulated: _Outcome = field(default_factory=_Outcome)
    #: Rows of its amendments and cancellations. Quantities of its executions at the venue, with their receipt.
    changes: list[Any] = field(default_factory=list)
    fills: list[tuple[int, float]] = field(default_factory=list)
    #: When its placement reached the simulated exchange.
    arrived_ts: int = 0

    @property
    def made_ts(self) -> int:
        return int(self.row["request_ts"])

    def executed_qty(self, at_ts: int) -> float:
        """What the strategy knew to be executed at a time."""
        return sum(qty for received_ts, qty in self.fills if received_ts <= at_ts)


def simulated_orders(
    legs: Sequence[Leg],
    ids: SessionIds,
    records: OrderRecords,
    rows: Sequence[Sequence[Rows]],
    end_ts: int,
) -> list[SimulatedOrder]:
    """Every order of a session whose strategy was stopped at `end_ts`, in the order of their requests.

    rows: of each leg, by venue time. Left out are requests that the stopped strategy left behind.
    """
    orders = _orders(legs, records)
    requests = _requests(legs, orders, _arrivals(legs, records), end_ts)
    answers = answers_of(legs, [Latency(0, 0)] * len(legs), rows, requests)
    _take_fills(legs, orders, answers)
    placements = [(one.leg, _numbered(one.row, no, one.made_ts)) for no, one in enumerate(orders)]
    # The latencies depend on no market.
    for answer in answers_of(legs, [live_latency(leg) for leg in legs], [()] * len(legs), placements):
        found = orders[int(answer.row["order_id"]) - 1].simulated
        found.answer_ts, found.received_ts = int(answer.row["exch_timestamp"]), answer.received_ts
    known_until = [_known_until(own, end_ts) for own in rows]
    for one in orders:
        if max(one.arrived_ts, one.live.end_ts if one.live.lots else 0) > known_until[one.leg]:
            one.simulated.lots, one.simulated.end, one.simulated.end_ts = 0, UNKNOWN, 0
    return [_compared(one, legs[one.leg], ids) for one in orders]


def _known_until(arrays: Sequence[Rows], end_ts: int) -> int:
    """Up to when a leg's recorded market is complete: the session's end less the largest delay of the last rows."""
    last = arrays[-1][-_LAST_ROWS:] if len(arrays) else np.zeros(0, event_dtype)
    market = last[(last["ev"] & np.uint64(0xFF)) != FUNDING_EVENT]
    return end_ts - int((market["local_ts"] - market["exch_ts"]).max(initial=0))


def _orders(legs: Sequence[Leg], records: OrderRecords) -> list[_Order]:
    """The orders with their changes and what the venues made of them."""
    orders: list[_Order] = []
    by_request: dict[tuple[int, int], _Order] = {}
    by_id: dict[tuple[int, int], list[_Order]] = {}
    for one in records.requests:
        leg, row = int(one["leg"]), one["row"]
        own = by_id.setdefault((leg, int(row["order_id"])), [])
        if not one["taken_ns"]:  # left behind by the stopped strategy
            continue
        if row["req"] == NEW:
            orders.append(_Order(leg, row, bool(one["is_sent"]), int(one["attempt"])))
            own.append(orders[-1])
        elif own:
            own[-1].changes.append(row)
        if own:
            by_request[leg, int(row["request_no"])] = own[-1]
    for one in records.responses:
        leg, row = int(one["leg"]), one["row"]
        own = by_id.get((leg, int(row["order_id"])), [])
        order = by_request.get((leg, int(row["request_no"]))) or _at(own, int(one["received_ns"]))
        if order is not None:  # else a funding payment
            _take_response(order, one, legs[leg].lot_size)
    return orders


def _arrivals(legs: Sequence[Leg], records: OrderRecords) -> dict[tuple[int, int], int]:
    """When answered requests reached the venues, by (leg, number of the request)."""
    doubtful = {
        (one["leg"], one["request_no"]) for facts in records.facts.values() for one in facts["doubts"]
    }
    found = {}
    for one in records.responses:
        leg, row = int(one["leg"]), one["row"]
        request, made_ts = (leg, int(row["request_no"])), int(row["request_ts"])
        if row["request_no"] and row["exch_timestamp"] > 0:
            # Venues give whole milliseconds: an order seems to arrive up to one before it does.
            found[request] = max(int(row["exch_timestamp"]), made_ts)
        elif row["request_no"] and request not in doubtful:
            there, back = legs[leg].entry_latency_ns, legs[leg].response_latency_ns
            trip = int(one["received_ns"]) - made_ts
            found[request] = made_ts + (trip * there // (there + back) if there + back else trip // 2)
    return found


def _at(own: Sequence[_Order], received_ts: int) -> _Order | None:
    """Of orders with the same id, the one that a response of this time belongs to."""
    number = bisect_left([one.made_ts for one in own], received_ts)
    return own[max(number - 1, 0)] if own else None


def _take_response(order: _Order, response: Any, lot_size: float) -> None:
    """Applies a response of the venue."""
    row, live = response["row"], order.live
    is_placement = row["request_no"] == order.row["request_no"]
    if is_placement:
        live.answer_ts, live.received_ts = int(row["exch_timestamp"]), int(response["received_ns"])
    if row["req"] == REJECTED:
        if is_placement:
            live.end, live.end_ts = REFUSED if order.is_sent else NOT_SENT, live.answer_ts
        return
    if row["fill_qty"] > 0.0:
        order.fills.append((int(response["received_ns"]), float(row["fill_qty"])))
        lots = round(float(row["fill_qty"]) / lot_size)
        live.execute(lots, int(row["exec_price_tick"]), int(row["exch_timestamp"]))
    if int(row["status"]) in _ENDS:
        live.end = _ENDS[int(row["status"])]
        live.end_ts = int(row["exch_timestamp"]) or int(response["received_ns"])


def _requests(
    legs: Sequence[Leg], orders: Sequence[_Order], arrivals: dict[tuple[int, int], int], end_ts: int
) -> list[tuple[int, Any]]:
    """The requests by the time at which they arrive, each order under an id of its own.

    An order that ended at the venue without being filled is cancelled at that time, as nobody else would; any other at
    the end of the session.
    """
    found: list[tuple[int, int, Any]] = []
    for no, one in enumerate(orders):
        way_ns = legs[one.leg].entry_latency_ns
        last = 0
        for row in (one.row, *one.changes):
            made_ts = int(row["request_ts"])
            last = max(arrivals.get((one.leg, int(row["request_no"])), made_ts + way_ns), last)
            one.arrived_ts = one.arrived_ts or last
            asked = _numbered(row, no, last)
            if row["req"] == REPLACED:  # what the venue executed is still open here
                asked["status"] = NEW
                asked["qty"] += one.executed_qty(made_ts)
                asked["leaves_qty"] += one.executed_qty(made_ts)
            found.append((last, one.leg, asked))
        is_over = one.live.end not in (_ENDS[FILLED], OPEN)
        ends_ts = one.live.end_ts if is_over else end_ts + way_ns
        cancel = _numbered(one.row, no, max(ends_ts, last))
        cancel["req"], cancel["request_no"] = CANCELED, 0
        found.append((max(ends_ts, last), one.leg, cancel))
    return [(leg, row) for _, leg, row in sorted(found, key=itemgetter(0))]


def _numbered(row: Any, no: int, sent_ts: int) -> Any:
    """A copy of a row of ORDER, of the order with this number, sent at this time."""
    copied = np.array([row])[0]
    copied["order_id"], copied["local_timestamp"] = no + 1, sent_ts
    return copied


def _take_fills(legs: Sequence[Leg], orders: Sequence[_Order], answers: Iterable[ExchangeAnswer]) -> None:
    """Applies the responses of the simulated exchanges."""
    for answer in answers:
        row = answer.row
        if row["req"] in (REJECTED, FUNDING) or int(row["status"]) not in _ENDS:
            continue
        one = orders[int(row["order_id"]) - 1]
        found, tick = one.simulated, int(row["exec_price_tick"])
        found.end, found.end_ts = _ENDS[int(row["status"])], int(row["exch_timestamp"])
        if row["status"] == FILLED and tick in (NO_ASK, NO_BID):
            found.end = NO_PRICE
        elif row["status"] == FILLED:
            lots = round(float(row["fill_qty"]) / legs[one.leg].lot_size)
            found.execute(lots, tick, found.end_ts)


def _compared(one: _Order, leg: Leg, ids: SessionIds) -> SimulatedOrder:
    row, live, simulated = one.row, one.live, one.simulated
    is_market = int(row["order_type"]) == MARKET
    made_ts = one.made_ts
    is_timed = live.answer_ts > 0
    return SimulatedOrder(
        time=iso_time(made_ts),
        leg=leg.name,
        order_id=int(row["order_id"]),
        client_id=ids.client_id(one.leg, int(row["request_no"]), one.attempt),
        side="buy" if row["side"] > 0 else "sell",
        force="MARKET" if is_market else Force(int(row["time_in_force"])).name,
        price_ticks=None if is_market else int(row["price_tick"]),
        lots=round(float(row["qty"]) / leg.lot_size),
        changes=len(one.changes),
        request_ts=made_ts,
        filled_by=_filled_by(live, simulated),
        live_worse_bps=_worse_bps(int(row["side"]), live, simulated),
        live_lots=live.lots,
        live_price=_price(live, leg),
        live_end=live.end,
        live_end_ts=live.end_ts or None,
        live_entry_ns=live.answer_ts - made_ts if is_timed else None,
        live_response_ns=live.received_ts - live.answer_ts if is_timed else None,
        simulated_lots=simulated.lots,
        simulated_price=_price(simulated, leg),
        simulated_end=simulated.end,
        simulated_end_ts=simulated.end_ts or None,
        simulated_entry_ns=simulated.answer_ts - made_ts,
        simulated_response_ns=simulated.received_ts - simulated.answer_ts,
    )


def _filled_by(live: _Outcome, simulated: _Outcome) -> str:
    if simulated.end == UNKNOWN:
        return UNKNOWN
    if live.lots and simulated.lots:
        return BOTH
    return LIVE_ONLY if live.lots else SIMULATED_ONLY if simulated.lots else NEITHER


def _price(outcome: _Outcome, leg: Leg) -> float | None:
    """The average price; None without an execution."""
    return outcome.ticks / outcome.lots * leg.tick_size if outcome.lots else None


def _worse_bps(side: int, live: _Outcome, simulated: _Outcome) -> float | None:
    """By how much the venue's average price was worse; None unless both executed."""
    if not live.lots or not simulated.lots:
        return None
    reference = simulated.ticks / simulated.lots
    # Not -0.0.
    return side * (live.ticks / live.lots - reference) / reference * _BPS + 0.0
