"""A minute in which venues refuse every order of a strategy that never stops: their limits stay half unused."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import pytest
from support.dry_market import leg
from support.order_errors import CHANGES, MARKETS, START_NS, VenueFault, frame, rest_body
from support.venue_orders import instrument

from arb.engine.live import LiveWorld
from arb.execution.answers import RequestRow
from arb.execution.desk_wires import NEVER, Outputs, Stage
from arb.execution.gate_feed import GateFeed
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.risk.exposure import GateLeg
from arb.risk.gate import Gate
from arb.runtime.trade_protocols import VENUES, budgets_of, protocols_of
from connectors.orders.blanking import BlankSigner
from connectors.orders.limits import LimitKind
from connectors.orders.model import Act, Channel, EndCause, Force, OrderStatus, OrderUpdate, WireRequest
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

LEGS = 5
#: Weights of rest-api.md "Trading endpoints", "Account endpoints" (read 2026-07-21) and of the saved USD-M pages; a
#: refused order costs 1 on spot. Bybit counts requests.
WEIGHTS = {
    "binance_spot": {Act.LOOK_UP: 4, Act.EXECUTIONS: 20, Act.TIME: 1, Act.OPEN_ORDERS: 6},
    "binance_usdm": {Act.LOOK_UP: 1, Act.EXECUTIONS: 5, Act.TIME: 1, Act.OPEN_ORDERS: 1},
}
ANSWER_NS = 4 * MILLISECOND
_STEP_MS = 20


class Minute:
    """Five legs at one venue; each asks for an order again and again, while none of its orders is open."""

    def __init__(self, venue: str, fault_of: Callable[[int], VenueFault]) -> None:
        self.venue, self.fault_of = venue, fault_of
        self.now = START_NS
        is_spot = "spot" in venue
        # Same symbol size, other names.
        legs = {no: instrument(f"{name}USDT", is_spot=is_spot) for no, name in enumerate("ABCDE")}
        ids = SessionIds("tests1", 1, START_NS // MILLISECOND)
        protocols = protocols_of(venue, BlankSigner(logs_on=True), 2000)
        self.desk = VenueDesk(venue, *protocols, legs, ids, TradeTimes(), 2000)
        self.desk._stage = Stage.UP
        self.desk._user_lines.add("u1")
        own = [
            GateLeg(venue, venue, no, is_spot, one.base, "USDT", 0.01, 0.00001) for no, one in legs.items()
        ]
        self.gate = Gate(own, budgets=budgets_of([venue]))
        self.gate.exposure.set_balances(venue, {"USDT": 1e9})
        world = LiveWorld([leg(0)] * LEGS, is_live=True)
        self.feed = GateFeed(self.gate, world, {venue: self.desk})
        for book in self.feed._books:
            book[2], book[3] = 4_999_999, 5_000_000
        self.due_ns = NEVER
        self.count = 0
        #: Times of sending, by what limits count; answers that are on their way.
        self.orders: list[int] = []
        self.weights: list[tuple[int, int]] = []
        self.coming: list[tuple[int, int, WireRequest, str]] = []
        self.take(self.desk.on_line("t1", LineEvent.UP, "logon", self.now))

    def take(self, outputs: Outputs) -> None:
        self.feed.follow(self.venue, outputs, self.now)
        self.due_ns = outputs.due_ns
        for wire in outputs.wires:
            self.count += 1
            where = f"r{self.count}" if wire.channel is Channel.REST else "t1"
            if wire.act is Act.PLACE:
                self.orders.append(self.now)
            self.weights.append((self.now, WEIGHTS.get(self.venue, {}).get(wire.act, 1)))
            heapq.heappush(self.coming, (self.now + ANSWER_NS, self.count, wire, where))
            self.take(self.desk.on_sent(wire.wire_id, Sent(True, where), self.now))

    def run(self, seconds: int) -> None:
        for ms in range(_STEP_MS, seconds * 1_000, _STEP_MS):
            self.now = START_NS + ms * MILLISECOND
            self.feed.was_stopped(self.now)
            while self.coming and self.coming[0][0] <= self.now:
                _, number, wire, where = heapq.heappop(self.coming)
                self._answer(wire, where, self.fault_of(number))
            while self.due_ns <= self.now:
                self.take(self.desk.on_tick(self.now))
            for leg_no in range(LEGS):
                if not self.gate.exposure.states[leg_no].orders:
                    self._place(leg_no, ms * LEGS + leg_no)
            self.run_step(ms)

    def run_step(self, ms: int) -> None:
        """What else the strategy does."""

    def _answer(self, wire: WireRequest, where: str, fault: VenueFault) -> None:
        if wire.act not in CHANGES:
            fault = VenueFault(0, 502)  # nothing is known of any order
        if wire.channel is Channel.REST:
            outputs = self.desk.on_rest(
                wire.wire_id, fault.status, rest_body(self.venue, fault), 0, True, self.now
            )
        elif fault.code:
            outputs = self.desk.on_frame(where, frame(self.venue, wire, fault), self.now)
        else:
            return
        self.take(outputs)

    def _place(self, leg_no: int, no: int) -> None:
        self._ask(Act.PLACE, leg_no, no, no)

    def _ask(self, act: Act, leg_no: int, no: int, order_id: int) -> None:
        row = RequestRow(order_id, no, act, 1, Force.GTC, False, 5_000_000, 100, self.now)
        (reason,) = self.feed.decide([leg_no], [row], self.now)
        self.take(self.desk.on_request(leg_no, row, self.now, refused=reason))


class Cancelling(Minute):
    """Each leg's order is open, and its cancellation is asked for again and again; the venue refuses it."""

    def _answer(self, wire: WireRequest, where: str, fault: VenueFault) -> None:
        if wire.act is Act.PLACE:
            state = self.desk.orders.of(wire.leg, wire.request_no)
            assert state is not None
            update = OrderUpdate(
                state.symbol, state.client_ids[0], str(wire.request_no), OrderStatus.NEW, 0, 100, 5_000_000,
                EndCause.NONE, self.now // MILLISECOND,
            )  # fmt: skip
            self.desk._decoded(update, "u1", self.now)
            self.take(self.desk._outputs(self.now))
        else:
            super()._answer(wire, where, fault)

    def run_step(self, ms: int) -> None:
        for leg_no, state in enumerate(self.gate.exposure.states):
            for order_id in list(state.orders):
                self._ask(Act.CANCEL, leg_no, ms * LEGS + leg_no + 1_000_000, order_id)


REFUSED = {
    "binance": VenueFault(-2010, 400, "Account has insufficient balance."),
    "bybit": VenueFault(10001, 200),
}
OTHER = {"binance": VenueFault(-1013, 400, "Filter failure: LOT_SIZE"), "bybit": VenueFault(10010, 200)}
UNKNOWN = {"binance": VenueFault(-1007, 408), "bybit": VenueFault(10016, 200)}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["one kind", "two kinds in turn", "unknown outcomes"])
def test_half_of_the_venues_limits_is_not_used(venue: str, kind: str) -> None:
    house = venue.partition("_")[0]
    assert house in MARKETS
    refused = REFUSED[house] if venue != "binance_usdm" else VenueFault(-2019, 400)

    def fault_of(number: int) -> VenueFault:
        if kind == "unknown outcomes":
            return UNKNOWN[house]
        return OTHER[house] if kind == "two kinds in turn" and number % 2 else refused

    minute = Minute(venue, fault_of)
    minute.run(60)
    assert minute.orders
    if kind == "one kind":
        # 3, then after 0.1, 0.2, ... 6.4, and every 10 seconds.
        assert len(minute.orders) <= LEGS * 16
    budget = minute.gate.budgets[venue]
    for window_ns, _, most in budget.used(LimitKind.ORDERS, minute.now):
        assert _largest([(at, 1) for at in minute.orders], window_ns) < most / 2
    for window_ns, _, most in budget.used(LimitKind.WEIGHT, minute.now):
        assert _largest(minute.weights, window_ns) < most / 2


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("code", [{"binance": -1021, "bybit": 10002}, {"binance": -2011, "bybit": 110001}])
def test_refused_cancellations_do_not_use_half_of_them_either(venue: str, code: dict[str, int]) -> None:
    house = venue.partition("_")[0]
    number = 170213 if venue == "bybit_spot" and code[house] == 110001 else code[house]
    minute = Cancelling(
        venue, lambda _: VenueFault(number, 400 if house == "binance" else 200, "Unknown order sent.")
    )
    minute.run(60)
    for window_ns, _, most in minute.gate.budgets[venue].used(LimitKind.WEIGHT, minute.now):
        assert _largest(minute.weights, window_ns) < most / 2
    assert 0 < len(minute.orders) <= LEGS


def _largest(events: list[tuple[int, int]], window_ns: int) -> int:
    """The largest sum in any window."""
    found = total = begin = 0
    for at, size in events:
        total += size
        while events[begin][0] <= at - window_ns:
            total -= events[begin][1]
            begin += 1
        found = max(found, total)
    return found
