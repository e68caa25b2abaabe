"""Websockets with the pure Python library `websockets`, where picows is not available. Event loop's thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect
from websockets.frames import Frame, Opcode

from connectors.net.interfaces import Connection, ConnectionListener
from connectors.net.sockets import HANDSHAKE_S, MESSAGE_BYTES_MAX, Socket


class WebsocketsTransport:
    """Opens websockets with `websockets`."""

    def __init__(self, ping_s: float = 0.0) -> None:
        """ping_s: see `sockets.transport_of`."""
        self._ping_s = ping_s

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        return _Websockets(url, listener, self._ping_s)


class _StampedConnection(ClientConnection):
    """Stamps each message when its last frame was parsed, before it waits in the library's queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stamps: deque[int] = deque()

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.fin:
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self.stamps.append(time.time_ns())
        super().process_event(event)


class _Connect(websockets_connect):
    """Follows no redirect: it would leave the hosts that may be connected to."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Websockets(Socket):
    """One connection with `websockets`."""

    _socket: ClientConnection | None = None

    def __init__(self, url: str, listener: ConnectionListener, ping_s: float) -> None:
        super().__init__(url, listener)
        self._ping_s = ping_s or None
        self._sends: deque[str] = deque()
        self._has_sends = asyncio.Event()

    async def open_and_wait(self) -> str:
        socket = await _Connect(
            self.url,
            create_connection=_StampedConnection,
            open_timeout=HANDSHAKE_S,
            ping_interval=self._ping_s,
            ping_timeout=self._ping_s,
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
            if self.listener is not None:
                self.listener.on_open()
            while self.listener is not None:
                message = await socket.recv(decode=False)
                self.receive(message, socket.stamps.popleft())
        except websockets.ConnectionClosed as error:
            return f"closed by the venue: {error}"
        finally:
            sender.cancel()
            await socket.close()
        return ""

    async def _send_all(self, socket: ClientConnection) -> None:
        """Sends queued messages in order, in its own task, so that a full socket does not block reading."""
        with suppress(websockets.ConnectionClosed):
            while True:
                await self._has_sends.wait()
                self._has_sends.clear()
                while self._sends:
                    await socket.send(self._sends.popleft())

    def send(self, frame: str) -> bool:
        if self._socket is None or self.listener is None:
            return False
        self._sends.append(frame)
        self._has_sends.set()
        return True

    def shut(self) -> None:
        # Not from its own task: there, an error of the listener already ends the loop over messages.
        if asyncio.current_task() is not self.task:
            self.task.cancel()
