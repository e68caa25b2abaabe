"""What each venue is sent, and what its control frames and REST answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.venues import VENUES

from connectors.errors import DecodeError, InstrumentError
from connectors.model import ControlKind, Listing, Mark, Stream

BINANCE = ("binance_spot", "binance_usdm")
BYBIT = ("bybit_spot", "bybit_linear")
SPOT, USDM, BYBIT_SPOT, LINEAR = (VENUES[name] for name in (*BINANCE, *BYBIT))


@pytest.mark.parametrize(
    ("venue", "stream", "topic", "route"),
    [
        ("binance_spot", Stream.DEPTH, "btcusdt@depth@100ms", ""),
        ("binance_spot", Stream.KLINE_1M, "btcusdt@kline_1m", ""),
        ("binance_usdm", Stream.DEPTH, "btcusdt@depth@100ms", "public"),
        ("binance_usdm", Stream.TOUCH, "btcusdt@bookTicker", "public"),
        ("binance_usdm", Stream.TRADE, "btcusdt@trade", "public"),
        ("binance_usdm", Stream.AGG_TRADE, "btcusdt@aggTrade", "market"),
        ("binance_usdm", Stream.KLINE_1M, "btcusdt@kline_1m", "market"),
        ("binance_usdm", Stream.MARK_PRICE, "btcusdt@markPrice@1s", "market"),
        ("bybit_spot", Stream.TOUCH, "orderbook.1.BTCUSDT", ""),
        ("bybit_linear", Stream.DEPTH, "orderbook.50.BTCUSDT", ""),
        ("bybit_linear", Stream.TICKER, "tickers.BTCUSDT", ""),
        ("bybit_linear", Stream.MARK_PRICE, "tickers.BTCUSDT", ""),
        ("bybit_linear", Stream.TRADE, "publicTrade.BTCUSDT", ""),
    ],
)
def test_topics_and_routes(venue: str, stream: Stream, topic: str, route: str) -> None:
    assert VENUES[venue].topic(stream, "BTCUSDT") == topic
    assert VENUES[venue].route(stream) == route


@pytest.mark.parametrize(
    ("venue", "stream"),
    [("binance_spot", Stream.MARK_PRICE), ("bybit_spot", Stream.AGG_TRADE), ("binance_usdm", Stream.TICKER)],
)
def test_a_stream_that_a_venue_has_not(venue: str, stream: Stream) -> None:
    with pytest.raises(InstrumentError, match=f"{venue} has no stream"):
        VENUES[venue].topic(stream, "BTCUSDT")


@pytest.mark.parametrize(
    ("venue", "base", "route", "url"),
    [
        ("binance_spot", "wss://stream.binance.com:9443/ws", "", "wss://stream.binance.com:9443/stream"),
        ("binance_spot", "ws://127.0.0.1:9001/stream/", "", "ws://127.0.0.1:9001/stream"),
        ("binance_usdm", "wss://fstream.binance.com", "public", "wss://fstream.binance.com/public/stream"),
        ("binance_usdm", "wss://fstream.binance.com/", "market", "wss://fstream.binance.com/market/stream"),
        ("bybit_linear", "wss://x/v5/public/linear", "", "wss://x/v5/public/linear"),
    ],
)
def test_addresses(venue: str, base: str, route: str, url: str) -> None:
    assert VENUES[venue].url(base, route) == url


def test_subscriptions_and_pings() -> None:
    (request,) = SPOT.requests("subscribe", ["a", "b"], 5)
    assert json.loads(request.frame) == {"method": "SUBSCRIBE", "params": ["a", "b"], "id": 5}
    ten, one = BYBIT_SPOT.requests("unsubscribe", [str(n) for n in range(11)], 1)
    assert json.loads(one.frame) == {"req_id": "2", "op": "unsubscribe", "args": ["10"]}
    assert len(ten.topics) == 10
    assert json.loads(LINEAR.ping(3).frame) == {"req_id": "3", "op": "ping"}
    assert json.loads(SPOT.ping(3).frame) == {"method": "LIST_SUBSCRIPTIONS", "id": 3}


CONTROLS = [
    (BINANCE, '{"result":null,"id":7}', ControlKind.ACK, "7", ""),
    (BINANCE, '{"result":["btcusdt@trade"],"id":7}', ControlKind.PONG, "7", ""),
    (BINANCE, '{"code":2,"msg":"Invalid request","id":7}', ControlKind.ERROR, "7", "2: Invalid request"),
    (BINANCE, '{"error":{"code":2,"msg":"no"},"id":"a"}', ControlKind.ERROR, "a", "2: no"),
    (BINANCE, '{"e":"serverShutdown","E":1}', ControlKind.NOTICE, "", "serverShutdown"),
    (
        BINANCE,
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}',
        ControlKind.NOTICE,
        "",
        "serverShutdown",
    ),
    (
        BYBIT,
        '{"success":true,"ret_msg":"subscribe","conn_id":"2","req_id":"a1","op":"subscribe"}',
        ControlKind.ACK,
        "a1",
        "subscribe",
    ),
    (
        BYBIT,
        '{"success":true,"ret_msg":"","conn_id":"3","req_id":"","op":"subscribe"}',
        ControlKind.ACK,
        "",
        "subscribe",
    ),
    (
        BYBIT,
        '{"success":true,"ret_msg":"pong","conn_id":"0","req_id":"1","op":"ping"}',
        ControlKind.PONG,
        "1",
        "",
    ),
    (BYBIT, '{"op":"pong","args":["1675418560633"],"conn_id":"c"}', ControlKind.PONG, "", ""),
    (
        BYBIT,
        '{"success":false,"ret_msg":"error:handler not found","req_id":"2","op":"subscribe"}',
        ControlKind.ERROR,
        "2",
        "error:handler not found",
    ),
    (BYBIT, '{"success":true,"ret_msg":"","op":"auth","conn_id":"c"}', ControlKind.AUTH, "", ""),
]


@pytest.mark.parametrize(("venues", "frame", "kind", "request_id", "text"), CONTROLS)
def test_control_frames(
    venues: tuple[str, ...], frame: str, kind: ControlKind, request_id: str, text: str
) -> None:
    for venue in venues:
        assert VENUES[venue].control(frame.encode()) == (kind, request_id, text)


def test_topics_do_not_depend_on_the_order_of_keys() -> None:
    assert SPOT.topic_of(b'{"data":{"e":"trade"},"stream":"btcusdt@trade"}') == "btcusdt@trade"
    assert LINEAR.topic_of(b'{"ts":1,"topic":"tickers.BTCUSDT"}') == "tickers.BTCUSDT"


@pytest.mark.parametrize(
    ("venue", "frame", "mark"),
    [
        (
            SPOT,
            '{"stream":"x@depth","data":{"e":"depthUpdate","U":1,"u":9,"b":[]}}',
            Mark("x@depth", "9", order=9),
        ),
        (SPOT, '{"stream":"x@trade","data":{"e":"trade","t":5}}', Mark("x@trade", "5", order=5)),
        (USDM, '{"stream":"x@aggTrade","data":{"a":6,"f":1}}', Mark("x@aggTrade", "6", order=6)),
        (
            USDM,
            '{"stream":"x@markPrice@1s","data":{"e":"m","p":"1"}}',
            Mark("x@markPrice@1s", "", is_start=True),
        ),
        (
            LINEAR,
            '{"topic":"orderbook.50.X","type":"snapshot","data":{"u":1,"seq":8}}',
            Mark("orderbook.50.X", "8", True, 8),
        ),
        (
            LINEAR,
            '{"topic":"orderbook.50.X","type":"delta","data":{"u":2,"seq":9}}',
            Mark("orderbook.50.X", "9", False, 9),
        ),
        (
            LINEAR,
            '{"topic":"orderbook.1.X","type":"snapshot","data":{"u":2,"seq":9}}',
            Mark("orderbook.1.X", "9", False, 9),
        ),
        (
            LINEAR,
            '{"topic":"publicTrade.X","data":[{"i":"a","seq":1},{"i":"b","seq":2}]}',
            Mark("publicTrade.X", "b", False, 2),
        ),
        (LINEAR, '{"topic":"tickers.X","type":"delta","data":{}}', Mark("tickers.X", "", is_start=True)),
    ],
)
def test_marks(venue: object, frame: str, mark: Mark) -> None:
    assert venue.mark(frame.encode()) == mark


def test_requests_and_their_weights() -> None:
    assert SPOT.snapshot_request("BTCUSDT") == ("/api/v3/depth?symbol=BTCUSDT&limit=1000", 50)
    assert USDM.snapshot_request("BTCUSDT") == ("/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20)
    assert LINEAR.snapshot_request("BTCUSDT") is None
    assert SPOT.listings_request(["A", "B"]).path == "/api/v3/exchangeInfo?symbols=%5B%22A%22%2C%22B%22%5D"
    assert USDM.listings_request(["A"]).path == "/fapi/v1/exchangeInfo"
    assert (
        LINEAR.listings_request(["A", "B"]).path == "/v5/market/instruments-info?category=linear&limit=1000"
    )
    assert BYBIT_SPOT.listings_request(["A"]).path == "/v5/market/instruments-info?category=spot&symbol=A"


def test_times() -> None:
    assert SPOT.time_of(b'{"serverTime":1499827319559}') == 1_499_827_319_559_000_000
    answer = b'{"retCode":0,"result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"}}'
    assert LINEAR.time_of(answer) == 1_688_639_403_423_213_947
    for venue in VENUES.values():
        for body in (b"", b"{}", b'{"result":{"timeNano":"x"}}', b'{"serverTime":"now"}'):
            with pytest.raises(DecodeError):
                venue.time_of(body)


BINANCE_INFO = {
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "stepSize": "0.00001"},
                {"filterType": "NOTIONAL", "minNotional": "5.0"},
            ],
        },
        {
            "symbol": "ETHUSDT",
            "status": "BREAK",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.1"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "stepSize": "0.001"},
                {"filterType": "MIN_NOTIONAL", "notional": "20"},
            ],
        },
    ]
}


def test_listings_of_binance() -> None:
    page = SPOT.listings_of(json.dumps(BINANCE_INFO).encode())
    assert page.next is None
    assert page.listings == (
        Listing("BTCUSDT", True, "0.01", "0.00001", "0.00001", "5.0"),
        Listing("ETHUSDT", False, "0.1", "0.001", "0.001", "20"),
    )


def test_listings_of_bybit_and_their_pages() -> None:
    linear = {
        "symbol": "BTCUSDT",
        "status": "Trading",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "minNotionalValue": "5"},
    }
    spot = {
        "symbol": "BTCUSDT",
        "status": "Trading",
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.000011", "minOrderAmt": "5"},
    }
    body = json.dumps({"result": {"list": [linear], "nextPageCursor": "a=b&"}}).encode()
    page = LINEAR.listings_of(body)
    assert page.listings == (Listing("BTCUSDT", True, "0.10", "0.001", "0.001", "5"),)
    assert page.next is not None
    assert page.next.path == "/v5/market/instruments-info?category=linear&limit=1000&cursor=a%3Db%26"
    body = json.dumps({"result": {"list": [spot]}}).encode()
    assert BYBIT_SPOT.listings_of(body) == (
        (Listing("BTCUSDT", True, "0.1", "0.000001", "0.000011", "5"),),
        None,
    )


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"symbols":[{}]}', b'{"result":{"list":[{}]}}', b'{"result":1}']
)
def test_an_answer_that_is_no_listing(venue: str, body: bytes) -> None:
    with pytest.raises(DecodeError):
        VENUES[venue].listings_of(body)


@pytest.mark.parametrize(
    "tick", ["abc", "NaN", "Infinity", "-1", "0", "0.00", "1e-999999", "", 0.1, None, [1], {}]
)
def test_a_step_that_a_venue_lists_is_a_positive_decimal_or_nothing(tick: object) -> None:
    binance = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": tick, "stepSize": tick},
        ],
    }
    bybit = {
        "symbol": "BTCUSDT",
        "status": "Trading",
        "priceFilter": {"tickSize": tick},
        "lotSizeFilter": {"basePrecision": tick, "minOrderQty": tick},
    }
    pages = (
        SPOT.listings_of(json.dumps({"symbols": [binance]}).encode()),
        LINEAR.listings_of(json.dumps({"result": {"list": [bybit]}}).encode()),
    )
    for page in pages:
        (listing,) = page.listings
        assert (listing.symbol, listing.tick_size, listing.lot_size) == ("BTCUSDT", "", "")
        assert listing.min_qty == (tick if tick in ("0", "0.00") else "")


@pytest.mark.parametrize("venue", VENUES)
def test_a_listing_whose_symbol_is_no_text_is_none(venue: str) -> None:
    item = BINANCE_INFO["symbols"][0] | {
        "symbol": ["BTCUSDT"],
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {"qtyStep": "0.001"},
    }
    body = json.dumps({"symbols": [item], "result": {"list": [item]}}).encode()
    with pytest.raises(DecodeError):
        VENUES[venue].listings_of(body)


@pytest.mark.parametrize(
    ("venue", "path"),
    [
        (SPOT, "/api/v3/depth?symbol=AUSDT&limit=5"),
        (USDM, "/fapi/v1/depth?symbol=AUSDT&limit=5"),
        (BYBIT_SPOT, "/v5/market/orderbook?category=spot&symbol=AUSDT&limit=1"),
    ],
)
def test_best_bid_and_ask_are_asked_for(venue: Any, path: str) -> None:
    bids, asks = [["1.5", "3"], ["1.4", "1"]], [["1.6", "2"]]
    body = {"bids": bids, "asks": asks, "result": {"b": bids, "a": asks}}
    assert venue.touch_request("AUSDT").path == path
    assert venue.touch_of(json.dumps(body).encode()) == (1.5, 1.6)
    for broken in ([], [[]], [[1.5]], [["NaN"]], None):
        wrong = body | {"bids": broken, "result": {"b": broken, "a": asks}}
        with pytest.raises(DecodeError):
            venue.touch_of(json.dumps(wrong).encode())
