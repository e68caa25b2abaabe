"""Websockets with picows, which parses in C and calls once per message. Runs in the event loop's thread.

The messages of one socket read are passed on together after the last one: at once if the read ends with a message, in
the loop's next iteration if it ends with a ping or a part of a message, for which there is no callback. Of many, as
after a time without a processor, so many are passed on as fit into a turn; the others wait for the loop's next
iteration, so that timers and other sockets do not wait for them, and nothing is read meanwhile. Their local time is
that of their turn, as if they had been read then.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import picows

from connectors.net.interfaces import Connection, ConnectionListener
from connectors.net.sockets import HANDSHAKE_S, MESSAGE_BYTES_MAX, Socket
from connectors.parsing.batch import Batch
from connectors.units import MILLISECOND


class PicowsTransport:
    """Opens websockets with picows."""

    def __init__(self, ping_s: float = 0.0) -> None:
        """ping_s: see `sockets.transport_of`."""
        self._ping_s = ping_s

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        return _Picows(url, listener, self._ping_s)


_TEXT = picows.WSMsgType.TEXT
_CONTROL = (picows.WSMsgType.PING, picows.WSMsgType.PONG)
#: Most messages that are passed on together; after so many, and this time, what else waits has its turn.
_BATCH_MAX, _TURN_NS = 32, 20 * MILLISECOND


class _PicowsListener(picows.WSListener):
    """Receives the messages of one picows connection and joins fragmented ones."""

    def __init__(self, owner: _Picows) -> None:
        self._owner = owner
        self._parts: list[bytes] = []
        self._batch = Batch()
        #: Messages for later turns; whether a turn is planned, and reading paused.
        self._waiting: deque[bytes] = deque()
        self._is_planned = self._is_paused = False
        self._loop = asyncio.get_running_loop()
        self._socket: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._socket = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        local_ts = time.time_ns()
        batch = self._batch
        if frame.msg_type == _TEXT and frame.fin and not self._parts:
            batch.frames.append(frame.get_payload_as_bytes())
            batch.stamps.append(local_ts)
            if frame.last_in_buffer:
                self._flush()
            elif len(batch.frames) == 1:
                self._plan()
        elif frame.msg_type in _CONTROL:
            self._flush()
        else:
            self._finish()
            self._receive_other(transport, frame, local_ts)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._finish()

    def is_user_specific_pong(self, frame: picows.WSFrame) -> bool:
        # Of a pong that is awaited the library says nothing else.
        self._owner.has_received = True
        return frame.msg_type == picows.WSMsgType.PONG

    def _flush(self) -> None:
        """Passes on the received messages; of many, those of a turn."""
        self._owner.has_received = True
        if self._waiting or len(self._batch.frames) > _BATCH_MAX:
            self._take_turn()
        else:
            self._pass_on()

    def _finish(self) -> None:
        """Passes on all that was received."""
        self._owner.has_received = True
        while self._waiting or self._batch.frames:
            self._take_turn()

    def _pass_on(self) -> None:
        """Passes on the batch. An error of the listener ends the connection."""
        batch, listener = self._batch, self._owner.listener
        if batch.frames and listener is not None:
            try:
                listener.on_batch(batch)
            except Exception as error:
                self._owner.fail(error)
        batch.clear()

    def _take_turn(self) -> None:
        batch, waiting = self._batch, self._waiting
        waiting += batch.frames
        batch.clear()
        end_ns = time.monotonic_ns() + _TURN_NS
        while waiting:
            while waiting and len(batch.frames) < _BATCH_MAX:
                batch.frames.append(waiting.popleft())
                batch.stamps.append(time.time_ns())
            self._pass_on()
            if time.monotonic_ns() >= end_ns:
                break
        self._set_reading(is_paused=bool(waiting))
        if waiting:
            self._plan()

    def _plan(self) -> None:
        """In the loop's next iteration there is a turn, one."""
        if not self._is_planned:
            self._is_planned = True
            self._loop.call_soon(self._take_planned)

    def _take_planned(self) -> None:
        self._is_planned = False
        self._flush()

    def _set_reading(self, *, is_paused: bool) -> None:
        """The venue, and not this process, keeps what is not processed."""
        socket = self._socket
        if socket is None or socket.is_disconnected or is_paused == self._is_paused:
            return
        self._is_paused = is_paused
        if is_paused:
            socket.underlying_transport.pause_reading()
        else:
            socket.underlying_transport.resume_reading()

    def _receive_other(self, transport: picows.WSTransport, frame: picows.WSFrame, local_ts: int) -> None:
        """Handles everything except a complete text message."""
        kind = frame.msg_type
        if kind == picows.WSMsgType.CLOSE:
            self._owner.reason = f"closed by the venue: {frame.get_close_code()} {frame.get_close_reason()}"
            self._owner.is_shut = True
            transport.disconnect()
        elif kind in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            payload = frame.get_payload_as_bytes()
            if frame.fin and not self._parts:
                self._owner.receive(payload, local_ts)
            else:
                self._receive_part(transport, payload, frame.fin, local_ts)

    def _receive_part(self, transport: picows.WSTransport, part: bytes, fin: bool, local_ts: int) -> None:
        self._parts.append(part)
        if sum(map(len, self._parts)) > MESSAGE_BYTES_MAX:
            self._owner.reason = "a message of more than 16 MB"
            self._owner.is_shut = True
            transport.disconnect()
        elif fin:
            message, self._parts = b"".join(self._parts), []
            self._owner.receive(message, local_ts)


class _Picows(Socket):
    """One connection with picows."""

    reason = "closed by the venue"
    #: Whether the socket is being closed, by either side.
    is_shut = False
    #: Whether anything was received since the last `probe`.
    has_received = False
    _socket: picows.WSTransport | None = None

    def __init__(self, url: str, listener: ConnectionListener, ping_s: float) -> None:
        super().__init__(url, listener)
        self._ping_s = ping_s

    async def open_and_wait(self) -> str:
        self._socket, _ = await picows.ws_connect(
            lambda: _PicowsListener(self),
            self.url,
            websocket_handshake_timeout=HANDSHAKE_S,
            max_frame_size=MESSAGE_BYTES_MAX,
            max_redirects=0,
            enable_auto_pong=True,
            enable_auto_ping=self._ping_s > 0.0,
            auto_ping_idle_timeout=self._ping_s,
            auto_ping_reply_timeout=self._ping_s,
        )
        if self.listener is None:
            self._socket.disconnect()
            return ""
        self.listener.on_open()
        await self._socket.wait_disconnected()
        handshake = self._socket.close_handshake
        if not self.is_shut and handshake is not None and handshake.sent is not None:
            return f"closed here: {handshake.sent.reason}"
        return self.reason

    def send(self, frame: str) -> bool:
        socket = self._socket
        # After a close frame, or `disconnect`, the library drops what is sent without a word.
        if socket is None or self.is_shut or socket.is_disconnected or socket.is_close_frame_sent:
            return False
        socket.send(_TEXT, frame)
        return True

    def probe(self, *, is_pinging: bool) -> bool:
        """See `Probed`."""
        socket = self._socket
        if socket is None or self.is_shut or socket.is_disconnected or socket.is_close_frame_sent:
            return True
        found, self.has_received = self.has_received, False
        if is_pinging:
            socket.send_ping()
        return found

    def shut(self) -> None:
        self.is_shut = True
        if self._socket is not None:
            self._socket.disconnect()
        else:
            self.task.cancel()
