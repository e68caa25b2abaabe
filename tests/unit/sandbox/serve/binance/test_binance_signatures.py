"""Signatures of Binance: the vectors of the documents, and what is cut out of the bytes as sent."""

from __future__ import annotations

import json

import msgspec
import pytest
from support.binance_api import ED25519, HMAC, signature

from arb.sandbox.accounts.keys import ApiKey, KeyKind, test_keys
from arb.sandbox.serve.binance.parameters import of_message
from arb.sandbox.serve.binance.signatures import is_signed, message_payload, rest_payload

#: Keys and signatures of rest-api.md and web-socket-api.md of binance-spot-api-docs a5e0bc3 (read 2026-07-21), and own
#: ones that ccxt makes alike.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
REST = [
    (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    (
        "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC"
        "&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
]
MESSAGES = [
    (
        {
            "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
            "price": "52000.00", "recvWindow": 100, "timestamp": 1645423376532, "apiKey": KEY,
        },
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        {
            "symbol": "１２３４５６", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1.00000000",
            "price": "0.10000000", "recvWindow": 5000, "timestamp": 1645423376532, "apiKey": KEY,
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
]  # fmt: skip


def hmac_key(secret: str = SECRET) -> ApiKey:
    return ApiKey("k", "binance", KeyKind.HMAC, "main", secret=secret.encode())


def payload_of(text: str) -> bytes:
    return message_payload(of_message(msgspec.json.decode(text, type=dict[str, msgspec.Raw])).values)


@pytest.mark.parametrize(("query", "digest"), REST)
def test_the_documents_rest_vectors(query: str, digest: str) -> None:
    for text in (f"{query}&signature={digest}", f"signature={digest}&{query}"):
        assert rest_payload(text, b"") == query.encode()
    half = query.index("&quantity")
    mixed = rest_payload(query[:half], f"{query[half:]}&signature={digest}".encode())
    assert is_signed(hmac_key(), mixed, digest)
    assert is_signed(hmac_key(), query.encode(), digest.upper())
    assert not is_signed(hmac_key(), query.encode() + b" ", digest)
    assert not is_signed(hmac_key("other"), query.encode(), digest)


@pytest.mark.parametrize(("params", "digest"), MESSAGES)
def test_the_documents_websocket_vectors(params: dict[str, object], digest: str) -> None:
    text = json.dumps(params | {"signature": digest}, ensure_ascii=False)
    payload = payload_of(text)
    assert is_signed(hmac_key(), payload, digest)
    assert payload_of(json.dumps(params)) == payload  # escapes of JSON are not part of what is signed


def test_own_vector_of_the_websocket_api() -> None:
    payload = (
        b"apiKey=test-key&price=10000&quantity=0.001&side=BUY&symbol=BTCUSDT&timeInForce=GTC"
        b"&timestamp=1700000000000&type=LIMIT"
    )
    digest = "c579bf4c96004817d18fb608dc15915280fa7c6e88e300eb7f08a19eade78b9f"
    assert is_signed(hmac_key("test-secret"), payload, digest)


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        ("", b"", b""),
        ("a=1", b"b=2", b"a=1b=2"),
        ("a=1&signature=x&b=2", b"", b"a=1&b=2"),
        ("a=1", b"signature=x", b"a=1"),
        ("a=%20&asignature=1", b"", b"a=%20&asignature=1"),
    ],
)
def test_the_signature_is_cut_out_where_it_is(query: str, body: bytes, payload: bytes) -> None:
    assert rest_payload(query, body) == payload


def test_ed25519_signatures_are_case_sensitive() -> None:
    good = signature(ED25519, "a=1")
    assert is_signed(ED25519.key, b"a=1", good)
    for bad in (good.swapcase(), good[:-4], good.replace("=", ""), "x", "", "é"):
        assert not is_signed(ED25519.key, b"a=1", bad)
    assert not is_signed(ED25519.key, b"a=2", good)
    assert not is_signed(HMAC.key, b"a=1", good)


def test_keys_follow_from_the_seed() -> None:
    assert test_keys(7) == test_keys(7)
    ids = {one.key.id for seed in (7, 8) for account in ("main", "b") for one in test_keys(seed, account)}
    assert len(ids) == 12
    assert all(
        one.key.house == house
        for one, house in zip(test_keys(7), ("binance", "binance", "bybit"), strict=True)
    )
