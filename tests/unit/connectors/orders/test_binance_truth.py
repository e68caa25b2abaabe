"""Random requests, good and bad ones, to the sandbox's desk: what is decoded of answers and events is what happened."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from numpy.random import default_rng
from support.binance_lines import BinanceLines

from arb.sandbox.faults import FaultKind
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Named
from connectors.binance.order_words import STATUSES
from connectors.orders.model import (
    Act,
    Channel,
    Execution,
    Force,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)

pytestmark = pytest.mark.slow

STEPS = 400
CODES = (-1003, -1006, -1007, -1013, -1015, -1021, -2010, -2019, -4014)
#: An order, as far as messages say it.
State = tuple[OrderStatus, int, int, int]


class Session:
    """Order entry at a market, of which every answer is compared with what the desk has done."""

    def __init__(self, venue: str, seed: int) -> None:
        self.chance = default_rng(seed)
        self.lines = lines = BinanceLines(venue)
        self.is_spot, self.leg, self.desk = lines.is_spot, lines.leg, lines.desk
        self.orders, self.forger, self.user = lines.orders(), lines.orders("another secret"), lines.user()
        for protocol in (self.orders, self.forger, self.user):
            protocol.add_leg(0, self.leg)
        self.requests = 0
        self.verdicts: Counter[tuple[str, str]] = Counter()
        self.updates: dict[str, OrderUpdate] = {}
        #: By id and order: both orders of a trade with oneself have its id.
        self.executions: dict[tuple[str, str], Execution] = {}

    def over_rest(self, wire: WireRequest) -> Any:
        replies: list[Any] = []
        self.lines.post(wire, replies.append)
        self.lines.market.advance(0.02)
        if not replies or replies[0] is None:
            return None
        return self.orders.decode_rest(wire, replies[0].status, replies[0].body.encode(), 0)

    def over_socket(self, wire: WireRequest) -> Any:
        self.lines.send(wire)
        self.lines.market.advance(0.02)
        texts, self.lines.trade.texts[:] = list(self.lines.trade.texts), []
        answers = [self.orders.decode(text.encode()) for text in texts]
        assert len(answers) <= 1
        return answers[0] if answers else None

    def ask(self, act: Act, **more: Any) -> VenueAnswer | None:
        """The answer to a request; None if it, or its answer, was lost."""
        chance = self.chance
        self.requests += 1
        request = OrderRequest(act, 0, "BTCUSDT", self.requests, **more)
        orders, now_ms = self.orders, self.lines.now_ms
        if chance.random() < 0.03:
            orders = self.forger
        if chance.random() < 0.03:
            now_ms += int(chance.choice([-10_000, 10_000]))
        encode = orders.encode_rest if chance.random() < 0.4 else orders.encode
        wire = encode(request, f"w{self.requests}", now_ms)
        answer = self.over_rest(wire) if wire.channel is Channel.REST else self.over_socket(wire)
        assert answer is None or (isinstance(answer, VenueAnswer) and answer.wire_id == wire.wire_id)
        self.verdicts[act.name, answer.verdict.name if answer else "lost"] += 1
        return answer

    def order(self, client_id: str) -> VenueOrder | None:
        """The desk's latest order with a client id."""
        found = [
            one
            for one in (*self.desk.open_orders("main"), *self.desk.closed_orders("main"))
            if one.client_id == client_id
        ]
        return max(found, key=lambda one: one.no, default=None)

    def state(self, order: VenueOrder) -> State:
        """The desk's present state of an order."""
        order = self.desk.order(Named("main", "BTCUSDT", order.order_id))
        tick = self.leg.tick.count_of(str(order.price)) if order.price is not None else -1
        filled, total = (self.leg.lot.count_of(str(one)) for one in (order.filled, order.quantity))
        return STATUSES[order.status.name], filled, total, tick

    def place(self) -> None:
        chance, is_spot = self.chance, self.is_spot
        client_id = f"c{self.requests + 1}"
        bid, ask = self.lines.touch()
        away = int(chance.choice([0, 1, 5, 50, 500, 10**6])) * int(chance.choice([1, -1]))
        lots = int(chance.choice([1, 10, 100, 10**3, 10**5, 10**9])) * int(chance.integers(1, 9))
        if not is_spot:
            lots = max(1, lots // 100)
        answer = self.ask(
            Act.PLACE,
            client_id=client_id,
            side=int(chance.choice([1, -1])),
            force=Force(int(chance.integers(0, 4))),
            is_market=bool(chance.random() < 0.1),
            reduce_only=not is_spot and bool(chance.random() < 0.1),
            tick=max(1, int(chance.choice([bid, ask])) + away),
            lots=lots,
        )
        made = self.order(client_id)
        if answer is None or answer.verdict is Verdict.UNKNOWN:
            return
        assert answer.verdict in (Verdict.ACCEPTED, Verdict.REFUSED)
        assert (made is not None) == (answer.verdict is Verdict.ACCEPTED), answer
        if made is None:
            return
        (update,) = answer.updates
        assert update.venue_order_id == made.order_id
        if is_spot:
            assert sum(one.lots for one in answer.executions) == update.executed_lots
            for one in answer.executions:
                self.note_execution(one)

    def cancel(self, order: VenueOrder) -> None:
        before = self.state(order)
        answer = self.ask(Act.CANCEL, client_id=order.client_id)
        if answer is None or answer.verdict is Verdict.UNKNOWN:
            return
        if answer.verdict is Verdict.ACCEPTED:
            assert answer.updates[0].status is OrderStatus.CANCELED
            assert self.state(order) == self.said(answer.updates[0])
        else:
            assert answer.verdict in (Verdict.REFUSED, Verdict.NOT_OPEN)
            assert answer.verdict is Verdict.REFUSED or not before[0].is_open
            assert self.state(order)[0] is not OrderStatus.CANCELED or before[0] is OrderStatus.CANCELED

    def amend(self, order: VenueOrder) -> None:
        chance = self.chance
        before = self.state(order)
        status, filled, total, tick = before
        new_id = f"a{self.requests + 1}"
        keeps = bool(chance.random() < 0.4)
        left = max(1, total - filled)
        lots = int(chance.integers(1, left + 1)) if keeps else left
        answer = self.ask(
            Act.AMEND,
            client_id=order.client_id,
            new_client_id=new_id,
            side=1 if order.side == 0 else -1,
            force=Force.GTX if order.force.name == "POST_ONLY" else Force.GTC,
            tick=max(1, tick) if keeps else max(1, tick + int(chance.choice([-3, 0, 1, 5, -600, 600]))),
            lots=lots,
            total_lots=filled + lots,
            keeps_place=keeps,
        )
        if answer is None or answer.verdict is Verdict.UNKNOWN:
            return
        made = self.order(new_id) if self.is_spot else None
        if answer.verdict is Verdict.REFUSED and answer.updates:
            assert answer.code == -2021
            assert made is None
            assert self.state(order) == self.said(answer.updates[0])
            assert answer.updates[0].status is OrderStatus.CANCELED
        elif answer.verdict in (Verdict.REFUSED, Verdict.NOT_OPEN, Verdict.NOT_FOUND):
            assert made is None
            assert self.state(order)[2:] == before[2:]
            assert answer.verdict is Verdict.REFUSED or not status.is_open
        else:
            assert answer.verdict is Verdict.ACCEPTED
            now = self.order(new_id) if self.is_spot else order
            assert now is not None
            assert answer.updates[-1].venue_order_id == now.order_id
            assert answer.updates[-1].total_lots == self.state(now)[2]
            for one in answer.executions:
                self.note_execution(one)

    def look_up(self, order: VenueOrder) -> None:
        answer = self.ask(Act.LOOK_UP, client_id=order.client_id)
        if answer is not None and answer.verdict is Verdict.FOUND:
            latest = self.order(order.client_id)
            assert latest is not None
            assert self.said(answer.updates[0]) == self.state(latest)
        elif answer is not None:
            assert not answer.updates

    def begin(self) -> None:
        """A fault of the next request about an order."""
        kind = FaultKind(
            str(self.chance.choice(["reject", "accepted_5xx", "accepted_no_answer", "lost_request"]))
        )
        self.lines.begin(kind, code=int(self.chance.choice(CODES)) if kind is FaultKind.REJECT else None)

    @staticmethod
    def said(update: OrderUpdate) -> State:
        return update.status, update.executed_lots, update.total_lots, update.tick

    def note_execution(self, one: Execution) -> None:
        known = self.executions.setdefault((one.execution_id, one.venue_order_id), one)
        assert known == one

    def read_events(self) -> None:
        texts, self.lines.stream.texts[:] = list(self.lines.stream.texts), []
        for text in texts:
            for one in self.user.decode(text.encode()):
                if isinstance(one, Execution):
                    self.note_execution(one)
                elif isinstance(one, OrderUpdate):
                    self.updates[one.venue_order_id] = one

    def step(self) -> None:
        orders = [*self.desk.open_orders("main"), *self.desk.closed_orders("main")[-3:]]
        act = self.chance.choice(5, p=[0.45, 0.12, 0.25, 0.12, 0.06])
        if act == 0 or not orders:
            self.place()
        elif act == 4:
            self.begin()
        else:
            one = orders[int(self.chance.integers(len(orders)))]
            (self.cancel, self.amend, self.look_up)[act - 1](one)
        self.lines.market.advance(0.1)
        self.read_events()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_what_is_decoded_is_what_happened(venue: str, seed: int) -> None:
    session = Session(venue, seed)
    for _ in range(STEPS):
        session.step()
    orders = [*session.desk.open_orders("main"), *session.desk.closed_orders("main")]
    events = {one.order_id: session.said(session.updates[one.order_id]) for one in orders}
    assert events == {one.order_id: session.state(one) for one in orders}
    lot, tick = session.leg.lot, session.leg.tick
    assert {
        (
            str(one.trade_id),
            one.order_id,
            tick.count_of(str(one.price)),
            lot.count_of(str(one.quantity)),
            one.fee,
            one.is_maker,
        )
        for one in session.desk.executions("main", "BTCUSDT")
    } == {
        (one.execution_id, one.venue_order_id, one.tick, one.lots, one.fee, one.is_maker)
        for one in session.executions.values()
    }
    # The session has met every kind of answer.
    for act in ("PLACE", "CANCEL", "AMEND"):
        assert session.verdicts[act, "ACCEPTED"]
        assert session.verdicts[act, "REFUSED"]
    assert sum(count for (_, verdict), count in session.verdicts.items() if verdict == "UNKNOWN")
    assert session.executions
