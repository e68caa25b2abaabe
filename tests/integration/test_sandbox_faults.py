"""Scripted faults on real sockets: what a client sees of each, and what the fault log has of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from numpy.random import default_rng
from support.sandboxes import NOW_NS, Clients, driven, on, on_sandbox

from arb.config.scenario import fault_of
from arb.sandbox.faults import Fault, FaultKind
from arb.sandbox.serve.sandbox import Sandbox
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.setup import TradingSetup, usual_account

STREAM = "btcusdt@depth@100ms"


def frames_under(fault: Fault, seconds: float = 4.0) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """What a first client, which the fault spares, and a second one were sent, and what was reported of the fault."""
    received: list[list[str]] = []
    reported: list[dict[str, Any]] = []

    async def test(sandbox: Sandbox, clients: Clients) -> None:
        both = [await clients.connect("binance_spot", f"/ws/{STREAM}") for _ in range(2)]
        await sandbox.advance(seconds)
        received.extend([await client.texts() for client in both])
        reported.extend(sandbox.injected)

    on(driven("binance_spot", faults=[fault]), test)
    return received[0], received[1], reported


def frame_fault(kind: FaultKind, **more: Any) -> Fault:
    return Fault(kind, "test", "binance_spot", f"{STREAM}*", client=2, at_s=2.0, **more)


def test_a_gap_takes_frames_away_and_the_log_has_them() -> None:
    whole, spoilt, reported = frames_under(frame_fault(FaultKind.GAP, count=2))
    lost = [text for text in whole if text not in spoilt]
    assert len(lost) == 2
    assert [text for text in whole if text not in lost] == spoilt
    assert [line["fault"] for line in reported] == ["test", "test"]
    for line, text in zip(reported, lost, strict=True):
        assert text[:60] in line["frame"]
        assert (line["kind"], line["venue"], line["stream"], line["clients"]) == (
            "gap",
            "binance_spot",
            STREAM,
            [2],
        )
        assert 2.0 <= line["since_start_s"] <= 2.3
        assert line["time_ns"] == NOW_NS + round(line["since_start_s"] * 1e9)


def test_a_duplicate_arrives_twice() -> None:
    whole, spoilt, reported = frames_under(frame_fault(FaultKind.DUPLICATE))
    assert len(reported) == 1
    assert len(spoilt) == len(whole) + 1
    twice = next(n for n in range(len(spoilt)) if spoilt[n] == spoilt[n + 1])
    assert spoilt[:twice] + spoilt[twice + 1 :] == whole


def test_a_reordered_frame_arrives_after_the_next() -> None:
    whole, spoilt, _ = frames_under(frame_fault(FaultKind.REORDER))
    first = next(n for n in range(len(whole)) if whole[n] != spoilt[n])
    assert spoilt[first : first + 2] == whole[first : first + 2][::-1]
    assert spoilt[first + 2 :] == whole[first + 2 :]


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATE, FaultKind.GARBAGE])
def test_a_broken_frame_is_no_json(kind: FaultKind) -> None:
    whole, spoilt, _ = frames_under(frame_fault(kind))
    ((good, bad),) = [pair for pair in zip(whole, spoilt, strict=True) if pair[0] != pair[1]]
    with pytest.raises(json.JSONDecodeError):
        json.loads(bad)
    assert (good.startswith(bad)) is (kind == FaultKind.TRUNCATE)


def test_silence_takes_all_frames_of_a_while() -> None:
    whole, spoilt, reported = frames_under(frame_fault(FaultKind.SILENCE, duration_s=1.0))
    assert 8 <= len(whole) - len(spoilt) <= 11
    assert reported[0]["duration_s"] == 1.0


@on_sandbox(
    "bybit_linear",
    faults=[Fault(FaultKind.CLOCK, venue="bybit*", at_s=1.0, duration_s=10, offset_ms=-10_000)],
)
async def test_a_wrong_clock_is_in_frames_and_server_time(sandbox: Sandbox, clients: Clients) -> None:
    client = await clients.connect("bybit_linear")
    await client.ask({"op": "subscribe", "args": ["publicTrade.BTCUSDT"]})
    await sandbox.advance(3)
    now_ms = NOW_NS // 1_000_000 + 3000
    stamps = [frame["ts"] for frame in await client.frames()]
    assert any(stamp < now_ms - 5000 for stamp in stamps)
    assert any(stamp > now_ms - 3500 for stamp in stamps)
    assert (await clients.get("bybit_linear", "/v5/market/time"))[1]["time"] == now_ms - 10_000
    path = "/v5/market/orderbook?category=linear&symbol=BTCUSDT"
    assert (await clients.get("bybit_linear", path))[1]["result"]["ts"] < now_ms - 10_000


@on_sandbox(
    "binance_spot",
    faults=[
        Fault(FaultKind.DISCONNECT, client=1, at_s=1.0),
        Fault(FaultKind.DISCONNECT, client=2, at_s=1.0, code=1012),
        Fault(FaultKind.HALF_OPEN, client=3, at_s=1.0, duration_s=0),
        Fault(FaultKind.SHUTDOWN, client=4, at_s=1.0, notice_s=1.0),
    ],
)
async def test_connections_end_are_half_open_or_announced(sandbox: Sandbox, clients: Clients) -> None:
    cut, closed, half, ending = [await clients.connect("binance_spot", "/ws/btcusdt@trade") for _ in range(4)]
    await sandbox.advance(1.5)
    assert (await cut.waiting())[-1].type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert ((await closed.waiting())[-1].data) == 1012
    received = len(await half.texts())
    assert '"e":"serverShutdown"' in "".join(await ending.texts())
    await half.websocket.ping(b"?")
    await half.websocket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    await sandbox.advance(1.0)
    assert received
    assert await half.waiting() == []
    assert not half.websocket.closed
    assert (await ending.waiting())[-1].data == 1001
    assert [line["kind"] for line in sandbox.injected] == [
        "disconnect",
        "disconnect",
        "half_open",
        "shutdown",
    ]


@on_sandbox("bybit_spot", faults=[Fault(FaultKind.REFUSE, at_s=1, duration_s=2)])
async def test_refused_connections_are_reset_and_accepted_again(sandbox: Sandbox, clients: Clients) -> None:
    await sandbox.advance(1.5)
    with pytest.raises(aiohttp.ClientError):
        await clients.connect("bybit_spot")
    with pytest.raises(aiohttp.ClientError):
        await clients.get("bybit_spot", "/v5/market/time")
    await sandbox.advance(2)
    await clients.connect("bybit_spot")


@on_sandbox(
    "binance_spot",
    faults=[
        Fault(FaultKind.REST_STALE, at_s=1, duration_s=4),
        Fault(FaultKind.REST_SLOW, at_s=10, duration_s=1, delay_s=3),
        Fault(FaultKind.REST_429, at_s=20, duration_s=1, retry_after_s=7),
        Fault(FaultKind.REST_418, at_s=30, duration_s=1, retry_after_s=70),
    ],
    speed=0.5,
)
async def test_rest_is_slow_stale_or_refuses(sandbox: Sandbox, clients: Clients) -> None:
    path = "/api/v3/depth?symbol=BTCUSDT&limit=1000"
    await sandbox.advance(1.1)
    first = (await clients.get("binance_spot", path))[1]["lastUpdateId"]
    await sandbox.advance(3)
    assert (await clients.get("binance_spot", path))[1]["lastUpdateId"] == first
    await sandbox.advance(6.1, step_s=0.05)
    slow = asyncio.create_task(clients.get("binance_spot", path))
    await asyncio.sleep(0.1)
    await sandbox.advance(2.5, step_s=0.05)
    assert not slow.done()
    await sandbox.advance(1, step_s=0.05)
    assert (await slow)[1]["lastUpdateId"] > first
    for until_s, status, after in ((20.5, 429, "7"), (30.5, 418, "70")):
        await sandbox.advance(until_s - (sandbox.clock.now_ns() - NOW_NS) / 1e9, step_s=0.05)
        found = await clients.get("binance_spot", path)
        assert (found[0], found[1]["code"], found[2]["Retry-After"]) == (status, -1003, after)


def test_a_stale_book_of_spot_is_not_that_of_linear() -> None:
    async def test(sandbox: Sandbox, clients: Clients) -> None:
        path = "/v5/market/orderbook?symbol=BTCUSDT&limit=1000&category="
        await sandbox.advance(2)
        stale = (await clients.get("bybit_spot", f"{path}spot"))[1]["result"]
        await sandbox.advance(2)
        assert (await clients.get("bybit_spot", f"{path}spot"))[1]["result"] == stale
        fresh = (await clients.get("bybit_linear", f"{path}linear"))[1]["result"]
        assert (await clients.get("bybit_spot", f"{path}linear"))[1]["result"] == fresh

    fault = Fault(FaultKind.REST_STALE, venue="bybit_spot", at_s=1, duration_s=9)
    trading = trading_of(TradingSetup((usual_account(),), ()), 7, default_rng(7))
    on(driven("bybit_spot", "bybit_linear", faults=[fault], trading=trading), test)


def test_the_fault_log_is_json_lines(tmp_path: Path) -> None:
    log = tmp_path / "faults.jsonl"

    async def test(sandbox: Sandbox, clients: Clients) -> None:
        client = await clients.connect("binance_spot", f"/ws/{STREAM}")
        await sandbox.advance(3)
        assert len(await client.texts()) > 30
        assert [json.loads(line) for line in log.read_text().splitlines()] == list(sandbox.injected)
        assert len(sandbox.injected) > 5

    fault = Fault(FaultKind.DUPLICATE, per_minute=400)
    on(driven("binance_spot", faults=[fault], fault_log=log), test)


def test_a_fault_begins_by_request() -> None:
    async def test(sandbox: Sandbox, clients: Clients) -> None:
        client = await clients.connect("binance_spot", f"/ws/{STREAM}")
        url = f"{sandbox.urls['bybit_spot'].rest}/sandbox/faults"
        async with aiohttp.ClientSession() as http:
            async with http.post(url, data=b'{"kind": "adl"}') as answer:
                error = "a fault of kind adl needs accounts, which this sandbox does not have"
                assert (answer.status, await answer.json()) == (400, {"error": error})
            async with http.post(url, data=b'{"kind": "disconnect", "code": 4000}') as answer:
                assert (answer.status, await answer.json()) == (200, {})
        await sandbox.advance(0.1)
        assert [(one["kind"], one["fault"]) for one in sandbox.injected if one["clients"]] == [
            ("disconnect", "request")
        ]
        (*_, last) = await client.waiting()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 4000)

    on(driven("binance_spot", "bybit_spot", fault_of=fault_of), test)
