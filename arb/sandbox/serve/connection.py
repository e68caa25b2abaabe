"""One websocket connection of the sandbox: batched sending, pings, limits and closing.

Frames are encoded once for all receivers and written directly to the transport; aiohttp does the handshake and reading.
Runs in the server's event loop.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque

from aiohttp import web

from arb.sandbox.serve.clocks import SandboxClock
from arb.sandbox.serve.limits import Limits, Window
from arb.sandbox.serve.session import Close, Session
from connectors.units import SECOND

_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A
#: Most pings without a pong that are tracked.
_PINGS_MAX = 8


def text_frame(text: str) -> bytes:
    """A server's text message: one unmasked frame. Source: RFC 6455, section 5.2."""
    return _frame(_TEXT, text.encode())


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", opcode, 126, size) + payload
    return struct.pack("!BBQ", opcode, 127, size) + payload


class Connection:
    """One client connection; `no` is its number at the venue."""

    def __init__(
        self,
        no: int,
        session: Session,
        limits: Limits,
        websocket: web.WebSocketResponse,
        transport: asyncio.WriteTransport,
        clock: SandboxClock,
    ) -> None:
        self.no = no
        self.session = session
        self._clock = clock
        self._limits = limits = session.limits or limits
        self._websocket = websocket
        self._transport = transport
        self._out: list[bytes] = []
        self._incoming = Window(limits.messages_per_s, 1.0)
        now_ns = clock.now_ns()
        self._opened_ns = self._received_ns = self._sent_ns = now_ns
        self._pinged_ns = now_ns
        self._pings: deque[tuple[bytes, int]] = deque()
        self._has_notice = False
        #: Frames that a fault holds back until the next one of their stream, by stream.
        self.held: dict[str, str] = {}
        #: Half open until this time (0: no end): nothing is sent, incoming messages are ignored; -1: not half open.
        self.muted_until_ns = -1
        self.closing: asyncio.Task[bool] | None = None
        session.close = self.end

    @property
    def is_open(self) -> bool:
        return self.closing is None and not self._transport.is_closing()

    @property
    def is_muted(self) -> bool:
        return self.muted_until_ns >= 0

    def send(self, frame: bytes) -> None:
        """Queues a frame for `flush`."""
        self._out.append(frame)

    def send_text(self, text: str) -> None:
        self.send(text_frame(text))

    def send_now(self, text: str) -> None:
        """Sends a text at once, after what is queued."""
        self.send_text(text)
        self.flush(self._clock.now_ns())

    def flush(self, now_ns: int) -> bool:
        """Writes the queued frames. False if too much is unread by the client: the connection is dropped."""
        if not self._out:
            return True
        if self.is_muted or not self.is_open:
            self._out.clear()
            return True
        self._transport.write(b"".join(self._out))
        self._out.clear()
        self._sent_ns = now_ns
        if self._transport.get_write_buffer_size() > self._limits.unread_bytes_max:
            self._transport.abort()
            return False
        return True

    def admits(self, now_ns: int) -> bool:
        """Counts a message of the client; False if it sends too many."""
        self._received_ns = now_ns
        return self._incoming.admits(now_ns)

    def receive_pong(self, payload: bytes) -> None:
        """A pong with the payload of a ping confirms that ping and all earlier ones."""
        payloads = [sent for sent, _ in self._pings]
        if payload in payloads:
            for _ in range(payloads.index(payload) + 1):
                self._pings.popleft()

    def pong(self, payload: bytes) -> None:
        """Queues the pong to a ping of the client."""
        self._out.append(_frame(_PONG, payload[:125]))

    def attend(self, now_ns: int, now_ms: int) -> Close | None:
        """Sends due pings and notices; returns a Close if the connection must end. Called a few times per second."""
        limits = self._limits
        if self.is_muted:
            if now_ns >= self.muted_until_ns > 0:
                self._transport.abort()
            return None
        if limits.ping_interval_s and now_ns - self._pinged_ns >= limits.ping_interval_s * SECOND:
            self._pinged_ns = now_ns
            payload = str(now_ms).encode()
            if len(self._pings) < _PINGS_MAX:
                self._pings.append((payload, now_ns))
            self._out.append(_frame(_PING, payload))
        if (
            limits.pong_timeout_s
            and self._pings
            and now_ns - self._pings[0][1] >= limits.pong_timeout_s * SECOND
        ):
            return Close(1008, "Pong timeout")
        if limits.idle_s and now_ns - max(self._received_ns, self._sent_ns) >= limits.idle_s * SECOND:
            return Close(1000, "idle")
        left_s = limits.life_s - (now_ns - self._opened_ns) / SECOND
        if limits.life_s and left_s <= 0:
            return Close(1001, "24 hours are over" if limits.life_s == 86_400 else "its life is over")
        if limits.life_s and left_s <= limits.shutdown_notice_s:
            self.notify_shutdown(now_ms)
        return None

    def notify_shutdown(self, now_ms: int) -> None:
        """Sends the shutdown notice once, if the venue has one."""
        notice = self.session.shutdown_notice(now_ms)
        if notice is not None and not self._has_notice:
            self._has_notice = True
            self.send_text(notice)

    def close(self, close: Close) -> None:
        """Starts the closing handshake."""
        if self.closing is None:
            self.closing = asyncio.ensure_future(
                self._websocket.close(code=close.code, message=close.reason.encode()[:120], drain=False)
            )

    def end(self, code: int, reason: str) -> None:
        """Ends the connection after what is queued; code 0: without a close frame."""
        self.flush(self._clock.now_ns())
        if code:
            self.close(Close(code, reason))
        else:
            self.abort()

    def abort(self) -> None:
        """Aborts the connection without a close frame."""
        self._transport.abort()
