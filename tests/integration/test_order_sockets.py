"""Connections for orders and account events, over real sockets to a running sandbox that breaks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES

from arb.sandbox.accounts.keys import test_keys as keys_of
from arb.sandbox.faults import Fault, FaultKind
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
from connectors.orders.model import (
    Act,
    Channel,
    Force,
    Instrument,
    Notice,
    NoticeKind,
    OrderRequest,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.rest_queue import RestLine
from connectors.trade.times import TradeTimes
from connectors.trade.trade_socket import TradeSocket
from connectors.trade.user_stream import UserStream
from connectors.units import MILLISECOND, SECOND

#: Venue, and kind of key.
CASES = (
    ("binance_spot", "ed25519"),
    ("binance_spot", "hmac"),
    ("binance_usdm", "ed25519"),
    ("bybit_spot", "hmac"),
    ("bybit_linear", "hmac"),
)
SEED = 7
_ENDS = (NoticeKind.ENDED, NoticeKind.KEY_EXPIRED, NoticeKind.SHUTDOWN)


def protocols(venue: str, signer: Signer) -> tuple[Any, Any]:
    """Protocols of orders and events."""
    if venue == "binance_spot":
        return SpotOrders(signer, 5000), SpotUser(signer, 5000)
    if venue == "binance_usdm":
        return UsdmOrders(signer, 5000), UsdmUser(signer)
    category: Any = venue.removeprefix("bybit_")
    return BybitOrders(category, signer, 5000), BybitUser(category, signer, 5000)


class Client:
    """One account at one venue of a sandbox; a `LineOwner` that replaces lines as a desk does."""

    def __init__(self, sandbox: Sandbox, venue: str, kind: str) -> None:
        house = venue.partition("_")[0]
        key = next(
            one for one in keys_of(SEED) if (one.key.house, one.key.kind.name.lower()) == (house, kind)
        )
        signer: Signer = (
            Ed25519Signer(key.key.id, key.private)
            if kind == "ed25519"
            else HmacSigner(key.key.id, key.private)
        )
        listing = LISTINGS[venue]
        instrument = Instrument(
            "BTCUSDT",
            DecimalStep(listing.tick_size),
            DecimalStep(listing.lot_size),
            "BTC",
            "USDT",
            venue.endswith("_spot"),
        )
        self.venue, self.sandbox = venue, sandbox
        self.orders, self.user = protocols(venue, signer)
        lines = protocols(venue, signer)
        for one in (self.orders, self.user, *lines):
            one.add_leg(0, instrument)
        self.events: list[tuple[str, LineEvent, str]] = []
        self.answers: dict[str, tuple[str, VenueAnswer]] = {}
        self.updates: list[tuple[str, OrderUpdate]] = []
        self.own: list[str] = []
        self.asked: dict[str, WireRequest] = {}
        timers, times = AsyncioTimers(), TradeTimes(retry_first_ns=SECOND // 10, retry_max_ns=SECOND // 5)
        rest_url = sandbox.urls[venue].rest
        self.http = HttpTradeRest(rest_url, LOOPBACK)
        self.rest = RestLine(self.http, timers, self, times)
        base = rest_url.replace("http", "ws", 1)
        options: Any = {
            "transport": GuardedTransport(PicowsTransport(ping_s=0.5), LOOPBACK),
            "timers": timers,
            "chance": lambda: 0.5,
            "connects": Limiter(300, 300 * SECOND),
            "owner": self,
            "times": times,
        }
        self.trade = TradeSocket([base], lines[0], **options)
        self.stream = UserStream([base], lines[1], rest=self.rest, **options)
        self.prices = PRICES["BTCUSDT"], instrument
        self._count = 0

    # LineOwner

    def line_event(self, where: str, event: LineEvent, text: str, local_ts: int) -> None:
        self.events.append((where, event, text))
        if event is LineEvent.UP and text == "signed":
            self.orders.fallback()

    def line_frame(self, where: str, frame: bytes, local_ts: int) -> None:
        decoded = self.user.decode(frame) if where.startswith("u") else (self.orders.decode(frame),)
        for one in decoded:
            if isinstance(one, OrderUpdate):
                self.updates.append((where, one))
            elif isinstance(one, VenueAnswer):
                self.answers[one.wire_id] = (where, one)
            is_over = isinstance(one, VenueAnswer) and one.is_line_over
            if is_over or (isinstance(one, Notice) and one.kind in _ENDS):
                (self.stream if where.startswith("u") else self.trade).replace(where)

    def line_batch(self, where: str, batch: Batch) -> None:
        for frame, stamp in zip(batch.frames, batch.stamps, strict=True):
            self.line_frame(where, frame, stamp)

    def own_traffic(self, where: str, is_sent: bool, text: str, local_ts: int) -> None:
        self.own.append(text)

    def rest_answer(self, where: str, wire_id: str, status: int, body: bytes, *_: Any) -> None:
        asked = self.asked[wire_id]
        answer = self.orders.decode_rest(asked, status, body, 0)
        assert isinstance(answer, VenueAnswer)
        self.answers[wire_id] = (where, answer)

    # the test

    @property
    def now_ms(self) -> int:
        return self.sandbox.clock.now_ns() // MILLISECOND

    def request(self, act: Act = Act.PLACE, client_id: str = "", *, over_rest: bool = False) -> WireRequest:
        """A bid 1 % below the market, or what is about it."""
        price, instrument = self.prices
        self._count += 1
        tick = instrument.tick.count_of(str(int(price * 0.99)))
        lots = instrument.lot.count_of("0.01")
        request = OrderRequest(
            act, 0, "BTCUSDT", self._count, client_id, side=1, force=Force.GTC, tick=tick, lots=lots
        )
        encode = self.orders.encode_rest if over_rest else self.orders.encode
        wire: WireRequest = encode(request, f"0-{self._count}-x", self.now_ms)
        self.asked[wire.wire_id] = wire
        return wire

    def send(self, wire: WireRequest) -> Sent:
        return self.rest.send(wire) if wire.channel is Channel.REST else self.trade.send(wire)

    async def place(self, client_id: str) -> None:
        """Places an order over the trade line; the stream reports it."""
        await until(lambda: self.trade.is_up and self.stream.is_up, "lines")
        wire = self.request(client_id=client_id)
        assert self.send(wire) == Sent(True, self.ups("t")[-1])
        await until(lambda: wire.wire_id in self.answers, "an answer")
        where, answer = self.answers[wire.wire_id]
        assert (where, answer.verdict) == (self.ups("t")[-1], Verdict.ACCEPTED), answer
        await until(lambda: (self.ups("u")[-1], client_id) in self.reported, "an event")

    @property
    def reported(self) -> list[tuple[str, str]]:
        """Streams and client ids of events of orders."""
        return [(where, one.client_id) for where, one in self.updates]

    def ups(self, letter: str) -> list[str]:
        """Lines that were up, in order."""
        return [
            where for where, event, _ in self.events if event is LineEvent.UP and where.startswith(letter)
        ]

    @property
    def lost(self) -> list[str]:
        """Lines that are lost, in order."""
        return [where for where, event, _ in self.events if event is LineEvent.LOST]

    def orders_of_venue(self) -> list[str]:
        """Client ids of the orders that the venue has."""
        assert self.sandbox.trading is not None
        return sorted(one.client_id for one in self.sandbox.trading.desks[self.venue].open_orders("main"))


async def until(condition: Callable[[], bool], what: str, span_s: float = 8.0) -> None:
    """Waits for a condition."""
    loop = asyncio.get_running_loop()
    end = loop.time() + span_s
    while not condition():
        assert loop.time() < end, f"no {what}"
        await asyncio.sleep(0.01)


def on_venue(venue: str, kind: str, test: Callable[[Client], Any]) -> None:
    """Runs a test with a client whose lines are up."""

    async def scene() -> None:
        setup = TradingSetup((usual_account(),), tuple(one.key for one in keys_of(SEED)))
        names = ("bybit_spot", "bybit_linear") if venue.startswith("bybit") else (venue,)
        sandbox = Sandbox(
            SeededMarket([LISTINGS[name] for name in names], PRICES, SEED),
            trading=trading_of(setup, SEED, default_rng(SEED)),
        )
        async with sandbox:
            client = Client(sandbox, venue, kind)
            client.trade.start()
            client.stream.start()
            try:
                await until(lambda: client.trade.is_up and client.stream.is_up, f"lines: {client.own}")
                assert sandbox.trading is not None
                desks = sandbox.trading.desks
                await until(
                    lambda: all(desks[name].instruments["BTCUSDT"].matcher.is_ready for name in names),
                    "books",
                )
                await test(client)
            finally:
                client.trade.stop()
                client.stream.stop()
                client.rest.stop()
                await client.http.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(asyncio.wait_for(scene(), 60))


@pytest.mark.parametrize(("venue", "kind"), CASES)
def test_lines_that_are_cut_connect_again_and_send_nothing_twice(venue: str, kind: str) -> None:
    async def test(client: Client) -> None:
        mode = "signed" if (venue, kind) == ("binance_spot", "hmac") else "logon"
        assert (
            next(text for where, event, text in client.events if (where, event) == ("t1", LineEvent.UP))
            == mode
        )
        await client.place("a")
        client.sandbox.begin(Fault(FaultKind.TRADE_LOST, venue=venue))
        await until(lambda: client.ups("t") == ["t1", "t2"], "second trade line")
        await client.place("b")
        streams = len(client.ups("u"))
        client.sandbox.begin(Fault(FaultKind.USER_LOST, venue=venue))
        await until(lambda: len(client.ups("u")) > streams, "another stream")
        await client.place("c")
        # Without a line that is up, nothing is written: the same order goes by REST.
        client.sandbox.begin(Fault(FaultKind.TRADE_LOST, venue=venue))
        await until(lambda: not client.trade.is_up, "loss")
        wire = client.request(client_id="d")
        assert client.send(wire) == Sent(False, "")
        by_rest = client.request(client_id="d", over_rest=True)
        assert client.send(by_rest).is_sent
        await until(lambda: by_rest.wire_id in client.answers, "answer by REST")
        assert client.answers[by_rest.wire_id][1].verdict is Verdict.ACCEPTED
        assert client.orders_of_venue() == ["a", "b", "c", "d"]

    on_venue(venue, kind, test)


@pytest.mark.parametrize(("venue", "kind"), CASES)
def test_a_venue_that_restarts(venue: str, kind: str) -> None:
    async def test(client: Client) -> None:
        await client.place("a")
        client.sandbox.begin(Fault(FaultKind.RESTARTING, venue=venue, notice_s=1.0))
        refused = client.request(client_id="b")
        assert client.send(refused).where == "t1"
        await until(lambda: len(client.ups("t")) == 2 and len(client.ups("u")) == 2, "new lines")
        await client.place("c")
        await until(
            lambda: {where for where, event, _ in client.events if event is LineEvent.LOST} >= {"t1", "u1"},
            "ends",
        )
        if venue.startswith("bybit"):
            answer = client.answers[refused.wire_id][1]
            assert (answer.verdict, answer.code) == (Verdict.REFUSED, 10019)
            # The announcement is the refusal: the successor is up before the old line ends.
            ends = [(where, event) for where, event, _ in client.events if where in ("t1", "t2")]
            assert ends.index(("t2", LineEvent.UP)) < ends.index(("t1", LineEvent.LOST))
        assert client.orders_of_venue() == (["a", "c"] if venue.startswith("bybit") else ["a", "b", "c"])

    on_venue(venue, kind, test)


@pytest.mark.parametrize(("venue", "kind"), [one for one in CASES if one[0].startswith("binance")])
def test_a_stream_whose_key_expires_or_which_the_venue_ends(venue: str, kind: str) -> None:
    async def test(client: Client) -> None:
        client.sandbox.begin(Fault(FaultKind.KEY_EXPIRED, venue=venue))
        await until(lambda: len(client.ups("u")) == 2, "second stream")
        await client.place("a")
        await until(lambda: "u1" in client.lost, "end of the first")
        posts = [text for text in client.own if text.startswith("POST /fapi/v1/listenKey")]
        assert len(posts) == (2 if venue == "binance_usdm" else 0)

    on_venue(venue, kind, test)


@pytest.mark.parametrize(("venue", "kind"), CASES)
def test_lines_whose_venue_is_gone_without_a_word(venue: str, kind: str) -> None:
    async def test(client: Client) -> None:
        client.sandbox.begin(Fault(FaultKind.HALF_OPEN, venue=venue, duration_s=0.0))
        lost = client.request(client_id="a")
        assert client.send(lost) == Sent(True, "t1")
        await until(lambda: {"t1", "u1"} <= set(client.lost), "loss")
        await client.place("b")
        assert lost.wire_id not in client.answers
        assert client.orders_of_venue() == ["b"]

    on_venue(venue, kind, test)
