"""Requests, responses and executions of a session as rows, and what its desks know at the end, for its files.

`arb verify` makes the same records from the private frames. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hftbacktest.order import NEW

from arb.execution.facts import DeskFacts
from arb.execution.gate_feed import GateFeed
from arb.execution.gateway import TakenRequest
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from arb.runtime.live_files import EXECUTION, REQUEST, RESPONSE, STATE, OrderRecords
from arb.runtime.order_news import NewsLog, OrderNews, Rejected
from arb.runtime.running_figures import SpanCounts
from arb.runtime.session_orders import OrdersState
from connectors.orders.model import Execution


class OrderLog:
    """The rows of one session, in the order in which they were made. The host's thread.

    They are kept until the session ends, 400 to 600 bytes an order: as bytes, since an array each has twice as many.
    """

    def __init__(self) -> None:
        self._requests, self._responses, self._executions = bytearray(), bytearray(), bytearray()
        #: By execution, the place of the response that reports it.
        self._places = array("q")
        #: Bytes of requests and responses that were taken.
        self._taken = (0, 0)

    def request(self, taken: TakenRequest, *, is_sent: bool) -> None:
        """A request of the strategy."""
        made = np.zeros(1, REQUEST)
        made["leg"], made["step"], made["taken_ns"], made["is_sent"] = (
            taken.leg, taken.step, taken.taken_ns, is_sent,
        )  # fmt: skip
        made["attempt"], made["bound"], made["row"] = taken.attempt, taken.bound, taken.row
        self._requests += made.tobytes()

    def response(self, leg: int, received_ns: int, row: Any, execution: Execution | None) -> None:
        """A response for the bot. row: of ORDER, an array of one. execution: that it reports."""
        made = np.zeros(1, RESPONSE)
        made["leg"], made["received_ns"], made["fill_no"] = leg, received_ns, -1
        made["row"] = row
        if execution is not None:
            made_of = _execution_row(leg, int(row["order_id"][0]), execution)
            self._places.append(len(self._responses) // RESPONSE.itemsize)
            self._executions += np.array([made_of], EXECUTION).tobytes()
        self._responses += made.tobytes()

    def take(self) -> tuple[bytes, bytes]:
        """Requests and responses since the last call."""
        requests, responses = self._taken
        self._taken = len(self._requests), len(self._responses)
        return bytes(self._requests[requests:]), bytes(self._responses[responses:])

    def records(self, fills: Any, desks: Mapping[str, VenueDesk]) -> OrderRecords:
        """The records of the session, answers in order of their receipt, those of one moment by their legs.

        fills: the bot's log of fills.
        """
        requests, responses = _copied(self._requests, REQUEST), _copied(self._responses, RESPONSE)
        order = np.lexsort((responses["leg"], responses["received_ns"]))
        place_of = np.argsort(order)
        responses = responses[order]
        by_answer = np.argsort(place_of[np.array(self._places, np.int64)], kind="stable")
        executions = _copied(self._executions, EXECUTION)[by_answer]
        number_fills(responses, executions, fills)
        return records_of(requests, responses, executions, desks)


class OrderNotes:
    """What other processes see of the strategy's requests: how long they took, by leg, from the time on its clock until
    they were made, and sent; and their news."""

    def __init__(self, legs: Sequence[Leg], environment: str) -> None:
        self._environment = environment
        self._decisions, self._sends = SpanCounts(legs), SpanCounts(legs)
        self._news = NewsLog()

    def add(self, one: TakenRequest) -> None:
        """A request, once its step is sent."""
        row = one.row
        request_ts, order_id = int(row["request_ts"]), int(row["order_id"])
        if one.taken_ns:  # else it was left to the end
            self._decisions.add(one.leg, one.taken_ns - request_ts)
        if one.sent_ns:
            self._sends.add(one.leg, one.sent_ns - request_ts)
        if row["req"] == NEW:
            self._news.placed(one.leg, order_id, float(row["qty"]))
            if one.refused:
                self._news.rejected(Rejected(one.taken_ns, one.leg, order_id, f"by the gate: {one.refused}"))

    def news(self, feed: GateFeed | None) -> OrderNews:
        """Of the orders since the last call. feed: has what venues refuse."""
        while feed is not None and feed.rejections:
            ts, refusal = feed.rejections.popleft()
            self._news.rejected(Rejected(ts, refusal.leg, refusal.order_id, refusal.kind))
        return self._news.take()

    def state(self, orders: OrdersState, accounts: Sequence[str]) -> OrdersState:
        """What it adds for other processes. accounts: names of those that the orders are of."""
        return orders._replace(
            decisions=self._decisions.lines,
            sends=self._sends.lines,
            environment=self._environment,
            accounts=accounts,
        )


def number_fills(responses: Any, executions: Any, fills: Any) -> None:
    """Sets `fill_no` of both. fills: the bot's log, which has the fills of each leg in the order of its responses."""
    for leg in np.unique(responses["leg"]):
        numbers = np.flatnonzero(fills["asset_no"] == leg)
        for rows, is_fill in (
            (responses, (responses["leg"] == leg) & (responses["row"]["fill_qty"] > 0.0)),
            (executions, executions["leg"] == leg),
        ):
            places = np.flatnonzero(is_fill)
            rows["fill_no"][places] = -1
            rows["fill_no"][places[: len(numbers)]] = numbers[: len(places)]


def records_of(
    requests: Any, responses: Any, executions: Any, desks: Mapping[str, VenueDesk]
) -> OrderRecords:
    """The records of a session with what its desks know."""
    facts = {venue: facts_of(desk.facts, desk) for venue, desk in sorted(desks.items())}
    doubts = [one for desk in desks.values() for one in desk.facts.doubts]
    counts = {
        "requests": len(requests),
        "not_sent": int((requests["is_sent"] == 0).sum()),
        "answers": len(responses),
        "executions": len(executions),
        "late_executions": sum(desk.facts.late_executions for desk in desks.values()),
        "doubts": len(doubts),
        "in_doubt": sum(len(desk.doubts) for desk in desks.values()),
    }
    return OrderRecords(requests, responses, executions, _states(desks), facts, counts)


def kept_records(
    kept: OrderRecords, derived: OrderRecords, fills: Any, entries: int, lines: Mapping[str, int]
) -> OrderRecords:
    """The records of a killed session: requests and responses of its entries, and what was derived from its lines.

    entries: of `session.db`. lines: see `line_counts`.
    """
    responses = kept.responses[np.argsort(kept.responses["received_ns"], kind="stable")]
    number_fills(responses, derived.executions, fills)
    counts = {
        **derived.counts,
        "requests": len(kept.requests),
        "not_sent": int((kept.requests["is_sent"] == 0).sum()),
        "answers": len(responses),
        "kept": entries,
        **lines,
    }
    return derived._replace(requests=kept.requests, responses=responses, counts=counts)


def line_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """For the manifest, the number of private lines of each venue."""
    return {f"{venue}_lines": count for venue, count in sorted(counts.items())}


def facts_of(facts: DeskFacts, desk: VenueDesk) -> dict[str, Any]:
    """What a venue said about its account, in JSON types. Amounts are texts."""
    return {
        "clock_offset_ms": facts.clock_offset_ms,
        "position_mode": facts.mode,
        "commission": {str(leg): text for leg, text in sorted(facts.commission.items())},
        "balances": {"start": _texts(facts.balances_start), "end": _texts(facts.balances_end)},
        "positions": {"start": _texts(facts.positions_start), "end": _texts(facts.positions_end)},
        "open_orders": {"start": sorted(facts.open_start), "end": sorted(facts.open_end)},
        "executions": [_listed(one, desk) for one in facts.executions.values()],
        "missing": desk.missing_facts,
        "foreign": facts.foreign,
        "late_executions": facts.late_executions,
        "doubts": [
            {
                "leg": one.leg,
                "request_no": one.request_no,
                "act": one.act.name.lower(),
                "cause": one.cause,
                "outcome": one.outcome,
                "lasted_ns": one.lasted_ns,
            }
            for one in facts.doubts
        ],
        "in_doubt": sorted(desk.doubts),
        "change_overs": facts.change_overs,
        "catch_ups": facts.catch_ups,
        "events": dict(sorted(facts.events.items())),
        "refusals": dict(sorted(facts.refusals.items())),
        "gate": dict(sorted(facts.gate.items())),
        "transfers": [
            {"id": name, "asset": one.asset, "amount": f"{one.amount:f}", "venue_ms": one.venue_ms}
            for name, one in facts.transfers.items()
        ],
    }


def _listed(one: Execution, desk: VenueDesk) -> dict[str, Any]:
    """An execution of the venue's own list. is_ours: of an order of the session."""
    return {
        "symbol": one.symbol,
        "id": one.execution_id,
        "venue_order_id": one.venue_order_id,
        "is_ours": desk.orders.is_ours(one.client_id, one.venue_order_id),
        "side": one.side,
        "tick": one.tick,
        "lots": one.lots,
        "is_maker": one.is_maker,
        "fee": str(one.fee),
        "fee_asset": one.fee_asset,
        "venue_ms": one.venue_ms,
    }


def _texts(amounts: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{amount:f}" for name, amount in sorted(amounts.items())}


def _states(desks: Mapping[str, VenueDesk]) -> Any:
    rows = [
        (one.leg, one.order_id, one.request_no, one.phase, one.executed_lots, one.end, one.final_ns)
        for desk in desks.values()
        for one in (*desk.orders.long_ago(), *desk.orders)
    ]
    return np.array(sorted(rows), STATE)


def _execution_row(leg: int, order_id: int, one: Execution) -> tuple[Any, ...]:
    return (
        leg,
        -1,
        order_id,
        one.side,
        one.tick,
        one.lots,
        one.is_maker,
        one.venue_ms,
        one.execution_id.encode(),
        one.venue_order_id.encode(),
        str(one.fee).encode(),
        one.fee_asset.encode(),
    )


def _copied(rows: bytearray, dtype: Any) -> Any:
    return np.frombuffer(rows[:], dtype)
