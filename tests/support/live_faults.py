"""Faults of a sandbox on the simulated network: does what the sandbox's server does with those of its connections.

Faults of order entry and accounts are the sandbox's own (`arb.sandbox.trading`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from numpy.random import default_rng

from arb.runtime.live_orders import PING_S
from arb.sandbox.faults import CONNECTION_KINDS, FRAME_KINDS, TRADING_KINDS, Fault, FaultKind, Scheduled
from arb.sandbox.serve.faults import Injector
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.venue_server import _concerns
from connectors.units import MILLISECOND, SECOND
from support.dry_market import START_NS
from support.live_net import LiveNet, NetConnection
from support.net_timers import Turn

_INTERVAL_NS = 20 * MILLISECOND
#: After this time the client's pings find out that a connection lets nothing pass: of its market, of its account.
_MARKET_PINGS_NS, _PINGS_NS = 10 * SECOND, round(2 * PING_S * SECOND)


class NetFaults:
    """The faults of one session. Made after the network, and before anything connects."""

    def __init__(self, net: LiveNet, faults: Sequence[Fault], seed: int) -> None:
        self._net = net
        #: How many of each kind happened.
        self.injected: Counter[str] = Counter()
        self._next_ns = 0
        self._injector = Injector(faults, default_rng(seed), START_NS, self._count)
        net.trading.faults.report = self._injector.report
        net.trading.faults.strike = self._strike_venue
        net.faults = self

    def strike(self, now: int) -> None:
        """Begins what is due, at intervals."""
        if now < self._next_ns:
            return
        self._next_ns = now + _INTERVAL_NS
        for scheduled in self._injector.strikes(now):
            fault = scheduled.fault
            if fault.kind in TRADING_KINDS or fault.after_order:
                self._net.trading.begin(scheduled, now)
                continue
            for venue in self._net.venues:
                if fault.is_about(venue):
                    self._strike_venue(scheduled, venue, now)

    def parts(self, connection: NetConnection, stream: str, text: str) -> list[str]:
        """What is sent instead of a text."""
        if connection.is_muted:
            return []
        venue, now = connection.venue.exchange.venue, self._net.timers.now
        if self._injector.is_calm(venue):
            return [text]
        parts = [text]
        for fault in self._injector.take(venue, stream, [connection.no], text, now):
            if fault.kind in (FaultKind.GAP, FaultKind.SILENCE):
                parts = []
            elif fault.kind is FaultKind.DUPLICATE:
                parts += parts
            elif fault.kind is FaultKind.TRUNCATE:
                parts = [part[: len(part) // 2] for part in parts]
            elif fault.kind is FaultKind.GARBAGE:
                parts = [self._injector.garbage(len(part)) for part in parts]
        return parts

    def refusal(self, venue: str, rest: Any) -> Response | None:
        """The answer to every request while it lasts."""
        now = self._net.timers.now
        for kind, status in ((FaultKind.REST_418, 418), (FaultKind.REST_429, 429)):
            fault = self._injector.first(kind, venue, now)
            if fault is not None:
                refusal: Response = rest.refusal(status, now, now // MILLISECOND, fault.retry_after_s)
                return refusal
        return None

    def is_refusing(self, venue: str) -> bool:
        """Whether new connections and requests are reset."""
        return self._injector.first(FaultKind.REFUSE, venue, self._net.timers.now) is not None

    def _strike_venue(self, scheduled: Scheduled, venue: str, now: int) -> None:
        fault, own = scheduled.fault, self._net.venues[venue]
        if fault.kind in CONNECTION_KINDS:
            targets = [
                one
                for one in own.connections
                if fault.client in (None, one.no) and not one.is_muted and _concerns(fault, one.session)
            ]
            if fault.kind is FaultKind.RESTARTING:
                self._net.trading.desks[venue].restarted_ns = now
            for connection in targets:
                self._strike_connection(fault, connection, now)
            self._injector.report(scheduled, now, venue, clients=[one.no for one in targets])
        elif fault.kind not in FRAME_KINDS:
            self._injector.report(scheduled, now, venue, duration_s=fault.duration_s)

    def _strike_connection(self, fault: Fault, connection: NetConnection, now: int) -> None:
        if fault.kind is FaultKind.HALF_OPEN:
            connection.is_muted = True
            is_market = connection.venue.is_market(connection)
            self._end_later(connection, now + (_MARKET_PINGS_NS if is_market else _PINGS_NS))
        elif fault.kind is FaultKind.KEY_EXPIRED:
            connection.session.expire_user_data(now)
        elif fault.kind in (FaultKind.SHUTDOWN, FaultKind.RESTARTING):
            connection.session.is_restarting = fault.kind is FaultKind.RESTARTING
            notice = connection.session.shutdown_notice(now // MILLISECOND)
            if notice is not None:
                connection.own(notice)
            self._end_later(connection, now + round(fault.notice_s * SECOND))
        else:
            connection.end(fault.code or 0, "fault")

    def _end_later(self, connection: NetConnection, at: int) -> None:
        self._net.timers.at(at, Turn.ANSWER, partial(connection.end, 1001, "fault"))

    def _count(self, what: dict[str, Any]) -> None:
        self.injected[what["kind"]] += 1
