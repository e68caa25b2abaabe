"""Who a request of Bybit is from: bytes as sent, keys and times."""

from __future__ import annotations

import pytest

from arb.sandbox.accounts.keys import ApiKey, KeyKind, KeyRing
from arb.sandbox.serve.bybit.errors import RequestError
from arb.sandbox.serve.bybit.signatures import authenticate, authenticate_socket, sign
from arb.sandbox.serve.raw_request import RawRequest

NOW_MS = 1_700_000_000_000
SECRET = b"test-secret"
QUERY = "category=linear&symbol=BTCUSDT"
#: Computed with ccxt 4.5.90 and with pybit's documented rule.
SIGNATURE = "9a7c8cfd6ba1a7c498aa4dd5a7f9cfbba01fcb6eebae734ffe0d775870a1a3fb"
SOCKET_SIGNATURE = "5e1a6810262f270b783cf759f856aadee413643be3c03d0fb89dd22261e41df0"


def a_key(**changes):
    fields = {"id": "test-key", "house": "bybit", "kind": KeyKind.HMAC, "account": "main", "secret": SECRET}
    return ApiKey(**(fields | changes))


def a_request(query=QUERY, *, method="GET", body=b"", client_ip="127.0.0.1", drops=(), **headers):
    sent = {"api-key": "test-key", "sign": SIGNATURE, "timestamp": str(NOW_MS), "recv-window": "5000"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {f"x-bapi-{name}": value for name, value in sent.items() if name not in drops}
    return RawRequest(method, "/v5/order/realtime", query, sent, body, client_ip)


def refusal(raw, key=None, now_ms=NOW_MS):
    with pytest.raises(RequestError) as caught:
        authenticate(raw, KeyRing([key or a_key()]), now_ms)
    return caught.value.code


def test_a_query_is_signed_as_it_is_sent():
    assert authenticate(a_request(), KeyRing([a_key()]), NOW_MS).account == "main"


def test_a_body_is_signed_as_it_is_sent():
    body = b'{"category": "linear",  "qty":"1"}'
    signed = sign(SECRET, f"{NOW_MS}test-key5000".encode() + body)
    raw = a_request("", method="POST", body=body, sign=signed)
    assert authenticate(raw, KeyRing([a_key()]), NOW_MS).account == "main"
    assert refusal(raw._replace(body=body.replace(b"  ", b" "))) == 10004


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (a_request(drops=("sign",)), 10001),
        (a_request(drops=("timestamp",)), 10001),
        (a_request(drops=("api-key",)), 10001),
        (a_request(drops=("recv-window",)), 10004),  # the window is part of what is signed
        (a_request(api_key="other"), 10003),
        (a_request("symbol=BTCUSDT&category=linear"), 10004),
        (a_request("category=linear&symbol=BTC%55SDT"), 10004),
        (a_request(sign=SIGNATURE.upper()), 10004),
        (a_request(sign="é"), 10004),
        (a_request(recv_window="6000"), 10004),
        (a_request(timestamp="soon"), 10004),
    ],
)
def test_a_wrong_request_is_refused(raw, code):
    assert refusal(raw) == code


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (a_key(is_revoked=True), 10003),
        (a_key(house="binance"), 10003),
        (a_key(kind=KeyKind.ED25519), 10003),
        (a_key(ips=("10.0.0.1",)), 10010),
        (a_key(secret=b"other"), 10004),
    ],
)
def test_a_key_that_may_not_is_refused(key, code):
    assert refusal(a_request(), key) == code


@pytest.mark.parametrize(("age_ms", "is_within"), [(5000, True), (5001, False), (-999, True), (-1000, False)])
def test_the_window_of_a_request(age_ms, is_within):
    if is_within:
        authenticate(a_request(), KeyRing([a_key()]), NOW_MS + age_ms)
    else:
        assert refusal(a_request(), now_ms=NOW_MS + age_ms) == 10002


@pytest.mark.parametrize("expires", [NOW_MS, str(NOW_MS)])
def test_a_socket_is_authenticated_before_the_time_of_expiry(expires):
    arguments = ["test-key", expires, SOCKET_SIGNATURE]
    keys = KeyRing([a_key()])
    assert authenticate_socket(arguments, keys, "127.0.0.1", NOW_MS - 1).id == "test-key"
    for wrong, now_ms, code in (
        (arguments, NOW_MS, 10001),
        (arguments[:2], NOW_MS - 1, 10001),
        (None, NOW_MS - 1, 10001),
        (["test-key", "soon", SOCKET_SIGNATURE], NOW_MS - 1, 10001),
        (["other", expires, SOCKET_SIGNATURE], NOW_MS - 1, 10003),
        (["test-key", expires, "0" * 64], NOW_MS - 1, 10004),
    ):
        with pytest.raises(RequestError) as caught:
            authenticate_socket(wrong, keys, "127.0.0.1", now_ms)
        assert caught.value.code == code
