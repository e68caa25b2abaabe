"""A desk of one leg on simulated time, whose requests and queries a test answers one by one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from arb.execution.answers import AnswerKind, BotAnswer, FundingAnswer, RequestRow
from arb.execution.desk_wires import NEVER, Outputs
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    EndCause,
    Execution,
    Force,
    Notice,
    NoticeKind,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND
from support.fake_protocol import FakeOrders, FakeUser, frame, instrument
from support.venue_history import START_NS

RECV_MS = 2_000
CLIENT = SessionIds("tests1", 1, 0).client_id(0, 1)


class Desk:
    """A desk of one leg on simulated time. Sockets take everything unless `is_socket_up` is False."""

    def __init__(
        self,
        venue: str = "binance_usdm",
        *,
        is_up: bool = True,
        reconcile_ns: int = 0,
        account_ns: int = 0,
        opening: int = 0,
    ) -> None:
        self.now = START_NS
        self.orders = FakeOrders(venue)
        legs = {0: instrument(is_spot="spot" in venue)}
        ids = SessionIds("tests1", 1, START_NS // MILLISECOND)
        self.desk = VenueDesk(
            venue,
            self.orders,
            FakeUser(venue),
            legs,
            ids,
            TradeTimes(reconcile_ns=reconcile_ns, account_ns=account_ns),
            RECV_MS,
            opening={0: opening},
        )
        #: What the venue says of the position, in base; None: nothing.
        self.position: Decimal | None = None
        self.is_socket_up = True
        self.is_rest_up = True
        self.sent: list[WireRequest] = []
        self.answers: list[BotAnswer | FundingAnswer] = []
        self.events: list[tuple[str, str]] = []
        self.retired: list[str] = []
        self.due_ns = NEVER
        self.take(self.desk.on_line("t1", LineEvent.UP, "logon", self.now))
        if is_up:
            self.line("u1", LineEvent.UP)
            self.answer_queries()
            assert self.desk.is_up

    def take(self, outputs: Outputs) -> None:
        self.answers += outputs.answers
        self.events += outputs.events
        self.retired += outputs.retire
        self.due_ns = outputs.due_ns
        for wire in outputs.wires:
            is_sent = self.is_socket_up if wire.channel is Channel.SOCKET else self.is_rest_up
            if is_sent:
                self.sent.append(wire)
            where = "t1" if wire.channel is Channel.SOCKET else f"r{len(self.sent)}"
            self.take(self.desk.on_sent(wire.wire_id, Sent(is_sent, where), self.now))

    def line(self, where: str, event: LineEvent) -> None:
        self.take(self.desk.on_line(where, event, "logon", self.now))

    def place(self, force: Force = Force.GTC, no: int = 1, *, lots: int = 10) -> None:
        self.request(Act.PLACE, no, force=force, lots=lots)

    def request(
        self, act: Act, no: int, *, force: Force = Force.GTC, tick: int = 100, lots: int = 10
    ) -> None:
        row = RequestRow(1, no, act, 1, force, False, tick, lots, self.now)
        self.take(self.desk.on_request(0, row, self.now))

    def frame(self, *decoded: Any, where: str = "u1") -> None:
        self.take(self.desk.on_frame(where, frame(*decoded), self.now))

    def rest(self, wire_id: str, *decoded: Any) -> None:
        self.take(self.desk.on_rest(wire_id, 200, frame(*decoded), 0, True, self.now))

    def update(self, status: OrderStatus, cum: int = 0) -> OrderUpdate:
        return OrderUpdate("BTCUSDT", CLIENT, "v1", status, cum, 10, 100, EndCause.NONE, self.venue_ms)

    @property
    def venue_ms(self) -> int:
        return self.now // MILLISECOND

    def pass_time(self, span_ns: int) -> None:
        """Lets time pass, with every due tick."""
        end_ns = self.now + span_ns
        while self.due_ns <= end_ns:
            self.now = max(self.now, self.due_ns)
            self.take(self.desk.on_tick(self.now))
        self.now = end_ns

    def answer_queries(self, *updates: OrderUpdate, executions: tuple[Execution, ...] = ()) -> None:
        """Answers all queries that were sent: orders and executions are these."""
        while queries := [wire for wire in self.sent if wire.act not in (Act.PLACE, Act.CANCEL, Act.AMEND)]:
            for wire in queries:
                self.sent.remove(wire)
                self.rest(wire.wire_id, self._answer(wire, updates, executions))

    def _answer(self, wire: WireRequest, updates: Any, executions: Any) -> Any:
        if wire.act is Act.LOOK_UP:
            found = tuple(u for u in updates if u.client_id == self.orders.requests[wire.wire_id].client_id)
            return VenueAnswer(wire.wire_id, Verdict.FOUND if found else Verdict.NOT_FOUND, updates=found)
        if wire.act in (Act.BALANCES, Act.POSITION):
            positions = {} if self.position is None else {"BTCUSDT": self.position}
            return AccountView({"USDT": Decimal(5)}, positions, False, self.venue_ms)
        if wire.act is Act.MODE:
            return Notice(NoticeKind.MODE_CHANGED, "one-way")
        is_list = wire.act is Act.OPEN_ORDERS
        return VenueAnswer(
            wire.wire_id,
            Verdict.FOUND,
            updates=tuple(u for u in updates if u.status.is_open) if is_list else (),
            executions=executions if wire.act is Act.EXECUTIONS else (),
            venue_ms=self.venue_ms,
        )

    @property
    def acts(self) -> list[Act]:
        return [wire.act for wire in self.sent]

    def kinds(self) -> list[tuple[AnswerKind, int, str]]:
        return [(one.kind, one.request_no, one.cause) for one in self.answers if isinstance(one, BotAnswer)]
