"""Connections for orders and account events, over real sockets to a running sandbox that breaks them."""

from __future__ import annotations

from typing import Any

import pytest
from support.order_client import CASES, Sandboxed, on_venue, until

from arb.sandbox.faults import Fault, FaultKind
from connectors.orders.model import (
    Act,
    Channel,
    Force,
    Notice,
    NoticeKind,
    OrderRequest,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.parsing.batch import Batch
from connectors.trade.interfaces import LineEvent, Sent
from connectors.units import MILLISECOND

_ENDS = (NoticeKind.ENDED, NoticeKind.KEY_EXPIRED, NoticeKind.SHUTDOWN)


class Client(Sandboxed):
    """A `LineOwner` that replaces lines as a desk does."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.orders.add_leg(0, self.instrument)
        self.user.add_leg(0, self.instrument)
        self.events: list[tuple[str, LineEvent, str]] = []
        self.answers: dict[str, tuple[str, VenueAnswer]] = {}
        self.updates: list[tuple[str, OrderUpdate]] = []
        self.own: list[str] = []
        self.asked: dict[str, WireRequest] = {}
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
        self._count += 1
        bid, _ = self.touch()
        tick, lots = bid - bid // 100, self.instrument.lot.count_of("0.01")
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

    on_venue(venue, kind, test, Client)


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

    on_venue(venue, kind, test, Client)


@pytest.mark.parametrize(("venue", "kind"), [one for one in CASES if one[0].startswith("binance")])
def test_a_stream_whose_key_expires_or_which_the_venue_ends(venue: str, kind: str) -> None:
    async def test(client: Client) -> None:
        client.sandbox.begin(Fault(FaultKind.KEY_EXPIRED, venue=venue))
        await until(lambda: len(client.ups("u")) == 2, "second stream")
        await client.place("a")
        await until(lambda: "u1" in client.lost, "end of the first")
        posts = [text for text in client.own if text.startswith("POST /fapi/v1/listenKey")]
        assert len(posts) == (2 if venue == "binance_usdm" else 0)

    on_venue(venue, kind, test, Client)


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

    on_venue(venue, kind, test, Client)
