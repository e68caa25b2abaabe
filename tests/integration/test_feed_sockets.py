"""A feed over real sockets of this machine, with both kinds of transport."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from support.chaos import STREAMS, SYMBOLS, Watch
from support.loopback import LoopbackVenue
from support.sim_market import LOT, TICK
from support.sim_venue import SimVenue
from support.venues import VENUES

from connectors.feed.feed import Feed
from connectors.feed.interfaces import FeedTimes
from connectors.model import Instrument
from connectors.net.interfaces import EventKind
from connectors.net.rest import HttpRest
from connectors.net.session import SessionTimes
from connectors.net.sockets import AsyncioTimers, transport_of

#: Quick about it: nobody is spared here.
TIMES = FeedTimes(session=SessionTimes(retry_first_ns=20_000_000, overlap_min_ns=300_000_000))


class Line:
    """A feed, a venue, and the sockets between them."""

    def __init__(self, venue: str, transport: str) -> None:
        self.timers = AsyncioTimers()
        self.server = SimVenue(venue, list(SYMBOLS), self.timers, random.Random(7))
        self.loopback = LoopbackVenue(self.server)
        self.watch = Watch(self.server, self.timers)
        self._names = venue, transport

    async def __aenter__(self) -> Line:
        await self.loopback.__aenter__()
        venue, transport = self._names
        self.rest = HttpRest(self.loopback.rest_url)
        self.feed = Feed(
            VENUES[venue],
            [Instrument(venue, symbol, TICK, LOT) for symbol in SYMBOLS],
            STREAMS,
            ("ws://127.0.0.1:9", self.loopback.websocket_url),
            transport=transport_of(transport),
            rest=self.rest,
            timers=self.timers,
            chance=random.Random(7).random,
            sink=self.watch,
            tap=self.watch,
            times=TIMES,
        )
        self.watch.feed = self.feed
        self.feed.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.feed.stop()
        await asyncio.sleep(0.05)
        await self.rest.close()
        await self.loopback.__aexit__()

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Waits until something is so; fails after some seconds."""
        for _ in range(1000):
            if is_so():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"not within 10 s: {what}; events: {self.watch.events}")

    def is_known(self) -> bool:
        return all(self.watch.check(no) is not None for no in range(len(SYMBOLS)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("venue", "transport"),
    [*((venue, "picows") for venue in VENUES), ("binance_usdm", "websockets"), ("bybit_spot", "websockets")],
)
def test_a_feed_finds_the_address_that_works_and_survives_its_end(venue: str, transport: str) -> None:
    async def scene() -> None:
        async with Line(venue, transport) as line:
            await line.until(line.is_known, "both books are known")
            kinds = [event.kind for event in line.watch.events]
            assert kinds.count(EventKind.DISCONNECT) >= 3  # nobody listens at the first address
            line.loopback.outs[0].drop("the venue ends it")
            await line.until(lambda: not line.is_known(), "the loss shows")
            await line.until(line.is_known, "both books are known again")
            await line.until(lambda: all(line.watch.trades), "trades came")
            assert all(local_ts > 0 and frame.startswith(b"{") for _, local_ts, frame in line.watch.frames)

    asyncio.run(scene())


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["picows", "websockets"])
def test_a_change_of_connections_loses_and_doubles_no_trade(transport: str) -> None:
    async def scene() -> None:
        async with Line("binance_usdm", transport) as line:
            await line.until(line.is_known, "both books are known")
            unknown = len(line.watch.unknown_ns)
            for out in line.loopback.outs:
                out.deliver('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', "control")
            done = lambda: any(e.text == "done" for e in line.watch.events)  # noqa: E731
            await line.until(done, "the change is done")
            count = [len(trades) for trades in line.watch.trades]
            await line.until(
                lambda: all(len(t) > n + 2 for t, n in zip(line.watch.trades, count, strict=True)),
                "more trades",
            )
            for market, trades in zip(line.server.markets.values(), line.watch.trades, strict=True):
                first = market.trades.index(trades[0])
                assert trades == market.trades[first : first + len(trades)]
            assert len(line.watch.unknown_ns) == unknown

    asyncio.run(scene())
