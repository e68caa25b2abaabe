"""The orders of a session that trades: gateway and desks, their connections, logs and records, from start to end.

The gateway at the bot's port sends what the desks decide; the connections (`arb.runtime.order_lines`) bring what the
venues say. This puts both together, writes down what passes, and leaves no order open at the end. The host's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from arb.engine.live import LiveWorld
from arb.errors import ArbError, InputError, InvariantError
from arb.execution.answers import BotAnswer
from arb.execution.desk_wires import Outputs
from arb.execution.gate_feed import GateFeed
from arb.execution.gateway import DeliveredAnswer, Gateway, TakenRequest
from arb.execution.order_state import OrderState
from arb.leg import openings_of
from arb.risk.gate import Gate
from arb.risk.rate_budget import REDUCING_SHARE
from arb.runtime.feeds import guarded
from arb.runtime.guard_process import GuardProcess, NoGuard
from arb.runtime.host import Host
from arb.runtime.live_files import OrderRecords
from arb.runtime.order_journal import KeptRun, NoOrderJournal, OrderJournal
from arb.runtime.order_lines import OrderLines, Sockets, switch_off, switch_reasons
from arb.runtime.order_news import OrderNews
from arb.runtime.order_records import OrderLog, OrderNotes, line_counts
from arb.runtime.order_setup import OrderSetup
from arb.runtime.orders_end import OrdersEnd, hung_text, order_count, unbooked_of
from arb.runtime.orders_start import until_up
from arb.runtime.private_log import PRIVATE, Mark, PrivateLog, kept_line
from arb.runtime.session import Session
from arb.runtime.session_alerts import Ending
from arb.runtime.session_halts import SessionHalts, halted_by, why_halted
from arb.runtime.session_orders import OrdersState, Preflight
from arb.runtime.silence import VenueSilence
from arb.runtime.supervision import Supervision
from arb.runtime.trade_protocols import banned_with, uses_of
from arb.runtime.venue_watch import VenueWatch
from connectors.net.sockets import AsyncioTimers, transport_of
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.blanking import blanked
from connectors.orders.limits import LimitKind
from connectors.orders.model import Act, WireRequest
from connectors.trade.interfaces import Sent

#: A connection that receives nothing for this long is pinged, and closed without an answer for as long again: events of
#: an account may be rare. That is half a message a second, of which Binance allows five; Bybit counts none.
PING_S = 2.0
#: How often it is looked whether all is done.
_LOOK_S = 0.02


class LiveOrders:
    """See the module; a `SessionOrders`."""

    #: Its orders are in the journal of its accounts.
    tables = None

    def __init__(
        self,
        world: LiveWorld,
        setup: OrderSetup,
        folder: Path,
        gate: Gate | None = None,
        *,
        halts: SessionHalts | None = None,
        kept: KeptRun | None = None,
        preflight: Preflight | None = None,
        supervision: Supervision | None = None,
        guard: GuardProcess | None = None,
        watch: VenueWatch | None = None,
    ) -> None:
        """folder: of the session. gate: None: everything is sent. halts: see `GateFeed`. kept: its run in the journal,
        which is closed at the end. preflight: before anything is connected. supervision, watch: need a gate. guard: not
        started yet. Attaches the gateway to the world's port. Raises InputError."""
        self._world, self._setup, self._folder = world, setup, folder
        self._preflight = preflight
        self._halts = halts
        self._supervision = supervision
        self._guard, self._watch = guard or NoGuard(), watch
        self._log, self._notes = OrderLog(), OrderNotes(setup.legs, setup.options.environment)
        self._logs: dict[str, PrivateLog] = {}
        self._lines: dict[str, OrderLines] = {}
        self._rests: list[HttpTradeRest] = []
        self._session: Session | None = None
        self._host: Host | None = None
        #: Requests that are not in the log yet: whether they were sent is known after their step.
        self._taken: list[TakenRequest] = []
        self._is_closed = self._is_flagged = False
        #: Follows the listings until the session is over.
        self._listing: asyncio.Task[None] | None = None
        #: Number of entries of `session.db`.
        self._kept = 0
        #: Why the private log is not whole; why files cannot be written.
        self._unwritten: InputError | None = None
        self._broken: ArbError | None = None
        #: Orders that a signal has left in doubt.
        self._left = ""
        self.fault: ArbError | None = None
        desks = setup.desks()
        feed = GateFeed(gate, world, desks, self._reasons) if gate is not None else None
        if feed is not None:
            feed.is_halting = lambda: self._session is not None and self._session.is_halting
        self.gateway = Gateway(world, setup.legs, desks, self, self._now, self._later, feed)
        self._silence = VenueSilence(desks, self._lines, self._guard.timeout_ms)
        self._journal = NoOrderJournal() if kept is None else OrderJournal(kept, self._order_of, desks)
        self.gateway.commit = self._journal.commit
        self.gateway.shortage = lambda: str(self._journal.shortage or "")
        self.gateway.on_step = self._on_step
        self.gateway.on_delivered = self._on_delivered
        self.gateway.on_event = self._on_event
        self.gateway.on_due = lambda venue, due_ns: self._lines[venue].plan(due_ns)
        self.gateway.on_stopped = self._on_stopped
        self.gateway.on_retire = lambda venue, where: self._lines[venue].replace(where)

    def send(self, venue: str, request: WireRequest) -> Sent:
        """See `Outlet`."""
        return self._lines[venue].send(request)

    def log_sent(self, venue: str, request: WireRequest, sent: Sent) -> None:
        """See `Outlet`."""
        lines = self._lines[venue]
        lines.log_sent(request, sent)
        self._journal.sent(venue, request, sent, lines.now)

    # -- SessionOrders

    async def open(self, host: Host, session: Session) -> None:
        """See `SessionOrders`: returns when every venue is up and caught up."""
        self._session, self._host = session, host
        if self._preflight is not None:
            await host.until_over(self._preflight.run(host, session.write))
            if host.is_interrupted:
                return
        self._journal.open()
        self.gateway.wake = session.on_answers
        timers, chance = AsyncioTimers(), random.SystemRandom().random
        if host.hosts is None:
            raise InvariantError("orders need a list of the hosts that may be connected to")
        transport = guarded(transport_of("picows", PING_S), host.hosts)
        for venue in self._setup.venues:
            urls = host.urls[venue]
            rest = HttpTradeRest(urls.rest, host.hosts)
            self._rests.append(rest)
            log = self._logs[venue] = PrivateLog(self._folder / PRIVATE / venue, blanked)
            self._lines[venue] = OrderLines(
                venue,
                Sockets(urls.trade, urls.user, transport, rest, timers, chance),
                self._setup.protocols(venue),
                self.gateway.desks[venue],
                log,
                self._setup.times,
                now_of=lambda local_ts: local_ts + session.offset_ns,
                earliest=self.gateway.earliest_ts,
                failed=self.break_off,
                apply=self._apply,
                on_limits=partial(self._on_limits, venue),
                terms=self._setup.switches.get(venue),
                on_switch=partial(self._on_event, venue, "switch"),
                has_room=partial(self._has_room, venue),
            )
        self._guard.start(host.urls, session.write, self._silence.look)
        session.write("start", f"opening order connections to {', '.join(self._setup.venues)}")
        for lines in self._lines.values():
            lines.start()
        await host.until_over(until_up(self.gateway, self._lines, session))
        await host.until_over(self._guard.ready())
        if self._watch is not None:
            self._listing = asyncio.create_task(
                host.until_over(self._watch.follow_listings(host, session)), name="listings"
            )
            self._listing.add_done_callback(self._listings_ended)

    async def close(self, ending: Ending | None = None) -> None:
        """See `SessionOrders`: cancels what is open, waits for doubts, and queries the account once more."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._session is not None and self._host is not None and self._session.is_over:
                await self._end(self._session, self._host)
        finally:
            if not self.gateway.open_orders:  # otherwise the venues' switches cancel them
                await switch_off(self._lines, self._setup.times.answer_ns)
            for lines in self._lines.values():
                lines.stop()
            for rest in self._rests:
                await rest.close()
            self._alert_end(ending)
            await self._guard.close(has_ended=not self.gateway.open_orders, is_asked=bool(self._left))
            self._note_taken()
            for log in self._logs.values():
                try:
                    log.close()
                except InputError as error:
                    self._unwritten = error
            self._end_run()

    def _alert_end(self, ending: Ending | None) -> None:
        fault = self.fault or self.gateway.fault or self._left
        if self._supervision is not None and self._supervision.alerts is not None:
            self._supervision.alerts.end(Ending("failed", str(fault)) if fault else ending, self._now())

    async def _end(self, session: Session, host: Host) -> None:
        if count := len(self.gateway.open_orders):
            session.write("end", f"cancelling {order_count(count, 'open')}; a second Ctrl+C ends the wait")
        self.gateway.wake = lambda now: None
        for venue, lines in self._lines.items():
            now = lines.begin(self._now(), "-", Mark.REQUEST, "end")
            self._apply(venue, self.gateway.desks[venue].on_end(now), now)
        desks, answer_ns = self.gateway.desks, self._setup.times.answer_ns
        end = OrdersEnd(desks, answer_ns, host.ctrl_c_count, time.monotonic_ns(), host.signalled_ns)
        # After a fault too: what is open then is cancelled like everything else, and its end is known.
        while not end.is_over(host.ctrl_c_count, time.monotonic_ns()):
            await asyncio.sleep(_LOOK_S)
        for one in self.gateway.drain():
            self._log.request(one, is_sent=False)
        self._world.settle(self._now())
        if self.gateway.fault is not None:
            session.fail(self.gateway.fault)
        if self._supervision is not None and self.gateway.gate is not None:
            self._supervision.report_left(self.gateway.gate, session, self._journal.flagged)
        for line in end.missing_facts():
            session.write("end", line)
        left = end.left_open()
        if left and end.is_left_in_doubt:
            self._left = left
            session.write("end", left)
        elif left:
            self.fault = InvariantError(left)

    def _end_run(self) -> None:
        for venue, desk in self.gateway.desks.items():
            if desk.is_agreed:
                self._journal.agreed(venue, self._now())
        fault = self.fault or self.gateway.fault or self.broken
        self._journal.end("ended" if fault is None else str(fault), self._now())
        self.fault = self.fault or self._journal.fault

    def take(self) -> tuple[bytes, bytes]:
        """See `SessionOrders`."""
        self._note_taken()
        self.gateway.note_answers()  # of what the lines before this entry refuse
        self._kept += 1
        for lines in self._lines.values():
            lines.note(kept_line(self._kept))
        for log in self._logs.values():
            log.flush()
        return self._log.take()

    @property
    def head(self) -> dict[str, Any]:
        """See `SessionOrders`."""
        openings = openings_of(self._setup.legs)
        found = {**self._setup.ids.head, "environment": self._setup.options.environment}
        if openings:
            found |= {"openings": openings, "closes_first": self._setup.options.is_closing_first}
        return found

    def records(self) -> OrderRecords:
        """See `SessionOrders`."""
        # `session.db` is kept, and what is before its last entry can be proven.
        if self._unwritten is not None:
            raise self._unwritten
        found = self._log.records(self._world.fills, self.gateway.desks)
        lines = line_counts({venue: log.count for venue, log in self._logs.items()})
        return found._replace(counts={**found.counts, "kept": self._kept, **lines})

    def halted(self) -> tuple[str, bool] | None:
        """See `SessionOrders`."""
        return halted_by(() if self._halts is None else self._halts.flags(), self.broken)

    def state(self) -> OrdersState:
        """See `SessionOrders`."""
        doubts = sum(len(desk.doubts) for desk in self.gateway.desks.values())
        state = self._notes.state(OrdersState(why_halted(self.halted()), doubts), self._journal.accounts)
        return state if self._supervision is None else self._supervision.state(state)

    def news(self) -> OrderNews:
        """See `SessionOrders`."""
        self._note_taken()
        return self._notes.news(self.gateway.gate)

    @property
    def broken(self) -> ArbError | None:
        """See `SessionOrders`."""
        return self._journal.shortage or self._broken

    def break_off(self, error: ArbError) -> bool:
        """See `SessionOrders`. The gate refuses what opens from the next step on."""
        self._broken = self._broken or error
        return True

    def unbooked(self) -> list[float]:
        """See `SessionOrders`."""
        return unbooked_of(self.gateway.desks, self._setup.legs)

    def supervise(self) -> None:
        """See `SessionOrders`."""
        feed, session = self.gateway.gate, self._session
        if session is None or feed is None:
            return
        noted = partial(self._journal.flagged, now=self._now())
        if self._supervision is not None:
            filters = self._watch.filters if self._watch is not None else {}
            try:
                self._supervision.look(self.gateway.desks, feed, session, noted, filters)
            except InputError as flag:  # cannot be written
                self.break_off(flag)
        if self._watch is not None:
            self._watch.look(self.gateway.desks, feed, session, self.pull, noted)
        self._journal.write()

    def pull(self, venue: str, legs: frozenset[int]) -> None:
        """From now on cancels what rests at these legs of a venue, and at no others."""
        text = " ".join(("pull", *map(str, sorted(legs))))
        now = self._lines[venue].begin(self._now(), "-", Mark.REQUEST, text)
        self._apply(venue, self.gateway.desks[venue].on_pull(legs, now), now)

    def _reasons(self) -> Mapping[str, str]:
        """Why nothing may be opened, by venue, "" for all. In this order: flags, broken files, guard, switches."""
        why = self._guard.reason() if self.broken is None else str(self.broken)
        halts = self._halts.reasons() if self._halts is not None else {}
        venues = self._silence.reasons() | switch_reasons(self._lines)
        return {**venues, **({"": why} if why else {}), **halts}

    def left_text(self, working: int) -> str:
        """See `SessionOrders`."""
        return f"{order_count(working)} in doubt"

    def hung_text(self) -> str:
        """See `SessionOrders`."""
        return hung_text(self.gateway.desks, self._guard.will_cancel())

    # -- what passes

    def _on_step(self, taken: Sequence[TakenRequest]) -> None:
        self._taken += taken
        for one in taken:
            words = f"request {one.leg} {int(one.row['request_no'])}"
            if one.refused:
                words += f" refused {one.refused}"
                self._journal.refused(one)
            else:
                words += " reduces" * one.reduces + " corrected" * one.has_venue_time
            self._lines[self._setup.legs[one.leg].venue].begin(one.taken_ns, "-", Mark.REQUEST, words)

    def _on_stopped(self, now_ns: int) -> None:
        if self._session is None or self._session.is_over:
            return
        self._session.write("orders", "the process was stopped: asking the venues before anything is sent")
        for venue, lines in self._lines.items():
            now = lines.begin(now_ns, "-", Mark.REQUEST, "stopped")
            self._apply(venue, self.gateway.desks[venue].on_stopped(now), now)

    def _note_taken(self) -> None:
        taken, self._taken = self._taken, []
        for one in taken:
            self._log.request(one, is_sent=one.is_sent)
            self._notes.add(one)

    def _on_delivered(self, delivered: Sequence[DeliveredAnswer]) -> None:
        for one in delivered:
            execution, state, answer = None, one.order, one.answer
            if isinstance(answer, BotAnswer) and answer.fill_lots:
                if state is None or answer.execution_id not in state.executions:
                    orders = self.gateway.desks[self._setup.legs[one.leg].venue].orders
                    state = orders.executed(one.leg, answer.order_id, answer.execution_id)
                execution = state.executions[answer.execution_id] if state is not None else None
            self._log.response(one.leg, one.received_ns, one.row, execution)
            self._journal.answered(answer, execution, state)

    def _apply(self, venue: str, outputs: Outputs, now: int, has_more: bool = False) -> None:
        self.gateway.apply(venue, outputs, now, has_more)
        until_ns = self.gateway.desks[venue].stopped_until_ns
        if until_ns > now:
            for one in banned_with(venue, self._lines):
                self._lines[one].pause(until_ns)
        if not has_more:
            self._journal.write()
        self._look_for_fault()

    def _on_limits(self, venue: str, act: Act, headers: Mapping[str, str]) -> None:
        if self.gateway.gate is not None:
            self.gateway.gate.responded(venue, uses_of(venue, act, headers), self._now())

    def _has_room(self, venue: str) -> bool:
        """Whether a request that keeps orders safe fits into the venue's limits."""
        gate, now = self.gateway.gate, self._now()
        return gate is None or gate.gate.budgets[venue].has_room(LimitKind.WEIGHT, REDUCING_SHARE, now)

    def _later(self, call: Callable[[], None]) -> None:
        def after_step() -> None:
            call()
            self._note_taken()
            self._journal.write()
            self._look_for_fault()
            try:
                for log in self._logs.values():
                    log.flush()
            except InputError as error:
                self.break_off(error)

        asyncio.get_running_loop().call_soon(after_step)

    def _listings_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._session is not None and not self._session.is_over:
            self._session.fail(error)

    def _look_for_fault(self) -> None:
        unwritten = self._journal.fault or self._journal.shortage
        if unwritten is not None and not self._is_flagged:
            self._is_flagged = True
            self._emit("journal", f"{unwritten}: nothing is opened, the session is halted")
            if self._halts is not None:
                why = str(unwritten).partition(";")[0]  # the next step is the flag's own
                self._broken = self._halts.set(why, self._now()) or self._broken
        fault = self.gateway.fault or self._journal.fault
        if fault is not None:
            self._fail(fault)

    def _on_event(self, venue: str, event: str, text: str) -> None:
        self._journal.happened(venue, event, text, self._lines[venue].now)
        self._emit("orders", f"{venue} {event}: {text}")

    def _emit(self, event: str, text: str) -> None:
        if self._session is not None:
            self._session.emit(event, text)

    def _order_of(self, leg: int, order_id: int) -> OrderState | None:
        return self.gateway.desks[self._setup.legs[leg].venue].orders.of(leg, order_id)

    def _now(self) -> int:
        """The session's clock; not before anything that the strategy or a desk has reached."""
        if self._session is None:
            return 0
        others = [lines.now for lines in self._lines.values()]
        return max(self._session.now, self.gateway.earliest_ts(), *others)
