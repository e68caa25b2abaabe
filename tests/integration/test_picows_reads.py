"""What picows reads at once comes together, in order and at once, whatever stands between the messages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.net import picows_socket
from connectors.net.picows_socket import PicowsTransport
from connectors.net.sockets import new_event_loop
from connectors.parsing.batch import Batch
from connectors.units import SECOND

TEXT, BINARY, CLOSE, PING, CONTINUATION = 1, 2, 8, 9, 0


def wire(payload: bytes, kind: int = TEXT, *, fin: bool = True) -> bytes:
    """A frame as a server sends it. Source: RFC 6455, section 5.2."""
    size = len(payload)
    head = bytes([kind | (0x80 if fin else 0)])
    return head + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + payload


class Received:
    """A listener that keeps all."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.single: list[bytes] = []
        self.order: list[bytes] = []
        self.stamps: list[int] = []
        self.reason = ""
        self.fails = False

    def on_open(self) -> None: ...

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        self.single.append(frame)
        self._keep(frame, local_ts)

    def on_batch(self, batch: Batch) -> None:
        if self.fails:
            raise RuntimeError("no")
        self.batches.append(list(batch.frames))
        for frame, local_ts in zip(batch.frames, batch.stamps, strict=True):
            self._keep(frame, local_ts)

    def on_close(self, reason: str) -> None:
        self.reason = reason

    def _keep(self, frame: bytes, local_ts: int) -> None:
        self.order.append(frame)
        self.stamps.append(local_ts)


async def _handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", await reader.readuntil(b"\r\n\r\n"))
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await writer.drain()


def received(*pieces: bytes, count: int, fails: bool = False, others: list[int] | None = None) -> Received:
    """What comes of pieces that are written one by one, each read at once, until so many messages came or the end.

    others: gets the number of messages so far in each iteration of the loop.
    """

    async def scene() -> Received:
        listener = Received()
        listener.fails = fails

        def look() -> None:
            if others is not None:
                others.append(len(listener.order))
                asyncio.get_running_loop().call_soon(look)

        look()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _handshake(reader, writer)
            for piece in pieces:
                await asyncio.sleep(0.05)
                writer.write(piece)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            connection = PicowsTransport().connect(f"ws://127.0.0.1:{port}/", listener)
            for _ in range(300):
                if len(listener.order) >= count or listener.reason:
                    break
                await asyncio.sleep(0.01)
            connection.close()
            await asyncio.sleep(0.02)
        return listener

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(scene())


def test_messages_of_one_read_come_together_and_a_lone_one_by_itself() -> None:
    reported = received(wire(b"1") + wire(b"2") + wire(b"3"), wire(b"4"), count=4)
    assert reported.batches == [[b"1", b"2", b"3"], [b"4"]]
    assert reported.stamps == sorted(reported.stamps)
    assert reported.stamps[0] > 0


@pytest.mark.parametrize(
    "last", [wire(b"x", PING), wire(b"half", fin=False), wire(b"whole")[:3]], ids=["ping", "part", "torn"]
)
def test_messages_before_what_is_no_message_do_not_wait(last: bytes) -> None:
    reported = received(wire(b"1") + wire(b"2") + last, count=2)
    assert reported.batches == [[b"1", b"2"]]


def test_messages_in_parts_keep_their_place() -> None:
    parts = wire(b"a", fin=False) + wire(b"b", CONTINUATION, fin=False) + wire(b"c", CONTINUATION)
    reported = received(wire(b"1") + parts + wire(b"2") + wire(b"3", BINARY) + wire(b"4"), count=5)
    assert reported.order == [b"1", b"abc", b"2", b"3", b"4"]


def test_messages_in_front_of_the_end_are_received() -> None:
    reported = received(wire(b"1") + wire(b"2") + wire((1001).to_bytes(2, "big") + b"bye", CLOSE), count=9)
    assert reported.order == [b"1", b"2"]
    assert "1001" in reported.reason


def test_an_error_of_the_listener_ends_the_connection() -> None:
    reported = received(wire(b"1") + wire(b"2"), count=1, fails=True)
    assert reported.order == []
    assert "could not be dealt with: RuntimeError('no')" in reported.reason


MANY = [str(n).encode() for n in range(500)]


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is a turn."""
    monkeypatch.setattr(picows_socket, "_TURN_NS", 0)


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize("last", [b"", wire(b"x", PING)], ids=["message", "ping"])
def test_between_the_turns_of_many_messages_everything_else_has_its_own(last: bytes) -> None:
    others: list[int] = []
    reported = received(b"".join(map(wire, MANY)) + last, count=500, others=others)
    assert reported.order == MANY
    assert [len(batch) for batch in reported.batches] == [32] * 15 + [20]
    assert {32 * n for n in range(16)} <= set(others)
    assert reported.stamps == sorted(reported.stamps)


def test_many_messages_that_take_less_than_a_turn_are_dealt_with_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picows_socket, "_TURN_NS", 3600 * SECOND)
    others: list[int] = []
    reported = received(b"".join(map(wire, MANY)), count=500, others=others)
    assert reported.order == MANY
    assert set(others) <= {0, 500}


@pytest.mark.usefixtures("short_turns")
def test_many_messages_in_front_of_the_end_are_received() -> None:
    closing = wire((1001).to_bytes(2, "big") + b"bye", CLOSE)
    reported = received(b"".join(map(wire, MANY)) + closing, count=501)
    assert reported.order == MANY
    assert "1001" in reported.reason


@pytest.mark.usefixtures("short_turns")
def test_an_error_of_the_listener_ends_a_connection_whose_messages_wait() -> None:
    reported = received(b"".join(map(wire, MANY)), count=1, fails=True)
    assert reported.order == []
    assert "could not be dealt with: RuntimeError('no')" in reported.reason


@pytest.mark.usefixtures("short_turns")
def test_nothing_is_read_while_messages_wait() -> None:
    done: list[str] = []
    under = SimpleNamespace(
        pause_reading=lambda: done.append("paused"), resume_reading=lambda: done.append("resumed")
    )
    transport: Any = SimpleNamespace(is_disconnected=False, underlying_transport=under)

    class Noting(Received):
        def on_batch(self, batch: Batch) -> None:
            done.append(f"{len(batch.frames)}")

    async def scene() -> None:
        owner = SimpleNamespace(listener=Noting(), has_received=False)
        listener = picows_socket._PicowsListener(cast(picows_socket._Picows, owner))
        listener.on_ws_connected(transport)
        for no in range(70):
            frame: Any = SimpleNamespace(
                msg_type=TEXT, fin=True, last_in_buffer=no == 69, get_payload_as_bytes=lambda: b"1"
            )
            listener.on_ws_frame(transport, frame)
        while len(done) < 5:
            await asyncio.sleep(0)

    asyncio.run(scene())
    assert done == ["32", "paused", "32", "6", "resumed"]
