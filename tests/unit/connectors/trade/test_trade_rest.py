"""Signed REST requests over real sockets of this machine: exact bytes, once, and whether they were written."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from connectors.net.hosts import LOOPBACK
from connectors.net.interfaces import RestAnswer
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Act, Channel, WireRequest

QUERY = "symbol=BTCUSDT&signature=a%2Bb%3D&x=%EF%BC%91"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def request(method: str, body: bytes = b"") -> WireRequest:
    return WireRequest(
        Channel.REST,
        "1",
        Act.PLACE,
        0,
        1,
        method=method,
        path="/api/v3/order",
        query=QUERY,
        headers=(("X-MBX-APIKEY", "key"),),
        body=body,
    )


def exchanged(requests: list[WireRequest], answers: list[bytes]) -> tuple[list[RestAnswer], list[bytes]]:
    """Ends of the requests, one after the other, and what the server was sent. Answer "": it closes."""
    ends: list[RestAnswer] = []
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int((head.lower().partition(b"content-length: ")[2] or b"0").split(b"\r\n")[0])
                seen.append(head + await reader.readexactly(length))
                answer = answers.pop(0) if answers else b""
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        rest = HttpTradeRest(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", LOOPBACK, 2.0)
        for one in requests:
            done = asyncio.Event()
            rest.send(one, lambda answer, done=done: (ends.append(answer), done.set())[0])  # type: ignore[misc]
            await asyncio.wait_for(done.wait(), 5)
        await rest.close()
        server.close()

    asyncio.run(scene())
    return ends, seen


def test_the_bytes_are_those_that_were_signed() -> None:
    body = b'{"category":"linear"}'
    ends, seen = exchanged([request("POST", body), request("DELETE")], [OK, OK])
    assert [(end.status, end.body, end.was_sent) for end in ends] == [(200, b"{}", True)] * 2
    line, _, rest = seen[0].partition(b"\r\n")
    assert line == f"POST /api/v3/order?{QUERY} HTTP/1.1".encode()
    assert rest.endswith(b"\r\n\r\n" + body)
    assert b"X-MBX-APIKEY: key\r\n" in seen[0]
    assert seen[1].startswith(b"DELETE /api/v3/order?")


def test_headers_about_limits_come_with_the_answer() -> None:
    names = ("X-MBX-USED-WEIGHT-1M", "x-mbx-order-count-10s", "X-Bapi-Limit-Status", "X-MBX-UUID")
    head = b"".join(f"{name}: {number}\r\n".encode() for number, name in enumerate(names))
    ends, _ = exchanged([request("GET")], [OK.replace(b"Content", head + b"Content")])
    limits = (("x-mbx-used-weight-1m", "0"), ("x-mbx-order-count-10s", "1"), ("x-bapi-limit-status", "2"))
    assert ends[0].limits == limits


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_request_is_never_repeated(method: str) -> None:
    """Neither on a new connection nor on one that was used before, which the library would do by itself."""
    ends, seen = exchanged([request("GET"), request(method)], [OK, b""])
    assert [(end.status, end.was_sent) for end in ends] == [(200, True), (0, True)]
    assert len(seen) == 2
    ends, seen = exchanged([request(method)], [])
    assert [(end.status, end.was_sent) for end in ends] == [(0, True)]
    assert len(seen) == 1


def test_redirects_are_not_followed_and_bans_have_their_time() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"
    banned = b"HTTP/1.1 418 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    ends, _ = exchanged([request("POST"), request("POST")], [away, banned])
    assert [(end.status, end.retry_after_ns) for end in ends] == [(302, 0), (418, 7_000_000_000)]


def test_a_refused_connection_sent_nothing() -> None:
    async def scene() -> RestAnswer:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        rest = HttpTradeRest(f"http://127.0.0.1:{port}", LOOPBACK, 2.0)
        end: asyncio.Future[RestAnswer] = asyncio.get_running_loop().create_future()
        rest.send(request("POST"), end.set_result)
        try:
            return await asyncio.wait_for(end, 5)
        finally:
            await rest.close()

    answer = asyncio.run(scene())
    assert (answer.status, answer.was_sent) == (0, False)
    assert answer.error
