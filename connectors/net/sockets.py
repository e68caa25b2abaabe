"""Timers on asyncio, and what the websocket libraries have in common here. Thread: that of the event loop.

`connectors.net.picows_socket` is the hot path, `connectors.net.websockets_socket` the alternative. A message's local
time is taken in the call that found it complete, before it is looked at; both libraries answer the protocol's pings.
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

_S = 1_000_000_000
#: A message that is longer ends the connection.
MESSAGE_BYTES_MAX = 16 << 20
#: The link times the handshake itself; this only keeps a socket from being left behind.
HANDSHAKE_S = 60.0

_TRANSPORTS = {
    "picows": ("connectors.net.picows_socket", "PicowsTransport"),
    "websockets": ("connectors.net.websockets_socket", "WebsocketsTransport"),
}


class AsyncioTimers:
    """`connectors.net.interfaces.Timers` on an event loop and the system's clocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    #: The functions themselves: a feed asks for the time at every frame.
    monotonic_ns = staticmethod(time.monotonic_ns)
    time_ns = staticmethod(time.time_ns)

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self._loop.call_later(max(0, delay_ns) / _S, callback)


def transport_of(name: str) -> Transport:
    """The transport of a name in the configuration: "picows" or "websockets".

    Raises TransportError where its library is not installed.
    """
    module, class_name = _TRANSPORTS[name]
    try:
        transport: Transport = getattr(importlib.import_module(module), class_name)()
    except ImportError as error:
        raise TransportError(f"{name}: {error}; install it with: pip install {name}") from None
    return transport


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop for feeds, as `asyncio.Runner(loop_factory=...)` takes it: uvloop's where it is installed."""
    try:
        uvloop: Any = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Socket(ABC):
    """A connection: a task that opens it and waits for its end, of which the listener hears once."""

    def __init__(self, url: str, listener: ConnectionListener) -> None:
        self.url = url
        self.listener: ConnectionListener | None = listener
        self.task = asyncio.get_running_loop().create_task(self._run())

    @abstractmethod
    async def open_and_wait(self) -> str:
        """Connects, tells the listener, and returns with the reason when the connection has ended."""

    def receive(self, message: bytes, local_ts: int) -> None:
        """Hands a message on. An error of whoever listens ends the connection, and is told to the loop."""
        if self.listener is not None:
            try:
                self.listener.on_frame(message, local_ts)
            except Exception as error:
                self.fail(error)

    def fail(self, error: Exception) -> None:
        """Ends the connection with an error of whoever listens, which is told to the loop."""
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{self.url}: a message could not be dealt with", "exception": error}
        )
        self._end(f"a message could not be dealt with: {error!r}")
        self.shut()

    def close(self) -> None:
        """Ends it; the listener hears nothing of it any more."""
        self.listener = None
        self.shut()

    @abstractmethod
    def shut(self) -> None:
        """Lets go of the socket. Any number of times."""

    async def _run(self) -> None:
        try:
            reason = await self.open_and_wait()
        # Whatever a socket, TLS or a handshake can fail with ends this connection, and nothing else.
        except Exception as error:
            reason = str(error) or type(error).__name__
        self._end(reason)

    def _end(self, reason: str) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.on_close(reason)
