"""Nothing that trades on the sandbox can open a connection to another machine: the allow-list of hosts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from support.paths import ROOT

from connectors.errors import HostRefusedError
from connectors.model import RestRequest
from connectors.net.hosts import LOOPBACK, GuardedTransport, ListedHosts, check_host
from connectors.net.interfaces import ConnectionListener
from connectors.net.rest import HttpRest
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Act, Channel, WireRequest

FOLDERS = ("config", "arb", "examples", "docs", "connectors")
SUFFIXES = (".toml", ".py", ".md", ".txt")
URL = re.compile(r"\b(?:wss?|https?)://[^\s\"'`<>)\]}]+")
THIS_MACHINE = re.compile(r"\w+://(127\.0\.0\.1|localhost|\[::1\])\b")

ALLOWED = (
    "ws://127.0.0.1",
    "ws://127.0.0.1:8901/v5/trade",
    "http://127.0.0.1:8901/api/v3/order?symbol=BTCUSDT&signature=ab%2B",
    "https://127.255.0.3:1/",
    "ws://[::1]:8901/ws-api/v3?returnRateLimits=false",
)
REFUSED = (
    "",
    "127.0.0.1:80",
    "ws://",
    "ws:///x",
    "ftp://127.0.0.1/",
    "WS://127.0.0.1/",
    "ws://localhost/",
    "ws://localhost.evil.example/",
    "ws://127.0.0.1.evil.example/",
    "ws://127.0.0.1evil/",
    "ws://evil.example/127.0.0.1",
    "ws://evil.example?127.0.0.1",
    "ws://evil.example#@127.0.0.1/",
    "ws://127.0.0.1@evil.example/",
    "ws://127.0.0.1:80@evil.example/",
    "ws://user@127.0.0.1/",
    "ws://127.0.0.1?@evil.example/",
    "ws://127.0.0.1#@evil.example/",
    "ws://127.0.0.1\\@evil.example/",
    "ws://127.0.0.1/\\evil.example",
    "ws://127.0.0.1 .evil.example/",
    "ws://127.0.0.1/\n",
    "ws://127.0.0.1/\x00",
    "ws://127.0.0.1\t/",
    "ws://127.0.0.1:999999/",
    "ws://127.0.0.1:/",
    "ws://127.1/",
    "ws://2130706433/",
    "ws://0x7f.0.0.1/",
    "ws://0177.0.0.1/",
    "ws://127.0.0.01/",
    "ws://127.0.0.256/",
    "ws://127.0.0.1./",
    "ws://128.0.0.1/",
    "ws://0.0.0.0/",
    "ws://[::]/",
    "ws://[::1%25eth0]/",
    "ws://[0:0:0:0:0:0:0:1]/",
    "ws://[::ffff:127.0.0.1]/",
    "ws://[::ffff:8.8.8.8]/",
    "ws://::1/",
    "ws://[::1]evil.example/",
    "ws://１27.0.0.1/",
    "ws://127.0.0.1/é",
)


def shipped_urls() -> Iterator[str]:
    """Every address in the shipped files."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield from URL.findall(path.read_text(encoding="utf-8"))


class Open:
    """A transport that must not be reached."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def connect(self, url: str, listener: ConnectionListener) -> None:
        self.urls.append(url)


async def attempts(url: str) -> int:
    """How many of the clients refuse the address; none may have started anything."""
    refused, transport = 0, Open()
    tasks = asyncio.all_tasks()
    guarded = GuardedTransport(transport, LOOPBACK)  # type: ignore[arg-type]
    path = WireRequest(Channel.REST, "1", Act.PLACE, 0, 1, method="POST", path="")
    for attempt in (
        lambda: guarded.connect(url, None),  # type: ignore[arg-type]
        lambda: HttpTradeRest(url, LOOPBACK).send(path, lambda _: None),
        lambda: HttpRest(url, hosts=LOOPBACK).get(RestRequest("", 1), lambda _: None),
    ):
        try:
            attempt()
        except HostRefusedError:
            refused += 1
    assert transport.urls == []
    assert asyncio.all_tasks() == tasks
    return refused


def test_every_address_of_the_shipped_files_is_refused() -> None:
    urls = {url for url in shipped_urls() if not THIS_MACHINE.match(url)}
    hosts = {url.split("/")[2] for url in urls}
    assert {"stream.binance.com:9443", "fstream.binance.com", "stream.bybit.com"} <= hosts

    async def scene() -> None:
        for url in sorted(urls):
            assert await attempts(url) == 3, url

    asyncio.run(scene())


@pytest.mark.parametrize("url", REFUSED)
def test_only_plain_addresses_of_this_machine_pass(url: str) -> None:
    assert asyncio.run(attempts(url)) == 3


@pytest.mark.parametrize("url", ALLOWED)
def test_addresses_of_this_machine_pass(url: str) -> None:
    check_host(url, LOOPBACK)


def test_a_path_cannot_make_another_host_of_the_address() -> None:
    async def scene() -> None:
        rest = HttpTradeRest("http://127.0.0.1:1", LOOPBACK)
        for path in ("@evil.example/", ".evil.example/", "0@evil.example/", "\\@evil.example/"):
            request = WireRequest(Channel.REST, "1", Act.PLACE, 0, 1, method="POST", path=path)
            with pytest.raises(HostRefusedError):
                rest.send(request, lambda _: None)

    asyncio.run(scene())


LISTED = ListedHosts(
    ["https://api.venue.example", "wss://stream.venue.example:9443/v5/public/spot", "http://127.0.0.1:8900/"]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.venue.example",
        "https://api.venue.example/v5/order?symbol=A&signature=%2B..",
        "wss://stream.venue.example:9443/v5/public/spot",
        "wss://stream.venue.example:9443/v5/public/spot/a?b",
        "http://127.0.0.1:8900/sandbox",
    ],
)
def test_listed_addresses_pass_and_what_is_below_them(url: str) -> None:
    check_host(url, LISTED)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.venue.example/x",
        "wss://api.venue.example/x",
        "https://api.venue.example:8443/x",
        "https://api.venue.example.evil.example/x",
        "https://api.venue.example@evil.example/x",
        "https://api.venue.example#@evil.example/x",
        "https://api.venue.example\\@evil.example/",
        "https://api.venue.example/\n",
        "https://API.venue.example/x",
        "https://user@api.venue.example/x",
        "https://venue.example/x",
        "wss://stream.venue.example:9443",
        "wss://stream.venue.example:9443/v5/private",
        "wss://stream.venue.example:9443/v5/public/spotted",
        "wss://stream.venue.example:9443/v5/public/spot/../../private",
        "wss://stream.venue.example:9443/v5/public/spot/%2E%2e/%2e./private",
        "wss://stream.venue.example:9443/v5/public/spot/..%2f..%2fprivate",
        "wss://stream.venue.example/v5/public/spot",
        "http://127.0.0.1:8901/sandbox",
        "http://127.0.0.1/sandbox",
    ],
)
def test_nothing_beside_listed_addresses_passes(url: str) -> None:
    with pytest.raises(HostRefusedError):
        check_host(url, LISTED)


@pytest.mark.parametrize(
    "address",
    [
        "", "api.venue.example", "https://", "https://user@api.venue.example", "https://API.venue.example",
        "https://api.venue.example?x=1", "https://api.venue.example#x", "https://api.venue.example/a/../b",
        "ftp://api.venue.example", "https://api.venue.example:", "https://a..b", "https://-a.example", "ws://b.example",
        "http://10.0.0.1",
    ],
)  # fmt: skip
def test_only_plain_addresses_can_be_listed(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ListedHosts([address])
