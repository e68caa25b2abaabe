"""What answers and headers say is used of the venues' limits on requests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.binance.limits import RateLimit, uses_of, uses_of_headers
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.bybit.limits import uses_of_header
from connectors.bybit.order_frames import BybitOrders
from connectors.orders.limits import LimitKind, LimitUse
from connectors.orders.model import Act, VenueAnswer
from connectors.orders.signing import HmacSigner
from connectors.units import MILLISECOND, MINUTE, SECOND

SIGNER = HmacSigner("test-key", "test-secret")
DAY = 1440 * MINUTE

#: From web-socket-api.md "rateLimits" of binance-spot-api-docs (read 2026-07-21).
BINANCE = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 70},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 12},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160000, "count": 4043},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000, "count": 1},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
]
USES = (
    LimitUse(LimitKind.WEIGHT, MINUTE, 70, 6000),
    LimitUse(LimitKind.ORDERS, 10 * SECOND, 12, 50),
    LimitUse(LimitKind.ORDERS, DAY, 4043, 160_000),
)


@pytest.mark.parametrize("orders", [SpotOrders(SIGNER, 1000), UsdmOrders(SIGNER, 1000)])
@pytest.mark.parametrize(
    "content", [{"status": 200, "result": {}}, {"status": 429, "error": {"code": -1015, "msg": "Too many"}}]
)
def test_answers_of_binance_say_what_is_used(
    orders: SpotOrders | UsdmOrders, content: dict[str, object]
) -> None:
    if "result" in content:
        content = {**content, "result": {"serverTime": 1}}
    frame = json.dumps({"id": "0-1-p", **content, "rateLimits": BINANCE}).encode()
    answer = orders.decode(frame)
    assert isinstance(answer, VenueAnswer)
    assert answer.uses == USES
    assert "returnRateLimits" not in orders.path()


def test_headers_of_binance() -> None:
    headers = [
        ("X-MBX-USED-WEIGHT", "25"), ("X-MBX-USED-WEIGHT-1M", "25"), ("x-mbx-order-count-10s", "3"),
        ("X-MBX-ORDER-COUNT-1D", "77"), ("Content-Type", "json"), ("X-MBX-ORDER-COUNT-1D", "many"),
    ]  # fmt: skip
    assert uses_of_headers(headers) == (
        LimitUse(LimitKind.WEIGHT, MINUTE, 25),
        LimitUse(LimitKind.ORDERS, 10 * SECOND, 3),
        LimitUse(LimitKind.ORDERS, DAY, 77),
    )


def test_other_units_and_kinds_of_binance_say_nothing() -> None:
    assert uses_of([RateLimit("ORDERS", "WEEK", 1, 5, 1), RateLimit("CANDLES", "DAY", 1, 5, 1)]) == ()
    assert uses_of([RateLimit("ORDERS", "DAY", 0, 5, 1)]) == ()


def bybit(code: int, header: dict[str, str], operation: str = "order.create") -> VenueAnswer:
    frame = {"reqId": "0-1-p", "retCode": code, "retMsg": "", "op": operation, "header": header}
    answer = BybitOrders("linear", SIGNER, 1000).decode(json.dumps(frame).encode())
    assert isinstance(answer, VenueAnswer)
    return answer


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("order.create", LimitKind.ORDERS),
        ("order.amend", LimitKind.AMENDS),
        ("order.cancel", LimitKind.CANCELS),
    ],
)
def test_headers_of_bybits_trade_socket(operation: str, kind: LimitKind) -> None:
    header = {
        "X-Bapi-Limit": "10",
        "X-Bapi-Limit-Status": "9",
        "X-Bapi-Limit-Reset-Timestamp": "1711001595208",
    }
    assert bybit(0, header, operation).uses == (LimitUse(kind, SECOND, 1, 10),)
    full = bybit(10006, header | {"X-Bapi-Limit-Status": "0"}, operation)
    assert full.uses == (LimitUse(kind, SECOND, 10, 10, 1711001595208 * MILLISECOND),)
    assert full.retry_after_ns == 0  # of one endpoint: others go on


def test_answers_of_bybit_without_a_limit_say_nothing() -> None:
    assert bybit(0, {}).uses == ()
    assert bybit(0, {"X-Bapi-Limit": "0", "X-Bapi-Limit-Status": "0"}).uses == ()
    assert bybit(10001, {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "9"}, "order.?").uses == ()


@given(
    st.dictionaries(
        st.sampled_from(["x-bapi-limit", "x-bapi-limit-status", "x-bapi-limit-reset-timestamp"]), st.text()
    )
)
def test_no_header_breaks_it(headers: dict[str, str]) -> None:
    uses_of_header(Act.PLACE, headers)
    uses_of_headers([(f"x-mbx-{name}", text) for name, text in headers.items()])
    uses_of_headers([("x-mbx-order-count-1m", text) for text in headers.values()])
