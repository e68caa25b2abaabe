"""Bybit's requests and messages of orders, against the simulated venue and the examples of its documents."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
import tomli
from support.bybit_doors import KEY, Doors
from support.paths import GOLDEN

from arb.sandbox.serve.raw_request import RawRequest
from connectors.bybit.order_frames import BybitOrders
from connectors.bybit.order_words import FORCE_WORDS
from connectors.bybit.user_events import BybitUser
from connectors.errors import DecodeError
from connectors.orders.limits import LimitKind, LimitUse
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    EndCause,
    Execution,
    Force,
    Funding,
    Instrument,
    Notice,
    NoticeKind,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner
from connectors.units import SECOND

STEPS = {"spot": ("0.1", "0.000001"), "linear": ("0.10", "0.001")}
CATEGORIES = ("spot", "linear")


def instrument(category: str, symbol: str = "BTCUSDT") -> Instrument:
    tick, lot = STEPS[category]
    return Instrument(symbol, DecimalStep(tick), DecimalStep(lot), "BTC", "USDT", category == "spot")


def examples(venue: str, name: str) -> list[bytes]:
    """The messages of the venue's documents."""
    content = tomli.loads((GOLDEN / venue / "messages" / f"{name}.toml").read_text(encoding="utf-8"))
    return [one["text"].encode() for one in content["message"]]


class Wire:
    """Our side of one category on a simulated venue."""

    def __init__(self, category: Any, **assumed: Any) -> None:
        self.category = category
        self.doors = Doors(**assumed)
        signer = HmacSigner(KEY.id, KEY.secret.decode())
        self.orders = BybitOrders(category, signer, 5000)
        self.user = BybitUser(category, signer, 5000)
        self.instrument = instrument(category)
        self.orders.add_leg(0, self.instrument)
        self.user.add_leg(0, self.instrument)
        self.venue = f"bybit_{category}"
        self.sockets = {
            path: self.doors.socket(path, venue=self.venue, is_authenticated=False)
            for path in (self.orders.path(), self.user.path(""))
        }
        for protocol, socket in zip((self.orders, self.user), self.sockets.values(), strict=True):
            for request in protocol.opening(self.doors.now_ms):
                socket.send(request.text)
                answer = protocol.decode(socket.texts[-1].encode())
                if not isinstance(answer, VenueAnswer):
                    (answer,) = answer
                assert protocol.opened(answer), answer
                assert answer.wire_id == request.wire_id
            socket.texts.clear()
        self._count = self._sent = 0
        bid, ask = self.doors.touch(category)
        self.bid, self.ask = self.ticks(bid), self.ticks(ask)

    def ticks(self, price: Any) -> int:
        return self.instrument.tick.count_of(str(price))

    def place(
        self, side: int = 1, force: Force = Force.GTC, offset: int = -100, **fields: Any
    ) -> OrderRequest:
        """An order `offset` ticks from the other side of the book; positive: worse for us."""
        self._count += 1
        tick = self.ask + offset if side > 0 else self.bid - offset
        lots = 10_000 if self.category == "spot" else 10
        client_id = f"arb-1-0-{self._count:x}"
        fields = {"side": side, "force": force, "tick": tick, "lots": lots} | fields
        return OrderRequest(Act.PLACE, 0, "BTCUSDT", self._count, client_id, **fields)

    def send(self, request: OrderRequest, *, over_rest: bool = False) -> Any:
        """Sends a request and decodes the answer."""
        self._sent += 1
        wire_id = f"0-{self._sent}-{request.act.name}"
        encode = self.orders.encode_rest if over_rest else self.orders.encode
        wire = encode(request, wire_id, self.doors.now_ms)
        if wire.channel is Channel.SOCKET:
            socket = self.sockets["/v5/trade"]
            socket.send(wire.text)
            return self.orders.decode(socket.texts.pop().encode())
        return self.orders.decode_rest(wire, *self.exchange(wire))

    def exchange(self, wire: WireRequest) -> tuple[int, bytes, int]:
        """A REST request."""
        headers = {name.lower(): value for name, value in wire.headers}
        replies: list[Any] = []
        raw = RawRequest(wire.method, wire.path, wire.query, headers, wire.body)
        self.doors.rests[self.venue].answer(raw, self.doors.now_ns, self.doors.now_ms, replies.append)
        return replies[0].status, replies[0].body.encode(), 0

    def events(self) -> list[Any]:
        """What the private socket sent since the last call."""
        socket = self.sockets["/v5/private"]
        found = [one for text in socket.texts for one in self.user.decode(text.encode())]
        socket.texts.clear()
        return found

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.events() if isinstance(one, kind)]


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("over_rest", [False, True])
def test_every_order_that_can_be_encoded_is_what_the_venue_understands(
    category: str, over_rest: bool
) -> None:
    wire = Wire(category)
    for side, force, is_market in itertools.product((1, -1), Force, (False, True)):
        request = wire.place(side, force, 50, is_market=is_market)
        answer = wire.send(request, over_rest=over_rest)
        assert answer.verdict is Verdict.ACCEPTED, answer
        placed = next(one for one in wire.of(OrderUpdate) if one.client_id == request.client_id)
        assert placed.total_lots == request.lots
        assert placed.tick == (-1 if is_market else request.tick)
        look_up = OrderRequest(Act.LOOK_UP, 0, "BTCUSDT", 1, request.client_id)
        order = json.loads(wire.exchange(wire.orders.encode(look_up, "", wire.doors.now_ms))[1])["result"][
            "list"
        ][0]
        assert order["side"] == ("Buy" if side > 0 else "Sell")
        assert order["timeInForce"] == ("IOC" if is_market else FORCE_WORDS[force])
        assert (order["orderType"], order["reduceOnly"]) == ("Market" if is_market else "Limit", False)
        wire.doors.advance(1.1)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_filled_order_by_its_events(category: str) -> None:
    wire = Wire(category)
    request = wire.place(1, Force.IOC, 50)
    answer = wire.send(request)
    assert answer._replace(uses=()) == VenueAnswer(
        "0-1-PLACE", Verdict.ACCEPTED, text="OK", venue_ms=wire.doors.now_ms
    )
    assert answer.uses == (LimitUse(LimitKind.ORDERS, SECOND, 1, 20 if category == "spot" else 10),)
    events = wire.events()
    updates = [one for one in events if isinstance(one, OrderUpdate)]
    executions = [one for one in events if isinstance(one, Execution)]
    assert updates[-1].status is OrderStatus.FILLED
    assert updates[-1].executed_lots == request.lots == sum(one.lots for one in executions)
    assert {one.client_id for one in (*updates, *executions)} == {request.client_id}
    assert all(wire.bid < one.tick <= request.tick and one.side == 1 and one.fee > 0 for one in executions)
    assert {one.fee_asset for one in executions} == {"BTC" if category == "spot" else "USDT"}
    views = [one for one in events if isinstance(one, AccountView)]
    assert any("USDT" in one.balances for one in views)
    if category == "linear":
        size = Decimal(wire.instrument.lot.text_of(request.lots))
        assert {symbol: size for one in views for symbol in one.positions} == {"BTCUSDT": size}


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    ("force", "offset", "status", "cause"),
    [
        (Force.IOC, -100, OrderStatus.EXPIRED, EndCause.IOC_REST),
        (Force.FOK, -100, OrderStatus.EXPIRED, EndCause.FOK),
        (Force.GTX, 50, OrderStatus.EXPIRED, EndCause.WOULD_TAKE),
        (Force.GTC, -100, OrderStatus.NEW, EndCause.NONE),
        (Force.GTC, 50, OrderStatus.FILLED, EndCause.NONE),
    ],
)
def test_how_orders_end(category: str, force: Force, offset: int, status: Any, cause: Any) -> None:
    wire = Wire(category)
    request = wire.place(-1, force, offset)
    assert wire.send(request).verdict is Verdict.ACCEPTED
    last = wire.of(OrderUpdate)[-1]
    assert (last.status, last.cause, last.tick, last.total_lots) == (
        status,
        cause,
        request.tick,
        request.lots,
    )


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("over_rest", [False, True])
def test_amend_then_cancel(category: str, over_rest: bool) -> None:
    wire = Wire(category)
    request = wire.place()
    wire.send(request)
    assert wire.of(OrderUpdate)[-1].status is OrderStatus.NEW
    fewer = request.lots // 2
    for changes in ({"tick": request.tick - 5}, {"keeps_place": True}):
        amend = request._replace(act=Act.AMEND, lots=fewer, total_lots=fewer, **changes)
        fewer -= 1
        assert wire.send(amend, over_rest=over_rest).verdict is Verdict.ACCEPTED
        last = wire.of(OrderUpdate)[-1]
        assert (last.tick, last.total_lots) == (request.tick - 5, amend.total_lots)
        assert last.client_id == request.client_id
    cancel = request._replace(act=Act.CANCEL)
    assert wire.send(cancel, over_rest=over_rest).verdict is Verdict.ACCEPTED
    last = wire.of(OrderUpdate)[-1]
    assert (last.status, last.cause) == (OrderStatus.CANCELED, EndCause.BY_USER)
    assert wire.send(cancel._replace(attempt=1), over_rest=over_rest).verdict is Verdict.NOT_OPEN
    unknown = cancel._replace(client_id="arb-1-0-999", attempt=2)
    assert wire.send(unknown, over_rest=over_rest).verdict is Verdict.NOT_OPEN
    again = wire.send(request._replace(attempt=3), over_rest=over_rest)
    assert again.verdict is Verdict.EXISTS


@pytest.mark.parametrize("category", CATEGORIES)
def test_refusals(category: str) -> None:
    wire = Wire(category)
    lot = 10**12
    assert wire.send(wire.place(lots=lot)).verdict is Verdict.REFUSED
    assert wire.send(wire.place(tick=1)).verdict is Verdict.REFUSED
    late = wire.place()
    wire.doors.now_ns -= 20 * 10**9
    encoded = wire.orders.encode(late, "late", wire.doors.now_ms)
    wire.doors.now_ns += 20 * 10**9
    socket = wire.sockets["/v5/trade"]
    socket.send(encoded.text)
    answer = wire.orders.decode(socket.texts.pop().encode())
    assert isinstance(answer, VenueAnswer)
    assert (answer.wire_id, answer.verdict, answer.code) == ("late", Verdict.REFUSED, 10002)
    socket.session.is_restarting = True
    answer = wire.send(wire.place())
    assert (answer.verdict, answer.code, answer.is_line_over) == (Verdict.REFUSED, 10019, True)


@pytest.mark.parametrize("category", CATEGORIES)
def test_queries(category: str) -> None:
    wire = Wire(category)
    filled, resting, expired = wire.place(1, Force.IOC, 50), wire.place(), wire.place(1, Force.IOC)
    for request in (filled, resting, expired):
        wire.send(request)
    events = wire.events()
    executions = [one for one in events if isinstance(one, Execution)]

    def ask(act: Act, **fields: Any) -> Any:
        return wire.send(OrderRequest(act, 0, "BTCUSDT", 1, **{"client_id": "", **fields}))

    for request, statuses in ((filled, (OrderStatus.FILLED,)), (expired, (OrderStatus.EXPIRED,))):
        for attempt in (0, 1):
            found = ask(Act.LOOK_UP, client_id=request.client_id, attempt=attempt)
            assert found.verdict is Verdict.FOUND
            assert [one.status for one in found.updates] == list(statuses)
    found = ask(Act.LOOK_UP, client_id=resting.client_id)
    assert found.updates[0]._replace(venue_ms=0) == next(
        one for one in events if isinstance(one, OrderUpdate) and one.client_id == resting.client_id
    )._replace(venue_ms=0)
    by_id = ask(Act.LOOK_UP, venue_order_id=found.updates[0].venue_order_id)
    assert by_id.updates == found.updates
    for client_id, attempt, verdict in (
        ("arb-1-0-999", 0, Verdict.NOT_FOUND),
        ("arb-1-0-999", 1, Verdict.UNKNOWN),
        (resting.client_id, 1, Verdict.UNKNOWN),
    ):
        assert ask(Act.LOOK_UP, client_id=client_id, attempt=attempt).verdict is verdict
    assert [one.client_id for one in ask(Act.OPEN_ORDERS).updates] == [resting.client_id]
    listed = ask(Act.EXECUTIONS, since_ms=wire.doors.now_ms - 60_000)
    assert sorted(listed.executions) == sorted(executions)
    assert ask(Act.EXECUTIONS, venue_order_id=executions[0].venue_order_id).executions == listed.executions
    assert ask(Act.EXECUTIONS, since_ms=wire.doors.now_ms + 1).executions == ()
    assert ask(Act.TIME).venue_ms == wire.doors.now_ms
    assert ask(Act.BALANCES).balances["USDT"] > 0
    assert ask(Act.COMMISSION).text == "maker 0.001 taker 0.001" or category == "linear"
    if category == "linear":
        size = Decimal(wire.instrument.lot.text_of(filled.lots))
        assert ask(Act.POSITION).positions == {"BTCUSDT": size}
        assert ask(Act.MODE) == (Notice(NoticeKind.MODE_CHANGED, "one-way"),)
    else:
        with pytest.raises(ValueError, match="has no request POSITION"):
            ask(Act.POSITION)
    cancelled = ask(Act.CANCEL_ALL)
    assert cancelled.verdict is Verdict.ACCEPTED
    assert ask(Act.OPEN_ORDERS).updates == ()


def test_lists_of_several_pages() -> None:
    wire = Wire("spot")
    count = 53
    for number in range(count):
        wire.send(wire.place(offset=-200 - number))
        wire.doors.advance(0.2)
    query = OrderRequest(Act.OPEN_ORDERS, 0, "BTCUSDT", 1, "")
    first = wire.send(query)
    second = wire.send(query._replace(cursor=first.cursor))
    assert (len(first.updates), len(second.updates), second.cursor) == (50, 3, "")
    ids = [one.client_id for one in (*second.updates, *first.updates)]
    assert ids == [f"arb-1-0-{no:x}" for no in range(1, count + 1)]


def test_events_of_the_other_category_and_of_other_symbols_are_ignored() -> None:
    spot, other = Wire("spot"), BybitUser("linear", HmacSigner("key", "secret"), 5000)
    other.add_leg(0, instrument("linear"))
    spot.user._legs.clear()
    spot.send(spot.place(1, Force.IOC, 50))
    texts = [text.encode() for text in spot.sockets["/v5/private"].texts]
    assert len(texts) > 2
    for user in (spot.user, other):
        kinds = {type(one) for text in texts for one in user.decode(text)}
        assert kinds <= {AccountView}


def test_the_documents_examples() -> None:
    user = BybitUser("linear", HmacSigner("key", "secret"), 5000)
    user.add_leg(0, instrument("linear"))
    (one,) = user.decode(examples("bybit_linear", "topic_execution")[0])
    assert one == Execution(
        "BTCUSDT",
        "",
        "9aac161b-8ed6-450d-9cab-c5cc67c21784",
        "0ab1bdf7-4219-438b-b30a-32ec863018f7",
        -1,
        959001,
        500,
        False,
        Decimal("26.3725275") + Decimal("0.006403779"),
        "USDT",
        1746270400353,
    )
    # Of an option: not this category.
    assert user.decode(examples("bybit_linear", "topic_order")[0]) == ()
    assert user.decode(examples("bybit_linear", "topic_position")[0]) == (
        Notice(NoticeKind.MODE_CHANGED, "hedge"),
    )
    (view,) = user.decode(examples("bybit_linear", "topic_wallet")[0])
    assert view == AccountView({"BTC": Decimal("0.00102964")}, {}, False, 1700034722104)
    auth, pong, subscribed = (user.decode(text)[0] for text in examples("bybit_linear", "private_socket"))
    assert auth == VenueAnswer("auth", Verdict.ACCEPTED)
    assert pong == Notice(NoticeKind.PONG)
    assert subscribed == VenueAnswer("subscribe", Verdict.ACCEPTED)
    orders = BybitOrders("linear", HmacSigner("key", "secret"), 5000)
    texts = examples("bybit_linear", "trade_socket")
    assert orders.decode(texts[0]) == VenueAnswer("auth", Verdict.ACCEPTED, text="OK")
    assert orders.decode(texts[1]) == VenueAnswer(
        "test-005",
        Verdict.ACCEPTED,
        text="OK",
        venue_ms=1711001595209,
        uses=(LimitUse(LimitKind.ORDERS, SECOND, 1, 10),),
    )
    assert orders.decode(texts[3]) == Notice(NoticeKind.PONG)


def test_funding() -> None:
    user = BybitUser("linear", HmacSigner("key", "secret"), 5000)
    user.add_leg(0, instrument("linear"))
    frame = (
        '{"topic":"execution","data":[{"category":"linear","symbol":"BTCUSDT","orderId":"","side":"%s",'
        '"execId":"f1","execType":"Funding","execPrice":"42000.5","execQty":"0.5","execFee":"%s",'
        '"execTime":"1700000000000","isMaker":false,"feeRate":"%s","feeCurrency":""}]}'
    )
    for fee, rate, position in (
        ("2.1", "0.0001", "0.5"),
        ("-2.1", "0.0001", "-0.5"),
        ("-2.1", "-0.0001", "0.5"),
    ):
        for side in ("Buy", "Sell"):
            (found,) = user.decode((frame % (side, fee, rate)).encode())
            assert found == Funding(
                "BTCUSDT", "USDT", -Decimal(fee), float(rate), 42000.5, Decimal(position), 1700000000000
            )


@pytest.mark.parametrize("category", CATEGORIES)
def test_what_is_cut_or_changed_is_never_another_event(category: str) -> None:
    wire = Wire(category)
    wire.send(wire.place(1, Force.IOC, 50))
    for text in [one.encode() for one in wire.sockets["/v5/private"].texts]:
        whole = wire.user.decode(text)
        for end in range(0, len(text), 7):
            with pytest.raises(DecodeError):
                wire.user.decode(text[:end])
        spaced = text.replace(b'":', b'" : ').replace(b',"', b' , "')
        assert wire.user.decode(spaced) == whole
    for garbage in (
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"topic":"order"}',
        b'{"topic":"order","data":{}}',
    ):
        with pytest.raises(DecodeError):
            wire.user.decode(garbage)
        with pytest.raises(DecodeError):
            wire.orders.decode(garbage)


def test_rest_answers_without_an_outcome() -> None:
    wire = Wire("linear")
    asked = wire.orders.encode_rest(wire.place(), "1", 0)
    for status, body, verdict in (
        (0, b"no answer", Verdict.UNKNOWN),
        (200, b"<html>", Verdict.UNKNOWN),
        (500, b'{"retCode":10001,"retMsg":""}', Verdict.UNKNOWN),
        (502, b"", Verdict.UNKNOWN),
        (408, b"", Verdict.UNKNOWN),
        (200, b'{"retCode":10000,"retMsg":"Server Timeout"}', Verdict.UNKNOWN),
        (200, b'{"retCode":10016,"retMsg":"Server error."}', Verdict.UNKNOWN),
        (200, b'{"retCode":170007,"retMsg":""}', Verdict.UNKNOWN),
        (200, b'{"retCode":170146,"retMsg":""}', Verdict.UNKNOWN),
        (200, b'{"retCode":123456,"retMsg":""}', Verdict.UNKNOWN),
        (200, b'{"retCode":10006,"retMsg":""}', Verdict.REFUSED),
        (403, b"403, access too frequent", Verdict.REFUSED),
        (429, b"", Verdict.REFUSED),
        (401, b'{"retCode":10003,"retMsg":"API key is invalid."}', Verdict.REFUSED),
    ):
        answer = wire.orders.decode_rest(asked, status, body, 7)
        assert isinstance(answer, VenueAnswer)
        assert (answer.wire_id, answer.verdict) == ("1", verdict), (status, body)
        assert answer.retry_after_ns == (7 if status in (403, 429) else 0)
