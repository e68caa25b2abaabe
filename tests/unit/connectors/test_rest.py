"""REST requests over real sockets of this machine, and how books are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from support.sim_time import S, SimTimers

from connectors.feed.snapshots import BLOCKED_NS, FAILURES_NS, Snapshots
from connectors.model import RestRequest
from connectors.net.interfaces import EventKind, RestAnswer
from connectors.net.rate_limit import Limiter
from connectors.net.rest import HttpRest

REQUEST = RestRequest("/api/v3/depth?symbol=BTCUSDT&limit=1000", 50)


def served(answer: bytes, ask: Callable[[str, list[bytes]], Awaitable[None]]) -> None:
    """Runs `ask` with the address of a server that answers so, and the request lines that it gets."""

    async def scene() -> None:
        lines: list[bytes] = []
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                lines.append(head.split(b"\r\n")[0])
                writer.write(answer)
                await writer.drain()
                await reader.read()  # until the client has gone
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            gone.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines)
            await asyncio.wait_for(gone.wait(), 10)
        finally:
            server.close()
            await server.wait_closed()

    asyncio.run(scene())


def answer_to(response: bytes, timeout_s: float = 5.0) -> tuple[RestAnswer, list[bytes]]:
    found: list[RestAnswer] = []
    seen: list[bytes] = []

    async def ask(url: str, lines: list[bytes]) -> None:
        rest = HttpRest(url + "/", timeout_s)
        done = asyncio.Event()
        rest.get(REQUEST, lambda answer: (found.append(answer), done.set())[0])
        await asyncio.wait_for(done.wait(), 10)
        await rest.close()
        seen.extend(lines)

    served(response, ask)
    return found[0], seen


def test_an_answer_has_its_body_and_its_times() -> None:
    answer, lines = answer_to(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert (answer.status, answer.body, answer.error) == (200, b"{}", "")
    assert 0 < answer.sent_ts < answer.local_ts
    assert lines == [b"GET /api/v3/depth?symbol=BTCUSDT&limit=1000 HTTP/1.1"]


def test_too_many_requests_tell_for_how_long() -> None:
    answer, _ = answer_to(b"HTTP/1.1 429 no\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.retry_after_ns) == (429, 7 * S)


@pytest.mark.parametrize("response", [b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"])
def test_what_is_no_answer_is_reported_as_such(response: bytes) -> None:
    answer, _ = answer_to(response, timeout_s=0.3)
    assert answer.status == 0
    assert answer.error


def test_an_answer_that_does_not_come_is_given_up() -> None:
    answer, _ = answer_to(b"", timeout_s=0.2)
    assert answer.status == 0
    assert answer.error


def test_a_redirect_is_not_followed() -> None:
    answer, _ = answer_to(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
    assert answer.status == 302


class Books:
    """Hears of snapshots; the test decides what they are worth. Also the REST interface, answering as it is told."""

    def __init__(self) -> None:
        self.timers = SimTimers()
        self.asked: list[int] = []
        self.status = 200
        self.retry_after_ns = 0
        self.is_good = True
        self.events: list[str] = []
        self.got: list[int] = []
        self.snapshots = Snapshots(
            [REQUEST, REQUEST],
            rest=self,
            timers=self.timers,
            chance=lambda: 0.0,
            weights=Limiter(150, 60 * S),
            listener=self,
        )

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        self.asked.append(self.timers.monotonic_ns())
        answer = RestAnswer(self.status, b"{}", 0, 0, self.retry_after_ns)
        self.timers.call_later(S // 100, lambda: done(answer))

    def on_snapshot(self, no: int, body: bytes, local_ts: int) -> bool:
        if self.is_good:
            self.got.append(no)
            self.snapshots.got(no)
        return self.is_good

    def on_snapshot_event(self, no: int, kind: EventKind, text: str) -> None:
        self.events.append(f"{kind.value} {text}")


def test_a_book_is_asked_for_once_until_it_comes() -> None:
    books = Books()
    for _ in range(5):
        books.snapshots.want(0)
    books.timers.run(10 * S)
    assert books.asked == [0]
    assert books.got == [0]


def test_bad_answers_are_asked_again_with_growing_delays_within_the_weight() -> None:
    books = Books()
    books.is_good = False
    books.snapshots.want(0)
    books.timers.run(600 * S)
    gaps = [b - a for a, b in zip(books.asked, books.asked[1:], strict=False)]
    assert gaps[0] < gaps[1]
    assert max(gaps) <= 60 * S + FAILURES_NS[1]
    for at in books.asked:
        assert sum(at <= other < at + 60 * S for other in books.asked) <= 3


@pytest.mark.parametrize(("status", "retry_after_ns", "wait"), [(429, 5 * S, 5 * S), (418, 0, BLOCKED_NS)])
def test_a_venue_that_says_stop_is_left_alone_for_all_books(
    status: int, retry_after_ns: int, wait: int
) -> None:
    books = Books()
    books.status, books.retry_after_ns = status, retry_after_ns
    books.snapshots.want(0)
    books.timers.run(S // 10)
    books.status = 200
    books.snapshots.want(1)
    books.timers.run(wait - S // 5)
    assert len(books.asked) == 1
    books.timers.run(S)
    assert sorted(books.got) == [0, 1]
    assert "error no snapshot" in books.events[1]


def test_a_cancelled_request_is_void() -> None:
    books = Books()
    books.snapshots.want(0)
    books.timers.run(S // 1000)
    books.snapshots.cancel(0)
    books.timers.run(60 * S)
    assert books.got == []
    assert len(books.asked) == 1


def test_a_book_of_no_use_is_asked_for_again_after_a_while() -> None:
    books = Books()
    books.snapshots.want(0)
    books.timers.run(S // 10)
    books.snapshots.again(0)
    assert len(books.asked) == 1
    books.timers.run(2 * S)
    assert len(books.asked) == 2
