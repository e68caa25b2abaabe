"""The connections of one venue's orders, and the order in which everything reaches its desk: log first, then desk.

It owns the trade socket, the stream of the account's events and the REST queue, each of which knows how to stay up, and
the desk's alarm. Whatever one of them reports is written to the private log, handed to the desk, and its outputs to
`apply`. The event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from arb.errors import InputError
from arb.execution.desk_wires import NEVER, Outputs
from arb.execution.venue_desk import VenueDesk
from arb.runtime.private_log import Mark, PrivateLog
from connectors.net.backoff import Alarm
from connectors.net.interfaces import Timers, TradeRest, Transport
from connectors.net.rate_limit import Limiter
from connectors.orders.model import Act, Channel, WireRequest
from connectors.orders.protocol import OrderProtocol, UserProtocol
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.rest_queue import RestLine
from connectors.trade.switch import SwitchTerms, VenueSwitch
from connectors.trade.times import TradeTimes
from connectors.trade.trade_socket import TradeSocket
from connectors.trade.user_stream import UserStream
from connectors.units import MINUTE

#: Attempts to connect: the venues allow 300 in 5 minutes.
_CONNECTS, _CONNECTS_NS = 100, 5 * MINUTE
_LOOK_S = 0.02
_SOCKET = Channel.SOCKET


class Sockets(NamedTuple):
    """What the lines of a venue are made of. trade, user: websocket addresses without path; trade "": by REST only."""

    trade: str
    user: str
    transport: Transport
    rest: TradeRest
    timers: Timers
    chance: Callable[[], float]


class OrderLines:
    """See the module; a `LineOwner`."""

    def __init__(
        self,
        venue: str,
        sockets: Sockets,
        protocols: tuple[OrderProtocol, UserProtocol],
        desk: VenueDesk,
        log: PrivateLog,
        times: TradeTimes,
        *,
        now_of: Callable[[int], int],
        earliest: Callable[[], int],
        failed: Callable[[InputError], object],
        apply: Callable[[str, Outputs, int, bool], None],
        on_limits: Callable[[Act, Mapping[str, str]], None] | None = None,
        terms: SwitchTerms | None = None,
        on_switch: Callable[[str], None] = lambda text: None,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """protocols: of the lines; the desk has its own. now_of: the session's time of a local time.

        earliest: no input is processed at an earlier time: the strategy has reached it. apply: see `Gateway.apply`.
        failed: receives the error if the log cannot be written. on_limits: see `RestLine`. terms: of the venue's own
        dead-man's switch; None: it is off. on_switch, has_room: see `VenueSwitch`.
        """
        self.venue = venue
        self._desk = desk
        self._log = log
        self._now_of = now_of
        self._earliest = earliest
        self._failed = failed
        self._apply = apply
        self._timers = sockets.timers
        self._alarm = Alarm(sockets.timers)
        #: Time of the input that is processed, ns of the session; it never decreases.
        self.now = 0
        #: Why the last line was lost.
        self.reason = ""
        connects = Limiter(_CONNECTS, _CONNECTS_NS)
        self._rest = RestLine(sockets.rest, sockets.timers, self, times, on_limits)
        #: Whether there is a websocket for orders; without one they go by REST.
        self.takes_sockets = bool(sockets.trade)
        order_protocol, user_protocol = protocols
        self._trade = TradeSocket(
            [sockets.trade],
            order_protocol,
            transport=sockets.transport,
            timers=sockets.timers,
            chance=sockets.chance,
            connects=connects,
            owner=self,
            times=times,
            now_ms=self._now_ms,
        )
        self._user = UserStream(
            [sockets.user],
            user_protocol,
            transport=sockets.transport,
            timers=sockets.timers,
            chance=sockets.chance,
            connects=connects,
            owner=self,
            times=times,
            now_ms=self._now_ms,
            rest=self._rest,
        )
        #: The venue's own dead-man's switch.
        self.switch = terms and VenueSwitch(
            order_protocol,
            self._rest,
            sockets.timers,
            terms,
            now_ms=self._now_ms,
            has_room=has_room,
            noted=on_switch,
        )

    def start(self) -> None:
        """Starts to connect."""
        if self.takes_sockets:
            self._trade.start()
        self._user.start()
        if self.switch is not None:
            self.switch.start()

    def stop(self) -> None:
        """Closes all connections; nothing is reported afterwards."""
        self._alarm.cancel()
        if self.switch is not None:
            self.switch.abandon()
        self._rest.stop()
        self._trade.stop()
        self._user.stop()

    def probe(self, *, is_pinging: bool) -> bool:
        """Whether both lines have received anything since the last call. is_pinging: see `Probed`."""
        found = [line.probe(is_pinging=is_pinging) for line in (self._trade, self._user)]
        return all(found)

    def replace(self, where: str) -> None:
        """Replaces a line by a new one."""
        (self._user if where.startswith("u") else self._trade).replace(where)

    def pause(self, until_ns: int) -> None:
        """Sends no REST request before this time of the session."""
        self._rest.pause(until_ns - self._now_of(self._timers.time_ns()))

    def begin(self, now_ns: int, where: str, mark: Mark, text: str | bytes) -> int:
        """Logs an input; returns its time, which is the desk's."""
        self.now = max(self.now, now_ns, self._earliest())
        self._log.add(self.now, mark, where, text)
        return self.now

    def note(self, text: str) -> None:
        """Logs an event that is no input, at the time of the last one."""
        self._log.add(self.now, Mark.EVENT, "-", text)

    def send(self, request: WireRequest) -> Sent:
        """Sends a request of the desk; `log_sent` follows."""
        if request.channel is _SOCKET:
            return self._trade.send(request)
        return self._rest.send(request)

    def log_sent(self, request: WireRequest, sent: Sent) -> None:
        """Logs a request of the desk, and whether it was sent, at the time of the input that it follows."""
        if sent.is_sent:
            text = request.text if request.channel is Channel.SOCKET else rest_text(request)
            self._log.add(self.now, Mark.SENT, sent.where, text)
            self._log.add(self.now, Mark.EVENT, sent.where, f"sent {request.wire_id}")
        else:
            self._log.add(self.now, Mark.EVENT, "-", f"unsent {request.wire_id}")

    def plan(self, due_ns: int) -> None:
        """Sets the desk's alarm, on the session's clock."""
        if due_ns == NEVER:
            self._alarm.cancel()
        else:
            self._alarm.set(max(0, due_ns - self._now_of(self._timers.time_ns())), lambda: self._tick(due_ns))

    def _now_ms(self) -> int:
        """The time of what a line itself sends: the venue's, where our clock is wrong."""
        now = max(self.now, self._now_of(self._timers.time_ns()))
        return self._desk.stamp_ms(Act.LOG_ON, now)

    def _tick(self, due_ns: int) -> None:
        now = self.begin(max(due_ns, self._now_of(self._timers.time_ns())), "-", Mark.TICK, str(due_ns))
        self._hand_over(self._desk.on_tick(now), now)

    def _hand_over(self, outputs: Outputs, now: int) -> None:
        self._apply(self.venue, outputs, now, False)
        self._flush()

    def _flush(self) -> None:
        try:
            self._log.flush()
        except InputError as error:  # a socket must not treat it as its own
            self._failed(error)

    # -- LineOwner

    def line_event(self, where: str, event: LineEvent, text: str, local_ts: int) -> None:
        """See `LineOwner`."""
        if event is LineEvent.LOST:
            self.reason = text
        words = f"{event.name.lower()} {text}".rstrip()
        now = self.begin(self._now_of(local_ts), where, Mark.EVENT, words)
        self._hand_over(self._desk.on_line(where, event, text, now), now)

    def line_frame(self, where: str, frame: bytes, local_ts: int) -> None:
        """See `LineOwner`."""
        now = self.begin(self._now_of(local_ts), where, Mark.RECEIVED, frame)
        self._hand_over(self._desk.on_frame(where, frame, now), now)

    def line_batch(self, where: str, batch: Batch) -> None:
        """See `LineOwner`. The strategy runs once, with the answers of all frames."""
        left = len(batch.frames)
        for frame, local_ts in zip(batch.frames, batch.stamps, strict=True):
            left -= 1
            now = self.begin(self._now_of(local_ts), where, Mark.RECEIVED, frame)
            self._apply(self.venue, self._desk.on_frame(where, frame, now), now, left > 0)
        self._flush()

    def own_traffic(self, where: str, is_sent: bool, text: str, local_ts: int) -> None:
        """See `LineOwner`."""
        self._log.add(
            max(self.now, self._now_of(local_ts)),
            Mark.OWN_SENT if is_sent else Mark.OWN_RECEIVED,
            where,
            text,
        )

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
        """See `LineOwner`."""
        text = f"{wire_id} {status} {retry_after_ns} {int(was_sent)} ".encode() + body
        now = self.begin(self._now_of(local_ts), where, Mark.RECEIVED, text)
        self._hand_over(self._desk.on_rest(wire_id, status, body, retry_after_ns, was_sent, now), now)


async def switch_off(lines: Mapping[str, OrderLines], within_ns: int) -> None:
    """Switches off the venues' own dead-man's switches; returns when that is done, or after this time."""
    switches = [one.switch for one in lines.values() if one.switch is not None]
    for switch in switches:
        switch.stop()
    deadline = time.monotonic_ns() + within_ns
    while not all(switch.is_over for switch in switches) and time.monotonic_ns() < deadline:
        await asyncio.sleep(_LOOK_S)


def switch_reasons(lines: Mapping[str, OrderLines]) -> dict[str, str]:
    """Why nothing may be opened, at the venues whose switch is required and not on."""
    return {
        venue: f"the venue's switch: {switch.reason}"
        for venue, one in lines.items()
        if (switch := one.switch) is not None and switch.terms.is_required and switch.reason
    }


def rest_text(request: WireRequest) -> str:
    """A REST request in the private log."""
    query = f"?{request.query}" if request.query else ""
    return f"{request.method} {request.path}{query} {request.body.decode()}".rstrip()
