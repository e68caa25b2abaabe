"""Desks with their connections against a running sandbox that breaks them: every order's end is the sandbox's."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from support.order_client import CASES, Sandboxed, on_venue, until

from arb.execution.answers import BotAnswer, RequestRow
from arb.execution.desk_wires import NEVER, Outputs
from arb.execution.ids import SessionIds, parse_client_id
from arb.execution.venue_desk import VenueDesk
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.trading.order_state import ExecutionKind
from connectors.net.backoff import Alarm
from connectors.orders.model import Act, Channel, Force
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import LineEvent
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

#: Not those after which an order is in doubt until it cannot arrive any more, some 30 s; nor are lines cut while a
#: request is on its way.
FAULTS = (
    FaultKind.TRADE_LOST,
    FaultKind.DUPLICATE_EVENT,
    FaultKind.USER_LOST,
    FaultKind.REJECT,
    FaultKind.REORDER_EVENT,
    FaultKind.KEY_EXPIRED,
    FaultKind.LATE_EVENT,
    FaultKind.ACCEPTED_5XX,
    FaultKind.RESTARTING,
)
REQUESTS = 60


class DeskClient(Sandboxed):
    """A desk on the lines of one account, and a bot that asks for random orders."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.start_ms = self.now_ns // MILLISECOND
        ids = SessionIds("tests1", 1, self.start_ms)
        self.desk = VenueDesk(
            self.venue,
            self.orders,
            self.user,
            {0: self.instrument},
            ids,
            self.times,
            2000,
        )
        self.answers: list[BotAnswer] = []
        self.noted: list[tuple[str, str]] = []
        self.wires: Counter[str] = Counter()
        self.now = 0
        self._alarm = Alarm(self.timers)
        #: By number of the request.
        self.order_ids: dict[int, int] = {}

    @property
    def now_ns(self) -> int:
        return self.timers.time_ns()

    # inputs of the desk

    def follow(self, outputs: Outputs) -> None:
        self.noted += outputs.events
        self.answers += [one for one in outputs.answers if isinstance(one, BotAnswer)]
        for where in outputs.retire:
            (self.stream if where.startswith("u") else self.trade).replace(where)
        for wire in outputs.wires:
            sent = self.rest.send(wire) if wire.channel is Channel.REST else self.trade.send(wire)
            if sent.is_sent and wire.act in (Act.PLACE, Act.CANCEL, Act.AMEND):
                self.wires[wire.wire_id] += 1
            self.follow(self.desk.on_sent(wire.wire_id, sent, self.now))
        if outputs.due_ns != NEVER:
            self._alarm.set(max(0, outputs.due_ns - self.now_ns), self._tick)

    def _tick(self) -> None:
        self.follow(self.desk.on_tick(self.at(self.now_ns)))

    def at(self, local_ts: int) -> int:
        self.now = max(self.now, local_ts)
        return self.now

    def line_event(self, where: str, event: LineEvent, text: str, local_ts: int) -> None:
        self.follow(self.desk.on_line(where, event, text, self.at(local_ts)))

    def line_frame(self, where: str, frame: bytes, local_ts: int) -> None:
        self.follow(self.desk.on_frame(where, frame, self.at(local_ts)))

    def line_batch(self, where: str, batch: Batch) -> None:
        for frame, stamp in zip(batch.frames, batch.stamps, strict=True):
            self.line_frame(where, frame, stamp)

    def own_traffic(self, where: str, is_sent: bool, text: str, local_ts: int) -> None: ...

    def rest_answer(
        self,
        where: str,
        wire_id: str,
        status: int,
        body: bytes,
        retry_after_ns: int,
        was_sent: bool,
        local_ts: int,
    ) -> None:
        now = self.at(local_ts)
        self.follow(self.desk.on_rest(wire_id, status, body, retry_after_ns, was_sent, now))

    # the bot

    def request(self, chance: random.Random, number: int) -> None:
        """A random request. Order ids are the numbers of their requests."""
        bid, ask = self.touch()
        self.now = self.at(self.now_ns)
        waiting = [one for one in self.desk.orders.open.values() if one.rests and one.pending is None]
        kind = chance.random()
        side = chance.choice([1, -1])
        lots = chance.randint(1, 5) * self.instrument.lot.count_of("0.002")
        if waiting and kind < 0.4:
            state = chance.choice(waiting)
            act = Act.CANCEL if kind < 0.2 else Act.AMEND
            tick = state.present.tick - state.side * chance.choice([0, 40])
            row = RequestRow(
                state.order_id, number, act, state.side, state.force, False, tick, lots, self.now
            )
        else:
            force = chance.choice([Force.GTC, Force.IOC, Force.FOK, Force.GTX])
            distance = chance.choice([-60, -30, 5, 60])
            tick = ask + distance if side > 0 else bid - distance
            is_market = chance.random() < 0.1
            force = Force.IOC if is_market else force
            row = RequestRow(number, number, Act.PLACE, side, force, is_market, tick, lots, self.now)
        self.order_ids[number] = row.order_id
        self.follow(self.desk.on_request(0, row, self.now))

    def executed_at_the_venue(self) -> list[tuple[int, int, int]]:
        """Order id, ticks and lots of everything that the sandbox executed for the account."""
        assert self.sandbox.trading is not None
        tick, lot = self.instrument.tick, self.instrument.lot
        return sorted(
            (self.order_of(one.client_id), tick.count_of(str(one.price)), lot.count_of(str(one.quantity)))
            for one in self.sandbox.trading.desks[self.venue].executions("main")
            if one.kind is ExecutionKind.TRADE
        )

    def order_of(self, client_id: str) -> int:
        """The order id of a client id: that of the request which made it."""
        parts = parse_client_id(client_id)
        assert parts is not None
        return self.order_ids[parts.request_no]

    def executed_here(self) -> list[tuple[int, int, int]]:
        """The same as the bot was answered."""
        return sorted((one.order_id, one.exec_tick, one.fill_lots) for one in self.answers if one.fill_lots)


def ended(answers: Sequence[BotAnswer]) -> Counter[int]:
    """How often each request was ended."""
    return Counter(one.request_no for one in answers if one.request_no)


@pytest.mark.parametrize(("venue", "kind"), CASES)
def test_every_order_ends_as_at_the_venue(venue: str, kind: str) -> None:
    chance = random.Random(f"{venue} {kind}")
    code = 10001 if venue.startswith("bybit") else -1015
    faults = {
        6 * number: Fault(
            fault,
            venue=venue,
            notice_s=0.3,
            delay_s=0.3,
            code=code if fault is FaultKind.REJECT else None,
        )
        for number, fault in enumerate(FAULTS, 1)
        if fault is not FaultKind.KEY_EXPIRED or not venue.startswith("bybit")
    }

    async def test(client: DeskClient) -> None:
        await until(lambda: client.desk.is_up, "catch-up")
        for number in range(1, REQUESTS + 1):
            client.request(chance, number)
            await asyncio.sleep(0.05)
            if number in faults:
                client.sandbox.begin(faults[number])
                await asyncio.sleep(0.05)
        client.follow(client.desk.on_end(client.at(client.now_ns)))
        await until(lambda: client.desk.is_done, f"end: {client.desk.doubts}", 60.0)
        assert [one for one in client.noted if one[0] in ("broken", "undecodable", "not encoded")] == []
        assert set(client.wires.values()) == {1}
        assert client.executed_here() == client.executed_at_the_venue() != []
        assert ended(client.answers) == Counter(range(1, REQUESTS + 1))
        listed = sorted((x.tick, x.lots) for x in client.desk.facts.executions.values())
        assert listed == sorted((tick, lots) for _, tick, lots in client.executed_at_the_venue())

    on_venue(venue, kind, test, DeskClient)
