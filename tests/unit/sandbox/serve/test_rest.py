"""REST answers without sockets: limits of depth requests, errors, weights."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from support.simulated import LISTINGS, PRICES, START_NS

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.binance.rest import BinanceRest
from arb.sandbox.serve.bybit.rest import BybitRest
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import LIMITS, Weights, Window
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import SECOND as S


def rest_of(venue: str) -> BinanceRest | BybitRest:
    tape = SeededTape([LISTINGS[venue]], PRICES, default_rng(1), START_NS)
    exchange = Exchange(FAMILIES[venue], tape)
    for line in tape.advance(START_NS + S):
        exchange.instruments["BTCUSDT"].follow(line)
    kind = BybitRest if venue.startswith("bybit") else BinanceRest
    return kind(exchange, {"BTCUSDT": Facts("0.001", "5")}, LIMITS[venue])


def get(rest: BinanceRest | BybitRest, path: str, **query: Any) -> tuple[int, Any, dict[str, str]]:
    texts = {name: str(value) for name, value in query.items()}
    answers: list[Response | None] = []
    rest.answer(RawRequest("GET", path, urlencode(texts)), 0, 1000, answers.append)
    (answer,) = answers
    assert answer is not None
    return answer.status, json.loads(answer.body), answer.headers


@pytest.mark.parametrize(
    ("limit", "levels", "weight"),
    [(5, 5, 5), (100, 100, 5), (101, 101, 25), (500, 500, 25), (1000, None, 50)],
)
def test_depth_of_spot_costs_by_its_limit(limit: int, levels: int | None, weight: int) -> None:
    status, body, headers = get(rest_of("binance_spot"), "/api/v3/depth", symbol="BTCUSDT", limit=limit)
    assert (status, headers["X-MBX-USED-WEIGHT"]) == (200, str(weight))
    assert {"lastUpdateId", "bids", "asks"} == body.keys()
    for side in ("bids", "asks"):
        # The simulated book is smaller than the largest limits.
        assert len(body[side]) == levels if levels else 500 < len(body[side]) < limit
    assert [float(px) for px, _ in body["asks"]] == sorted(float(px) for px, _ in body["asks"])


def test_depth_of_usdm_has_times_and_legal_limits_only() -> None:
    rest = rest_of("binance_usdm")
    status, body, headers = get(rest, "/fapi/v1/depth", symbol="BTCUSDT", limit=1000)
    assert (status, headers["X-MBX-USED-WEIGHT-1M"]) == (200, "20")
    assert {"E", "T"} <= body.keys()
    assert get(rest, "/fapi/v1/depth", symbol="BTCUSDT", limit=42)[1]["code"] == -4021


@pytest.mark.parametrize(
    ("query", "code"),
    [({}, -1102), ({"symbol": "NOPE"}, -1121), ({"symbol": "BTCUSDT", "limit": "x"}, -1100)],
)
def test_what_depth_of_spot_refuses(query: dict[str, str], code: int) -> None:
    status, body, _ = get(rest_of("binance_spot"), "/api/v3/depth", **query)
    assert (status, body["code"]) == (400, code)


def test_orderbook_of_bybit_has_its_own_defaults() -> None:
    for venue, category, levels in (("bybit_spot", "spot", 1), ("bybit_linear", "linear", 25)):
        rest = rest_of(venue)
        _, body, _ = get(rest, "/v5/market/orderbook", category=category, symbol="BTCUSDT")
        assert len(body["result"]["b"]) == len(body["result"]["a"]) == levels
        for query in ({"category": "option"}, {"category": category, "symbol": "NOPE"}):
            assert get(rest, "/v5/market/orderbook", **query)[1]["retCode"] == 10001
        _, body, _ = get(rest, "/v5/market/instruments-info", category=category, status="PreLaunch")
        assert body["result"]["list"] == []


@settings(max_examples=60)
@given(st.text(max_size=8), st.text(max_size=8), st.sampled_from(["BTCUSDT", "", "x"]))
def test_any_query_is_answered(name: str, value: str, symbol: str) -> None:
    for venue, rest in RESTS.items():
        path = "/v5/market/orderbook" if venue.startswith("bybit") else "/api/v3/depth"
        for limit in (value, "5"):
            get(rest, path, **{"symbol": symbol, "limit": limit, "category": venue[6:], f"x{name}": value})


RESTS = {venue: rest_of(venue) for venue in ("binance_spot", "bybit_spot")}


def test_who_ignores_a_429_is_banned_and_let_in_again() -> None:
    weights = Weights(10, 60.0, 120.0)
    assert [weights.spend(5, 0) for _ in range(2)] == [0, 0]
    refusals = [weights.spend(5, S) for _ in range(11)]
    assert refusals == [429] * 10 + [418]
    assert weights.retry_after_s(S) == 120
    assert weights.spend(1, 100 * S) == 418
    assert weights.spend(1, 121 * S) == 0


def test_a_window_slides() -> None:
    window = Window(2, 10.0)
    assert [window.admits(at * S) for at in (0, 5, 9, 10, 12, 15)] == [True, True, False, True, False, True]
    assert window.seconds_left(16 * S) == 4.0
    assert all(Window(0, 1.0).admits(0) for _ in range(5))
