"""What a websocket says of a message that it is to send: False only if not a byte is written; and no delay in TCP."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from connectors.net.interfaces import Connection
from connectors.net.sockets import new_event_loop, transport_of
from connectors.parsing.batch import Batch


class Listener:
    """Keeps what is sent at each stage."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.at_open: bool | None = None
        self.reason: str | None = None

    def on_open(self) -> None:
        assert self.connection is not None
        self.at_open = self.connection.send('{"one":"é"}')

    def on_frame(self, frame: bytes, local_ts: int) -> None: ...

    def on_batch(self, batch: Batch) -> None: ...

    def on_close(self, reason: str) -> None:
        self.reason = reason


@pytest.mark.parametrize("library", ["picows", "websockets"])
def test_a_message_is_sent_only_while_the_socket_is_open(library: str) -> None:
    got: list[Any] = []

    async def receive(websocket: ServerConnection) -> None:
        got.append(await websocket.recv())
        await websocket.close(1001)

    async def scene() -> Listener:
        listener = Listener()
        async with serve(receive, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            listener.connection = transport_of(library).connect(f"ws://127.0.0.1:{port}/", listener)
            assert not listener.connection.send("too early")
            for _ in range(300):
                if listener.reason is not None:
                    break
                await asyncio.sleep(0.01)
            assert not listener.connection.send("too late")
        return listener

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        listener = runner.run(scene())
    assert listener.at_open
    assert listener.reason
    assert got == ['{"one":"é"}']


def test_small_messages_are_not_held_back() -> None:
    async def scene() -> int:
        async with serve(lambda websocket: websocket.wait_closed(), "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            listener = Listener()
            listener.connection = transport_of("picows").connect(f"ws://127.0.0.1:{port}/", listener)
            while listener.at_open is None:
                await asyncio.sleep(0.01)
            own = listener.connection._socket.underlying_transport.get_extra_info("socket")  # type: ignore[attr-defined]
            option: int = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            listener.connection.close()
        return option

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(scene()) == 1
