"""Timers on asyncio, and the common base of the websocket implementations. Runs in the event loop's thread.

`connectors.net.picows_socket` is the hot path, `connectors.net.websockets_socket` the alternative. A message's local
time is taken in the callback in which it is complete, before it is processed; both libraries answer the protocol's
pings.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from connectors.errors import TransportError
from connectors.net.interfaces import ConnectionListener, Timer, Transport
from connectors.units import SECOND

#: A longer message ends the connection.
MESSAGE_BYTES_MAX = 16 << 20
#: The link has its own handshake time-out; this one only prevents a leaked socket.
HANDSHAKE_S = 60.0

_TRANSPORTS = {
    "picows": ("connectors.net.picows_socket", "PicowsTransport"),
    "websockets": ("connectors.net.websockets_socket", "WebsocketsTransport"),
}


class AsyncioTimers:
    """`connectors.net.interfaces.Timers` on the running event loop and the system's clocks."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    #: The functions themselves, without a wrapper: a feed reads the clock for every frame.
    monotonic_ns = staticmethod(time.monotonic_ns)
    time_ns = staticmethod(time.time_ns)

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later(max(0, delay_ns) / SECOND, callback)


def transport_of(name: str, ping_s: float = 0.0) -> Transport:
    """Returns the transport for a configured name: "picows" or "websockets".

    ping_s: a connection that receives nothing for this long is pinged, by the protocol, and closed if there is no
    answer for as long again; 0: never. Raises TransportError if its library is not installed.
    """
    module, class_name = _TRANSPORTS[name]
    try:
        transport: Transport = getattr(importlib.import_module(module), class_name)(ping_s)
    except ImportError as error:
        raise TransportError(f"{name}: {error}; install it with: pip install {name}") from None
    return transport


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop for `asyncio.Runner(loop_factory=...)`: uvloop's if it is installed."""
    try:
        uvloop: Any = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Socket(ABC):
    """A connection: a task opens it, waits for its end and reports that once to the listener."""

    def __init__(self, url: str, listener: ConnectionListener) -> None:
        self.url = url
        self.listener: ConnectionListener | None = listener
        self.task = asyncio.get_running_loop().create_task(self._run())

    @abstractmethod
    async def open_and_wait(self) -> str:
        """Connects, calls `on_open`, and returns the reason when the connection has ended."""

    def receive(self, message: bytes, local_ts: int) -> None:
        """Passes a message on. An error of the listener ends the connection (see `fail`)."""
        if self.listener is not None:
            try:
                self.listener.on_frame(message, local_ts)
            except Exception as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """Ends the connection after an error of the listener, and passes the error to the loop's exception handler."""
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{self.url}: a message could not be dealt with", "exception": error}
        )
        self._end(f"a message could not be dealt with: {error!r}")
        self.shut()

    def close(self) -> None:
        """Closes the connection; the listener gets no further callback."""
        self.listener = None
        self.shut()

    @abstractmethod
    def shut(self) -> None:
        """Closes the socket. Idempotent."""

    async def _run(self) -> None:
        try:
            reason = await self.open_and_wait()
        # Any error of a socket, TLS or handshake ends this connection only.
        except Exception as error:
            reason = str(error) or type(error).__name__
        self._end(reason)

    def _end(self, reason: str) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.on_close(reason)
