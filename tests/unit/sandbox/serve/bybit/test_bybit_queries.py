"""Bybit's queries and public endpoints, which are the same at both doors."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from support.bybit_doors import Doors

from arb.sandbox.serve.limits import LIMITS

CATEGORIES = ("linear", "spot")


@pytest.fixture(scope="module")
def shared():
    """Queries leave nothing behind."""
    return Doors()


QUERIES = [
    ("account_info", "/v5/account/info", {}),
    ("fee_rate", "/v5/account/fee-rate", {"category": "spot"}),
    ("fee_rate", "/v5/account/fee-rate", {"category": "linear", "symbol": "BTCUSDT"}),
    ("fee_rate", "/v5/account/fee-rate", {"category": "option"}),
    ("transaction_log", "/v5/account/transaction-log", {}),
    ("query_dcp_info", "/v5/account/query-dcp-info", {}),
    ("query_api", "/v5/user/query-api", {}),
    ("coin_query_info", "/v5/asset/coin/query-info", {}),
    ("coin_query_info", "/v5/asset/coin/query-info", {"coin": "BTC"}),
    ("order_realtime", "/v5/order/realtime", {"category": "inverse"}),
    ("order_realtime", "/v5/order/realtime", {"category": "spot", "orderFilter": "StopOrder"}),
    ("order_history", "/v5/order/history", {"category": "option"}),
    ("execution_list", "/v5/execution/list", {"category": "linear"}),
    ("position_list", "/v5/position/list", {"category": "inverse"}),
    ("wallet_balance", "/v5/account/wallet-balance", {"accountType": "UNIFIED"}),
    ("tickers_spot", "/v5/market/tickers", {"category": "spot"}),
    ("tickers_linear", "/v5/market/tickers", {"category": "linear", "symbol": "BTCUSDT"}),
    ("funding_history", "/v5/market/funding/history", {"category": "linear", "symbol": "BTCUSDT"}),
]


@pytest.mark.parametrize(("name", "path", "fields"), QUERIES)
def test_queries_have_the_same_answer_at_both_doors(shared, name, path, fields):
    shared.advance(1)
    first, second = (
        shared.right(name, "GET", path, fields, venue=venue) for venue in ("bybit_spot", "bybit_linear")
    )
    assert first == second


def test_a_ticker_has_the_touch_and_funding(shared):
    query = {"category": "linear", "symbol": "BTCUSDT"}
    (row,) = shared.right("tickers_linear", "GET", "/v5/market/tickers", query)["list"]
    bid, ask = shared.touch("linear")
    assert (Decimal(row["bid1Price"]), Decimal(row["ask1Price"])) == (bid, ask)
    assert row["fundingRate"]
    history = shared.right("funding_history", "GET", "/v5/market/funding/history", query | {"limit": "2"})[
        "list"
    ]
    times = [int(one["fundingRateTimestamp"]) for one in history]
    assert times[0] - times[1] == 8 * 3_600_000
    assert times[0] <= shared.now_ms


def test_public_endpoints_serve_both_categories_at_either_door(shared):
    for venue in ("bybit_spot", "bybit_linear"):
        for category in CATEGORIES:
            book = shared.ask(
                "GET",
                "/v5/market/orderbook",
                {"category": category, "symbol": "BTCUSDT"},
                key=None,
                venue=venue,
            )
            assert book["result"]["b"]
            info = shared.ask(
                "GET", "/v5/market/instruments-info", {"category": category}, key=None, venue=venue
            )
            assert [one["symbol"] for one in info["result"]["list"]] == ["BTCUSDT"]
        for category in ("inverse", "option"):
            info = shared.ask(
                "GET", "/v5/market/instruments-info", {"category": category}, key=None, venue=venue
            )
            assert info["result"]["list"] == []


def test_the_last_500_closed_orders_are_found_in_real_time():
    doors = Doors(limits=replace(LIMITS["bybit_spot"], uid_factor=0, weight_max=0))
    ids = []
    for _ in range(501):
        ids.append(doors.place(qty="0.001")["result"]["orderId"])
        doors.ask("POST", "/v5/order/cancel", {"category": "linear", "symbol": "BTCUSDT", "orderId": ids[-1]})
    query = {"category": "linear", "symbol": "BTCUSDT"}
    pages = [
        doors.right(
            "order_realtime",
            "GET",
            "/v5/order/realtime",
            query | {"openOnly": "1", "limit": "50", "cursor": no},
        )["list"]
        for no in range(0, 500, 50)
    ]
    assert [one["orderId"] for page in pages for one in page] == ids[:0:-1]
    oldest = {"category": "linear", "orderId": ids[0]}
    assert doors.right("order_realtime", "GET", "/v5/order/realtime", oldest)["list"] == []
    assert len(doors.right("order_history", "GET", "/v5/order/history", oldest)["list"]) == 1
