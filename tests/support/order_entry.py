"""Order entry at a running sandbox over real sockets, by the connectors' own requests and decoders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from numpy.random import default_rng
from yarl import URL

from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.setup import TradingSetup
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    Decoded,
    Execution,
    Instrument,
    Notice,
    OrderRequest,
    OrderUpdate,
    VenueAnswer,
    WireRequest,
)
from connectors.orders.numbers import DecimalStep
from connectors.orders.protocol import OrderProtocol, UserProtocol
from support.simulated import LISTINGS, PRICES

_TIMEOUT_S = 20.0


class OrderEntry:
    """One venue's trade socket, stream of events and REST. Answers are awaited one by one; events are collected."""

    def __init__(self, sandbox: Sandbox, orders: OrderProtocol, user: UserProtocol) -> None:
        self.orders, self.user = orders, user
        self.venue = orders.venue
        listing = LISTINGS[self.venue]
        leg = Instrument(
            listing.symbol,
            DecimalStep(listing.tick_size),
            DecimalStep(listing.lot_size),
            "BTC",
            "USDT",
            listing.is_spot,
        )
        orders.add_leg(0, leg)
        user.add_leg(0, leg)
        assert sandbox.trading is not None
        self.desk = sandbox.trading.desks[self.venue]
        self.sandbox = sandbox
        self._rest = sandbox.urls[self.venue].rest
        self._number = 0
        self._answers: asyncio.Queue[VenueAnswer] = asyncio.Queue()
        self.events: list[Decoded] = []
        #: All frames that were received, by direction of the trade socket and the events.
        self.frames: list[tuple[str, bytes]] = []

    def touch(self) -> tuple[int, int]:
        """Ticks of best bid and ask."""
        listing = LISTINGS[self.venue]
        step = DecimalStep(listing.tick_size)
        bid, ask = self.desk.instruments[listing.symbol].touch()
        return step.count_of(str(bid)), step.count_of(str(ask))

    def request(self, act: Act, client_id: str = "", **more: Any) -> OrderRequest:
        """A request of leg 0."""
        self._number += 1
        return OrderRequest(act, 0, "BTCUSDT", self._number, client_id, **more)

    async def ask(
        self, act: Act, client_id: str = "", *, over_rest: bool = False, **more: Any
    ) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
        """Sends a request and returns its answer."""
        request = self.request(act, client_id, **more)
        encode = self.orders.encode_rest if over_rest else self.orders.encode
        wire = encode(request, f"0-{request.request_no}-{act.name[0].lower()}", self.now_ms())
        if wire.channel is Channel.REST:
            return await self.send_rest(wire)
        await self._trade.send_str(wire.text)
        while True:
            answer = await asyncio.wait_for(self._answers.get(), _TIMEOUT_S)
            if answer.wire_id == wire.wire_id:
                return answer

    async def answer(self, act: Act, client_id: str = "", **more: Any) -> VenueAnswer:
        """`ask`, of a request whose answer is about orders."""
        answer = await self.ask(act, client_id, **more)
        assert isinstance(answer, VenueAnswer), answer
        return answer

    async def send_rest(self, wire: WireRequest) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
        """The decoded response to a REST request."""
        url = URL(
            f"{self._rest}{wire.path}?{wire.query}" if wire.query else self._rest + wire.path, encoded=True
        )
        async with self._http.request(
            wire.method, url, headers=dict(wire.headers), data=wire.body or None
        ) as response:
            return self.orders.decode_rest(wire, response.status, await response.read(), 0)

    def now_ms(self) -> int:
        """The sandbox's clock, which is that of this process."""
        return self.sandbox.clock.now_ns() // 1_000_000

    async def await_events(self, is_so: Callable[[list[Decoded]], bool]) -> None:
        """Returns when the events say it."""
        for _ in range(int(_TIMEOUT_S * 100)):
            if is_so(self.events):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"not among the events: {self.events}")

    def updates(self, client_id: str) -> list[OrderUpdate]:
        return [one for one in self.events if isinstance(one, OrderUpdate) and one.client_id == client_id]

    def executions(self) -> dict[str, Execution]:
        """Executions among the events, by id."""
        return {one.execution_id: one for one in self.events if isinstance(one, Execution)}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[OrderEntry]:
        """Connects and logs on."""
        async with aiohttp.ClientSession() as self._http:
            self._trade = await self._connect(self.orders.path())
            await self._open(self._trade, self.orders)
            key = self.user.key_request(self.now_ms())
            listen_key = ""
            if key is not None:
                answer = await self.send_rest(key)
                assert isinstance(answer, VenueAnswer)
                listen_key = answer.text
            stream = await self._connect(self.user.path(listen_key))
            await self._open(stream, self.user)
            tasks = [asyncio.create_task(one) for one in (self._read_trade(), self._read_user(stream))]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        return await self._http.ws_connect(URL(self._rest.replace("http", "ws", 1) + path, encoded=True))

    async def _open(
        self, socket: aiohttp.ClientWebSocketResponse, protocol: OrderProtocol | UserProtocol
    ) -> None:
        opening = protocol.opening(self.now_ms())
        while opening:
            await socket.send_str(opening[0].text)
            decoded = protocol.decode((await socket.receive_str(timeout=_TIMEOUT_S)).encode())
            answers = (
                decoded
                if isinstance(decoded, tuple) and not isinstance(decoded, VenueAnswer | Notice)
                else (decoded,)
            )
            (answer,) = (one for one in answers if isinstance(one, VenueAnswer))
            is_opened = protocol.opened(answer)
            if is_opened:
                del opening[0]
            else:
                assert is_opened is None, answer
                assert protocol.fallback(), answer
                opening = protocol.opening(self.now_ms())

    async def _read_trade(self) -> None:
        async for message in self._trade:
            frame = message.data.encode()
            self.frames.append(("trade", frame))
            decoded = self.orders.decode(frame)
            if isinstance(decoded, VenueAnswer):
                self._answers.put_nowait(decoded)

    async def _read_user(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        async for message in stream:
            frame = message.data.encode()
            self.frames.append(("user", frame))
            self.events.extend(self.user.decode(frame))


def on_order_entry(
    setup: TradingSetup,
    orders: OrderProtocol,
    user: UserProtocol,
    test: Callable[[OrderEntry], Any],
) -> None:
    """Runs `test` with order entry at a sandbox in real time, whose books are there."""

    async def run() -> None:
        market = SeededMarket([LISTINGS[orders.venue]], PRICES)
        async with Sandbox(market, trading=trading_of(setup, 7, default_rng(7))) as sandbox:
            entry = OrderEntry(sandbox, orders, user)
            while not all(one.matcher.is_ready for one in entry.desk.instruments.values()):
                await asyncio.sleep(0.01)
            async with entry.opened():
                await test(entry)

    asyncio.run(asyncio.wait_for(run(), 120))
