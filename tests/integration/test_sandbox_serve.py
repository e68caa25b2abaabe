"""The sandbox on real sockets of this machine, its clock moved by the test."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from support.sandboxes import NOW_NS, Client, Clients, driven, on, on_sandbox

from arb.errors import InputError
from arb.sandbox.serve.limits import LIMITS, Limits
from arb.sandbox.serve.sandbox import Sandbox

#: Where only the sandbox's own clock matters, the market need not keep up with it.
SLOW = 0.01


@on_sandbox("binance_spot")
async def test_combined_and_raw_connections_get_the_same_data(sandbox: Sandbox, clients: Clients) -> None:
    raw = await clients.connect("binance_spot", "/ws/btcusdt@trade")
    wrapped = await clients.connect("binance_spot", "/stream?streams=btcusdt@trade/btcusdt@bookTicker")
    asked = await clients.connect("binance_spot")
    assert await asked.ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 5}) == {
        "result": None,
        "id": 5,
    }
    await sandbox.advance(3)
    trades = await raw.frames()
    assert len(trades) > 10
    assert await asked.frames() == trades
    both = await wrapped.frames()
    assert {one["stream"] for one in both} == {"btcusdt@trade", "btcusdt@bookTicker"}
    assert [one["data"] for one in both if one["stream"] == "btcusdt@trade"] == trades


@on_sandbox("binance_spot", "bybit_linear")
async def test_nothing_is_sent_after_unsubscribing(sandbox: Sandbox, clients: Clients) -> None:
    for venue, change in (
        ("binance_spot", {"method": "{}SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}),
        ("bybit_linear", {"op": "{}subscribe", "args": ["publicTrade.BTCUSDT"]}),
    ):
        client = await clients.connect(venue)
        name = "method" if "method" in change else "op"
        word = str(change[name])
        await client.ask({**change, name: word.format("")})
        await sandbox.advance(3)
        assert len(await client.texts()) > 3
        await client.ask({**change, name: word.format("UN" if name == "method" else "un")})
        await sandbox.advance(3)
        assert await client.texts() == []


#: Which stream belongs to which path: `test_sessions.py`.
@on_sandbox("binance_usdm")
async def test_usdm_streams_are_silent_on_a_wrong_path(sandbox: Sandbox, clients: Clients) -> None:
    client = await clients.connect("binance_usdm", "/market/ws")
    names = ("depth@100ms", "bookTicker", "trade", "aggTrade", "markPrice@1s", "kline_1m")
    request = {"method": "SUBSCRIBE", "params": [f"btcusdt@{name}" for name in names], "id": 1}
    assert await client.ask(request) == {"result": None, "id": 1}
    await sandbox.advance(4)
    assert {one["e"] for one in await client.frames()} == {"aggTrade", "markPriceUpdate", "kline"}


@on_sandbox()
async def test_private_paths_say_that_orders_are_not_there_yet(sandbox: Sandbox, clients: Clients) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
        await clients.connect("binance_usdm", "/private/ws/key")
    private = await clients.connect("bybit_spot", "/v5/private")
    answer = await private.ask({"op": "auth", "args": ["key", 1, "sign"]})
    assert not answer["success"]
    assert "not in this sandbox yet" in answer["ret_msg"]
    status, body, _ = await clients.get("binance_spot", "/api/v3/account?timestamp=1&signature=x")
    assert (status, body["code"]) == (400, -1020)
    status, body, _ = await clients.get("bybit_spot", "/v5/order/realtime", headers={"X-BAPI-API-KEY": "k"})
    assert (status, body["retCode"]) == (200, 10404)


@on_sandbox("bybit_spot")
async def test_a_newcomer_at_bybit_gets_a_snapshot_that_the_next_delta_follows(
    sandbox: Sandbox, clients: Clients
) -> None:
    await sandbox.advance(2)
    client = await clients.connect("bybit_spot")
    answer = await client.ask(
        {"op": "subscribe", "req_id": "7", "args": [f"orderbook.{n}.BTCUSDT" for n in (1, 50, 200, 1000)]}
    )
    assert (answer["success"], answer["req_id"]) == (True, "7")
    await sandbox.advance(2)
    by_topic: dict[str, list[dict[str, object]]] = {}
    for frame in await client.frames():
        by_topic.setdefault(frame["topic"], []).append(frame)
    for depth in (50, 200, 1000):
        first, *others = by_topic[f"orderbook.{depth}.BTCUSDT"]
        assert first["type"] == "snapshot"
        assert {one["type"] for one in others} == {"delta"}
        ids = [one["data"]["u"] for one in (first, *others)]  # type: ignore[index]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert {one["type"] for one in by_topic["orderbook.1.BTCUSDT"]} == {"snapshot"}


@on_sandbox(
    "binance_spot",
    limits={"binance_spot": Limits(ping_interval_s=20, pong_timeout_s=60, messages_per_s=5)},
    speed=SLOW,
)
async def test_a_client_that_answers_no_ping_is_closed_and_one_that_does_is_not(
    sandbox: Sandbox, clients: Clients
) -> None:
    good, bad = [await clients.connect("binance_spot") for _ in range(2)]
    pings = 0
    bad_types: set[aiohttp.WSMsgType] = set()
    for _ in range(10):
        await sandbox.advance(10, step_s=1)
        for message in await good.waiting():
            assert message.type == aiohttp.WSMsgType.PING
            pings += 1
            await good.websocket.pong(message.data)
        if aiohttp.WSMsgType.CLOSE not in bad_types:
            bad_types |= {message.type for message in await bad.waiting()}
        if aiohttp.WSMsgType.CLOSE not in bad_types:
            # Unsolicited pongs keep nothing alive.
            await bad.websocket.pong(b"unasked")
    assert pings == 5
    assert aiohttp.WSMsgType.CLOSE in bad_types
    assert not good.websocket.closed


@on_sandbox("binance_spot", speed=SLOW)
async def test_a_client_that_talks_too_much_is_closed_and_then_banned(
    sandbox: Sandbox, clients: Clients
) -> None:
    for _ in range(3):
        client = await clients.connect("binance_spot")
        for number in range(6):
            await client.websocket.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        received = await client.waiting()
        assert [one.type for one in received] == [aiohttp.WSMsgType.TEXT] * 5 + [aiohttp.WSMsgType.CLOSE]
        assert received[-1].data == 1008
    with pytest.raises(aiohttp.WSServerHandshakeError, match="418"):
        await clients.connect("binance_spot")
    status, body, headers = await clients.get("binance_spot", "/api/v3/time")
    assert (status, body["code"], int(headers["Retry-After"])) == (418, -1003, 120)
    await sandbox.advance(121, step_s=1)
    assert (await clients.get("binance_spot", "/api/v3/time"))[0] == 200


@on_sandbox("binance_spot", limits={"binance_spot": Limits(life_s=30, shutdown_notice_s=10)}, speed=SLOW)
async def test_a_life_ends_with_a_notice(sandbox: Sandbox, clients: Clients) -> None:
    raw = await clients.connect("binance_spot")
    wrapped = await clients.connect("binance_spot", "/stream")
    await sandbox.advance(19, step_s=0.5)
    assert await raw.texts() == []
    await sandbox.advance(2, step_s=0.5)
    assert (await raw.next())["e"] == "serverShutdown"
    assert (await wrapped.next())["stream"] == "!serverShutdown"
    await sandbox.advance(10, step_s=0.5)
    closed = await raw.receive()
    assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1001)


@on_sandbox("bybit_linear", speed=SLOW)
async def test_bybit_ends_a_connection_that_neither_speaks_nor_is_spoken_to(
    sandbox: Sandbox, clients: Clients
) -> None:
    idle, pinging = [await clients.connect("bybit_linear") for _ in range(2)]
    for _ in range(7):
        await sandbox.advance(100, step_s=10)
        answer = await pinging.ask({"req_id": "1", "op": "ping"})
        assert (answer["ret_msg"], answer["op"]) == ("pong", "ping")
    assert (await idle.receive()).type == aiohttp.WSMsgType.CLOSE


@on_sandbox("bybit_spot", limits={"bybit_spot": Limits(connects_max=3, connects_window_s=60)}, speed=SLOW)
async def test_connects_are_counted(sandbox: Sandbox, clients: Clients) -> None:
    for _ in range(3):
        await clients.connect("bybit_spot")
    with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
        await clients.connect("bybit_spot")
    await sandbox.advance(61, step_s=1)
    await clients.connect("bybit_spot")


@on_sandbox("binance_spot")
async def test_weights_are_reported_and_their_limit_holds(sandbox: Sandbox, clients: Clients) -> None:
    path = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    for count in range(1, 25):
        status, _, headers = await clients.get("binance_spot", path)
        assert (status, headers["X-MBX-USED-WEIGHT-1M"]) == (200, str(250 * count))
    status, body, headers = await clients.get("binance_spot", path)
    assert (status, body["code"]) == (429, -1003)
    assert 0 < int(headers["Retry-After"]) <= 60
    for _ in range(10):
        status, _, _ = await clients.get("binance_spot", path)
    assert status == 418


@on_sandbox("binance_usdm", speed=20, limits={"binance_usdm": Limits(unread_bytes_max=1 << 16)})
async def test_a_client_that_does_not_read_is_dropped(sandbox: Sandbox, clients: Clients) -> None:
    path = "/public/stream?streams=btcusdt@depth@0ms/btcusdt@bookTicker/btcusdt@depth@100ms"
    slow = await clients.connect("binance_usdm", path)
    transport = slow.websocket._response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()
    for _ in range(400):
        await sandbox.advance(1, step_s=0.2)
        status = (await clients.get("binance_usdm", "/sandbox"))[1]
        if status["connections"] == 0:
            break
    assert status["connections"] == 0


@on_sandbox("bybit_spot")
async def test_a_huge_or_broken_message_ends_its_connection_only(sandbox: Sandbox, clients: Clients) -> None:
    other = await clients.connect("bybit_spot")
    huge = await clients.connect("bybit_spot")
    await huge.websocket.send_str("x" * 1_000_000)
    closed = await huge.receive()
    assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1009)
    answer = await other.ask("{")
    assert answer["success"] is False
    binary = await clients.connect("bybit_spot")
    await binary.websocket.send_bytes(b"\xff\xfe")
    assert (await binary.next())["success"] is False


@on_sandbox("bybit_linear", limits={"bybit_linear": Limits(connects_max=0)})
async def test_a_hundred_connections_get_the_same_frames(sandbox: Sandbox, clients: Clients) -> None:
    everybody: list[Client] = []
    for _ in range(100):
        client = await clients.connect("bybit_linear")
        await client.websocket.send_str('{"op":"subscribe","args":["publicTrade.BTCUSDT"]}')
        everybody.append(client)
    for client in everybody:
        assert (await client.next())["success"]
    await sandbox.advance(2, step_s=0.1)
    first = await everybody[0].texts()
    assert len(first) > 3
    for client in everybody[1:]:
        assert [(await client.receive()).data for _ in first] == first


@on_sandbox("binance_spot")
async def test_a_port_that_is_taken_is_named(sandbox: Sandbox, clients: Clients) -> None:
    port = int(sandbox.urls["binance_spot"].rest.rpartition(":")[2])
    with pytest.raises(InputError, match=f"127.0.0.1:{port} for binance_spot: .*--port-base"):
        async with driven("binance_spot", ports={"binance_spot": port}):
            pass


def test_the_same_seed_serves_the_same_frames_at_the_same_times() -> None:
    received: list[list[str]] = []

    async def test(sandbox: Sandbox, clients: Clients) -> None:
        client = await clients.connect(
            "binance_usdm", "/public/stream?streams=btcusdt@depth@0ms/btcusdt@trade"
        )
        await sandbox.advance(3)
        received.append(await client.texts())

    for seed in (7, 7, 8):
        on(driven("binance_usdm", seed=seed), test)
    assert received[0] == received[1]
    assert len(received[0]) > 50
    assert received[0] != received[2]


@on_sandbox("binance_spot", "bybit_spot", speed=5)
async def test_times_are_those_of_the_sandbox(sandbox: Sandbox, clients: Clients) -> None:
    client = await clients.connect("binance_spot", "/ws/btcusdt@trade")
    await sandbox.advance(2)
    now_ms = NOW_NS // 1_000_000 + 2000
    for trade in await client.frames():
        assert now_ms - 2000 - 200 <= trade["T"] <= trade["E"] <= now_ms
    _, body, _ = await clients.get("binance_spot", "/api/v3/time")
    assert body == {"serverTime": now_ms}
    _, body, _ = await clients.get("bybit_spot", "/v5/market/time")
    assert (body["time"], body["retCode"]) == (now_ms, 0)


@on_sandbox("bybit_spot", "binance_usdm")
async def test_limits_of_a_connection_hold_for_paths_and_requests(sandbox: Sandbox, clients: Clients) -> None:
    assert LIMITS["bybit_spot"].args_max == 10
    client = await clients.connect("bybit_spot")
    topics = [f"kline.{n}.BTCUSDT" for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, "D")]
    answer = await client.ask({"op": "subscribe", "args": topics})
    assert (answer["success"], answer["ret_msg"]) == (False, "args size >10")
    usdm = await clients.connect("binance_usdm", "/public/ws")
    many = [f"x{n}usdt@depth" for n in range(201)]
    answer = await usdm.ask({"method": "SUBSCRIBE", "params": many, "id": 1})
    assert answer["code"] == 2
    assert (await usdm.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2}))["result"] == []


def test_a_driven_sandbox_only_is_moved() -> None:
    sandbox = driven("binance_spot")
    sandbox.clock = object()  # type: ignore[assignment]
    with pytest.raises(InputError, match="DrivenClock"):
        asyncio.run(sandbox.advance(1))


@on_sandbox()
async def test_exchange_information_has_the_filters_of_the_venues(sandbox: Sandbox, clients: Clients) -> None:
    _, spot, _ = await clients.get("binance_spot", "/api/v3/exchangeInfo?symbol=BTCUSDT")
    filters = {one["filterType"]: one for one in spot["symbols"][0]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01"
    assert "minNotional" in filters["NOTIONAL"]
    _, usdm, _ = await clients.get("binance_usdm", "/fapi/v1/exchangeInfo")
    filters = {one["filterType"]: one for one in usdm["symbols"][0]["filters"]}
    assert "notional" in filters["MIN_NOTIONAL"]
    assert usdm["symbols"][0]["contractType"] == "PERPETUAL"
    _, linear, _ = await clients.get("bybit_linear", "/v5/market/instruments-info?category=linear")
    assert linear["result"]["list"][0]["lotSizeFilter"]["qtyStep"] == "0.001"
    _, spot, _ = await clients.get("bybit_spot", "/v5/market/instruments-info?category=spot")
    lot = spot["result"]["list"][0]["lotSizeFilter"]
    assert lot["basePrecision"] == "0.000001"
    assert "qtyStep" not in lot
    assert json.dumps(spot)
