"""Random requests at Bybit's doors: every one has an answer in the venue's form, and the ledger stays right."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bybit_doors import Doors

from arb.sandbox.serve.bybit.endpoints import ENDPOINTS, OPERATIONS
from arb.sandbox.serve.limits import LIMITS

FREE = replace(LIMITS["bybit_spot"], uid_factor=0, weight_max=0)

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.text(max_size=50),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.sampled_from(
        ["0", "-1", "1e9", "9" * 24, "0." + "0" * 17 + "1", "9" * 24 + "." + "9" * 18, "NaN", "\ud7ff"]
    ),
)
RIGHT = {
    "category": ["linear", "spot", "inverse"],
    "symbol": ["BTCUSDT", "ETHUSDT"],
    "side": ["Buy", "Sell"],
    "orderType": ["Limit", "Market"],
    "qty": ["0.001", "0.5", "500", "0"],
    "price": ["42280", "41000", "43000.1", "0.1"],
    "timeInForce": ["GTC", "IOC", "FOK", "PostOnly"],
    "orderLinkId": ["a", "b"],
    "reduceOnly": [True, False],
    "closeOnTrigger": [True],
    "positionIdx": [0, 1, 2],
    "marketUnit": ["baseCoin", "quoteCoin"],
    "smpType": ["None", "CancelMaker", "CancelTaker", "CancelBoth"],
    "accountType": ["UNIFIED"],
    "openOnly": [0, 1],
    "limit": [1, 50],
    "cursor": ["1"],
    "startTime": [0, 1_795_262_400_000],
    "endTime": [1_795_262_500_000],
    "buyLeverage": ["5", "10"],
    "sellLeverage": ["5", "10"],
    "mode": [0, 3],
    "coin": ["BTC", "BTC,USDT"],
    "settleCoin": ["USDT"],
    "setMarginMode": ["ISOLATED_MARGIN", "REGULAR_MARGIN"],
    "product": ["SPOT"],
    "timeWindow": [3],
}
FIELDS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) | ODD for name, values in RIGHT.items()}
)
LIKELY = st.fixed_dictionaries({name: st.sampled_from(RIGHT[name]) for name in list(RIGHT)[:7]}, optional={
    name: st.sampled_from(values) for name, values in list(RIGHT.items())[7:13]
})  # fmt: skip
WHOLE = FIELDS | LIKELY
CHECKED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def doors():
    return Doors(limits=FREE)


@pytest.fixture(scope="module")
def sockets(doors):
    """For orders, and the private one."""
    return doors.socket("/v5/trade"), doors.socket("/v5/private")


@CHECKED
@given(st.sampled_from(sorted(ENDPOINTS)), WHOLE, st.lists(WHOLE, max_size=3))
def test_every_request_has_an_answer(doors, endpoint, fields, legs):
    method, path = endpoint
    if path.endswith("-batch"):
        fields = fields | {"request": legs}
    if method == "GET":
        fields = {name: value for name, value in fields.items() if isinstance(value, str | int)}
    doors.advance(0.02)
    response = doors.raw(method, path, fields)
    assert response.status == 200
    body = json.loads(response.body)
    assert body.keys() == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    doors.trading.account("bybit_spot", "main").ledger.check()


@CHECKED
@given(st.sampled_from([*sorted(OPERATIONS), "ping", "order.x"]), WHOLE | ODD, ODD)
def test_every_operation_has_an_answer(doors, sockets, operation, argument, request_id):
    trade, private = sockets
    for socket, message in (
        (trade, {"op": operation, "args": [argument], "reqId": request_id}),
        (private, {"op": "subscribe", "args": [argument], "req_id": request_id}),
        (private, argument if isinstance(argument, dict) else {"op": argument}),
    ):
        socket.texts.clear()
        socket.send(message | {"header": {"X-BAPI-TIMESTAMP": doors.now_ms}})
        assert socket.texts
        assert all(isinstance(json.loads(text), dict) for text in socket.texts)
