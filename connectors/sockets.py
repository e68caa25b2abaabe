"""Websockets and timers on asyncio: picows for the hot path, `websockets` as the alternative.

A message's local time is taken in the call that found it complete, before it is looked at. Both answer the pings of
the protocol themselves. Thread: that of the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import picows
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect
from websockets.frames import Frame, Opcode

from connectors.transport import Connection, ConnectionListener, Timer, Transport

_S = 1_000_000_000
#: A message that is longer ends the connection.
MESSAGE_BYTES_MAX = 16 << 20
#: The link times the handshake itself; this only keeps a socket from being left behind.
HANDSHAKE_S = 60.0


class AsyncioTimers:
    """`connectors.transport.Timers` on the running event loop and the system's clocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def time_ns(self) -> int:
        return time.time_ns()

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later(max(0, delay_ns) / _S, callback)


class PicowsTransport:
    """Websockets by picows."""

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        return _Picows(url, listener)


class WebsocketsTransport:
    """Websockets by `websockets`."""

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        return _Websockets(url, listener)


def transport_of(name: str) -> Transport:
    """The transport of a name in the configuration: "picows" or "websockets"."""
    return {"picows": PicowsTransport, "websockets": WebsocketsTransport}[name]()


class _Opening:
    """What both have in common: a task that connects and waits for the end, told to the listener once."""

    def __init__(self, url: str, listener: ConnectionListener) -> None:
        self._url = url
        self._listener: ConnectionListener | None = listener
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _open_and_wait(self) -> str:
        """Connects, tells the listener, and returns with the reason when the connection has ended."""
        raise NotImplementedError

    async def _run(self) -> None:
        try:
            reason = await self._open_and_wait()
        except asyncio.CancelledError:
            raise
        # Whatever a socket, TLS or a handshake can fail with ends this connection, and nothing else.
        except Exception as error:
            reason = str(error) or type(error).__name__
        self._end(reason)

    def _end(self, reason: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_close(reason)


class _PicowsListener(picows.WSListener):
    """Messages of one picows connection, put together where they come in parts."""

    def __init__(self, owner: _Picows) -> None:
        self._owner = owner
        self._parts: list[bytes] = []

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        local_ts = time.time_ns()
        kind = frame.msg_type
        if kind == picows.WSMsgType.CLOSE:
            self._owner.reason = f"closed by the venue: {frame.get_close_code()} {frame.get_close_reason()}"
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
            transport.disconnect()
        elif fin:
            message, self._parts = b"".join(self._parts), []
            self._owner.receive(message, local_ts)


class _Picows(_Opening):
    """One connection by picows."""

    reason = "closed by the venue"
    _socket: picows.WSTransport | None = None

    async def _open_and_wait(self) -> str:
        self._socket, _ = await picows.ws_connect(
            lambda: _PicowsListener(self),
            self._url,
            websocket_handshake_timeout=HANDSHAKE_S,
            max_frame_size=MESSAGE_BYTES_MAX,
            max_redirects=0,
            enable_auto_pong=True,
        )
        if self._listener is None:
            self._socket.disconnect()
            return ""
        self._listener.on_open()
        await self._socket.wait_disconnected()
        return self.reason

    def receive(self, message: bytes, local_ts: int) -> None:
        if self._listener is not None:
            self._listener.on_frame(message, local_ts)

    def send(self, frame: str) -> None:
        if self._socket is not None and not self._socket.is_disconnected:
            self._socket.send(picows.WSMsgType.TEXT, frame.encode())

    def close(self) -> None:
        self._listener = None
        if self._socket is not None:
            self._socket.disconnect()
        else:
            self._task.cancel()


class _StampedConnection(ClientConnection):
    """Takes the time of each message when its last frame was parsed, before it waits in the library's queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stamps: deque[int] = deque()

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.fin:
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self.stamps.append(time.time_ns())
        super().process_event(event)


class _Websockets(_Opening):
    """One connection by `websockets`."""

    _socket: ClientConnection | None = None

    def __init__(self, url: str, listener: ConnectionListener) -> None:
        super().__init__(url, listener)
        self._closing: asyncio.Task[None] | None = None
        self._sends: deque[str] = deque()
        self._has_sends = asyncio.Event()

    async def _open_and_wait(self) -> str:
        socket = await websockets_connect(
            self._url,
            create_connection=_StampedConnection,
            open_timeout=HANDSHAKE_S,
            ping_interval=None,
            max_size=MESSAGE_BYTES_MAX,
            compression=None,
            close_timeout=1.0,
            proxy=None,
        )
        self._socket = socket
        if not isinstance(socket, _StampedConnection):
            raise TypeError("websockets made a connection of another class")
        sender = asyncio.get_running_loop().create_task(self._send_all(socket))
        try:
            if self._listener is not None:
                self._listener.on_open()
            while self._listener is not None:
                message = await socket.recv(decode=False)
                if self._listener is not None:
                    self._listener.on_frame(message, socket.stamps.popleft())
        except websockets.ConnectionClosed as error:
            return f"closed by the venue: {error}"
        finally:
            sender.cancel()
            await socket.close()
        return ""

    async def _send_all(self, socket: ClientConnection) -> None:
        """Sends in order; a task of its own, so that a full socket holds up no reading."""
        with suppress(websockets.ConnectionClosed):
            while True:
                await self._has_sends.wait()
                self._has_sends.clear()
                while self._sends:
                    await socket.send(self._sends.popleft())

    def send(self, frame: str) -> None:
        self._sends.append(frame)
        self._has_sends.set()

    def close(self) -> None:
        self._listener = None
        self._task.cancel()
