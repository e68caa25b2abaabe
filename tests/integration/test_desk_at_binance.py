"""A desk at the sandbox's Binance, without network: random orders with faults end as the sandbox's ledger has them."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest
from numpy.random import default_rng
from support.binance_lines import WINDOW_MS, BinanceLines

from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.desk_wires import Outputs
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.sandbox.faults import FaultKind
from connectors.orders.model import Act, Channel, Force, WireRequest
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import SECOND

pytestmark = pytest.mark.slow

VENUES = ("binance_spot", "binance_usdm")
STEPS = 100
FAULTS = (
    "reject", "lost_request", "accepted_no_answer", "accepted_5xx", "duplicate_event", "reorder_event",
    "late_event", "partial_then_expire", "not_visible",
)  # fmt: skip
CODES = (-1007, -1021, -2010, -1015)
#: What a desk reports if a message and what it knows do not fit together.
WRONG = ("broken", "undecodable", "not encoded", "unasked", "foreign")
_STEP_S = 0.05


class Bot:
    """Makes random requests of one desk, and receives its answers."""

    def __init__(self, venue: str, seed: int, *, has_faults: bool) -> None:
        self.chance = default_rng(seed)
        self.lines = BinanceLines(venue)
        self._has_faults = has_faults
        orders, user = self.lines.orders(), self.lines.user()
        legs = {0: self.lines.leg}
        ids = SessionIds("tests1", 1, self.lines.now_ms)
        self.desk = VenueDesk(venue, orders, user, legs, ids, TradeTimes(), WINDOW_MS)
        self.requests = 0
        #: Requests that are not ended yet.
        self.open: set[int] = set()
        self.ended: set[int] = set()
        self.fills: Counter[tuple[Any, ...]] = Counter()
        self.events: Counter[str] = Counter()
        self._due_ns = 0
        self._wires: deque[WireRequest] = deque()
        self._responses: deque[tuple[WireRequest, Any]] = deque()
        for where in ("t1", "u1"):
            self._follow(self.desk.on_line(where, LineEvent.UP, "signed", self.lines.now_ns))
        self.pass_time(2.0)
        assert self.desk.is_up

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / _STEP_S)):
            self.lines.market.advance(_STEP_S)
            self._receive()
            if self._due_ns <= self.lines.now_ns:
                self._follow(self.desk.on_tick(self.lines.now_ns))

    def step(self) -> None:
        chance = self.chance
        open_orders = [one for one in self.desk.orders.open.values() if one.pending is None]
        act = chance.choice(4, p=[0.4, 0.15, 0.3, 0.15])
        if act == 0 or not open_orders:
            self._place()
        elif act == 3:
            if self._has_faults:
                kind = FaultKind(str(chance.choice(FAULTS)))
                code = int(chance.choice(CODES)) if kind is FaultKind.REJECT else None
                self.lines.begin(kind, code=code, delay_s=0.3, duration_s=1.0)
        else:
            one = open_orders[int(chance.integers(len(open_orders)))]
            if act == 1:
                self._request(one.order_id, Act.CANCEL, side=one.side, force=one.force)
            elif not one.is_market and one.force in (Force.GTC, Force.GTX):
                left = max(1, one.present.total - one.present.executed)
                keeps = chance.random() < 0.4
                self._request(
                    one.order_id,
                    Act.AMEND,
                    side=one.side,
                    force=one.force,
                    tick=one.present.tick + (0 if keeps else int(chance.choice([-400, -5, -1, 1, 5, 400]))),
                    lots=int(chance.integers(1, left + 1)) if keeps else left,
                )
        self.pass_time(float(chance.choice([0.05, 0.2, 1.0])))

    def _place(self) -> None:
        chance = self.chance
        lots = int(chance.choice([100, 1000, 10_000])) * int(chance.integers(1, 9))
        away = int(chance.choice([0, 1, 5, 50, 300])) * int(chance.choice([1, -1]))
        self._request(
            self.requests + 1,
            Act.PLACE,
            side=int(chance.choice([1, -1])),
            force=Force(int(chance.integers(0, 4))),
            is_market=bool(chance.random() < 0.1),
            tick=int(chance.choice(self.lines.touch())) + away,
            lots=lots if self.lines.is_spot else max(1, lots // 100),
        )

    def _request(self, order_id: int, act: Act, **more: Any) -> None:
        self.requests += 1
        self.open.add(self.requests)
        given = {"is_market": False, "tick": 1, "lots": 1, "made_ns": self.lines.now_ns} | more
        row = RequestRow(order_id, self.requests, act, **given)
        self._follow(self.desk.on_request(0, row, self.lines.now_ns))

    def _follow(self, outputs: Outputs) -> None:
        """What follows from an input of the desk."""
        for event, text in outputs.events:
            assert event not in WRONG, text
            self.events[event] += 1
        for answer in outputs.answers:
            if isinstance(answer, BotAnswer):
                self._answered(answer)
        self._due_ns = outputs.due_ns
        self._wires += outputs.wires
        while self._wires:
            wire = self._wires.popleft()
            is_rest = wire.channel is Channel.REST
            self._follow(
                self.desk.on_sent(wire.wire_id, Sent(True, "r1" if is_rest else "t1"), self.lines.now_ns)
            )
            if is_rest:
                self.lines.post(wire, lambda response, wire=wire: self._responses.append((wire, response)))
            else:
                self.lines.send(wire)
            self._receive()

    def _receive(self) -> None:
        """Gives the desk what has come, answers before or after events."""
        sockets = [(self.lines.trade, "t1"), (self.lines.stream, "u1")]
        for socket, where in sockets if self.chance.random() < 0.5 else reversed(sockets):
            while socket.texts:
                frame = socket.texts.pop(0).encode()
                self._follow(self.desk.on_frame(where, frame, self.lines.now_ns))
        while self._responses:
            wire, response = self._responses.popleft()
            status, body = (0, b"") if response is None else (response.status, response.body.encode())
            self._follow(self.desk.on_rest(wire.wire_id, status, body, 0, True, self.lines.now_ns))

    def _answered(self, answer: BotAnswer) -> None:
        if answer.request_no:
            self.open.remove(answer.request_no)
        if answer.kind is AnswerKind.ENDED:
            assert answer.order_id not in self.ended
            self.ended.add(answer.order_id)
        if answer.fill_lots:
            assert answer.fill_lots == answer.exec_lots
            self.fills[
                answer.execution_id, answer.exec_tick, answer.exec_lots, answer.is_maker, answer.fee
            ] += 1

    def end(self) -> None:
        """The end of the session, until all is known."""
        self._follow(self.desk.on_end(self.lines.now_ns))
        deadline_ns = self.lines.now_ns + 120 * SECOND
        while not self.desk.is_done and self.lines.now_ns < deadline_ns:
            self.pass_time(1.0)
        assert self.desk.is_done
        assert not self.open
        assert not self.lines.desk.open_orders("main")

    def place(self, side: int, tick: int, force: Force) -> None:
        self._request(self.requests + 1, Act.PLACE, side=side, tick=tick, lots=1000, force=force)


def test_a_trade_with_oneself_is_two_executions_with_one_id() -> None:
    bot = Bot("binance_spot", 1, has_faults=False)
    bid, ask = bot.lines.touch()
    while ask - bid < 2:  # the order below has to be the best bid
        bot.pass_time(_STEP_S)
        bid, ask = bot.lines.touch()
    bot.place(1, ask - 1, Force.GTX)
    bot.place(-1, ask - 1, Force.IOC)
    bot.end()
    assert len({one[0] for one in bot.fills}) == 1
    assert sorted(one.side for one in bot.desk.facts.executions.values()) == [-1, 1]


@pytest.mark.parametrize("has_faults", [False, True])
@pytest.mark.parametrize("venue", VENUES)
def test_the_ends_of_all_orders_are_those_of_the_ledger(venue: str, has_faults: bool) -> None:
    for seed in range(2):
        bot = Bot(venue, seed, has_faults=has_faults)
        for _ in range(STEPS):
            bot.step()
        bot.end()
        tick, lot = bot.lines.leg.tick, bot.lines.leg.lot
        ledger = Counter(
            (
                str(one.trade_id),
                tick.count_of(str(one.price)),
                lot.count_of(str(one.quantity)),
                one.is_maker,
                one.fee,
            )
            for one in bot.lines.desk.executions("main", "BTCUSDT")
        )
        assert ledger == bot.fills
        # The venue's own list has them too, both sides of trades with oneself included.
        assert ledger == Counter(
            (one.execution_id, one.tick, one.lots, one.is_maker, one.fee)
            for one in bot.desk.facts.executions.values()
        )
        assert bot.fills
        assert bool(bot.events["in doubt"]) <= has_faults
