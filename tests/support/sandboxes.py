"""Sandboxes on a clock that the test moves, and a client that counts what it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from arb.sandbox.events import Listing
from arb.sandbox.serve.clocks import DrivenClock
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from support.simulated import LISTINGS, PRICES

_ENDS = tuple(aiohttp.WSMsgType[name] for name in ("CLOSE", "CLOSED", "CLOSING", "ERROR"))
#: 2026-11-21 12:00 UTC.
NOW_NS = 1_795_262_400 * 1_000_000_000


def driven(*venues: str, seed: int = 7, **options: Any) -> Sandbox:
    """A seeded sandbox of these venues, or of all, on a clock that the test moves."""
    listings: list[Listing] = [LISTINGS[venue] for venue in venues or LISTINGS]
    return Sandbox(SeededMarket(listings, PRICES, seed), clock=DrivenClock(NOW_NS), **options)


class Client:
    """A websocket client that answers nothing by itself."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket

    async def ask(self, request: str | dict[str, Any]) -> dict[str, Any]:
        """Sends a request and gives the next frame."""
        await self.websocket.send_str(request if isinstance(request, str) else json.dumps(request))
        return await self.next()

    async def next(self) -> dict[str, Any]:
        """The next text frame as JSON."""
        while True:
            message = await self.receive()
            if message.type == aiohttp.WSMsgType.TEXT:
                return json.loads(message.data)
            if message.type not in (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG):
                raise AssertionError(f"{message.type!r} {message.data!r} where a frame was awaited")

    async def receive(self) -> aiohttp.WSMessage:
        """The next message of any kind."""
        return await self.websocket.receive(timeout=30)

    async def waiting(self) -> list[aiohttp.WSMessage]:
        """All that has arrived already."""
        found = []
        while True:
            try:
                found.append(await self.websocket.receive(timeout=0.05))
            except TimeoutError:
                return found
            if found[-1].type in _ENDS:
                return found

    async def texts(self) -> list[str]:
        """The text frames that have arrived already."""
        return [one.data for one in await self.waiting() if one.type == aiohttp.WSMsgType.TEXT]

    async def frames(self) -> list[Any]:
        """The same as JSON."""
        return [json.loads(text) for text in await self.texts()]


class Clients:
    """Opens connections to a sandbox and closes them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def connect(self, venue: str, path: str | None = None, **options: Any) -> Client:
        """A connection to a venue; `path` replaces the usual one."""
        urls = self._sandbox.urls[venue]
        address = urls.websocket if path is None else urls.rest.replace("http", "ws", 1) + path
        return Client(await self._http.ws_connect(address, autoping=False, max_msg_size=0, **options))

    async def get(self, venue: str, path: str, **options: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or text) and headers of a REST answer."""
        async with self._http.get(self._sandbox.urls[venue].rest + path, **options) as answer:
            text = await answer.text()
            body = json.loads(text) if answer.content_type == "application/json" else text
            return answer.status, body, dict(answer.headers)


Test = Callable[[Sandbox, Clients], Coroutine[Any, Any, None]]


def on(sandbox: Sandbox, test: Test) -> None:
    """Runs a test on a sandbox that is started for it."""

    async def whole() -> None:
        async with sandbox, Clients(sandbox) as clients:
            await asyncio.wait_for(test(sandbox, clients), 120)

    asyncio.run(whole())


def on_sandbox(*venues: str, **options: Any) -> Callable[[Test], Callable[[], None]]:
    """Makes a test of a coroutine: it runs on a sandbox that `driven` makes."""
    return lambda test: lambda: on(driven(*venues, **options), test)
