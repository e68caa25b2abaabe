"""Desks with the venues' real protocols; a test gives one error as the answer of a place, cancel or look-up."""

from __future__ import annotations

import json
from typing import NamedTuple

from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.desk_wires import NEVER, Outputs, Refusal, Stage
from arb.execution.ids import SessionIds
from arb.execution.order_records import Phase
from arb.execution.order_state import OrderState
from arb.execution.venue_desk import VenueDesk
from arb.runtime.trade_protocols import protocols_of
from connectors.orders.blanking import BlankSigner
from connectors.orders.model import Act, Channel, EndCause, Force, OrderStatus, OrderUpdate, WireRequest
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND, SECOND
from support.venue_orders import instrument

START_NS = 1_700_000_000 * SECOND
CHANGES = (Act.PLACE, Act.CANCEL, Act.AMEND)
#: A venue's market by the house and the table's word.
MARKETS = {
    "binance": {
        "spot": ("binance_spot",),
        "USD-M": ("binance_usdm",),
        "both": ("binance_spot", "binance_usdm"),
    },
    "bybit": {"spot": ("bybit_spot",), "linear": ("bybit_linear",), "both": ("bybit_spot", "bybit_linear")},
}


class VenueFault(NamedTuple):
    """An error of a venue. code 0: of HTTP alone, with a page as its body."""

    code: int
    status: int
    text: str = "text of the venue"


class ErringDesk:
    """A desk of one leg that is up. over_rest: requests go by REST."""

    def __init__(self, venue: str, *, over_rest: bool = False) -> None:
        self.venue = venue
        self.now = START_NS
        self.over_rest = over_rest
        self.times = TradeTimes()
        legs = {0: instrument(is_spot="spot" in venue)}
        ids = SessionIds("tests1", 1, START_NS // MILLISECOND)
        protocols = protocols_of(venue, BlankSigner(logs_on=True), 2000)
        self.desk = VenueDesk(venue, *protocols, legs, ids, self.times, 2000)
        self.desk._stage = Stage.UP
        self.desk._user_lines.add("u1")
        self.sent: list[tuple[WireRequest, str]] = []
        self.answers: list[BotAnswer] = []
        self.refusals: list[Refusal] = []
        self.due_ns = NEVER
        if not over_rest:
            self.take(self.desk.on_line("t1", LineEvent.UP, "logon", self.now))

    def take(self, outputs: Outputs) -> None:
        self.answers += [one for one in outputs.answers if isinstance(one, BotAnswer)]
        self.refusals += outputs.refusals
        self.due_ns = outputs.due_ns
        for wire in outputs.wires:
            is_sent = wire.channel is Channel.REST or not self.over_rest
            where = f"r{len(self.sent) + 1}" if wire.channel is Channel.REST else "t1"
            if is_sent:
                self.sent.append((wire, where))
            self.take(self.desk.on_sent(wire.wire_id, Sent(is_sent, where if is_sent else ""), self.now))

    def request(self, act: Act, no: int) -> None:
        row = RequestRow(1, no, act, 1, Force.GTC, False, 5_000_000, 100, self.now)
        self.take(self.desk.on_request(0, row, self.now))

    def accept(self) -> None:
        """The venue has the order."""
        order = self.order
        update = OrderUpdate(
            "BTCUSDT", order.client_ids[0], "77", OrderStatus.NEW, 0, 100, 5_000_000, EndCause.NONE,
            self.now // MILLISECOND,
        )  # fmt: skip
        self.desk._decoded(update, "u1", self.now)
        self.take(self.desk._outputs(self.now))

    @property
    def order(self) -> OrderState:
        order = self.desk.orders.of(0, 1)
        assert order is not None
        return order

    def fail(self, act: Act, fault: VenueFault, retry_after_ns: int = 0) -> None:
        """The last request of this act gets the error."""
        wire, where = [one for one in self.sent if one[0].act is act][-1]
        if wire.channel is Channel.REST:
            body = rest_body(self.venue, fault)
            status = fault.status
            if self.venue.startswith("bybit") and fault.code:
                status = fault.status if fault.status in (403, 429) else 200
            self.take(self.desk.on_rest(wire.wire_id, status, body, retry_after_ns, True, self.now))
        else:
            self.take(self.desk.on_frame(where, frame(self.venue, wire, fault), self.now))

    def pass_time(self, span_ns: int) -> None:
        """Lets time pass; nothing is answered."""
        end_ns = self.now + span_ns
        while self.due_ns <= end_ns:
            self.now = max(self.now, self.due_ns)
            self.take(self.desk.on_tick(self.now))
        self.now = end_ns

    @property
    def changes(self) -> list[Act]:
        """The requests on the wire that change orders."""
        return [wire.act for wire, _ in self.sent if wire.act in CHANGES]


def frame(venue: str, wire: WireRequest, fault: VenueFault) -> bytes:
    """An error on the trade socket."""
    if venue.startswith("binance"):
        error: dict[str, object] = {"code": fault.code, "msg": fault.text}
        if fault.status in (418, 429):
            error["data"] = {"serverTime": 1_000, "retryAfter": 4_000}
        return json.dumps({"id": wire.wire_id, "status": fault.status, "error": error}).encode()
    operation = {Act.PLACE: "order.create", Act.CANCEL: "order.cancel", Act.AMEND: "order.amend"}[wire.act]
    answer = {
        "reqId": wire.wire_id,
        "retCode": fault.code,
        "retMsg": fault.text,
        "op": operation,
        "header": {},
    }
    return json.dumps(answer | {"connId": "c1", "data": {}}).encode()


def rest_body(venue: str, fault: VenueFault) -> bytes:
    """The body of an error over REST."""
    if not fault.code:
        return b"<html>upstream</html>"
    if venue.startswith("binance"):
        return json.dumps({"code": fault.code, "msg": fault.text}).encode()
    envelope = {
        "retCode": fault.code,
        "retMsg": fault.text,
        "result": {},
        "retExtInfo": {},
        "time": 1_700_000_000_000,
    }
    return json.dumps(envelope).encode()


def placing(venue: str, fault: VenueFault, *, over_rest: bool) -> tuple[str, ErringDesk]:
    """What an error makes of an order that is placed."""
    one = ErringDesk(venue, over_rest=over_rest)
    one.request(Act.PLACE, 1)
    one.fail(Act.PLACE, fault)
    return _state(one), one


def cancelling(venue: str, fault: VenueFault, *, over_rest: bool) -> tuple[str, ErringDesk]:
    """What an error makes of an open order that is cancelled."""
    one = ErringDesk(venue, over_rest=over_rest)
    one.request(Act.PLACE, 1)
    one.accept()
    one.answers.clear()
    one.request(Act.CANCEL, 2)
    one.fail(Act.CANCEL, fault)
    return _state(one), one


def querying(venue: str, fault: VenueFault, *, over_rest: bool) -> tuple[str, ErringDesk]:
    """What an error makes of a look-up about an order in doubt."""
    one = ErringDesk(venue, over_rest=over_rest)
    one.request(Act.PLACE, 1)
    one.pass_time(one.times.answer_ns)
    assert one.desk.doubts
    count = sum(wire.act is Act.LOOK_UP for wire, _ in one.sent)
    one.fail(Act.LOOK_UP, fault)
    (doubt,) = one.desk.doubts.values()
    word = "not found" if doubt.counts else "asked again"
    until_ns = max(one.desk.stopped_until_ns, one.now)
    one.pass_time(until_ns - one.now + 10 * SECOND)
    assert sum(wire.act is Act.LOOK_UP for wire, _ in one.sent) > count
    return word, one


def _state(one: ErringDesk) -> str:
    order = one.order
    kinds = [answer.kind for answer in one.answers]
    if order.phase is Phase.NEVER:
        assert kinds == [AnswerKind.REJECTED]
        return "refused"
    if one.desk.doubts:
        assert kinds == []
        return "in doubt"
    if order.pending is None:
        assert (kinds, order.phase) == ([AnswerKind.REJECTED], Phase.OPEN)
        return "refused"
    assert any(wire.act is Act.LOOK_UP for wire, _ in one.sent)
    return "looked up"
