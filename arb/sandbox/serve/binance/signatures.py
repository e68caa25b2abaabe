"""Who a request of Binance is from: keys, signatures over the bytes as sent, and the time window. Pure.

The order of the checks is not documented; here: key, address and permission, mandatory parameters, window's size,
signature, time. Source: rest-api.md and web-socket-api.md ("Request Security") of binance-spot-api-docs (read
2026-07-21).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from arb.sandbox.accounts.keys import ApiKey, KeyKind, KeyRing
from arb.sandbox.serve.binance.errors import ApiError, mandatory
from arb.sandbox.serve.binance.parameters import Parameters

_KEY = re.compile("[A-Za-z0-9-]{1,128}")
_WINDOW = re.compile(r"[0-9]{1,8}(\.[0-9]{1,3})?")
_WINDOW_MS_MAX = 60_000
_AHEAD_US = 1_000_000
#: Timestamps from here on are microseconds.
_MICROSECONDS_FROM = 10**14


class Proof(NamedTuple):
    """What a request says about its sender."""

    #: None: not sent.
    key_id: str | None
    signature: str | None
    #: The bytes that were to be signed.
    payload: bytes
    client_ip: str


class TimeWindow(NamedTuple):
    """How long a request is valid, in microseconds of the venue's clock."""

    sent_us: int
    length_us: int

    def check(self, now_us: int) -> None:
        """Raises ApiError if the request is too old or too early."""
        if self.sent_us >= now_us + _AHEAD_US:
            raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_us - self.sent_us > self.length_us:
            raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def rest_payload(query: str, body: bytes) -> bytes:
    """Query and body as sent, without the parameter `signature` wherever it is."""
    return _unsigned(query.encode("utf-8", "surrogateescape")) + _unsigned(body)


def message_payload(values: Mapping[str, str]) -> bytes:
    """The parameters of a websocket request, sorted by name, without `signature`."""
    return "&".join([f"{name}={values[name]}" for name in sorted(values) if name != "signature"]).encode()


def is_signed(key: ApiKey, payload: bytes, signature: str) -> bool:
    """Whether the key signed these bytes. HMAC: hex in any letter case. Ed25519: base64."""
    if key.kind == KeyKind.HMAC:
        own = hmac.digest(key.secret, payload, "sha256").hex()
        return hmac.compare_digest(own.encode(), signature.lower().encode())
    try:
        _public(key.public_key).verify(base64.b64decode(signature, validate=True), payload)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def known_key(proof: Proof, keys: KeyRing, permission: str, status: int) -> ApiKey:
    """The request's key. Raises ApiError."""
    if proof.key_id is None or not _KEY.fullmatch(proof.key_id):
        raise ApiError(-2014, "API-key format invalid.", status)
    key = keys.find("binance", proof.key_id)
    if key is None or not may(key, permission, proof.client_ip):
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status)
    return key


def may(key: ApiKey, permission: str, client_ip: str) -> bool:
    """Whether a key is valid for a permission and from an address."""
    is_here = not key.ips or client_ip in key.ips
    return not key.is_revoked and is_here and permission in key.permissions


def check_signature(key: ApiKey, proof: Proof, parameters: Parameters, now_ms: int) -> TimeWindow:
    """The time window of a request that the key signed. Raises ApiError."""
    parameters.required("timestamp", "signature")
    window = window_of(parameters)
    if not is_signed(key, proof.payload, proof.signature or ""):
        raise ApiError(-1022, "Signature for this request is not valid.")
    window.check(now_ms * 1000)
    return window


def window_of(parameters: Parameters) -> TimeWindow:
    """The time window of a request, not checked yet. Raises ApiError."""
    if parameters.integer("timestamp") is None:
        raise mandatory("timestamp")
    sent = int(parameters.values["timestamp"])
    length = parameters.text("recvWindow") or "5000"
    if not _WINDOW.fullmatch(length):
        raise ApiError(
            -1100,
            r"Illegal characters found in parameter 'recvWindow'; legal range is '^[0-9]{1,20}(\.[0-9]{1,3})?$'.",
        )
    length_us = int(Decimal(length) * 1000)
    if length_us > _WINDOW_MS_MAX * 1000:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    return TimeWindow(sent if sent >= _MICROSECONDS_FROM else sent * 1000, length_us)


def _unsigned(part: bytes) -> bytes:
    if b"signature=" not in part:
        return part
    return b"&".join(one for one in part.split(b"&") if not one.startswith(b"signature="))


@lru_cache(maxsize=256)
def _public(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)
