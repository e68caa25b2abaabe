"""What a websocket says of a message that it is to send: False only if not a byte is written; no delay; dead peers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from connectors.net.interfaces import Connection, Probed
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


@pytest.mark.parametrize("library", ["picows", "websockets"])
def test_a_connection_without_a_peer_is_found(library: str) -> None:
    """The server is there, as far as TCP knows, and answers nothing after the handshake."""

    async def scene() -> tuple[Listener, Listener]:
        loop = asyncio.get_running_loop()
        silent, open_ = Listener(), Listener()
        async with serve(lambda websocket: websocket.wait_closed(), "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            open_.connection = transport_of(library, 0.2).connect(f"ws://127.0.0.1:{port}/", open_)
            proxy = await asyncio.start_server(lambda *pipe: _half_open(port, *pipe), "127.0.0.1", 0)
            half_open = proxy.sockets[0].getsockname()[1]
            silent.connection = transport_of(library, 0.2).connect(f"ws://127.0.0.1:{half_open}/", silent)
            end = loop.time() + 5
            while silent.reason is None and loop.time() < end:
                await asyncio.sleep(0.02)
            open_.connection.close()
            proxy.close()
        return silent, open_

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        silent, open_ = runner.run(scene())
    assert silent.at_open
    assert open_.at_open
    assert "ping" in (silent.reason or "")
    assert open_.reason is None


def test_a_connection_says_whether_anything_was_received() -> None:
    """Answers to pings are enough; behind a proxy that passes nothing on there are none."""

    async def scene() -> tuple[list[bool], list[bool]]:
        silent, open_ = Listener(), Listener()
        found: tuple[list[bool], list[bool]] = ([], [])
        async with serve(lambda websocket: websocket.wait_closed(), "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            proxy = await asyncio.start_server(lambda *pipe: _half_open(port, *pipe), "127.0.0.1", 0)
            half_open = proxy.sockets[0].getsockname()[1]
            for listener, at in ((open_, port), (silent, half_open)):
                listener.connection = transport_of("picows", 0.2).connect(f"ws://127.0.0.1:{at}/", listener)
                while listener.at_open is None:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            for _ in range(20):
                for listener, own in zip((open_, silent), found, strict=True):
                    assert isinstance(listener.connection, Probed)
                    own.append(listener.connection.probe(is_pinging=True))
                await asyncio.sleep(0.05)
            for listener in (open_, silent):
                assert listener.connection is not None
                listener.connection.close()
            proxy.close()
        return found

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        there, silent = runner.run(scene())
    assert sum(there[1:]) >= 15, "beside the library's own pings, whose answers it keeps to itself"
    assert not any(silent[:4])


async def _half_open(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes the handshake on, and nothing else."""
    to_server, from_server = (await asyncio.open_connection("127.0.0.1", port))[::-1]
    to_server.write(await reader.readuntil(b"\r\n\r\n"))
    writer.write(await from_server.readuntil(b"\r\n\r\n"))
    with suppress(ConnectionError):
        await reader.read(-1)
    to_server.close()
    writer.close()


@pytest.mark.parametrize("library", ["picows", "websockets"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_address_is_not_followed(library: str, status: int) -> None:
    """It would leave the hosts that may be connected to."""
    elsewhere: list[Any] = []

    async def taken_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        elsewhere.append(await reader.read(1))
        writer.close()

    async def scene() -> Listener:
        other = await asyncio.start_server(taken_in, "127.0.0.1", 0)
        target = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/"

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status} X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        venue = await asyncio.start_server(redirect, "127.0.0.1", 0)
        listener = Listener()
        listener.connection = transport_of(library).connect(
            f"ws://127.0.0.1:{venue.sockets[0].getsockname()[1]}/", listener
        )
        for _ in range(300):
            if listener.reason is not None:
                break
            await asyncio.sleep(0.01)
        for server in (venue, other):
            server.close()
        return listener

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        listener = runner.run(scene())
    assert listener.reason
    assert elsewhere == []
