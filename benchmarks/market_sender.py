"""Serves recorded frames of Binance USD-M and Bybit linear over loopback: raw sockets, prepared bytes, times renewed.

A process of its own for `session_frame.py`. Pair 0 has the recordings' symbol; the others repeat its frames under names
of their own. Each request to subscribe is acknowledged, then the frames until the book is known are sent, and requests
for snapshots are answered with the recorded one. The rest of the frames waits for a line on the standard input:

    go SPEED     as recorded, SPEED times as fast; 0: as fast as the sockets accept them

Venue times in a frame are replaced by the time at which it is sent. Prints its ports first, then a line of JSON for
each `go`: frames, bytes, seconds.

    python benchmarks/market_sender.py RECORDINGS PAIRS FRAMES CORE     # FRAMES: of all legs behind the prelude

Source of the frame form: RFC 6455, section 5.2.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flood import encoded, received
from numpy.typing import NDArray
from samples import raw_text

VENUES = ("binance_usdm", "bybit_linear")
SYMBOL = "BTCUSDT"
#: Between the frames of two pairs, so that their bursts do not coincide, in ns of the recording.
_STAGGER_NS = 37_000_000
_STAMP = re.compile(rb"(?<=:)1723\d{9}(?=[,}])")
_STAMP_DIGITS = 13
#: Frames of one venue that are sent together when all are sent at once.
_PIECE_FRAMES = 128
_BUFFER_BYTES = 1 << 18
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def symbol_of(pair: int) -> str:
    """The name of a pair's instruments."""
    return SYMBOL if pair == 0 else f"S{pair:02d}USDT"


class Recorded(NamedTuple):
    """Lines of one leg: until its book is known, the snapshot that is fetched ("": none), and the rest."""

    prelude: list[bytes]
    snapshot: bytes
    rest: list[bytes]


def recorded(venue: str) -> Recorded:
    """The recording of a venue, in parts; depth under the name that a feed asks for."""
    lines = raw_text(venue, SYMBOL).replace(b"@depth@0ms", b"@depth@100ms").splitlines()
    if venue == "bybit_linear":
        at = next(n for n, line in enumerate(lines) if b'"type":"snapshot"' in line and b"orderbook" in line)
        return Recorded(lines[at : at + 1], b"", lines[at + 1 :])
    at = next(n for n, line in enumerate(lines) if b'"lastUpdateId"' in line)
    last_id = json.loads(lines[at][20:])["lastUpdateId"]
    snapshot = lines.pop(at)[20:]
    while b"depthUpdate" not in lines[at] or json.loads(lines[at][20:])["data"]["u"] <= last_id:
        at += 1
    return Recorded(lines[: at + 1], snapshot, lines[at + 1 :])


class Piece(NamedTuple):
    """Encoded frames that are sent together, and where their venue times are."""

    at_ns: int
    leg: tuple[str, str]
    frames: int
    text: NDArray[np.uint8]
    places: NDArray[np.int64]


def piece_of(at_ns: int, leg: tuple[str, str], frames: list[bytes]) -> Piece:
    """Frames of a leg as they are sent."""
    text = b"".join(map(encoded, frames))
    found = np.array([match.start() for match in _STAMP.finditer(text)], np.int64)
    places = (found[:, None] + np.arange(_STAMP_DIGITS)).ravel()
    return Piece(at_ns, leg, len(frames), np.frombuffer(bytearray(text), np.uint8), places)


def stamped(piece: Piece) -> NDArray[np.uint8]:
    """Its bytes, with the venue times of now."""
    digits = np.frombuffer(b"%d" % (time.time_ns() // 1_000_000), np.uint8)
    piece.text[piece.places] = np.tile(digits, len(piece.places) // _STAMP_DIGITS)
    return piece.text


class Leg:
    """One instrument at one venue, and the connection that subscribed to its depth."""

    def __init__(self, venue: str, symbol: str, known: Recorded) -> None:
        self.key = venue, symbol
        self.connection: Connection | None = None
        self.prelude = [self.named(line[20:]) for line in known.prelude]

    def named(self, frame: bytes) -> bytes:
        """A frame under the name of this instrument."""
        symbol = self.key[1]
        if symbol == SYMBOL:
            return frame
        return frame.replace(SYMBOL.encode(), symbol.encode()).replace(
            SYMBOL.lower().encode() + b"@", symbol.lower().encode() + b"@"
        )


class Connection:
    """One client: answers its requests on a thread of its own."""

    def __init__(
        self, client: socket.socket, venue: str, on_depth: Callable[[Connection, str], None]
    ) -> None:
        self._client = client
        self._venue = venue
        self._on_depth = on_depth
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, data: Any) -> None:
        """Sends encoded frames, whole."""
        with self._lock:
            self._client.sendall(data)

    def _serve(self) -> None:
        try:
            self._shake_hands()
            while True:
                text = received(self._client)
                if text[:1] == b"{":
                    self._answer(json.loads(text))
        except OSError:
            return

    def _shake_hands(self) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._client.recv(1 << 16) or _gone()
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
        digest = hashlib.sha1((key[1] if key else b"") + _GUID).digest()
        self._client.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    def _answer(self, request: dict[str, Any]) -> None:
        if self._venue == "bybit_linear":
            answer = {
                "success": True,
                "ret_msg": "",
                "op": request["op"],
                "req_id": request.get("req_id", ""),
            }
            topics = request.get("args", []) if request["op"] == "subscribe" else []
            depth = [topic.rpartition(".")[2] for topic in topics if topic.startswith("orderbook")]
        else:
            answer = {"result": None, "id": request["id"]}
            topics = request.get("params", []) if request["method"] == "SUBSCRIBE" else []
            depth = [topic.partition("@")[0].upper() for topic in topics if "@depth" in topic]
        self.send(encoded(json.dumps(answer).encode()))
        for symbol in depth:
            self._on_depth(self, symbol)


def _gone() -> bytes:
    raise ConnectionError("the client went away")


def unread_bytes(ports: Sequence[int]) -> int:
    """Bytes on their way to the clients of these ports, and in their sockets."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        if local in ports or remote in ports:
            found += sum(int(size, 16) for size in fields[4].split(":")) if fields[3] == "01" else 0
    return found


class Market:
    """All legs, their connections and their frames."""

    def __init__(self, pairs: int, frames: int) -> None:
        known = {venue: recorded(venue) for venue in VENUES}
        self.snapshot = known["binance_usdm"].snapshot
        #: Of the websockets; set when they are open.
        self.ports: list[int] = []
        self.legs = {
            (venue, symbol_of(pair)): Leg(venue, symbol_of(pair), known[venue])
            for pair in range(pairs)
            for venue in VENUES
        }
        own = sorted((int(line[:19]), venue, line[20:]) for venue in VENUES for line in known[venue].rest)[
            : frames // pairs
        ]
        self._frames = sorted(
            (
                (at + pair * _STAGGER_NS, venue, pair, frame)
                for pair in range(pairs)
                for at, venue, frame in own
            ),
            key=lambda one: one[0],
        )
        self._span_s = (self._frames[-1][0] - self._frames[0][0]) / 1e9

    def on_depth(self, connection: Connection, symbol: str) -> None:
        """A client has subscribed to a book."""
        for venue in VENUES:
            leg = self.legs.get((venue, symbol))
            if leg is not None and connection._venue == venue:  # noqa: SLF001
                leg.connection = connection
                connection.send(stamped(piece_of(0, leg.key, leg.prelude)).data)

    def go(self, speed: float) -> dict[str, float]:
        """Sends all frames; returns what was sent."""
        pieces = list(self._all_pieces() if speed == 0.0 else self._single_pieces(speed))
        began = time.monotonic_ns()
        for piece in pieces:
            ahead_ns = began + piece.at_ns - time.monotonic_ns() if speed else 0
            if ahead_ns > 0:
                time.sleep(ahead_ns / 1e9)
            connection = self.legs[piece.leg].connection
            if connection is not None:
                connection.send(stamped(piece).data)
        while unread_bytes(self.ports):
            time.sleep(0.002)
        return {
            "frames": sum(piece.frames for piece in pieces),
            "bytes": sum(len(piece.text) for piece in pieces),
            "seconds": (time.monotonic_ns() - began) / 1e9,
        }

    @property
    def hz(self) -> float:
        """Frames a second as recorded."""
        return len(self._frames) / self._span_s

    def _single_pieces(self, speed: float) -> Iterator[Piece]:
        first = self._frames[0][0]
        for at, venue, pair, frame in self._frames:
            leg = self.legs[venue, symbol_of(pair)]
            yield piece_of(int((at - first) / speed), leg.key, [leg.named(frame)])

    def _all_pieces(self) -> Iterator[Piece]:
        held: dict[tuple[str, str], list[bytes]] = {}
        for _, venue, pair, frame in self._frames:
            leg = self.legs[venue, symbol_of(pair)]
            some = held.setdefault(leg.key, [])
            some.append(leg.named(frame))
            if len(some) == _PIECE_FRAMES:
                yield piece_of(0, leg.key, held.pop(leg.key))
        for key, some in held.items():
            yield piece_of(0, key, some)


def rest_server(market: Market) -> ThreadingHTTPServer:
    """Answers requests for snapshots and for the time; nothing else is known."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            now = time.time_ns()
            body, status = b"{}", 404
            if "/depth" in self.path:
                body, status = _STAMP.sub(b"%d" % (now // 1_000_000), market.snapshot), 200
            elif self.path.startswith("/fapi/v1/time"):
                body, status = b'{"serverTime":%d}' % (now // 1_000_000), 200
            elif self.path.startswith("/v5/market/time"):
                result = b'{"timeSecond":"%d","timeNano":"%d"}' % (now // 10**9, now)
                body = b'{"retCode":0,"retMsg":"OK","result":%s,"time":%d}' % (result, now // 1_000_000)
                status = 200
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def accept(listener: socket.socket, venue: str, market: Market) -> None:
    """Serves the clients of a venue."""
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        Connection(client, venue, market.on_depth)


def main() -> None:
    pairs, frames, core = (int(text) for text in sys.argv[2:5])
    os.sched_setaffinity(0, {core})
    market = Market(pairs, frames)
    ports = {}
    for venue in VENUES:
        listener = socket.create_server(("127.0.0.1", 0))
        ports[venue] = listener.getsockname()[1]
        threading.Thread(target=accept, args=(listener, venue, market), daemon=True).start()
    market.ports = list(ports.values())
    rest = rest_server(market)
    ports["rest"] = rest.server_address[1]
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    print(json.dumps({"ports": ports, "hz": market.hz}), flush=True)
    for line in sys.stdin:
        _, speed = line.split()
        print(json.dumps(market.go(float(speed))), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
