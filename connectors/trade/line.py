"""One websocket for orders or for the events of an account, from handshake to close.

Log-on and subscriptions come before anything else; frames are passed on when all are accepted. Reconnecting is up to
the keeper. No socket and no clock of its own: transport and timers are passed in. One thread.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from connectors.errors import DecodeError
from connectors.net.backoff import Alarm
from connectors.net.connection import LinkTimes
from connectors.net.interfaces import Connection, Probed, Timers, Transport
from connectors.orders.model import Act, Decoded, Notice, NoticeKind, VenueAnswer, Verdict, WireRequest
from connectors.orders.protocol import SocketLimits
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import LineEvent, LineOwner, Sent


class LineState(IntEnum):
    """State of a line."""

    CONNECTING = 0
    LOGGING_ON = 1
    UP = 2
    RETIRING = 3
    CLOSED = 4


class LineProtocol(Protocol):
    """What a line needs of `OrderProtocol` or `UserProtocol`."""

    @property
    def limits(self) -> SocketLimits: ...

    def opening(self, now_ms: int) -> list[WireRequest]: ...

    def opened(self, answer: VenueAnswer) -> bool | None: ...

    def fallback(self) -> bool: ...

    def decode(self, frame: bytes) -> VenueAnswer | Notice | tuple[Decoded, ...]: ...

    def ping(self, number: int) -> str | None: ...


class Keeper(Protocol):
    """Keeps lines up."""

    def line_up(self, line: TradeLine) -> None: ...

    def line_lost(self, line: TradeLine, *, is_refused: bool) -> None:
        """At most once, and the last call. is_refused: the venue refuses the log-on or a subscription."""


#: A member of an enumeration is looked up at each use; this one is on the way of an order's bytes.
_UP = LineState.UP
_ACCEPTED = (NoticeKind.LOGGED_ON, NoticeKind.SUBSCRIBED)


class TradeLine:
    """One websocket. `state` is written here only."""

    def __init__(
        self,
        where: str,
        url: str,
        protocol: LineProtocol,
        *,
        transport: Transport,
        timers: Timers,
        keeper: Keeper,
        owner: LineOwner,
        times: LinkTimes,
        now_ms: Callable[[], int],
    ) -> None:
        """Connects to `url`. now_ms: the time of its log-on. Raises HostRefusedError of the transport."""
        self.where = where
        #: What became of a request that it took.
        self.sent = Sent(True, where)
        self.state = LineState.CONNECTING
        #: Monotonic time at which it was up; 0 before.
        self.up_ns = 0
        self._protocol = protocol
        self._timers = timers
        self._keeper = keeper
        self._owner = owner
        self._times = times
        self._now_ms = now_ms
        #: Opening requests without an answer, the first of them sent.
        self._opening: list[WireRequest] = []
        self._is_logged_on = False
        self._ping_no = 0
        self._has_frames = False
        now = timers.monotonic_ns()
        self._begun_ns = self._heard_ns = self._pinged_ns = now
        self._tick_alarm = Alarm(timers)
        self._report(LineEvent.CONNECTING, "")
        self._connection: Connection = transport.connect(url, self)
        self._tick_alarm.set(times.tick_ns, self._tick)

    @property
    def is_up(self) -> bool:
        """Whether it takes requests."""
        return self.state is LineState.UP

    def send(self, text: str) -> bool:
        """Sends a request; False: not a byte was or will be written."""
        if self.state is not _UP:
            return False
        try:
            return self._connection.send(text)
        except Exception as error:
            return self._failed_to_write(error)

    def probe(self, *, is_pinging: bool) -> bool:
        """See `Probed`; True of a connection that cannot say it, and of a line that is not up."""
        connection = self._connection
        if self.state is not _UP or not isinstance(connection, Probed):
            return True
        return connection.probe(is_pinging=is_pinging)

    def retire(self) -> None:
        """From now on takes no requests; frames are still passed on."""
        if self.state is LineState.UP:
            self.state = LineState.RETIRING
            self._report(LineEvent.RETIRING, "")

    def close(self, reason: str = "") -> None:
        """Closes the line without a call of the keeper; reports its loss if there is a reason. Idempotent."""
        if self.state is not LineState.CLOSED:
            self.state = LineState.CLOSED
            self._tick_alarm.cancel()
            self._connection.close()
            if reason:
                self._report(LineEvent.LOST, reason)

    # Called by the transport.

    def on_open(self) -> None:
        if self.state is not LineState.CONNECTING:
            return
        self._heard_ns = self._pinged_ns = self._timers.monotonic_ns()
        self._report(LineEvent.OPEN, "")
        self._open()

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        self._has_frames = True
        if self.state in (LineState.UP, LineState.RETIRING):
            self._owner.line_frame(self.where, frame, local_ts)
        elif self.state is LineState.LOGGING_ON:
            self._receive_opening(frame, local_ts)

    def on_batch(self, batch: Batch) -> None:
        if self.state in (LineState.UP, LineState.RETIRING):
            self._has_frames = True
            self._owner.line_batch(self.where, batch)
            return
        for frame, local_ts in zip(batch.frames, batch.stamps, strict=True):
            self.on_frame(frame, local_ts)

    def on_close(self, reason: str) -> None:
        self._give_up(reason or "closed by the venue")

    # Helpers.

    def _open(self) -> None:
        self.state = LineState.LOGGING_ON
        self._opening = self._protocol.opening(self._now_ms())
        self._is_logged_on = any(request.act is Act.LOG_ON for request in self._opening)
        self._open_next()

    def _open_next(self) -> None:
        """Sends the next opening request; after the last one the line is up."""
        self._begun_ns = self._timers.monotonic_ns()
        if self._opening:
            self._send_own(self._opening[0].text)
            return
        self.state = LineState.UP
        self.up_ns = self._begun_ns
        self._report(LineEvent.UP, "logon" if self._is_logged_on else "signed")
        self._keeper.line_up(self)

    def _receive_opening(self, frame: bytes, local_ts: int) -> None:
        """Frames before the line is up are answers to opening requests; others are of no use yet."""
        self._owner.own_traffic(self.where, False, frame.decode("utf-8", "backslashreplace"), local_ts)
        try:
            decoded = self._protocol.decode(frame)
        except DecodeError:
            return
        asked = self._opening[0].wire_id
        for one in (decoded,) if isinstance(decoded, VenueAnswer | Notice) else decoded:
            if isinstance(one, Notice) and one.kind in _ACCEPTED:
                self._opened(VenueAnswer(asked, Verdict.ACCEPTED))
                return
            if isinstance(one, VenueAnswer) and one.wire_id in (asked, ""):
                self._opened(one)
                return

    def _opened(self, answer: VenueAnswer) -> None:
        accepted = self._protocol.opened(answer)
        if accepted:
            del self._opening[0]
            self._open_next()
        elif accepted is None and self._protocol.fallback():
            self._open()
        else:
            self._give_up(f"refused: {answer.code} {answer.text}", is_refused=True)

    def _tick(self) -> None:
        now = self._timers.monotonic_ns()
        times = self._times
        if self._has_frames:
            self._has_frames = False
            self._heard_ns = now
        if self.state is LineState.CONNECTING:
            if now - self._begun_ns >= times.handshake_ns:
                self._give_up("no handshake in time")
        elif self.state is LineState.LOGGING_ON:
            if now - self._begun_ns >= times.answer_ns:
                self._give_up("a request was not answered")
        else:
            self._keep_alive(now)
        if self.state is not LineState.CLOSED:
            self._tick_alarm.set(times.tick_ns, self._tick)

    def _keep_alive(self, now: int) -> None:
        """Pings, and closes a silent line. Where only the server pings, silence says nothing."""
        interval = self._protocol.limits.ping_ns
        if not interval:
            return
        times = self._times
        if now - self._heard_ns >= times.silent_ns:
            self._give_up("silent")
            return
        since = now - self._pinged_ns
        if since >= interval - times.tick_ns or (since >= times.idle_ns <= now - self._heard_ns):
            self._ping_no += 1
            text = self._protocol.ping(self._ping_no)
            if text is not None:
                self._pinged_ns = now
                self._send_own(text)

    def _send_own(self, text: str) -> None:
        self._owner.own_traffic(self.where, True, text, self._timers.time_ns())
        self._write(text)

    def _write(self, text: str) -> bool:
        try:
            return self._connection.send(text)
        except Exception as error:
            return self._failed_to_write(error)

    def _failed_to_write(self, error: Exception) -> bool:
        """The text may be on its way: its outcome is in doubt, and the line of no use."""
        reason = f"cannot write: {error!r}"
        self._timers.call_later(0, lambda: self._give_up(reason))
        return True

    def _report(self, event: LineEvent, text: str) -> None:
        self._owner.line_event(self.where, event, text, self._timers.time_ns())

    def _give_up(self, reason: str, *, is_refused: bool = False) -> None:
        if self.state is not LineState.CLOSED:
            self.close(reason)
            self._keeper.line_lost(self, is_refused=is_refused)
