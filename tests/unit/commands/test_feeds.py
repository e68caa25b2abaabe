"""What a venue's file says about its connection is what its feed uses."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from support.chaos import STREAMS, Watch
from support.loopback import LoopbackVenue
from support.sim_market import LOT, TICK
from support.sim_net import SimNet
from support.sim_time import S, SimTimers
from support.sim_venue import SimVenue
from support.venues import VENUES

from arb.config import load
from arb.config.templates import write_templates
from arb.errors import ConfigError, InputError
from arb.runtime.feeds import open_feed, session_streams, venue_transport, websocket_urls
from connectors.feed.feed import Feed
from connectors.feed.status import FeedStatus
from connectors.model import Instrument, RestRequest, Stream
from connectors.net.rest import HttpRest
from connectors.net.sockets import AsyncioTimers, new_event_loop, transport_of


@pytest.fixture
def main_file(tmp_path: Path) -> Path:
    write_templates(tmp_path)
    return tmp_path / "arbitrage.toml"


def test_a_session_subscribes_to_the_mark_prices_of_perpetuals() -> None:
    with_marks = [name for name, venue in VENUES.items() if Stream.MARK_PRICE in session_streams(venue)]
    assert with_marks == ["binance_usdm", "bybit_linear"]


def test_the_fallback_addresses_are_tried_in_turn(main_file: Path) -> None:
    urls = '["ws://127.0.0.1:8/v5/public/spot", "ws://localhost:9/v5/public/spot"]'
    venue = load(main_file, [f"bybit_spot.connection.websocket_fallback_urls={urls}"]).venues["bybit_spot"]
    timers = SimTimers()
    server = SimVenue("bybit_spot", ["AAAUSDT"], timers, random.Random(1))
    net = SimNet(server, timers, random.Random(2))
    net.faults.refuse_connects = 7
    watch = Watch(server, timers)
    feed = Feed(
        VENUES["bybit_spot"],
        [Instrument("bybit_spot", "AAAUSDT", TICK, LOT)],
        STREAMS,
        websocket_urls(venue),
        transport=net,
        rest=net,
        timers=timers,
        chance=random.Random(3).random,
        sink=watch,
        tap=watch,
    )
    feed.start()
    timers.run(120 * S)
    tried = [event.text for event in watch.events if event.kind.value == "connect"]
    own = venue.connection.websocket_url
    assert (
        tried == [own] * 3 + ["ws://127.0.0.1:8/v5/public/spot"] * 3 + ["ws://localhost:9/v5/public/spot"] * 2
    )


@pytest.mark.parametrize(
    ("name", "class_name"), [("picows", "PicowsTransport"), ("websockets", "WebsocketsTransport")]
)
def test_the_transport_is_the_one_of_the_file(main_file: Path, name: str, class_name: str) -> None:
    config = load(main_file, [f'binance_spot.connection.transport="{name}"'])
    assert type(venue_transport(config.venues["binance_spot"])).__name__ == class_name


def test_a_transport_that_is_not_installed_is_one_line(
    main_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "picows", None)
    monkeypatch.delitem(sys.modules, "connectors.net.picows_socket", raising=False)
    venue = load(main_file).venues["binance_spot"]
    with pytest.raises(InputError, match=r"binance\.toml: \[connection\] transport: picows: .* pip install"):
        venue_transport(venue)


@pytest.mark.parametrize("url", ["ws://stream.binance.com/ws", "http://127.0.0.1", "wss://"])
def test_a_fallback_without_tls_to_another_machine_is_refused(main_file: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="websocket_fallback_urls"):
        load(main_file, [f'binance_spot.connection.websocket_fallback_urls=["{url}"]'])


def test_a_feed_opens_from_the_files(main_file: Path) -> None:
    async def scene() -> None:
        server = SimVenue("bybit_spot", ["BTCUSDT"], AsyncioTimers(), random.Random(1))
        async with LoopbackVenue(server) as loopback:
            settings = [
                f'bybit_spot.connection.websocket_url="{loopback.websocket_url}"',
                f'bybit_spot.connection.rest_api_url="{loopback.rest_url}"',
            ]
            watch = Watch(server, AsyncioTimers())
            live = open_feed(load(main_file, settings).venues["bybit_spot"], ["BTCUSDT"], watch, tap=watch)
            live.feed.start()
            for _ in range(500):
                await asyncio.sleep(0.01)
                if live.feed.status(0) == FeedStatus.SYNCED:
                    break
            assert live.feed.status(0) == FeedStatus.SYNCED
            assert live.feed.instruments[0].tick_size == 0.1
            await live.close()
            assert live.feed.status(0) == FeedStatus.DOWN

    asyncio.run(scene())


def test_a_symbol_and_a_stream_that_a_venue_has_not(main_file: Path) -> None:
    async def scene() -> None:
        venue = load(main_file).venues["bybit_spot"]
        watch = Watch(SimVenue("bybit_spot", [], SimTimers(), random.Random(1)), SimTimers())
        with pytest.raises(ConfigError, match=r"bybit\.toml: no \[symbols\.DOGEUSDT\]; add its tick_size"):
            open_feed(venue, ["DOGEUSDT"], watch)
        with pytest.raises(InputError, match=r"bybit\.toml: bybit_spot has no stream 'aggTrade'"):
            open_feed(venue, ["BTCUSDT"], watch, streams=[Stream.DEPTH, Stream.AGG_TRADE])

    asyncio.run(scene())


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, new_event_loop])
@pytest.mark.parametrize("transport", ["picows", "websockets", "asyncio"])
def test_tests_reach_no_other_machine(loop_factory: Any, transport: str) -> None:
    """The guard in `tests/conftest.py` holds for every way to the network that the project has."""
    reasons: list[str] = []

    class Listener:
        def on_open(self) -> None:
            reasons.append("open")

        def on_frame(self, frame: bytes, local_ts: int) -> None: ...

        def on_close(self, reason: str) -> None:
            reasons.append(reason)

    async def connect() -> None:
        if transport == "asyncio":
            with pytest.raises(RuntimeError, match="only this machine"):
                await asyncio.open_connection("192.0.2.1", 443)
            reasons.append("only this machine")
            return
        connection = transport_of(transport).connect("ws://192.0.2.1:1/", Listener())
        for _ in range(100):
            await asyncio.sleep(0.01)
            if reasons:
                break
        connection.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(connect())
    assert len(reasons) == 1
    assert "only this machine" in reasons[0]


def test_requests_reach_no_other_machine() -> None:
    async def ask() -> None:
        rest = HttpRest("http://192.0.2.1")
        try:
            with pytest.raises(RuntimeError, match="only this machine"):
                await rest.ask(RestRequest("/", 1))
        finally:
            await rest.close()

    asyncio.run(ask())
