"""A small websocket server that sends prepared frames, as fast as the socket accepts them or at a given rate.

It is a process of its own, so that its time is not the reader's. It serves one client at a time on loopback: handshake,
a response to each request, the frames of the prelude; then what a line on its standard input requests:

    flood               all other frames, in large pieces
    pace HZ COUNT FILE  COUNT frames one by one; the sending times (monotonic ns) are saved in FILE as .npy

    python benchmarks/flood.py FRAMES PRELUDE     # a file with one frame a line; the first PRELUDE ones are sent first

Source of the frame form: RFC 6455, section 5.2.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PIECE_BYTES = 1 << 18


def encoded(frame: bytes) -> bytes:
    """A text frame as a server sends it."""
    size = len(frame)
    if size < 126:
        return b"\x81" + bytes([size]) + frame
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + frame
    return b"\x81\x7f" + size.to_bytes(8, "big") + frame


def received(client: socket.socket) -> bytes:
    """One short masked frame's payload."""
    head = _exactly(client, 2)
    size = head[1] & 0x7F
    if size == 126:
        size = int.from_bytes(_exactly(client, 2), "big")
    mask = _exactly(client, 4)
    return bytes(byte ^ mask[n % 4] for n, byte in enumerate(_exactly(client, size)))


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise ConnectionError("the client went away")
        data += more
    return data


def shake_hands(client: socket.socket) -> None:
    """The handshake, and the answer to the request that subscribes."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(1 << 16)
    key = _found(rb"(?i)sec-websocket-key: *(\S+)", request)
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    number = _found(rb'"id":(\d+)', received(client))
    client.sendall(encoded(b'{"result":null,"id":' + number + b"}"))


def _found(pattern: bytes, text: bytes) -> bytes:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"no {pattern!r} in {text!r}")
    return match[1]


def flood(client: socket.socket, text: memoryview) -> None:
    """All of it."""
    for start in range(0, len(text), _PIECE_BYTES):
        client.sendall(text[start : start + _PIECE_BYTES])


def pace(client: socket.socket, frames: list[bytes], hz: float) -> NDArray[np.int64]:
    """One by one; when each was sent."""
    sent = np.zeros(len(frames), np.int64)
    began = time.monotonic_ns()
    for n, frame in enumerate(frames):
        pause = began + round(n * 1e9 / hz) - time.monotonic_ns()
        if pause > 0:
            time.sleep(pause / 1e9)
        sent[n] = time.monotonic_ns()
        client.sendall(frame)
    return sent


def main() -> None:
    path, prelude = Path(sys.argv[1]), int(sys.argv[2])
    frames = [encoded(frame) for frame in path.read_bytes().splitlines()]
    begin, rest = b"".join(frames[:prelude]), memoryview(b"".join(frames[prelude:]))
    if len(sys.argv) > 3:
        os.sched_setaffinity(0, {int(sys.argv[3])})
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                shake_hands(client)
                client.sendall(begin)
                words = sys.stdin.readline().split()
                if not words:
                    return
                if words[0] == "flood":
                    flood(client, rest)
                else:
                    some = frames[prelude : prelude + int(words[2])]
                    np.save(words[3], pace(client, some, float(words[1])))
                    print("sent", flush=True)
                client.recv(1)  # until the client has had enough


if __name__ == "__main__":
    main()
