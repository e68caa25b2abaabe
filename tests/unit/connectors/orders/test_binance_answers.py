"""Binance's answers about orders, from the venue's documents and as the websocket API and REST wrap them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from numpy.random import default_rng
from support.venue_orders import SIGNER, GoldenMessage, golden_messages, instrument

from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.errors import DecodeError
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    EndCause,
    Execution,
    Notice,
    NoticeKind,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
    WireRequest,
)

SYMBOLS = ("BTCUSDT", "LTCBTC", "BNBBTC", "LTCBNB", "ETHBTC")


def spot() -> SpotOrders:
    orders = SpotOrders(SIGNER, 2000)
    for leg, symbol in enumerate(SYMBOLS):
        orders.add_leg(leg, instrument(symbol, "0.00000001", "0.00000001"))
    return orders


def usdm() -> UsdmOrders:
    orders = UsdmOrders(SIGNER, 2000)
    orders.add_leg(0, instrument(tick="0.01", lot="0.001", is_spot=False))
    return orders


def asked(act: Act) -> WireRequest:
    return WireRequest(Channel.REST, "w1", act, 0, 5)


def over_socket(orders: SpotOrders | UsdmOrders, status: int, **content: Any) -> VenueAnswer:
    answer = orders.decode(json.dumps({"id": "w1", "status": status, **content}).encode())
    assert isinstance(answer, VenueAnswer)
    return answer


def over_rest(
    orders: SpotOrders | UsdmOrders, act: Act, body: Any, status: int = 200, retry_after_ns: int = 0
) -> VenueAnswer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = orders.decode_rest(asked(act), status, text, retry_after_ns)
    assert isinstance(answer, VenueAnswer)
    return answer


def both(orders: SpotOrders | UsdmOrders, act: Act, text: str) -> VenueAnswer:
    """The answer to a request of the websocket, which is that of REST."""
    body = json.loads(text)
    answer = over_socket(orders, 200, result=body)
    assert over_rest(orders, act, body) == answer
    return answer


def lots(text: str) -> int:
    return int(Decimal(text).scaleb(8))


def one(venue: str, file: str, name: str = "") -> str:
    found = [message.text for message in golden_messages(venue, file) if name in message.name]
    return found[0]


def test_full_gives_the_order_and_its_executions() -> None:
    answer = both(spot(), Act.PLACE, one("binance_spot", "order_full"))
    assert answer.verdict is Verdict.ACCEPTED
    assert answer.venue_ms == 1507725176595
    assert answer.updates == (
        OrderUpdate(
            "BTCUSDT", "6gCrw2kRUAF9CvJDGP16IP", "28", OrderStatus.FILLED, lots("10"), lots("10"), -1,
            EndCause.NONE, 1507725176595,
        ),
    )  # fmt: skip
    assert sum(execution.lots for execution in answer.executions) == lots("10")
    assert [execution.execution_id for execution in answer.executions] == ["56", "57", "58", "59", "60"]
    assert answer.executions[1] == Execution(
        "BTCUSDT", "6gCrw2kRUAF9CvJDGP16IP", "28", "57", -1, lots("3999"), lots("5"), False, Decimal("19.995"),
        "USDT", 1507725176595,
    )  # fmt: skip


def test_result_gives_the_order_and_ack_nothing() -> None:
    result = both(spot(), Act.PLACE, one("binance_spot", "order_result"))
    assert [update.status for update in result.updates] == [OrderStatus.FILLED]
    assert not result.executions
    ack = both(spot(), Act.PLACE, one("binance_spot", "order_ack"))
    assert ack.verdict is Verdict.ACCEPTED
    assert not ack.updates


def test_a_cancellation_names_the_order_and_not_itself() -> None:
    answer = both(spot(), Act.CANCEL, one("binance_spot", "order_cancel"))
    assert answer.updates == (
        OrderUpdate(
            "LTCBTC",
            "myOrder1",
            "4",
            OrderStatus.CANCELED,
            0,
            lots("1"),
            lots("2"),
            EndCause.BY_USER,
            1684804350068,
        ),
    )


def test_cancel_all_gives_each_order() -> None:
    orders = both(spot(), Act.CANCEL_ALL, json.dumps([json.loads(one("binance_spot", "order_cancel"))] * 2))
    assert orders.verdict is Verdict.ACCEPTED
    assert [update.client_id for update in orders.updates] == ["myOrder1", "myOrder1"]
    assert (
        over_rest(usdm(), Act.CANCEL_ALL, one("binance_usdm", "cancel_all").encode()).verdict
        is Verdict.ACCEPTED
    )


def test_an_amended_order_has_its_new_id_and_quantity() -> None:
    answer = both(spot(), Act.AMEND, one("binance_spot", "order_amend"))
    assert answer.updates == (
        OrderUpdate(
            "BTCUSDT", "PFaq6hIHxqFENGfdtn4J6Q", "33", OrderStatus.NEW, 0, lots("5"), lots("6"), EndCause.NONE,
            1741926410255, True,
        ),
    )  # fmt: skip


def test_a_replaced_order_gives_both() -> None:
    answer = both(spot(), Act.AMEND, one("binance_spot", "cancel_replace"))
    assert answer.verdict is Verdict.ACCEPTED
    assert [(update.client_id, update.status) for update in answer.updates] == [
        ("DnLo3vTAQcjha43lAZhZ0y", OrderStatus.CANCELED),
        ("wOceeeOzNORyLiQfw7jd8S", OrderStatus.NEW),
    ]


REPLACE_ERRORS = {
    "the cancellation fails, STOP_ON_FAILURE": (Verdict.NOT_OPEN, 0, "Unknown order sent."),
    "the new order fails": (Verdict.REFUSED, 1, "Order would immediately match and take."),
    "the cancellation fails, ALLOW_FAILURE": (Verdict.UNKNOWN, 0, "undecodable"),
    "both fail": (Verdict.NOT_OPEN, 0, "Unknown order sent."),
    "too many orders, CANCEL_ONLY": (Verdict.REFUSED, 1, "Too many new orders"),
}


@pytest.mark.parametrize("message", golden_messages("binance_spot", "cancel_replace_error"), ids=str)
def test_a_failed_replacement_is_judged_by_its_parts(message: GoldenMessage) -> None:
    error = json.loads(message.text)
    verdict, updates, text = REPLACE_ERRORS[message.name]
    answer = over_socket(spot(), 409, error=error)
    assert (answer.verdict, len(answer.updates)) == (verdict, updates)
    assert answer.text.startswith(text)
    assert all(update.status is OrderStatus.CANCELED for update in answer.updates)
    if verdict is not Verdict.UNKNOWN:
        assert over_rest(spot(), Act.AMEND, error, 409) == answer
    else:
        with pytest.raises(DecodeError):
            over_rest(spot(), Act.AMEND, error, 409)


def test_a_new_order_of_unknown_outcome_leaves_the_replacement_in_doubt() -> None:
    error = json.loads(one("binance_spot", "cancel_replace_error", "the new order fails"))
    error["data"]["newOrderResponse"] = {"code": -1007, "msg": "Timeout"}
    answer = over_socket(spot(), 409, error=error)
    assert answer.verdict is Verdict.UNKNOWN
    assert len(answer.updates) == 1


def test_queries_find_orders_executions_and_the_time() -> None:
    found = both(spot(), Act.LOOK_UP, one("binance_spot", "order_query"))
    assert found.verdict is Verdict.FOUND
    assert [(update.client_id, update.tick) for update in found.updates] == [("myOrder1", lots("0.1"))]
    opened = both(spot(), Act.OPEN_ORDERS, one("binance_spot", "open_orders"))
    assert opened.verdict is Verdict.FOUND
    assert len(opened.updates) == 1
    trades = both(spot(), Act.EXECUTIONS, one("binance_spot", "my_trades"))
    assert trades.executions == (
        Execution(
            "BNBBTC", "", "100234", "28457", 1, lots("4.000001"), lots("12"), False, Decimal("10.1"), "BNB",
            1499865549590,
        ),
    )  # fmt: skip
    assert both(spot(), Act.OPEN_ORDERS, "[]") == VenueAnswer("w1", Verdict.FOUND)
    assert both(spot(), Act.TIME, one("binance_spot", "time")).venue_ms > 0


def test_a_full_page_of_executions_says_where_the_next_one_begins() -> None:
    (trade,) = json.loads(one("binance_spot", "my_trades"))
    page = [trade | {"id": number} for number in range(1, 1001)]
    full = both(spot(), Act.EXECUTIONS, json.dumps(page))
    assert (len(full.executions), full.cursor) == (1000, "1001")
    assert both(spot(), Act.EXECUTIONS, json.dumps(page[1:])).cursor == ""


def test_usdm_answers() -> None:
    placed = both(usdm(), Act.PLACE, one("binance_usdm", "order_place"))
    assert placed.verdict is Verdict.ACCEPTED
    assert placed.venue_ms == 1566818724722
    assert placed.updates == (
        OrderUpdate(
            "BTCUSDT", "testOrder", "22542179", OrderStatus.NEW, 0, 10_000, -1, EndCause.NONE, 1566818724722
        ),
    )
    (cancelled,) = both(usdm(), Act.CANCEL, one("binance_usdm", "order_cancel")).updates
    assert (cancelled.client_id, cancelled.status) == ("myOrder1", OrderStatus.CANCELED)
    (modified,) = both(usdm(), Act.AMEND, one("binance_usdm", "order_modify")).updates
    assert (modified.client_id, modified.tick, modified.total_lots) == (
        "LJ9R4QZDihCaS8UAOOLpgW",
        3_000_500,
        1000,
    )
    assert both(usdm(), Act.LOOK_UP, one("binance_usdm", "order_query")).verdict is Verdict.FOUND
    assert len(over_rest(usdm(), Act.OPEN_ORDERS, one("binance_usdm", "open_orders").encode()).updates) == 1
    (trade,) = over_rest(usdm(), Act.EXECUTIONS, one("binance_usdm", "user_trades").encode()).executions
    assert (trade.side, trade.tick, trade.lots, trade.fee) == (-1, 781_901, 2, Decimal("0.0781901"))


@pytest.mark.parametrize(
    ("status", "force", "cause"),
    [
        ("EXPIRED", "IOC", EndCause.IOC_REST),
        ("EXPIRED", "FOK", EndCause.FOK),
        ("EXPIRED_IN_MATCH", "GTC", EndCause.SELF_TRADE),
    ],
)
def test_the_result_of_an_order_that_expired_has_a_cause(status: str, force: str, cause: EndCause) -> None:
    body = json.loads(one("binance_usdm", "order_place")) | {"status": status, "timeInForce": force}
    (update,) = both(usdm(), Act.PLACE, json.dumps(body)).updates
    assert (update.status, update.cause) == (OrderStatus.EXPIRED, cause)


def test_accounts() -> None:
    account = spot().decode_rest(asked(Act.BALANCES), 200, one("binance_spot", "account").encode(), 0)
    assert isinstance(account, AccountView)
    assert account.balances["BTC"] == Decimal("4723846.89208129")
    wallets = usdm().decode_rest(asked(Act.BALANCES), 200, one("binance_usdm", "balances").encode(), 0)
    assert isinstance(wallets, AccountView)
    assert wallets.balances == {"USDT": Decimal("122607.35137903")}
    held = usdm().decode_rest(asked(Act.POSITION), 200, one("binance_usdm", "positions_v3").encode(), 0)
    assert isinstance(held, AccountView)
    assert held.positions == {"BTCUSDT": 0, "ADAUSDT": 30}
    mode = usdm().decode_rest(asked(Act.MODE), 200, one("binance_usdm", "position_mode").encode(), 0)
    assert mode == (Notice(NoticeKind.MODE_CHANGED, "hedge"),)
    assert over_rest(usdm(), Act.COMMISSION, one("binance_usdm", "commission_rate").encode()).text == (
        "maker 0.0002 taker 0.0004"
    )
    assert over_rest(spot(), Act.COMMISSION, one("binance_spot", "commission").encode()).text.startswith(
        "maker 0."
    )
    key = over_rest(usdm(), Act.LISTEN_KEY, one("binance_usdm", "listen_key").encode())
    assert (key.verdict, key.text[:4]) == (Verdict.ACCEPTED, "pqia")
    assert over_rest(usdm(), Act.RENEW_KEY, {}).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("message", golden_messages("binance_spot", "socket_answer"), ids=str)
def test_an_answer_as_the_venue_wraps_it(message: GoldenMessage) -> None:
    answer = spot().decode(message.text.encode())
    assert isinstance(answer, VenueAnswer)
    expected = {
        "success": (Verdict.ACCEPTED, 0, 0, False),
        "failure": (Verdict.REFUSED, -2010, 0, False),
        "banned": (Verdict.REFUSED, -1003, (1659146400000 - 1659142907531) * 1_000_000, False),
        "a revoked key": (Verdict.REFUSED, -2015, 0, True),
    }
    assert (answer.verdict, answer.code, answer.retry_after_ns, answer.is_line_over) == expected[message.name]
    assert answer.wire_id == (json.loads(message.text)["id"] or "")


def test_what_is_no_answer_is_a_notice() -> None:
    shutdown = spot().decode(one("binance_spot", "event_shutdown").encode())
    assert shutdown == Notice(NoticeKind.SHUTDOWN, "serverShutdown")
    assert over_socket(spot(), 200, result={"subscriptionId": 0}).verdict is Verdict.ACCEPTED
    logon = over_socket(spot(), 200, result=json.loads(one("binance_spot", "session", "logon")))
    assert logon.verdict is Verdict.ACCEPTED
    assert logon.venue_ms == 1649729878630


def test_orders_of_other_symbols_are_left_out() -> None:
    body = json.loads(one("binance_spot", "order_query")) | {"symbol": "XYZ", "executedQty": "0.123456789"}
    assert both(spot(), Act.OPEN_ORDERS, json.dumps([body])) == VenueAnswer("w1", Verdict.FOUND)


ANSWERS = [
    "order_ack", "order_result", "order_full", "order_cancel", "order_amend", "cancel_replace", "order_query",
    "my_trades", "time",
]  # fmt: skip


@pytest.mark.parametrize("message", golden_messages("binance_spot", *ANSWERS), ids=str)
def test_a_cut_answer_is_refused(message: GoldenMessage) -> None:
    frame = f'{{"id":"w1","status":200,"result":{message.text}}}'.encode()
    orders = spot()
    for end in range(len(frame)):
        with pytest.raises(DecodeError):
            orders.decode(frame[:end])
    body = message.text.encode()
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            orders.decode_rest(asked(Act.PLACE), 200, body[:end], 0)


def test_garbage_is_refused_or_leaves_the_request_in_doubt() -> None:
    rng = default_rng(5)
    orders = spot()
    frame = f'{{"id":"w1","status":200,"result":{one("binance_spot", "order_full")}}}'.encode()
    good = orders.decode(frame)
    for _ in range(3000):
        spoilt = bytearray(frame)
        # Not a digit: another number is another valid answer.
        places = [place for place in rng.integers(0, len(frame), 3) if not chr(frame[place]).isdigit()]
        for place in places:
            spoilt[place] = rng.choice(list(b'{}[]",:\x00\xff x'))
        try:
            answer = orders.decode(bytes(spoilt))
        except DecodeError:
            continue
        assert isinstance(answer, VenueAnswer)
        assert answer.verdict in (Verdict.UNKNOWN, Verdict.ACCEPTED)
        if answer.verdict is Verdict.ACCEPTED:
            numbers = [(update.executed_lots, update.total_lots) for update in answer.updates]
            assert isinstance(good, VenueAnswer)
            assert (
                numbers == [(update.executed_lots, update.total_lots) for update in good.updates]
                or not numbers
            )


@pytest.mark.parametrize(
    "change",
    [
        {"status": "SOMETHING"}, {"executedQty": "x"}, {"executedQty": "-1.0"}, {"executedQty": "0.000000001"},
        {"price": None}, {"origQty": None}, {"executedQty": None},
    ],
)  # fmt: skip
def test_an_answer_of_unknown_content_leaves_its_request_in_doubt(change: dict[str, Any]) -> None:
    body = json.loads(one("binance_spot", "order_full")) | change
    answer = over_socket(spot(), 200, result=body)
    assert (answer.wire_id, answer.verdict) == ("w1", Verdict.UNKNOWN)
    assert answer.text.startswith("undecodable")
    assert not answer.updates
    assert not answer.executions
    with pytest.raises(DecodeError):
        over_rest(spot(), Act.PLACE, body)
