"""A gateway with its bot, its desks and a compiled strategy, whose venues the test answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.engine.live import LiveBot, LiveWorld
from arb.execution.desk_wires import Outputs
from arb.execution.gate_feed import GateFeed
from arb.execution.gateway import DeliveredAnswer, Gateway, TakenRequest
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.leg import Leg
from arb.risk.exposure import GateLeg
from arb.risk.gate import Gate, GateLimits
from arb.runtime.live_rows import LiveDriver
from arb.runtime.strategy_task import StrategyTask
from connectors.orders.model import (
    EndCause,
    Execution,
    Instrument,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import DecimalStep
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND
from support.dry_market import MS, START_NS, leg
from support.fake_protocol import FakeOrders, FakeUser, frame
from support.hand_gateway import first_rows


class GatewaySession:
    """A gateway, its bot and its venues; sockets take everything, and the test answers."""

    def __init__(
        self,
        function: Callable[..., Any],
        legs: int = 2,
        limits: GateLimits | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """limits: of a gate; None: there is none. recorder: that the function takes."""
        self.now = START_NS
        self.legs = [leg(number) for number in range(legs)]
        self.wires: list[WireRequest] = []
        self.known: list[tuple[int, int]] = []
        self.noted: list[tuple[str, bool]] = []
        self.is_up = True
        self.taken: list[TakenRequest] = []
        self.delivered: list[DeliveredAnswer] = []
        self._later: list[Callable[[], None]] = []
        self.protocols: dict[str, FakeOrders] = {}
        desks = {}
        for venue in {one.venue for one in self.legs}:
            self.protocols[venue] = FakeOrders(venue)
            instruments = {
                no: Instrument(
                    one.symbol,
                    DecimalStep(f"{one.tick_size}"),
                    DecimalStep(f"{one.lot_size}"),
                    "BTC",
                    "USDT",
                    one.is_spot,
                )
                for no, one in enumerate(self.legs)
                if one.venue == venue
            }
            desks[venue] = VenueDesk(
                venue,
                self.protocols[venue],
                FakeUser(venue),
                instruments,
                SessionIds("tests1", 1, START_NS // MILLISECOND),
                TradeTimes(),
            )
        world = LiveWorld(self.legs, is_live=True)
        feed = None if limits is None else GateFeed(Gate(_gate_legs(self.legs), limits), world, desks)
        self.gateway = Gateway(world, self.legs, desks, self, lambda: self.now, self._later.append, feed)
        self.gateway.on_step = self.taken.extend
        self.gateway.on_delivered = self.delivered.extend
        self.bot = LiveBot(world, keep=self.gateway)
        self.out = np.zeros(32)
        given = (self.bot, self.out) if recorder is None else (self.bot, recorder, self.out)
        self.task = StrategyTask(self.bot, compile_strategy(function), given)
        self.driver = LiveDriver(self.bot, self.task, self.gateway)
        self.gateway.wake = self.driver.on_answers
        for venue in desks:
            self._come_up(venue)
        assert self.driver.start()

    def send(self, venue: str, request: WireRequest) -> Sent:
        self.wires.append(request)
        #: How many requests of the strategy the desks knew, and the session had logged, when these bytes left.
        self.known.append((len(self.gateway.open_orders), len(self.taken)))
        return Sent(self.is_up, "t1")

    def log_sent(self, venue: str, request: WireRequest, sent: Sent) -> None:
        self.noted.append((request.wire_id, sent.is_sent))

    def _come_up(self, venue: str) -> None:
        """The stream of the account is up, and the queries of the catch-up are answered: there is nothing."""
        desk = self.gateway.desks[venue]
        self.gateway.apply(venue, desk.on_line("t1", LineEvent.UP, "logon", self.now), self.now)
        self.gateway.apply(venue, desk.on_line("u1", LineEvent.UP, "logon", self.now), self.now)
        for wire in self.wires:
            answer = frame(VenueAnswer(wire.wire_id, Verdict.FOUND))
            self.gateway.apply(venue, desk.on_rest(wire.wire_id, 200, answer, 0, True, self.now), self.now)
        for one in (self.wires, self.known, self.noted):
            one.clear()
        assert desk.is_up

    def rows(self, leg_no: int = 0) -> None:
        """The first rows of a leg."""
        self.now += MS
        self.driver.on_rows(leg_no, first_rows(leg_no, self.now), self.now)
        self.now += 2 * MS
        self.driver.on_time(self.now)
        self.run_later()

    def run_later(self) -> None:
        later = self._later[:]
        del self._later[: len(later)]
        for call in later:
            call()

    def answer(self, leg_no: int, input_of: Callable[[VenueDesk], Outputs]) -> None:
        """An input of the desk of a leg, 1 ms later."""
        self.now += MS
        venue = self.legs[leg_no].venue
        self.gateway.apply(venue, input_of(self.gateway.desks[venue]), self.now)
        self.run_later()

    def executed(self, wire: WireRequest, status: OrderStatus, lots: int) -> bytes:
        """The venue's answer to a placement that has executed so many lots at its price."""
        request = self.protocols[self.legs[wire.leg].venue].requests[wire.wire_id]
        update = OrderUpdate(
            request.symbol,
            request.client_id,
            "v1",
            status,
            lots,
            request.lots,
            request.tick,
            EndCause.NONE,
            self.now // MILLISECOND,
        )
        x = Execution(
            request.symbol,
            request.client_id,
            "v1",
            "x1",
            request.side,
            request.tick,
            lots,
            False,
            Decimal("0.01"),
            "USDT",
            self.now // MILLISECOND,
        )
        return frame(
            VenueAnswer(wire.wire_id, Verdict.ACCEPTED, updates=(update,), executions=(x,) if lots else ())
        )


def _gate_legs(legs: Sequence[Leg]) -> list[GateLeg]:
    return [
        GateLeg(one.venue, one.venue, 0, one.is_spot, "BTC", "USDT", one.tick_size, one.lot_size)
        for one in legs
    ]
