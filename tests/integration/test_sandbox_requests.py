"""The way of a request through the sandbox's server: bytes as sent, late replies, exact times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from numpy.random import default_rng
from support.sandboxes import Clients, driven, on
from support.simulated import LISTINGS, PRICES

from arb.sandbox.serve.binance.rest import BinanceRest
from arb.sandbox.serve.binance.session import BinanceSession
from arb.sandbox.serve.raw_request import RawRequest, Reply
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.session import Outcome
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.state import Trading
from connectors.units import MILLISECOND as MS

#: Targets as a client may send them, and path and query that signatures are computed over.
TARGETS = [
    ("/api/v3/order", "/api/v3/order", ""),
    ("/api/v3/order?", "/api/v3/order", ""),
    ("/api/v3/order?a=1&a=2&&b", "/api/v3/order", "a=1&a=2&&b"),
    ("/api/v3/order?s=%ef%bc%91&t=%7E~+%20", "/api/v3/order", "s=%ef%bc%91&t=%7E~+%20"),
    ("/api/v3/order?q=a?b=c%3Fd", "/api/v3/order", "q=a?b=c%3Fd"),
    ("/api/v3/order?symbols=[%22BTCUSDT%22]", "/api/v3/order", "symbols=[%22BTCUSDT%22]"),
    ("/api//v3/../order?x", "/api//v3/../order", "x"),
    ("http://127.0.0.1/api/v3/order?x=1", "/api/v3/order", "x=1"),
    ("/api/v3/order?bad=%zz%", "/api/v3/order", "bad=%zz%"),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RawRequest, Reply]]:
    """The requests that reach a Binance market, and their replies, which the test sends."""
    requests: list[tuple[RawRequest, Reply]] = []

    def answer(_: BinanceRest, raw: RawRequest, now_ns: int, now_ms: int, reply: Reply) -> None:
        requests.append((raw, reply))
        if raw.path != "/late":
            reply(Response(200, "{}", {}))

    monkeypatch.setattr(BinanceRest, "answer", answer)
    return requests


@pytest.mark.parametrize(("target", "path", "query"), TARGETS)
def test_requests_arrive_as_sent(
    target: str, path: str, query: str, asked: list[tuple[RawRequest, Reply]]
) -> None:
    async def send() -> None:
        async with driven("binance_spot") as sandbox:
            port = int(sandbox.urls["binance_spot"].rest.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = b"quantity=1&price=%31"
            head = f"POST {target} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: Key\r\nx-mbx-apikey: other\r\n"
            writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
            ((raw, _),) = asked
            assert (raw.method, raw.path, raw.query, raw.body) == ("POST", path, query, body)
            assert raw.headers["x-mbx-apikey"] == "Key"
            assert raw.client_ip == "127.0.0.1"

    asyncio.run(send())


def test_late_replies_arrive_and_a_client_that_left_is_forgotten(
    asked: list[tuple[RawRequest, Reply]],
) -> None:
    async def run() -> None:
        async with driven("binance_spot") as sandbox, aiohttp.ClientSession() as http:

            async def ask() -> asyncio.Task[aiohttp.ClientResponse]:
                """A request that has arrived."""
                task = asyncio.create_task(http.post(f"{sandbox.urls['binance_spot'].rest}/late"))
                count = len(asked)
                while len(asked) == count:
                    await asyncio.sleep(0.001)
                return task

            waiting, leaving, cut = await ask(), await ask(), await ask()
            leaving.cancel()
            asked[0][1](Response(418, '{"a":1}', {"X-A": "b"}))
            response = await waiting
            assert (response.status, response.headers["X-A"], await response.json()) == (418, "b", {"a": 1})
            asked[2][1](None)
            with pytest.raises(aiohttp.ClientError):
                await cut
            asked[1][1](Response(200, "{}", {}))  # nobody is there
            asked[0][1](Response(200, "{}", {}))  # a second reply is dropped
            forever = await ask()
        with pytest.raises(aiohttp.ClientError):
            await forever

    asyncio.run(asyncio.wait_for(run(), 120))


def test_sessions_send_at_any_time_and_learn_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[object] = []

    def receive(session: BinanceSession, text: str, now_ns: int, now_ms: int) -> Outcome:
        if text == "end":
            session.close(4001, "over")
        log.append(session)
        return Outcome([f"now {text}"])

    monkeypatch.setattr(BinanceSession, "receive", receive)
    monkeypatch.setattr(BinanceSession, "closed", lambda session: log.append("closed"))

    async def test(sandbox: Sandbox, clients: Clients) -> None:
        client = await clients.connect("binance_spot", "/ws")
        await client.websocket.send_str("a")
        assert (await client.receive()).data == "now a"
        session = log[0]
        assert isinstance(session, BinanceSession)
        session.send("later")
        assert (await client.receive()).data == "later"
        await client.websocket.send_str("end")
        closed = await client.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4001)
        while log[-1] != "closed":
            await asyncio.sleep(0.001)
        session.send("nobody is there")

    on(driven("binance_spot"), test)


def test_trading_is_brought_to_the_time_of_each_request_and_woken_when_it_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arb.sandbox.serve.sandbox._STEP_S", 4.0)
    delays = Delays(answer_ns=(3 * MS, 3 * MS))
    setup = TradingSetup((usual_account(),), (), delays={"binance_spot": delays})
    times: list[int] = []
    waits: list[float] = []

    def recorded(method: Callable[..., None]) -> Callable[..., None]:
        def call(trading: Trading, *arguments: Any) -> None:
            times.append(arguments[-1])
            method(trading, *arguments)

        return call

    for name in ("advance", "receive"):
        monkeypatch.setattr(Trading, name, recorded(getattr(Trading, name)))

    async def run() -> None:
        market = SeededMarket([LISTINGS["binance_spot"]], PRICES)
        opened = trading_of(setup, 7, default_rng(7))
        async with Sandbox(market, trading=opened) as sandbox, aiohttp.ClientSession() as http:
            assert sandbox.trading is not None
            for number in range(20):
                async with http.get(f"{sandbox.urls['binance_spot'].rest}/api/v3/time") as response:
                    await response.read()
                began = time.perf_counter()
                done = asyncio.Event()
                now_ns = sandbox.clock.now_ns()
                sandbox.advance_to(now_ns)
                assert times[-1] == now_ns
                sandbox.trading.delivery["binance_spot"].answer(now_ns, number, lambda _: done.set())  # noqa: B023
                await http.get(f"{sandbox.urls['binance_spot'].rest}/api/v3/ping")
                await done.wait()
                waits.append(time.perf_counter() - began)

    asyncio.run(run())
    assert times == sorted(times)
    assert 0.003 <= sorted(waits)[10] < 0.4, waits  # by the alarm, not with the next step
