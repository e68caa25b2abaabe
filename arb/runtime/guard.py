"""The guard of a session: a process that cancels the session's orders when the session stops.

`arb live` starts it, with a pipe over which it gets everything, keys included (`arb.runtime.guard_plan`). It has
connections of its own. When the session gives no sign of life, or its process ends without saying that nothing is open,
the guard sets the environment's kill flag, cancels every open order with the session's tag, and looks until none is
left and none can arrive any more. Orders of others are not touched. It loads neither compiled code nor ccxt.

It sends the session's alerts, too, on threads of their own (`arb.alerts.sender`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from arb.alerts.message import Transition
from arb.alerts.sender import AlertSender
from arb.errors import ExitCode, InputError
from arb.journal.halts import Halt, halt_path, set_halt
from arb.journal.locks import GUARD_LOCK, HeldLock
from arb.runtime.account_queries import AccountQueries
from arb.runtime.guard_plan import UNKNOWN, GuardAlerts, GuardPlan, GuardVenue, Pulse, Scheduled, plan_of
from arb.runtime.process_guard import no_core_files
from arb.runtime.trade_protocols import protocols_of, signer_of
from connectors.net.hosts import ListedHosts
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Instrument, OrderUpdate
from connectors.orders.numbers import DecimalStep
from connectors.text import one_line

#: How often the pipe is looked at.
_LOOK_S = 0.05
#: How long one request may take, and the pause before a question is asked again.
_ANSWER_S, _PAUSE_S = 2.0, 0.1
#: A venue is looked at so often while orders may be there, first for `_SOON_S`.
_OFTEN_S, _SELDOM_S, _SOON_S = 0.1, 0.5, 2.0
#: So long after its receive window an order may still arrive.
_LATE_S = 3.0
#: A venue that does not answer is given up after this time.
_GIVE_UP_S = 900.0
#: Interval of cancellations while the session lives and has no events.
_PULL_S = 1.0
#: How often keys, connections and the venues' clocks are tried, and again after a failure.
_PROVE_S, _PROVE_AGAIN_S = 60.0, 1.0


def run_guard(number: int) -> int:
    """Guards the session at the other end of a pipe until it has ended; returns the exit code.

    number: of the file descriptor, a stream socket. Raises InputError if it is none.
    """
    # Ctrl+C in a terminal, or the stop of a service, is for the session, which says when it has ended.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    no_core_files()
    try:
        pipe = socket.socket(fileno=number)
    except OSError as error:
        raise InputError(
            f"--fd {number}: {error.strerror}: arb live starts the guard itself, with a pipe to the session"
        ) from None
    with pipe:
        pipe.setblocking(False)
        return asyncio.run(_guard(pipe))


async def _guard(pipe: socket.socket) -> int:
    return await Guard(pipe).run()


class Guard(asyncio.Protocol):
    """See the module."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._buffer = b""
        self._planned: asyncio.Future[GuardPlan | None] = asyncio.get_running_loop().create_future()
        self._pulse = Pulse(0, is_armed=False)
        self._send: Callable[[bytes], object] = lambda data: None
        self._alerts: AlertSender | None = None
        #: Whether the session is known to be gone or silent; so may an earlier one be, whose alert then ends.
        self._is_lost = self._has_lost = True

    async def run(self) -> int:
        """See `run_guard`."""
        transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self._pipe)
        self._send = transport.write
        plan = await self._planned
        if plan is None:
            return ExitCode.DONE
        venues = [VenueOrders(plan, one) for one in plan.venues]
        lock, session = _lock(Path(plan.state)), os.getppid()
        proving = asyncio.create_task(self._prove(venues))
        code = int(ExitCode.DONE)
        try:
            if why := await self._watch(venues, session):
                proving.cancel()
                code = await self._act(plan, venues, why)
        finally:
            proving.cancel()
            for one in venues:
                await one.close()
            lock.close()
        await self._finish_alerts()
        return code

    async def _watch(self, venues: list[VenueOrders], session: int) -> str:
        """Returns why the session's orders are to be cancelled; "" once there is nothing to guard any more.

        session: its process."""
        while not (why := self._pulse.look(time.monotonic_ns(), _scheduled(session))) or not venues:
            if self._pulse.is_over or (why and self._pulse.is_closed):
                if not self._pulse.is_ended:
                    self._session_is(
                        why or "the session's process has ended without its end, before its first order"
                    )
                return ""
            if why:
                self._session_is(why)
            for one in venues:
                if one.name in self._pulse.unattended:
                    one.pull(self._say)
            await asyncio.sleep(_LOOK_S)
        if not self._pulse.is_left:  # it has reported its end itself
            self._session_is(f"{why}: its open orders are cancelled, and no session starts before arb resume")
        return why

    # -- the pipe

    def data_received(self, data: bytes) -> None:
        """Takes lines of the session."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if not self._planned.done():
                self._plan(line)
                continue
            self._session_is("")
            if line.startswith(b"alert ") and self._alerts is not None:
                self._alerts.take(msgspec.json.decode(line[6:], type=Transition))
            elif answer := self._pulse.receive(line.decode()):
                self._say(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The session's end of the pipe is closed."""
        self._pulse.is_closed = True
        if not self._planned.done():
            self._planned.set_result(None)

    def _plan(self, line: bytes) -> None:
        try:
            plan = plan_of(line)
        except InputError as error:
            self._planned.set_exception(error)
            return
        self._pulse = Pulse(plan.timeout_ms, is_armed=plan.is_armed)
        if plan.alerts is not None:
            self._has_lost = plan.alerts.has_lost
            self._alerts = self._sender(plan.alerts, Path(plan.state), _Log(Path(plan.log)))
        self._planned.set_result(plan)

    def _say(self, text: str) -> None:
        if not self._pulse.is_closed:
            self._send(f"{one_line(text)}\n".encode())

    # -- the alerts

    def _sender(self, alerts: GuardAlerts, state: Path, log: _Log) -> AlertSender:
        loop = asyncio.get_running_loop()

        def say(text: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._say, text)

        def warn(text: str) -> None:
            log.write(text) if self._pulse.is_closed else say(f"alerts {text}")

        return AlertSender(
            state,
            alerts.origin,
            alerts.channels,
            kept=lambda number: say(f"kept {number}"),
            warn=warn,
            every_s=alerts.every_s,
        )

    def _session_is(self, lost: str) -> None:
        """The session gives signs of life, or why it does not any more."""
        if self._alerts is not None and self._has_lost and bool(lost) != self._is_lost:
            if lost:
                self._alerts.begin("lost", lost)
            else:
                self._alerts.end("lost")
        self._is_lost = bool(lost)

    async def _finish_alerts(self) -> None:
        """Returns when all is sent, or after a long time: the next session's guard sends the rest."""
        if self._alerts is None:
            return
        deadline = time.monotonic() + _GIVE_UP_S
        while not self._alerts.is_done and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
        self._alerts.close()

    # -- the venues

    async def _prove(self, venues: list[VenueOrders]) -> None:
        """Says whether every venue answers, with the key: at once, then now and then."""
        while True:
            try:
                await asyncio.gather(*(one.prove() for one in venues))
            except InputError as error:
                self._say(f"failed {error}")
                await asyncio.sleep(_PROVE_AGAIN_S)
            else:
                self._say("ready")
                await asyncio.sleep(_PROVE_S)

    async def _act(self, plan: GuardPlan, venues: list[VenueOrders], why: str) -> int:
        """Sets the flag, unless a person has stopped the session, and cancels; returns the exit code."""
        log, work = _Log(Path(plan.log)), [one.clear() for one in venues]
        halting = "" if self._pulse.is_left else "halting, and "
        log.write(f"{why}: {halting}cancelling the orders arb-{plan.tag}-...")
        if halting:
            work.insert(0, asyncio.to_thread(_halt, Path(plan.state), f"arb guard: {why}"))
        ended = await asyncio.gather(*work, return_exceptions=True)
        failed = [str(one) for one in ended if isinstance(one, BaseException)]
        for text in failed:
            log.write(text)
        counts = ", ".join(f"{one.name} {len(one.cancelled)}" for one in venues)
        log.write(f"orders cancelled: {counts}; " + ("some may be open" if failed else "none is open"))
        return ExitCode.OUR_FAULT if failed else ExitCode.HALTED_BY_RISK


class VenueOrders:
    """The session's orders at one venue."""

    def __init__(self, plan: GuardPlan, venue: GuardVenue) -> None:
        self.name = venue.name
        self._plan = plan
        self._rest = HttpTradeRest(venue.rest, ListedHosts([venue.rest]), timeout_s=_ANSWER_S)
        legs = {
            no: Instrument(
                one.symbol, DecimalStep(one.tick), DecimalStep(one.lot), one.base, one.quote, one.is_spot
            )
            for no, one in enumerate(venue.legs)
        }
        protocol, _ = protocols_of(venue.name, signer_of(venue.key), plan.recv_window_ms)
        self._legs = tuple(legs)
        self._queries = AccountQueries(protocol, self._rest, legs, pause_s=_PAUSE_S)
        #: Client ids of the orders that were open.
        self.cancelled: set[str] = set()
        self._pulled = 0.0
        self._pulling: asyncio.Task[None] | None = None

    async def prove(self) -> None:
        """Compares the clock and asks for open orders. Raises InputError if the venue does not answer."""
        await self._queries.clock()
        await self._own()

    async def clear(self) -> None:
        """Cancels until no order is left and none can arrive any more. Raises InputError without an answer for long."""
        begun = answered = time.monotonic()
        while True:
            try:
                found = await self.cancel_all()
                answered = time.monotonic()
            except InputError as error:
                if time.monotonic() - answered > _GIVE_UP_S:
                    raise InputError(f"{error}: look there for orders arb-{self._plan.tag}-...") from None
                with contextlib.suppress(InputError):
                    await self._queries.clock()
            else:
                if not found and answered - begun > self._plan.recv_window_ms / 1e3 + _LATE_S:
                    return
            await asyncio.sleep(_OFTEN_S if time.monotonic() - begun < _SOON_S else _SELDOM_S)

    async def cancel_all(self) -> int:
        """Asks once to cancel each order of the session that is open; returns their number. Raises InputError."""
        found = await self._own()
        self.cancelled |= {order.client_id for _, order in found}
        await asyncio.gather(*(self._queries.cancel(leg, order) for leg, order in found))
        return len(found)

    def pull(self, say: Callable[[str], None]) -> None:
        """Cancels in the background what is open now; at most once a second. say: how many orders, to the session."""
        now = time.monotonic()
        if (self._pulling is None or self._pulling.done()) and now - self._pulled > _PULL_S:
            self._pulled = now
            self._pulling = asyncio.create_task(self._pull(say))

    async def _pull(self, say: Callable[[str], None]) -> None:
        with contextlib.suppress(InputError):  # it is tried again while the session has no events
            if count := await self.cancel_all():
                say(f"pulled {self.name} {count}")

    async def close(self) -> None:
        """Closes the connections."""
        if self._pulling is not None:
            self._pulling.cancel()
        await self._rest.close()

    async def _own(self) -> list[tuple[int, OrderUpdate]]:
        listed = await asyncio.gather(*(self._queries.open_orders(leg) for leg in self._legs))
        return [
            (leg, order)
            for leg, orders in zip(self._legs, listed, strict=True)
            for order in orders
            if self._plan.owns(order.client_id)
        ]


class _Log:
    """Lines in a file of the session's folder, as far as they can be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> None:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        with contextlib.suppress(OSError), self._path.open("a") as file:
            file.write(f"{now} {one_line(text)}\n")


def _lock(state: Path) -> contextlib.ExitStack:
    """The lock by which others see that a guard runs, unless an earlier session's guard has it, which still acts."""
    held = contextlib.ExitStack()
    with contextlib.suppress(InputError):
        held.callback(HeldLock(state / GUARD_LOCK, "the guard", f"process {os.getpid()}").close)
    return held


def _scheduled(process: int) -> Scheduled:
    """Of the main thread of a process."""
    try:
        with open(f"/proc/{process}/schedstat", "rb") as file:
            ran, waited = file.read().split()[:2]
        with open(f"/proc/{process}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
        with open(f"/proc/{process}/status", "rb") as file:
            yields = file.read().partition(b"\nvoluntary_ctxt_switches:")[2].split()[0]
        return Scheduled(int(ran), int(waited), state == b"R", state == b"D", int(yields))
    except (OSError, ValueError, IndexError):  # only Linux says it there
        return UNKNOWN


def _halt(state: Path, reason: str) -> None:
    """Sets the flag of all accounts, unless somebody has: he may want positions to be closed. Raises InputError."""
    if not halt_path(state, "").exists():
        set_halt(state, Halt("", time.time_ns(), False, reason))
