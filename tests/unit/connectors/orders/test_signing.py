"""Signatures against published vectors; what is logged has neither keys nor signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.orders.blanking import BlankSigner, blanked
from connectors.orders.signing import Ed25519Signer, HmacSigner, Signer, shown_key

#: The example of rest-api.md of binance-spot-api-docs, and texts of our own (their GET is what ccxt sends).
EXAMPLE = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
_REST = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
VECTORS = [
    (EXAMPLE, f"symbol=LTCBTC&{_REST}", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (
        EXAMPLE,
        f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&{_REST}",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    (
        "test-secret",
        "apiKey=test-key&price=10000&quantity=0.001&side=BUY&symbol=BTCUSDT&timeInForce=GTC"
        "&timestamp=1700000000000&type=LIMIT",
        "c579bf4c96004817d18fb608dc15915280fa7c6e88e300eb7f08a19eade78b9f",
    ),
    (
        "test-secret",
        "1700000000000test-key5000category=linear&symbol=BTCUSDT",
        "9a7c8cfd6ba1a7c498aa4dd5a7f9cfbba01fcb6eebae734ffe0d775870a1a3fb",
    ),
    (
        "test-secret",
        "GET/realtime1700000000000",
        "5e1a6810262f270b783cf759f856aadee413643be3c03d0fb89dd22261e41df0",
    ),
]


@pytest.mark.parametrize(("secret", "payload", "signature"), VECTORS)
def test_a_published_payload_has_its_signature(secret: str, payload: str, signature: str) -> None:
    assert HmacSigner("key", secret).sign(payload) == signature


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 200])
def test_a_secret_of_any_length_signs_as_rfc_2104_says(length: int) -> None:
    secret, payload = "é"[: length % 2] + "k" * length, "symbol=BTCUSDT&price=0.1"
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    signer = HmacSigner("key", secret)
    assert [signer.sign(payload), signer.sign(payload)] == [expected] * 2


def pem_of(key: object) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[attr-defined]


def test_an_ed25519_signature_is_verified_by_its_public_key() -> None:
    key = Ed25519PrivateKey.generate()
    signature = Ed25519Signer("key", pem_of(key)).sign("a=1&b=é")
    key.public_key().verify(base64.b64decode(signature, validate=True), "a=1&b=é".encode())


def test_another_process_signs_with_the_same_key() -> None:
    pem = pem_of(Ed25519PrivateKey.generate())
    for first, second in (
        (HmacSigner("key", EXAMPLE), HmacSigner),
        (Ed25519Signer("key", pem), Ed25519Signer),
    ):
        assert second("key", first.private()).sign("a=1") == first.sign("a=1")
        assert EXAMPLE not in f"{first} {vars(first)}"


@pytest.mark.parametrize("pem", ["", "no key", pem_of(generate_private_key(SECP256R1()))])
def test_another_key_is_refused_without_showing_it(pem: str) -> None:
    with pytest.raises(ValueError, match="Ed25519") as caught:
        Ed25519Signer("key", pem)
    assert not pem or pem not in str(caught.value)


@pytest.mark.parametrize(
    "signer",
    [
        HmacSigner("0123456789abcdef", "the secret"),
        Ed25519Signer("0123456789abcdef", pem_of(Ed25519PrivateKey.generate())),
    ],
)
def test_a_signer_shows_the_end_of_its_key_alone(signer: Signer) -> None:
    assert repr(signer).endswith("Signer(...cdef)")
    assert shown_key("short") == "..."


SECRETS = ("K3y-of-mine", "51GNATURE+/=", "a" * 64)
KEY, SIGNATURE, LISTEN = SECRETS


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        (
            f'{{"id":"1","params":{{"apiKey":"{KEY}","price":"1","signature":"{SIGNATURE}"}}}}',
            '{"id":"1","params":{"apiKey":"***","price":"1","signature":"***"}}',
        ),
        (f"price=1&signature={KEY}&x=2", "price=1&signature=***&x=2"),
        (f"POST /api/v3/order?price=1&signature={KEY} ", "POST /api/v3/order?price=1&signature=*** "),
        (f"PUT /fapi/v1/listenKey?listenKey={LISTEN}", "PUT /fapi/v1/listenKey?listenKey=***"),
        (f'{{"listenKey":"{LISTEN}"}}', '{"listenKey":"***"}'),
        (f"/private/ws/{LISTEN}", "/private/ws/***"),
        (f"X-MBX-APIKEY: {KEY}", "X-MBX-APIKEY: ***"),
        (
            f'{{"X-BAPI-API-KEY":"{KEY}","X-BAPI-SIGN":"{KEY}"}}',
            '{"X-BAPI-API-KEY":"***","X-BAPI-SIGN":"***"}',
        ),
        (
            f'{{"op":"auth","args":["{KEY}",1700000000000,"{SIGNATURE}"]}}',
            '{"op":"auth","args":["***",1700000000000,"***"]}',
        ),
        (
            '{"op":"subscribe","args":["order","1","wallet"]}',
            '{"op":"subscribe","args":["order","1","wallet"]}',
        ),
        ('{"apiKey":null}', '{"apiKey":null}'),
        (
            '{"msg":"Signature for this request is not valid."}',
            '{"msg":"Signature for this request is not valid."}',
        ),
    ],
)
def test_a_blanked_text_differs_in_its_secrets_alone(text: str, blank: str) -> None:
    assert blanked(text) == blank
    assert blanked(blank) == blank
    for secret in SECRETS:
        assert secret not in blanked(text)


def test_a_cut_text_shows_nothing_either() -> None:
    text = json.dumps({"apiKey": KEY, "signature": SIGNATURE})
    for end in range(len(text)):
        left = blanked(text[:end])
        # One character of a secret, behind an opening quote, is a value too.
        assert KEY[:2] not in left
        assert SIGNATURE[:2] not in left


def test_the_signer_of_a_log_has_no_key() -> None:
    signer = BlankSigner(logs_on=False)
    assert (signer.key_id, signer.sign("payload")) == ("***", "***")
