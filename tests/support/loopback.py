"""A simulated venue behind real sockets of this machine: websockets and a tiny REST server on asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from support.sim_venue import STEP_NS, SimVenue


class _Out:
    """Carries one connection; messages go out in order."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()

    def deliver(self, frame: str, kind: str) -> None:
        self._queue.put_nowait(frame)

    def drop(self, reason: str) -> None:
        self._queue.put_nowait(None)

    async def run(self) -> None:
        while (frame := await self._queue.get()) is not None:
            await self._socket.send(frame)
        await self._socket.close(1001, "going away")


class LoopbackVenue:
    """Serves a `SimVenue` on two ports of 127.0.0.1. Use as an asynchronous context manager."""

    def __init__(self, venue: SimVenue) -> None:
        self.venue = venue
        self.outs: list[_Out] = []
        self._websockets: Server | None = None
        self._rest: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{_port(self._websockets)}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{_port(self._rest)}"

    async def __aenter__(self) -> LoopbackVenue:
        self._websockets = await serve(self._serve, "127.0.0.1", 0, close_timeout=0.2)
        self._rest = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self._task = asyncio.get_running_loop().create_task(self._step())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for server in (self._websockets, self._rest):
            if server is not None:
                server.close()
                await server.wait_closed()

    async def _step(self) -> None:
        while True:
            self.venue.step()
            await asyncio.sleep(STEP_NS / 1e9)

    async def _serve(self, socket: ServerConnection) -> None:
        out = _Out(socket)
        self.outs.append(out)
        path = socket.request.path if socket.request is not None else ""
        wire = self.venue.accept(path, out)
        sender = asyncio.get_running_loop().create_task(out.run())
        try:
            async for message in socket:
                wire.receive(message if isinstance(message, str) else message.decode())
        finally:
            wire.close()
            self.outs.remove(out)
            sender.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sender

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = self.venue.answer(head.split(b" ")[1].decode()).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            await writer.drain()
        writer.close()


def _port(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])
