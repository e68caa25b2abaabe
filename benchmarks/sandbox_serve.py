"""Frames a second that `arb sandbox serve` sends to one client, and the cost of generating the market.

The server is a process of its own, as users run it. The client reads a socket, counts frames by their headers, and
subscribes to every stream of all four venues. Source of the frame form: RFC 6455, section 5.2.

    python benchmarks/sandbox_serve.py [--speed 40] [--seconds 10] [--recording DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

SYMBOLS = ("BTCUSDT", "ETHUSDT")
_BINANCE = ("depth", "depth@100ms", "bookTicker", "trade")
STREAMS = {
    "binance_spot": (*_BINANCE, "aggTrade", "kline_1m"),
    "binance_usdm": (*_BINANCE, "depth@500ms", "depth@0ms"),
    "bybit_spot": (
        "orderbook.1",
        "orderbook.50",
        "orderbook.200",
        "orderbook.1000",
        "publicTrade",
        "tickers",
    ),
    "bybit_linear": (
        "orderbook.1",
        "orderbook.50",
        "orderbook.200",
        "orderbook.1000",
        "publicTrade",
        "tickers",
    ),
}


def requests_of(venue: str) -> list[str]:
    """What subscribes to every stream."""
    if venue.startswith("binance"):
        names = [f"{symbol.lower()}@{name}" for symbol in SYMBOLS for name in STREAMS[venue]]
        return [json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})]
    return [
        json.dumps({"op": "subscribe", "args": [f"{name}.{symbol}" for name in STREAMS[venue]]})
        for symbol in SYMBOLS
    ]


class Reader:
    """One websocket, as little of it as counting takes."""

    def __init__(self, venue: str, address: str) -> None:
        parts = urlsplit(address)
        path = (parts.path or "") + ("/public/ws" if venue == "binance_usdm" else "")
        self.socket = socket.create_connection((parts.hostname, parts.port))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.socket.recv(65536)
        self.rest = self.rest.partition(b"\r\n\r\n")[2]
        for text in requests_of(venue):
            data = text.encode()
            size = bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
            self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + data)
        self.socket.setblocking(False)
        self.frames = self.bytes = 0

    def read(self) -> None:
        """Counts what has come."""
        data = self.rest + self.socket.recv(1 << 20)
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if at + head + size > end:
                break
            at += head + size
            self.frames += 1
        self.bytes += at
        self.rest = data[at:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=40.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--recording")
    given = parser.parse_args()
    command = [sys.executable, "-m", "arb", "sandbox", "serve", "--json", "--port-base", "0"]
    command += ["--speed", str(given.speed), "--symbols", ",".join(SYMBOLS)]
    command += ["--recording", given.recording] if given.recording else []
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        urls = json.loads(server.stdout.readline())
        measure(urls, given.seconds, given.speed, server.pid)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(10)


def measure(urls: dict[str, dict[str, str]], seconds: float, speed: float, pid: int) -> None:
    """Reads for a while and prints the rates, the first second left out."""
    selector = selectors.DefaultSelector()
    readers = [Reader(venue, one["websocket"]) for venue, one in urls.items()]
    for reader in readers:
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    start = time.perf_counter()
    first, busy = None, 0.0
    while (now := time.perf_counter()) < start + 1 + seconds:
        if first is None and now > start + 1:
            first, busy = [reader.frames for reader in readers], _cpu_seconds(pid)
        for key, _ in selector.select(0.1):
            key.data.read()
    sent = sum(reader.frames for reader in readers) - sum(first or [0])
    cpu = _cpu_seconds(pid) - busy
    size = sum(reader.bytes for reader in readers) / sum(reader.frames for reader in readers)
    print(
        f"{sent / seconds:,.0f} frames/s of {size:.0f} bytes on average, {cpu / seconds:.0%} of a core,"
        f" at speed {speed:g}: {sent / cpu:,.0f} frames a second of CPU time"
    )


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
