"""Order entry of `arb sandbox serve`: time from a request to its answer, beside the market data of four markets.

The server is a process of its own, on one core; clients and a reader of all streams are on another. Every market has
one websocket for orders: half of the orders are IOC and take, the others rest and are cancelled. The floor is the same
number of `ping` requests at the same times, on sockets of the same server.

    python benchmarks/sandbox_orders.py [--rate 500] [--seconds 60] [--recording DIR] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import multiprocessing
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from sandbox_serve import Reader

SYMBOL = "BTCUSDT"
LIMITS = """
[limits.binance_spot]
weight_max = 0
orders_10s = 0
orders_1d = 0
[limits.binance_usdm]
weight_max = 0
orders_10s = 0
orders_1m = 0
[limits.bybit_spot]
weight_max = 0
uid_factor = 0
[limits.bybit_linear]
weight_max = 0
uid_factor = 0
"""
#: Quantities and what is subtracted from or added to the touch, by market.
QUANTITY = {"binance_spot": "0.001", "binance_usdm": "0.004", "bybit_spot": "0.001", "bybit_linear": "0.004"}


class Binance:
    """Signed requests on the websocket API of one market."""

    def __init__(self, venue: str, rest: str, key: dict[str, str]) -> None:
        self.venue = venue
        path = "/ws-api/v3" if venue == "binance_spot" else "/ws-fapi/v1"
        self.address = rest.replace("http", "ws") + path
        self._key, self._secret = key["id"], key["private"].encode()
        self.hello = ""

    def place(self, no: int, price: float, force: str, buy: bool) -> str:
        return self._signed(
            f"o{no}",
            "order.place",
            {
                "symbol": SYMBOL,
                "side": "BUY" if buy else "SELL",
                "type": "LIMIT",
                "timeInForce": force,
                "price": f"{price:.1f}",
                "quantity": QUANTITY[self.venue],
                "newClientOrderId": f"b{no}",
            },
        )

    def cancel(self, no: int) -> str:
        return self._signed(f"c{no}", "order.cancel", {"symbol": SYMBOL, "origClientOrderId": f"b{no}"})

    def ping(self, no: int) -> str:
        method = "ping" if self.venue == "binance_spot" else "session.status"
        return json.dumps({"id": f"p{no}", "method": method})

    def answered(self, text: str) -> tuple[str, bool]:
        answer = json.loads(text)
        return answer["id"], answer["status"] == 200

    def _signed(self, id: str, method: str, params: dict[str, Any]) -> str:
        params |= {"apiKey": self._key, "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()
        return json.dumps({"id": id, "method": method, "params": params})


class Bybit:
    """Requests on the trade socket of one category."""

    def __init__(self, venue: str, rest: str, key: dict[str, str]) -> None:
        self.venue = venue
        self.address = rest.replace("http", "ws") + "/v5/trade"
        expires = int(time.time() * 1000) + 600_000
        signature = hmac.new(key["private"].encode(), f"GET/realtime{expires}".encode(), hashlib.sha256)
        self.hello = json.dumps({"op": "auth", "args": [key["id"], expires, signature.hexdigest()]})
        self._category = venue.removeprefix("bybit_")

    def place(self, no: int, price: float, force: str, buy: bool) -> str:
        return self._request(
            f"o{no}",
            "order.create",
            {
                "side": "Buy" if buy else "Sell",
                "orderType": "Limit",
                "qty": QUANTITY[self.venue],
                "price": f"{price:.1f}",
                "timeInForce": force,
                "orderLinkId": f"b{no}",
            },
        )

    def cancel(self, no: int) -> str:
        return self._request(f"c{no}", "order.cancel", {"orderLinkId": f"b{no}"})

    def ping(self, no: int) -> str:
        return json.dumps({"op": "ping", "reqId": f"p{no}"})

    def answered(self, text: str) -> tuple[str, bool]:
        answer = json.loads(text)
        return answer.get("reqId", ""), answer.get("retCode", 0) == 0

    def _request(self, id: str, op: str, args: dict[str, str]) -> str:
        args |= {"category": self._category, "symbol": SYMBOL}
        header = {"X-BAPI-TIMESTAMP": str(int(time.time() * 1000)), "X-BAPI-RECV-WINDOW": "5000"}
        return json.dumps({"reqId": id, "header": header, "op": op, "args": [args]})


class Load:
    """One market's orders, at even intervals."""

    def __init__(self, client: Binance | Bybit, rest: str) -> None:
        self.client = client
        self._rest = rest
        self._sent_at: dict[str, float] = {}
        #: Seconds from request to answer, of orders, cancellations and pings.
        self.times: dict[str, list[float]] = {"o": [], "c": [], "p": []}
        self.refused: list[str] = []

    async def run(self, session: aiohttp.ClientSession, rate: float, seconds: float, *, pings: bool) -> None:
        bid, ask = await self._touch(session)
        async with session.ws_connect(self.client.address) as socket:
            if self.client.hello:
                await socket.send_str(self.client.hello)
                await socket.receive()
            reading = asyncio.create_task(self._read(socket))
            begin, count = time.perf_counter(), round(rate * seconds)
            for no in range(count):
                await asyncio.sleep(max(0.0, begin + no / rate - time.perf_counter()))
                if pings:
                    await self._send(socket, f"p{no}", self.client.ping(no))
                elif no % 2:
                    buy = no % 4 == 1
                    price = ask * 1.003 if buy else bid * 0.997
                    await self._send(socket, f"o{no}", self.client.place(no, price, "IOC", buy))
                else:
                    await self._send(socket, f"o{no}", self.client.place(no, bid * 0.995, "GTC", True))
                    if no >= 20:
                        await self._send(socket, f"c{no - 20}", self.client.cancel(no - 20))
            await asyncio.sleep(0.5)
            reading.cancel()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, id: str, text: str) -> None:
        self._sent_at[id] = time.perf_counter()
        await socket.send_str(text)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            at = time.perf_counter()
            if message.type != aiohttp.WSMsgType.TEXT:
                continue
            id, is_done = self.client.answered(message.data)
            if id in self._sent_at:
                self.times[id[0]].append(at - self._sent_at.pop(id))
                if not is_done:
                    self.refused.append(message.data)

    async def _touch(self, session: aiohttp.ClientSession) -> tuple[float, float]:
        path = {
            "binance_spot": f"/api/v3/depth?symbol={SYMBOL}&limit=5",
            "binance_usdm": f"/fapi/v1/depth?symbol={SYMBOL}&limit=5",
        }.get(self.client.venue, f"/v5/market/orderbook?symbol={SYMBOL}&limit=1&category=")
        if path.endswith("category="):
            path += self.client.venue.removeprefix("bybit_")
        async with session.get(self._rest + path) as answer:
            book = await answer.json()
        book = book.get("result", book)
        bids, asks = book.get("bids", book.get("b")), book.get("asks", book.get("a"))
        return float(bids[0][0]), float(asks[0][0])


def read_streams(urls: dict[str, dict[str, str]]) -> None:
    """Reads all streams of all markets until it is ended."""
    import selectors

    selector = selectors.DefaultSelector()
    for venue, one in urls.items():
        reader = Reader(venue, one["websocket"])
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    while True:
        for key, _ in selector.select():
            key.data.read()


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


async def one_round(
    urls: dict[str, dict[str, str]], keys: list[dict[str, str]], rate: float, seconds: float, *, pings: bool
) -> list[Load]:
    loads = []
    for venue, one in urls.items():
        kind = Binance if venue.startswith("binance") else Bybit
        loads.append(Load(kind(venue, one["rest"], keys[0 if kind is Binance else 2]), one["rest"]))
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(load.run(session, rate / len(loads), seconds, pings=pings) for load in loads))
    return loads


def measure(options: list[str], rate: float, seconds: float) -> tuple[float, float]:
    """One server: pings, then orders. Returns the p99 of both in ms."""
    with tempfile.TemporaryDirectory() as folder:
        faults = Path(folder) / "limits.toml"
        faults.write_text(LIMITS)
        command = [sys.executable, "-m", "arb", "sandbox", "serve", "--json", "--port-base", "0"]
        server = subprocess.Popen(
            [*command, "--faults", str(faults), *options], stdout=subprocess.PIPE, text=True
        )
        reader = None
        try:
            with contextlib.suppress(AttributeError, OSError):
                os.sched_setaffinity(server.pid, {0})
                os.sched_setaffinity(0, {1})
            assert server.stdout is not None
            urls = json.loads(server.stdout.readline())
            keys = json.loads(server.stdout.readline())["keys"]
            reader = multiprocessing.Process(target=read_streams, args=(urls,), daemon=True)
            reader.start()
            time.sleep(3.0)
            floor = asyncio.run(one_round(urls, keys, rate, min(seconds, 10.0), pings=True))
            busy = _cpu_s(server.pid)
            begin = time.perf_counter()
            loads = asyncio.run(one_round(urls, keys, rate, seconds, pings=False))
            share = (_cpu_s(server.pid) - busy) / (time.perf_counter() - begin)
        finally:
            if reader is not None:
                reader.kill()
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    pings = [one for load in floor for one in load.times["p"]]
    orders = [one for load in loads for kind in "oc" for one in load.times[kind]]
    for load in loads:
        own = load.times["o"]
        print(
            f"  {load.client.venue:<13} {len(own):6} orders  p50 {quantile(own, 0.5) * 1e3:6.2f}"
            f"  p99 {quantile(own, 0.99) * 1e3:6.2f} ms  refused {len(load.refused)}"
        )
        for text in load.refused[:2]:
            print(f"    {text[:150]}")
    p99 = quantile(orders, 0.99) * 1e3
    floor_ms = quantile(pings, 0.99) * 1e3
    print(
        f"  all: p50 {quantile(orders, 0.5) * 1e3:.2f}  p99 {p99:.2f}  p99.9 {quantile(orders, 0.999) * 1e3:.2f} ms;"
        f" pings p99 {floor_ms:.2f} ms; server uses {share:.0%} of a core"
    )
    return p99, floor_ms


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recording")
    given = parser.parse_args()
    options = ["--symbols", SYMBOL]
    options += ["--recording", given.recording] if given.recording else []
    print(f"{given.rate:g} orders a second, {platform.processor() or platform.machine()}")
    results = [measure(options, given.rate, given.seconds) for _ in range(given.rounds)]
    p99, floor = (statistics.median(column) for column in zip(*results, strict=True))
    print(f"median p99 {p99:.2f} ms, of pings {floor:.2f} ms, ratio {p99 / floor:.2f}")


if __name__ == "__main__":
    main()
