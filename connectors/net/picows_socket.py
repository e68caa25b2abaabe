"""Websockets with picows, which parses in C and calls once per message. Runs in the event loop's thread.

The messages of one socket read are passed on together after the last one: at once if the read ends with a message, in
the loop's next iteration if it ends with a ping or a part of a message, for which there is no callback.
"""

from __future__ import annotations

import asyncio
import time

import picows

from connectors.net.interfaces import Connection, ConnectionListener
from connectors.net.sockets import HANDSHAKE_S, MESSAGE_BYTES_MAX, Socket
from connectors.parsing.batch import Batch


class PicowsTransport:
    """Opens websockets with picows."""

    def __init__(self, ping_s: float = 0.0) -> None:
        """ping_s: see `sockets.transport_of`."""
        self._ping_s = ping_s

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        return _Picows(url, listener, self._ping_s)


_TEXT = picows.WSMsgType.TEXT
#: Most messages of one read that are passed on together.
_BATCH_MAX = 1024


class _PicowsListener(picows.WSListener):
    """Receives the messages of one picows connection and joins fragmented ones."""

    def __init__(self, owner: _Picows) -> None:
        self._owner = owner
        self._parts: list[bytes] = []
        self._batch = Batch()
        self._loop = asyncio.get_running_loop()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        local_ts = time.time_ns()
        batch = self._batch
        if frame.msg_type == _TEXT and frame.fin and not self._parts:
            batch.frames.append(frame.get_payload_as_bytes())
            batch.stamps.append(local_ts)
            if frame.last_in_buffer or len(batch.frames) >= _BATCH_MAX:
                self._flush()
            elif len(batch.frames) == 1:
                self._loop.call_soon(self._flush)
        else:
            self._flush()
            self._receive_other(transport, frame, local_ts)

    def is_user_specific_pong(self, frame: picows.WSFrame) -> bool:
        # Of a pong that is awaited the library says nothing else.
        self._owner.has_received = True
        return frame.msg_type == picows.WSMsgType.PONG

    def _flush(self) -> None:
        """Passes on the received messages. An error of the listener ends the connection."""
        batch, listener = self._batch, self._owner.listener
        self._owner.has_received = True
        if batch.frames and listener is not None:
            try:
                listener.on_batch(batch)
            except Exception as error:
                self._owner.fail(error)
        batch.clear()

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
