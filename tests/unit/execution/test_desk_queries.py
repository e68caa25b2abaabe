"""What a desk asks a real venue's protocol: look-ups in turn, and lists page by page."""

from __future__ import annotations

from arb.execution.answers import RequestRow
from arb.execution.ids import SessionIds
from arb.execution.venue_desk import Outputs, VenueDesk
from connectors.binance.order_frames import UsdmOrders
from connectors.binance.user_events import UsdmUser
from connectors.bybit.order_frames import BybitOrders
from connectors.bybit.user_events import BybitUser
from connectors.orders.model import Act, Force, Instrument, WireRequest
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner
from connectors.trade.interfaces import LineEvent, Sent
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND, SECOND

START = 1_700_000_000 * SECOND
EMPTY = b'{"retCode":0,"result":{"list":[]},"time":%d}'
EXECUTION = (
    '{"symbol":"BTCUSDT","orderId":"%s","side":"Buy","execId":"%s","execType":"Trade","execPrice":"100","execQty":"0.001",'
    '"execFee":"0.1","execTime":"%d","isMaker":false}'
)


class Bybit:
    """A desk whose requests are all sent, and whose queries have the answers of `bodies`, else nothing."""

    def __init__(self) -> None:
        signer = HmacSigner("key", "secret")
        leg = Instrument("BTCUSDT", DecimalStep("0.1"), DecimalStep("0.001"), "BTC", "USDT", False)
        protocols = BybitOrders("linear", signer, 2000), BybitUser("linear", signer, 2000)
        ids = SessionIds("tests1", 1, START // MILLISECOND)
        self.desk = VenueDesk(
            "bybit_linear",
            *protocols,
            {0: leg},
            ids,
            TradeTimes(),
            2000,
        )
        self.now = START
        self.asked: list[WireRequest] = []
        self.bodies: dict[str, bytes] = {}
        self.due = START
        for where in ("t1", "u1"):
            self.follow(self.desk.on_line(where, LineEvent.UP, "logon", self.now))

    def follow(self, outputs: Outputs) -> None:
        self.due = outputs.due_ns
        for wire in outputs.wires:
            self.asked.append(wire)
            where = "t1" if wire.text else f"r{len(self.asked)}"
            self.follow(self.desk.on_sent(wire.wire_id, Sent(True, where), self.now))
            if wire.method == "GET":
                known = (body for part, body in self.bodies.items() if part in f"{wire.path}?{wire.query}")
                body = next(known, EMPTY % (self.now // MILLISECOND))
                self.follow(self.desk.on_rest(wire.wire_id, 200, body, 0, True, self.now))

    def run(self, span_s: float) -> None:
        end = self.now + int(span_s * SECOND)
        while self.due <= end:
            self.now = max(self.now, self.due)
            self.follow(self.desk.on_tick(self.now))
        self.now = end

    def queries(self, act: Act) -> list[str]:
        return [f"{wire.path}?{wire.query}" for wire in self.asked if wire.act is act]


def test_a_doubt_asks_for_open_orders_and_for_the_history_in_turn() -> None:
    bybit = Bybit()
    row = RequestRow(7, 1, Act.PLACE, 1, Force.IOC, False, 1000, 1, START)
    bybit.follow(bybit.desk.on_request(0, row, bybit.now))
    bybit.run(10)
    paths = [query.partition("?")[0].rpartition("/")[2] for query in bybit.queries(Act.LOOK_UP)]
    assert len(paths) >= 4
    assert paths == ["realtime", "history"] * (len(paths) // 2) + ["realtime"] * (len(paths) % 2)
    assert bybit.desk.doubts
    # No list has it when it can no longer arrive. The history does not count, so both are asked then.
    bybit.run(4)
    assert bybit.desk.doubts
    bybit.run(1)
    assert not bybit.desk.doubts
    assert "history" in bybit.queries(Act.LOOK_UP)[-1]


def test_lists_are_read_to_their_last_page() -> None:
    bybit = Bybit()
    pages = {"cursor=b": ("third", ""), "cursor=a": ("second", "b"), "execution/list": ("first", "a")}
    bybit.bodies = {
        f"{part}": (
            f'{{"retCode":0,"result":{{"list":[{EXECUTION % ("o", name, START // MILLISECOND)}],'
            f'"nextPageCursor":"{cursor}"}},"time":1}}'
        ).encode()
        for part, (name, cursor) in pages.items()
    }
    before = len(bybit.queries(Act.EXECUTIONS))
    bybit.follow(bybit.desk.on_line("u1", LineEvent.LOST, "cut", bybit.now))
    bybit.follow(bybit.desk.on_line("u2", LineEvent.UP, "logon", bybit.now))
    assert bybit.desk.is_up
    asked = bybit.queries(Act.EXECUTIONS)[before:]
    assert [query.rpartition("&")[2] for query in asked] == ["limit=100", "cursor=a", "cursor=b"]


def test_a_stream_that_ends_while_its_connection_stays_is_replaced_and_caught_up() -> None:
    signer = HmacSigner("key", "secret")
    leg = Instrument("BTCUSDT", DecimalStep("0.1"), DecimalStep("0.001"), "BTC", "USDT", False)
    desk = VenueDesk(
        "binance_usdm",
        UsdmOrders(signer, 2000),
        UsdmUser(signer),
        {0: leg},
        SessionIds("tests1", 1, START // MILLISECOND),
        TradeTimes(),
    )
    for where in ("t1", "u1"):
        desk.on_line(where, LineEvent.UP, "signed", START)
    before = desk.facts.catch_ups
    outputs = desk.on_frame("u1", b'{"e":"listenKeyExpired","E":1700000000000,"listenKey":"K"}', START)
    assert outputs.retire == ("u1",)
    row = RequestRow(7, 1, Act.PLACE, 1, Force.IOC, False, 1000, 1, START)
    refused = desk.on_request(0, row, START)
    assert refused.wires == ()
    assert [one.request_no for one in refused.answers] == [1]  # type: ignore[union-attr]
    desk.on_line("u2", LineEvent.UP, "signed", START)
    assert desk.facts.catch_ups == before + 1
    desk.on_line("u1", LineEvent.LOST, "replaced", START)
    assert desk.facts.catch_ups == before + 1
