"""What no document says of Binance spot: both values of each assumption; and requests that make no sense."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.binance_api import HMAC, BinanceMarket

from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.undocumented import DEFAULTS
from connectors.units import MILLISECOND as MS

LIMIT = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "40000",
}  # fmt: skip
MAKER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.01", "price": "44000"}


def assuming(**changes: Any) -> BinanceMarket:
    """A market under other assumptions than the usual ones."""
    assumed = {"binance_spot": replace(DEFAULTS["binance_spot"], **changes)}
    return BinanceMarket(setup=TradingSetup((usual_account(),), (HMAC.key,), undocumented=assumed))


@pytest.mark.parametrize("status", [401, 400])
def test_status_of_errors_about_keys(status: int) -> None:
    market = assuming(key_error_status=status)
    assert market.ask("GET", "/api/v3/account", HMAC).status == 200
    assert market.send(RawRequest("GET", "/api/v3/account")).status == status
    assert market.connect().ask("account.status", None)["status"] == status


@pytest.mark.parametrize(("is_refused", "status", "body"), [(True, 400, None), (False, 200, [])])
def test_cancelling_all_of_no_orders(is_refused: bool, status: int, body: Any) -> None:
    answer = assuming(cancel_all_empty_refused=is_refused).ask(
        "DELETE", "/api/v3/openOrders", symbol="BTCUSDT"
    )
    assert answer.status == status
    assert answer.body == body or answer.body["code"] == -2011


@pytest.mark.parametrize("weight", [1, 10])
def test_weight_of_the_wallet(weight: int) -> None:
    market = assuming(sapi_weight=weight)
    answer = market.ask("GET", "/sapi/v1/bnbBurn")
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


@pytest.mark.parametrize("code", [-1022, -2015])
def test_logon_with_an_hmac_key(code: int) -> None:
    assert assuming(logon_hmac_code=code).connect().ask("session.logon")["error"]["code"] == code


@pytest.mark.parametrize("is_there", [True, False])
def test_the_reference_price(is_there: bool) -> None:
    market = assuming(reference_price=is_there)
    market.advance(3.0)
    answer = market.ask("GET", "/api/v3/referencePrice", None, symbol="BTCUSDT")
    assert (answer.status == 200) == is_there
    assert is_there or answer.body["code"] == -2043
    (rules,) = market.ask("GET", "/api/v3/executionRules", None).body["symbolRules"]
    assert bool(rules["rules"]) == is_there


@pytest.mark.parametrize("mode", ["NONE", "EXPIRE_MAKER"])
def test_the_usual_self_trade_prevention(mode: str) -> None:
    market = assuming(default_stp=mode)
    assert market.ask("POST", "/api/v3/order", **LIMIT).body["selfTradePreventionMode"] == mode
    (symbol,) = market.ask("GET", "/api/v3/exchangeInfo", None).body["symbols"]
    assert symbol["defaultSelfTradePreventionMode"] == mode


@pytest.mark.parametrize(("crossing", "status"), [("refused", 400), ("expires", 200)])
def test_post_only_orders_that_would_take(crossing: str, status: int) -> None:
    market = assuming(post_only_cross=crossing)
    answer = market.ask("POST", "/api/v3/order", **MAKER, newOrderRespType="RESULT")
    assert answer.status == status
    assert answer.body.get("status") == (None if status == 400 else "EXPIRED")


@pytest.mark.parametrize(("meaning", "discount"), [("reduction", "0.25000000"), ("factor", "0.75000000")])
def test_the_discount_in_bnb(meaning: str, discount: str) -> None:
    market = assuming(bnb_discount_is=meaning)
    found = market.ask("GET", "/api/v3/account/commission", symbol="BTCUSDT").body["discount"]
    assert found["discount"] == discount


@pytest.mark.parametrize(("rounding", "mode"), [("half_up", "ROUND_HALF_UP"), ("ceiling", "ROUND_CEILING")])
def test_rounding_of_fees(rounding: str, mode: str) -> None:
    market = assuming(fee_rounding=rounding)
    bid, _ = market.touch()
    sale = LIMIT | {"side": "SELL", "price": str(bid - 100), "quantity": "0.01237", "timeInForce": "IOC"}
    fills = market.ask("POST", "/api/v3/order", **sale).body["fills"]
    assert fills
    for fill in fills:
        exact = Decimal(fill["qty"]) * Decimal(fill["price"]) * Decimal("0.001")
        assert Decimal(fill["commission"]) == exact.quantize(Decimal("1e-8"), mode)


@cache
def usual_market() -> BinanceMarket:
    return BinanceMarket()


def listed(name: str) -> st.SearchStrategy[Any]:
    """What the market has of that name."""
    return st.deferred(lambda: st.sampled_from(sorted(getattr(usual_market().rest.market, name, ()))))


NAMES = st.sampled_from(
    ["symbol", "side", "type", "timeInForce", "quantity", "price", "orderId", "limit", "startTime", "timestamp",
     "recvWindow", "signature", "apiKey", "newClientOrderId", "x"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=6), st.sampled_from(["BTCUSDT", "BUY", "LIMIT", "GTC", "1", "0", "-1", "1e9", "9" * 25])
)
PATHS, METHODS = listed("paths"), listed("methods")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda one: st.lists(one, max_size=2),
    max_leaves=3,
)


@settings(max_examples=150, deadline=None)
@given(PATHS, st.dictionaries(NAMES, VALUES, max_size=6), st.booleans())
def test_any_request_is_answered(path: tuple[str, str], params: dict[str, str], is_signed: bool) -> None:
    market = usual_market()
    market.rest.weights.used = 0
    params = {
        name: value for name, value in params.items() if name not in ("signature", "apiKey") or not is_signed
    }
    answer = market.ask(*path, HMAC if is_signed else None, **params)
    assert answer.status == 200 or answer.body["code"] < 0


@settings(max_examples=150, deadline=None)
@given(METHODS, st.dictionaries(NAMES, JSON, max_size=6), st.text(max_size=5))
def test_any_message_is_answered(method: str, params: dict[str, Any], noise: str) -> None:
    market = usual_market()
    market.rest.weights.used = 0
    socket = market.connect()
    for text in (json.dumps({"id": 1, "method": method, "params": params}), noise):
        socket.session.receive(text, market.now_ns, market.now_ns // MS)
        answer = json.loads(socket.texts.pop())
        assert answer["status"] == 200 or answer["error"]["code"] < 0
