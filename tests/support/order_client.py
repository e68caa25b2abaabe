"""The lines of one account on a running sandbox, over real sockets, in the sandbox's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from numpy.random import default_rng

from arb.sandbox.accounts.keys import test_keys as keys_of
from arb.sandbox.serve.sandbox import Sandbox, SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.bybit.order_frames import BybitOrders
from connectors.bybit.user_events import BybitUser
from connectors.net.hosts import LOOPBACK, GuardedTransport
from connectors.net.picows_socket import PicowsTransport
from connectors.net.rate_limit import Limiter
from connectors.net.sockets import AsyncioTimers, new_event_loop
from connectors.net.trade_rest import HttpTradeRest
from connectors.orders.model import Instrument
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer
from connectors.trade.rest_queue import RestLine
from connectors.trade.times import TradeTimes
from connectors.trade.trade_socket import TradeSocket
from connectors.trade.user_stream import UserStream
from connectors.units import MILLISECOND, SECOND
from support.simulated import LISTINGS, PRICES

#: Venue, and kind of key.
CASES = (
    ("binance_spot", "ed25519"),
    ("binance_spot", "hmac"),
    ("binance_usdm", "ed25519"),
    ("bybit_spot", "hmac"),
    ("bybit_linear", "hmac"),
)
SEED = 7


class Sandboxed:
    """One account at one venue of a sandbox; subclasses are the `LineOwner`."""

    def __init__(self, sandbox: Sandbox, venue: str, kind: str) -> None:
        """kind: of the key. The protocols `orders` and `user` are not those of the lines."""
        self.sandbox, self.venue = sandbox, venue
        signer = signer_of(venue, kind)
        self.instrument = instrument_of(venue)
        self.orders, self.user = protocols(venue, signer)
        lines = protocols(venue, signer)
        for protocol in lines:
            protocol.add_leg(0, self.instrument)
        self.timers = AsyncioTimers()
        self.times = TradeTimes(retry_first_ns=SECOND // 10, retry_max_ns=SECOND // 5)
        rest_url = sandbox.urls[venue].rest
        self.http = HttpTradeRest(rest_url, LOOPBACK)
        owner: Any = self
        self.rest = RestLine(self.http, self.timers, owner, self.times)
        base = rest_url.replace("http", "ws", 1)
        options: Any = {
            "transport": GuardedTransport(PicowsTransport(ping_s=0.5), LOOPBACK),
            "timers": self.timers,
            "chance": lambda: 0.5,
            "connects": Limiter(300, 300 * SECOND),
            "owner": self,
            "times": self.times,
            "now_ms": lambda: self.timers.time_ns() // MILLISECOND,
        }
        self.trade = TradeSocket([base], lines[0], **options)
        self.stream = UserStream([base], lines[1], rest=self.rest, **options)

    def touch(self) -> tuple[int, int]:
        """Best bid and ask, in ticks."""
        assert self.sandbox.trading is not None
        bid, ask = self.sandbox.trading.desks[self.venue].instruments["BTCUSDT"].touch()
        return self.instrument.tick.count_of(str(bid)), self.instrument.tick.count_of(str(ask))


def signer_of(venue: str, kind: str) -> Signer:
    """The sandbox's key of this kind."""
    house = venue.partition("_")[0]
    key = next(one for one in keys_of(SEED) if (one.key.house, one.key.kind.name.lower()) == (house, kind))
    if kind == "ed25519":
        return Ed25519Signer(key.key.id, key.private)
    return HmacSigner(key.key.id, key.private)


def instrument_of(venue: str) -> Instrument:
    """BTCUSDT."""
    listing = LISTINGS[venue]
    tick, lot = DecimalStep(listing.tick_size), DecimalStep(listing.lot_size)
    return Instrument("BTCUSDT", tick, lot, "BTC", "USDT", venue.endswith("_spot"))


def protocols(venue: str, signer: Signer) -> tuple[Any, Any]:
    """Protocols of orders and events."""
    if venue == "binance_spot":
        return SpotOrders(signer, 5000), SpotUser(signer, 5000)
    if venue == "binance_usdm":
        return UsdmOrders(signer, 5000), UsdmUser(signer)
    category: Any = venue.removeprefix("bybit_")
    return BybitOrders(category, signer, 5000), BybitUser(category, signer, 5000)


async def until(condition: Callable[[], bool], what: str, span_s: float = 8.0) -> None:
    """Waits for a condition."""
    loop = asyncio.get_running_loop()
    end = loop.time() + span_s
    while not condition():
        assert loop.time() < end, f"no {what}"
        await asyncio.sleep(0.01)


def on_venue(venue: str, kind: str, test: Callable[[Any], Any], client_of: Callable[..., Any]) -> None:
    """Runs a test with a client on a sandbox of its own, when the lines are up and the books are there."""

    async def scene() -> None:
        setup = TradingSetup((usual_account(),), tuple(one.key for one in keys_of(SEED)))
        names = ("bybit_spot", "bybit_linear") if venue.startswith("bybit") else (venue,)
        sandbox = Sandbox(
            SeededMarket([LISTINGS[name] for name in names], PRICES, SEED),
            trading=trading_of(setup, SEED, default_rng(SEED)),
        )
        async with sandbox:
            assert sandbox.trading is not None
            desks = sandbox.trading.desks
            await until(
                lambda: all(desks[name].instruments["BTCUSDT"].matcher.is_ready for name in names), "books"
            )
            client = client_of(sandbox, venue, kind)
            client.trade.start()
            client.stream.start()
            try:
                await until(lambda: client.trade.is_up and client.stream.is_up, "lines")
                await test(client)
            finally:
                client.trade.stop()
                client.stream.stop()
                client.rest.stop()
                await client.http.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(asyncio.wait_for(scene(), 120))
