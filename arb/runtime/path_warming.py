"""Runs the code of orders and of events about them on scratch objects while a session is idle: `live.warm_ms`.

A market is idle most of the time, and after a millisecond little of this code is in the processor's caches: it then
takes ten times as long as in a row. Nothing here is the session's: a world, desks, a gateway and lines of their own,
whose requests no socket takes and whose events are made up (`connectors.orders.examples`). So no file, no order and no
decision of the session can follow from it. What it does not reach: the journal's commit, sockets, the gate, and the
strategy itself. The host's thread, from the event loop: each part is a call of its own, so that messages wait for one
part at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hftbacktest.order import BUY, GTC, LIMIT, NEW

from arb.engine.live import LiveBot, LiveWorld
from arb.engine.mailbox import Mailbox
from arb.engine.order_table import ORDER
from arb.execution.gateway import Gateway
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import VenueDesk
from arb.runtime.host import Host
from arb.runtime.live_orders import LiveOrders
from arb.runtime.order_lines import OrderLines, Sockets
from arb.runtime.order_records import OrderLog
from arb.runtime.order_setup import OrderSetup
from arb.runtime.private_log import Mark
from arb.runtime.session import Session
from arb.runtime.trade_protocols import templates_of
from connectors.feed.clock_offset import OffsetEstimator
from connectors.orders.examples import ExampleOrder, OrderTexts
from connectors.orders.model import WireRequest
from connectors.orders.signing import HmacSigner
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import Sent
from connectors.units import MILLISECOND

#: Ids of orders that no venue gets.
_TAG = "warm00"
#: Price and quantity of every order, in ticks and lots.
_TICK, _LOTS = 10_000, 1
_TAKEN = Sent(True, "t1")
#: Orders that have ended and are known.
_CLOSED_MAX = 100


class PathWarming:
    """See the module."""

    def __init__(self, setup: OrderSetup) -> None:
        """setup: of the session's orders. A key that signs each request is replaced; one that logs on signs nothing."""
        self._orders = ScratchOrders(setup)
        self._left: list[Callable[[], None]] = []
        #: Why it has ended, and whether the log says so.
        self.error: Exception | None = None
        self._is_over = False

    def run(self, host: Host, session: Session, interval_s: float) -> None:
        """Begins after each interval, until the session ends; if that fails, the log says so once."""

        def begin() -> None:
            self.begin()
            if self.error is not None and not self._is_over:
                self._is_over = True
                session.write("warning", f"live.warm_ms has no effect any more: {self.error}")

        host.every(interval_s, begin)

    def begin(self) -> None:
        """Runs the code once, a part now, each other one by a call of the event loop. Nothing while one is left."""
        if not self._left and self.error is None:
            self._left = self._orders.parts()[::-1]
            self._next()

    def _next(self) -> None:
        if not self._left:
            return
        try:
            self._left.pop()()
        except Exception as error:  # it is of no use then, and the session does not need it
            self.error = error
            self._left.clear()
        if self._left:
            asyncio.get_running_loop().call_soon(self._next)

    def close(self) -> None:
        """Frees the memory. `begin` may not be called any more."""
        self._left.clear()
        self._orders.free()


class ScratchOrders(LiveOrders):
    """The product's orders of one leg at each venue, on a world of their own, without connections and files."""

    def __init__(self, setup: OrderSetup) -> None:
        signers = {
            venue: signer if signer.logs_on else HmacSigner("scratch", "scratch")
            for venue, signer in setup.signers.items()
        }
        ids = SessionIds(_TAG, 1, time.time_ns() // MILLISECOND)
        # Nothing is compared, and nothing is due.
        own = setup._replace(signers=signers, ids=ids, reconcile_s=0.0, account_s=0.0, switches={})
        world = LiveWorld(setup.legs, is_live=True)
        super().__init__(world, own, Path())
        self._bot = LiveBot(world, keep=self.gateway)
        self._mailbox = Mailbox(world)
        self._after: list[Callable[[], None]] = []
        #: The first leg of each venue, and what the venue says of its orders.
        self._legs = {leg.venue: no for no, leg in reversed(list(enumerate(setup.legs)))}
        self._templates = {
            venue: templates_of(venue, own.instruments[no], _TICK, _LOTS) for venue, no in self._legs.items()
        }
        self._examples: dict[str, OrderTexts] = {}
        self._batch = Batch()
        self._number = 0
        self._session = _session(own)
        self.gateway.wake = self._session.on_answers
        self._row = row = np.zeros(1, ORDER)
        row["req"], row["side"], row["price_tick"] = NEW, BUY, _TICK
        row["time_in_force"], row["order_type"] = GTC, LIMIT
        for venue, desk in self.gateway.desks.items():
            desk.assume_up(is_logged_on=signers[venue].logs_on)
            desk.orders.closed_max = _CLOSED_MAX
            self._lines[venue] = _Lines(venue, own, desk, self.gateway, self._apply)

    def parts(self) -> list[Callable[[], None]]:
        """A step with an order of each leg, the answer to each, its fill, and the end, to be called in this order."""
        calls: list[Callable[[], None]] = [self._step, self._after_step]
        for venue in self._legs:
            calls += [partial(self._receive, venue, "t1"), partial(self._receive, venue, "u1")]
        return [*calls, self._forget]

    def free(self) -> None:
        """Frees its world."""
        self._bot.close()

    def _step(self) -> None:
        self._number += 1
        number, now = self._number, self._now()
        row = self._row
        row["order_id"] = row["request_no"] = number
        row["request_ts"] = now
        for leg in self._legs.values():
            row["qty"] = row["leaves_qty"] = _LOTS * self._setup.legs[leg].lot_size
            self._mailbox.put_request(leg, row, now)
        self.gateway.serve(0)

    def _receive(self, venue: str, where: str) -> None:
        batch, leg = self._batch, self._legs[venue]
        if where == "t1":
            number, now_ms = self._number, time.time_ns() // MILLISECOND
            order = ExampleOrder(f"{leg}-{number}-p", self._setup.ids.client_id(leg, number), number, now_ms)
            self._examples[venue] = self._templates[venue].of(order)
            batch.frames.append(self._examples[venue].accepted)
        else:
            batch.frames += self._examples[venue].filled
        batch.stamps += [time.time_ns()] * len(batch.frames)
        self._lines[venue].line_batch(where, batch)
        batch.clear()

    def _forget(self) -> None:
        """Nothing grows. Raises what could not be done."""
        if self.gateway.fault is not None:
            raise self.gateway.fault
        self._mailbox.take_answers()
        self._log = OrderLog()
        self._taken.clear()

    def _after_step(self) -> None:
        after, self._after = self._after, []
        for call in after:
            call()

    def _later(self, call: Callable[[], None]) -> None:
        self._after.append(call)

    def _note_taken(self) -> None:
        """They are not of the session."""


class _Log:
    """Instead of a private log."""

    count = 0

    def __init__(self) -> None:
        self._pending: list[tuple[int, Mark, str, str | bytes, int]] = []

    def add(self, ts: int, mark: Mark, where: str, text: str | bytes) -> None:
        self._pending.append((ts, mark, where, text, 0))

    def flush(self) -> None:
        self._pending.clear()


class _Lines(OrderLines):
    """Lines without sockets: every request was taken."""

    def __init__(
        self, venue: str, setup: OrderSetup, desk: VenueDesk, gateway: Gateway, apply: Callable[..., None]
    ) -> None:
        nothing: Any = SimpleNamespace(monotonic_ns=time.monotonic_ns, time_ns=time.time_ns)
        log: Any = _Log()
        super().__init__(
            venue, Sockets("", "", nothing, nothing, nothing, float), setup.protocols(venue), desk, log, setup.times,
            now_of=_same, earliest=gateway.earliest_ts, failed=_nowhere, apply=apply,
        )  # fmt: skip

    def send(self, request: WireRequest) -> Sent:
        """See `OrderLines`."""
        return _TAKEN

    def plan(self, due_ns: int) -> None:
        """See `OrderLines`: nothing waits for its time."""


def _session(setup: OrderSetup) -> Session:
    """A session whose strategy does nothing."""
    driver: Any = SimpleNamespace(side=SimpleNamespace(on_late=None), on_answers=lambda now: True)
    recorder: Any = None
    return Session(setup.legs, driver, OffsetEstimator(0), recorder, log=_nowhere, ended=_nowhere)


def _same(ts: int) -> int:
    return ts


def _nowhere(*_: object) -> None:
    """Nothing follows."""
