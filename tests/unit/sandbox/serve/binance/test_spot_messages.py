"""Every answer and event of Binance spot passes the decoder that the documents' examples pass."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import tomli
from support.binance_api import ED25519, HMAC, OTHER, BinanceMarket, Socket
from support.paths import GOLDEN
from support.venue_messages.binance_spot import DECODERS

from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS

PATHS = sorted((GOLDEN / "binance_spot" / "messages").glob("*.toml"))
LIMIT = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "40000",
}  # fmt: skip
#: The golden file of each operation's answer, by method of the websocket API, or by REST path.
ANSWERS = {
    "order.place": "order_full",
    "order.test": "order_test",
    "order.cancel": "order_cancel",
    "order.cancelReplace": "cancel_replace",
    "order.amend.keepPriority": "order_amend",
    "openOrders.cancelAll": "orders_cancelled",
    "order.status": "order_query",
    "openOrders.status": "open_orders",
    "allOrders": "all_orders",
    "myTrades": "my_trades",
    "account.status": "account",
    "account.commission": "commission",
    "account.rateLimits.orders": "order_limits",
    "ping": "ping",
    "time": "time",
    "exchangeInfo": "exchange_info",
    "session.logon": "session",
    "session.status": "session",
    "session.logout": "session",
    "session.subscriptions": "subscriptions",
    "userDataStream.subscribe": "subscription",
    "userDataStream.subscribe.signature": "subscription",
    "userDataStream.unsubscribe": "unsubscribed",
    "/api/v3/executionRules": "execution_rules",
    "/api/v3/referencePrice": "reference_price",
    "/sapi/v1/account/apiRestrictions": "restrictions",
    "/sapi/v1/bnbBurn": "bnb_burn",
    "/sapi/v1/asset/tradeFee": "trade_fee",
    "/sapi/v1/capital/config/getall": "coins",
    "/sapi/v1/margin/allPairs": "margin_pairs",
    "/sapi/v1/margin/isolated/allPairs": "margin_pairs",
}
#: Switched off at the venue: they answer with an error.
RETIRED = ("userDataStream.start", "userDataStream.ping", "userDataStream.stop")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_examples_of_the_documents_decode(path: Any) -> None:
    content = tomli.loads(path.read_text(encoding="utf-8"))
    assert content["source"]
    assert content["read"]
    assert content["request"]
    for message in content["message"]:
        DECODERS[path.stem].decode(message["text"])


def test_there_is_a_golden_file_for_every_answer_and_every_decoder() -> None:
    assert DECODERS.keys() == {path.stem for path in PATHS}
    market = BinanceMarket().rest.market
    assert market is not None
    of_rest = {path for method, path in market.paths if path.startswith("/sapi")}
    of_rest |= {"/api/v3/executionRules", "/api/v3/referencePrice"}
    assert ANSWERS.keys() | set(RETIRED) == market.methods.keys() | of_rest
    shared = {id(one) for one in market.methods.values()}
    alone = {path for (_, path), one in market.paths.items() if id(one) not in shared}
    assert alone == of_rest


class Checked:
    """Asks on both ways and checks the answers."""

    def __init__(self, market: BinanceMarket) -> None:
        self.market = market
        self.socket: Socket = market.connect()
        self.names: set[str] = set()

    def decode(self, name: str, value: Any) -> Any:
        self.names.add(name)
        DECODERS[name].decode(json.dumps(value))
        return value

    def ask(self, method: str, key: Any = HMAC, name: str | None = None, **params: Any) -> Any:
        answer = self.decode("socket_answer", self.socket.ask(method, key, **params))
        if "error" in answer:
            return answer["error"]
        return self.decode(name or ANSWERS[method], answer["result"])

    def get(self, method: str, path: str, name: str, key: Any = HMAC, **params: Any) -> Any:
        answer = self.market.ask(method, path, key, **params)
        return self.decode(name, answer.body)

    def events(self) -> list[Any]:
        """The events that have arrived, checked."""
        names = {
            "executionReport": "event_order", "outboundAccountPosition": "event_account",
            "balanceUpdate": "event_balance", "eventStreamTerminated": "event_terminated",
        }  # fmt: skip
        texts, self.socket.texts[:] = list(self.socket.texts), []
        events = []
        for text in texts:
            envelope = json.loads(text)
            event = envelope["event"]
            name = "event_shutdown" if "subscriptionId" not in envelope else names[event["e"]]
            self.names.add(name)
            DECODERS[name].decode(text)
            events.append(event)
        return events


def test_every_answer_and_event_of_the_sandbox_decodes() -> None:
    market = BinanceMarket()
    client = Checked(market)
    bid, ask = market.touch()
    client.ask("userDataStream.subscribe.signature")
    # orders
    one = client.ask("order.place", **LIMIT, strategyId=1, strategyType=1_000_000)
    for form in ("ACK", "RESULT"):
        client.ask("order.place", name=f"order_{form.lower()}", **LIMIT, newOrderRespType=form)
    client.ask("order.test", **LIMIT)
    client.ask("order.test", **LIMIT, computeCommissionRates="true")
    amended = client.ask(
        "order.amend.keepPriority", symbol="BTCUSDT", orderId=one["orderId"], newQty="0.005"
    )["amendedOrder"]
    assert amended["origClientOrderId"] == one["clientOrderId"] != amended["clientOrderId"]
    new = LIMIT | {"cancelReplaceMode": "STOP_ON_FAILURE"}
    client.ask("order.cancelReplace", **new, cancelOrderId=one["orderId"])
    client.ask("order.status", symbol="BTCUSDT", orderId=one["orderId"])
    client.ask("openOrders.status", symbol="BTCUSDT")
    cancelled = client.ask("openOrders.cancelAll", symbol="BTCUSDT")
    assert len(cancelled) == 3
    taken = client.ask("order.place", **LIMIT | {"price": str(ask + 10), "timeInForce": "IOC"})
    assert (taken["status"], taken["fills"][0]["commissionAsset"]) == ("FILLED", "BTC")
    expired = client.ask("order.place", **LIMIT | {"timeInForce": "IOC"})
    assert (expired["status"], expired["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    client.ask("order.place", symbol="BTCUSDT", side="SELL", type="MARKET", quoteOrderQty="100")
    # errors of cancelReplace: (mode, order to cancel, price of a LIMIT_MAKER)
    for mode, cancel_id, price, status, code in (
        ("STOP_ON_FAILURE", 1, bid - 100, 400, -2022),
        ("ALLOW_FAILURE", 1, bid - 100, 409, -2021),
        ("ALLOW_FAILURE", 1, ask + 100, 400, -2022),
    ):
        answer = market.ask(
            "POST", "/api/v3/order/cancelReplace", symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER",
            quantity="0.01", price=str(price), cancelReplaceMode=mode, cancelOrderId=cancel_id,
        )  # fmt: skip
        assert (answer.status, answer.body["code"]) == (status, code)
        client.decode("cancel_replace_error", answer.body)
    one = client.ask("order.place", **LIMIT)
    crossing = new | {"type": "LIMIT_MAKER", "price": str(ask + 100), "cancelOrderId": one["orderId"]}
    del crossing["timeInForce"]
    assert client.ask("order.cancelReplace", **crossing)["code"] == -2021
    # a self-trade
    resting = LIMIT | {"side": "SELL", "price": str(ask - (ask - bid) / 2 if ask - bid > 1 else ask + 1)}
    client.ask("order.place", **resting, selfTradePreventionMode="EXPIRE_MAKER")
    taker = resting | {"side": "BUY", "timeInForce": "IOC", "quantity": "9"}
    prevented = client.ask("order.place", **taker, selfTradePreventionMode="EXPIRE_TAKER")
    assert prevented["status"] == "EXPIRED_IN_MATCH"
    # queries
    client.ask("allOrders", symbol="BTCUSDT")
    client.ask("myTrades", symbol="BTCUSDT")
    client.ask("account.status")
    client.ask("account.commission", symbol="BTCUSDT")
    client.ask("account.rateLimits.orders")
    for method in ("ping", "time", "exchangeInfo"):
        client.ask(method, None)
    for path in ANSWERS:
        if path.startswith("/"):
            key = None if path.startswith("/api") else HMAC
            client.get("GET", path, ANSWERS[path], key, **({"symbol": "BTCUSDT"} if "refer" in path else {}))
    client.decode("error", client.ask("order.cancel", symbol="BTCUSDT", orderId=1))
    client.ask("order.cancel", symbol="BTCUSDT", orderId=client.ask("order.place", **LIMIT)["orderId"])
    market.trading.desks["binance_spot"].settlement.transfer("main", "BTC", ask, market.now_ns)
    market.trading.advance(market.now_ns)
    market.trading.receive(next(iter(market._tape.advance(market.now_ns + 10**9))), market.now_ns)
    # the session
    assert client.ask("session.subscriptions", None) == [{"subscriptionId": 0}]
    client.ask("session.logon", ED25519)
    assert client.ask("userDataStream.subscribe", None)["code"] == -2035
    client.ask("userDataStream.unsubscribe", None)
    client.ask("userDataStream.subscribe", None)
    client.ask("session.status", None)
    client.ask("session.logout", None)
    client.socket.texts.append(client.socket.session.shutdown_notice(market.now_ns) or "")
    events = client.events()
    kinds = {event["x"] for event in events if event["e"] == "executionReport"}
    assert kinds == {"NEW", "TRADE", "CANCELED", "EXPIRED", "REPLACED", "TRADE_PREVENTION", "REJECTED"}
    assert {event["e"] for event in events} >= {"balanceUpdate", "eventStreamTerminated", "serverShutdown"}
    assert client.names == DECODERS.keys()
    market.trading.account("binance_spot", "main").ledger.check()


def test_the_reports_of_an_order_follow_the_document() -> None:
    market = BinanceMarket()
    client = Checked(market)
    client.ask("userDataStream.subscribe.signature")
    placed = client.ask("order.place", **LIMIT, newClientOrderId="mine")
    new, position = client.events()
    assert (new["x"], new["X"], new["c"], new["C"], new["i"]) == ("NEW", "NEW", "mine", "", placed["orderId"])
    assert (new["q"], new["p"], new["w"], new["t"], new["N"]) == (
        "0.01000000", "40000.00000000", True, -1, None,
    )  # fmt: skip
    assert {one["a"]: one["l"] for one in position["B"]}["USDT"] == "400.00000000"
    done = client.ask("order.cancel", symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="cancel-1")
    assert (done["clientOrderId"], done["origClientOrderId"], done["status"]) == (
        "cancel-1",
        "mine",
        "CANCELED",
    )
    cancelled, position = client.events()
    assert (cancelled["x"], cancelled["c"], cancelled["C"], cancelled["w"]) == (
        "CANCELED",
        "cancel-1",
        "mine",
        False,
    )
    assert {one["a"]: one["l"] for one in position["B"]}["USDT"] == "0.00000000"
    _, ask = market.touch()
    taken = client.ask("order.place", **LIMIT | {"price": str(ask + 100), "quantity": "5"})
    reports = [
        event for event in client.events() if event["e"] == "executionReport" and event["x"] == "TRADE"
    ]
    assert [report["t"] for report in reports] == [fill["tradeId"] for fill in taken["fills"]]
    assert [report["n"] for report in reports] == [fill["commission"] for fill in taken["fills"]]
    assert (reports[-1]["z"], reports[-1]["Z"]) == (taken["executedQty"], taken["cummulativeQuoteQty"])


def test_only_the_owner_receives_events() -> None:
    market = BinanceMarket()
    own, other = Checked(market), Checked(market)
    own.ask("userDataStream.subscribe.signature")
    other.ask("userDataStream.subscribe.signature", OTHER)
    assert other.ask("userDataStream.subscribe.signature", HMAC)["subscriptionId"] == 1
    market.ask("POST", "/api/v3/order", OTHER, **LIMIT)
    assert own.events() == []
    assert {event["e"] for event in other.events()} == {"executionReport", "outboundAccountPosition"}
    assert other.ask("userDataStream.unsubscribe", None, subscriptionId=7)["code"] == -2036
    other.ask("userDataStream.unsubscribe", None, subscriptionId=0)
    other.events()
    market.ask("POST", "/api/v3/order", OTHER, **LIMIT)
    assert other.events() == []
    market.ask("POST", "/api/v3/order", HMAC, **LIMIT)
    assert len(other.events()) == len(own.events()) == 2
    own.socket.session.closed()
    market.ask("POST", "/api/v3/order", HMAC, **LIMIT)
    assert own.events() == []


def test_sessions_log_on_with_ed25519_only() -> None:
    market = BinanceMarket()
    client = Checked(market)
    assert client.ask("session.status", None)["apiKey"] is None
    refused = client.ask("session.logon", HMAC)
    assert refused["code"] == -1022
    assert client.ask("userDataStream.subscribe", None)["code"] == -2014
    assert client.ask("session.logon", ED25519)["apiKey"] == ED25519.key.id
    assert client.ask("account.status", None)["code"] == -1102  # the time is still needed
    now_ms = market.now_ns // 1_000_000
    assert client.ask("account.status", None, timestamp=now_ms)["accountType"] == "SPOT"
    assert client.ask("account.status", None, timestamp=now_ms - 6000)["code"] == -1021
    other = client.ask("account.status", OTHER)  # a key of its own
    assert other["uid"] != client.ask("account.status", None, timestamp=now_ms)["uid"]
    client.ask("userDataStream.subscribe", None)
    client.ask("userDataStream.subscribe.signature", OTHER)
    assert client.ask("session.status", None)["userDataStream"]
    client.ask("session.logout", None)
    assert client.ask("session.subscriptions", None) == [{"subscriptionId": 1}]
    assert client.ask("account.status", None, timestamp=now_ms)["code"] == -2014


def test_a_revoked_key_ends_the_session_at_its_next_request() -> None:
    market = BinanceMarket()
    client = Checked(market)
    client.ask("session.logon", ED25519)
    key = market.trading.keys.find("binance", ED25519.key.id)
    assert key is not None
    key.is_revoked = True
    try:
        client.socket.send("ping")
        (text,) = client.socket.texts
        answer = client.decode("socket_answer", json.loads(text))
        assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
        client.socket.texts.clear()
        assert client.ask("session.status", None)["apiKey"] is None
    finally:
        key.is_revoked = False


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_TAKER", ("EXPIRED_IN_MATCH", "0.03000000"), ("NEW", None)),
        ("EXPIRE_MAKER", ("EXPIRED", None), ("EXPIRED_IN_MATCH", "0.01000000")),
        ("EXPIRE_BOTH", ("EXPIRED_IN_MATCH", "0.03000000"), ("EXPIRED_IN_MATCH", "0.01000000")),
        ("DECREMENT", ("EXPIRED", "0.01000000"), ("EXPIRED_IN_MATCH", "0.01000000")),
    ],
)
def test_self_trade_prevention_is_reported_as_documented(
    mode: str, taker: tuple[str, str | None], maker: tuple[str, str | None]
) -> None:
    """A purchase of 0.03 meets an own sale of 0.01 that is better than the market's offers."""
    market = BinanceMarket()
    while (touch := market.touch())[1] - touch[0] < Decimal("0.02"):
        market.advance(0.1)
    client = Checked(market)
    price = str(touch[1] - Decimal("0.01"))
    client.ask("userDataStream.subscribe.signature")
    own = client.ask("order.place", **LIMIT | {"side": "SELL", "price": price})
    new = LIMIT | {"price": price, "quantity": "0.03", "timeInForce": "IOC", "selfTradePreventionMode": mode}
    taken = client.ask("order.place", **new)
    assert (taken["status"], taken.get("preventedQuantity")) == taker
    found = client.ask("order.status", symbol="BTCUSDT", orderId=own["orderId"])
    assert (found["status"], found.get("preventedQuantity")) == maker
    reports = {event["i"]: event for event in client.events() if event.get("x") == "TRADE_PREVENTION"}
    for order, (status, quantity) in ((taken, taker), (found, maker)):
        assert (order["orderId"] in reports) == (quantity is not None)
        if quantity is not None:
            report = reports[order["orderId"]]
            assert (report["A"], report["pl"], report["pL"]) == (quantity, "0.01000000", found["price"])
            assert report["U"] == (own if order is taken else taken)["orderId"]
            assert status != "EXPIRED_IN_MATCH" or report["X"] == status


@pytest.mark.parametrize(
    ("answer_ms", "event_ms", "first"), [(20, 0, "event"), (0, 20, "answer"), (20, 20, "answer")]
)
def test_an_event_may_arrive_before_its_answer(answer_ms: int, event_ms: int, first: str) -> None:
    delays = Delays((5 * MS, 5 * MS), (answer_ms * MS, answer_ms * MS), (event_ms * MS, event_ms * MS))
    setup = TradingSetup((usual_account(),), (HMAC.key,), delays={"binance_spot": delays})
    market = BinanceMarket(setup=setup)
    socket = market.connect()
    socket.send("userDataStream.subscribe.signature", **socket.signed(HMAC, {}))
    market.advance(0.1)
    socket.texts.clear()
    sent_ns = market.now_ns
    socket.send("order.place", **socket.signed(HMAC, LIMIT))
    assert not socket.texts
    market.advance(0.1)
    found = ["event" if "event" in json.loads(text) else "answer" for text in socket.texts]
    assert sorted(found) == ["answer", "event", "event"]
    assert found[0] == first
    answer = next(one for text in socket.texts if "result" in (one := json.loads(text)))
    assert answer["result"]["transactTime"] == sent_ns // MS + 5


def test_a_short_window_ends_before_the_matching_engine() -> None:
    delays = Delays(arrival_ns=(20 * MS, 20 * MS))
    market = BinanceMarket(
        setup=TradingSetup((usual_account(),), (HMAC.key,), delays={"binance_spot": delays})
    )
    late = market.ask("POST", "/api/v3/order", **LIMIT, recvWindow="10")
    assert (late.status, late.body["code"]) == (400, -1021)
    assert market.ask("POST", "/api/v3/order", **LIMIT, recvWindow="20").status == 200
    assert len(market.trading.desks["binance_spot"].open_orders("main")) == 1


@pytest.mark.parametrize(
    ("mode", "exceeded", "is_known", "is_over", "status", "code", "results"),
    [
        ("STOP_ON_FAILURE", "DO_NOTHING", True, False, 200, None, ("SUCCESS", "SUCCESS")),
        ("STOP_ON_FAILURE", "DO_NOTHING", False, False, 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        ("STOP_ON_FAILURE", "DO_NOTHING", True, True, 429, -1015, None),
        ("STOP_ON_FAILURE", "CANCEL_ONLY", False, True, 429, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        ("STOP_ON_FAILURE", "CANCEL_ONLY", True, True, 429, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", "DO_NOTHING", False, False, 409, -2021, ("FAILURE", "SUCCESS")),
        ("ALLOW_FAILURE", "DO_NOTHING", False, True, 429, -1015, None),
        ("ALLOW_FAILURE", "CANCEL_ONLY", False, True, 400, -2022, ("FAILURE", "FAILURE")),
        ("ALLOW_FAILURE", "CANCEL_ONLY", True, True, 409, -2021, ("SUCCESS", "FAILURE")),
    ],
)
def test_the_documents_table_of_cancel_replace(
    mode: str, exceeded: str, is_known: bool, is_over: bool, status: int, code: int | None, results: Any
) -> None:
    market = BinanceMarket()
    placed = market.ask("POST", "/api/v3/order", **LIMIT).body["orderId"]
    while is_over and market.ask("POST", "/api/v3/order", **LIMIT).status == 200:
        pass
    before = market.ask("GET", "/api/v3/rateLimit/order").body[0]["count"]
    request = LIMIT | {"cancelReplaceMode": mode, "orderRateLimitExceededMode": exceeded}
    answer = market.ask(
        "POST", "/api/v3/order/cancelReplace", **request, cancelOrderId=placed if is_known else 1
    )
    assert (answer.status, answer.body.get("code")) == (status, code)
    data = answer.body if code is None else answer.body.get("data")
    assert (data and (data["cancelResult"], data["newOrderResult"])) == results
    counted = market.ask("GET", "/api/v3/rateLimit/order").body[0]["count"] - before
    assert counted == (0 if is_over else 1)


def test_a_replacement_that_is_refused_is_reported() -> None:
    market = BinanceMarket()
    client = Checked(market)
    client.ask("userDataStream.subscribe.signature")
    one = client.ask("order.place", **LIMIT)
    client.events()
    request = LIMIT | {"cancelReplaceMode": "STOP_ON_FAILURE", "quantity": "100", "newClientOrderId": "large"}
    client.ask("order.cancelReplace", **request, cancelOrderId=one["orderId"])
    rejected = next(event for event in client.events() if event.get("x") == "REJECTED")
    found = (rejected["X"], rejected["r"], rejected["c"], rejected["w"])
    assert found == ("REJECTED", "INSUFFICIENT_BALANCES", "large", False)
