"""Who a request of Bybit is from: keys, signatures over the bytes as sent, and the time window. Pure.

The order of the checks is not documented; here: headers, key, address, signature, time. Source: bybit-exchange/docs v5
`guide.mdx` ("Authentication") and `websocket/wss-authentication.mdx` (read 2026-07-24).
"""

from __future__ import annotations

import hmac

from arb.sandbox.accounts.keys import ApiKey, KeyKind, KeyRing
from arb.sandbox.serve.bybit import errors
from arb.sandbox.serve.bybit.errors import RequestError, parameter_error
from arb.sandbox.serve.raw_request import RawRequest

WINDOW_MS = 5000
_AHEAD_MS = 1000


def sign(secret: bytes, payload: bytes) -> str:
    """The signature in lower-case hexadecimal digits."""
    return hmac.digest(secret, payload, "sha256").hex()


def authenticate(raw: RawRequest, keys: KeyRing, now_ms: int) -> ApiKey:
    """The key that signed a REST request. Raises RequestError."""
    key_id, sent = raw.headers.get("x-bapi-api-key", ""), raw.headers.get("x-bapi-sign", "")
    timestamp, window = raw.headers.get("x-bapi-timestamp", ""), raw.headers.get("x-bapi-recv-window", "")
    for name, value in (("API-KEY", key_id), ("SIGN", sent), ("TIMESTAMP", timestamp)):
        if not value:
            raise parameter_error(f"the header X-BAPI-{name} is missing")
    key = _key(keys, key_id, raw.client_ip)
    content = raw.query.encode() if raw.method == "GET" else raw.body
    payload = f"{timestamp}{key_id}{window}".encode() + content
    if not hmac.compare_digest(sign(key.secret, payload).encode(), sent.encode()):
        raise RequestError(
            errors.SIGN,
            f"error sign! origin_string[{payload.decode(errors='replace')}], "
            "please check your signature generation algorithm.",
        )
    check_window(timestamp, window, now_ms)
    return key


def authenticate_socket(arguments: object, keys: KeyRing, client_ip: str, now_ms: int) -> ApiKey:
    """The key of an `auth` request on a websocket, from its `args`. Raises RequestError."""
    if not isinstance(arguments, list) or len(arguments) != 3:
        raise parameter_error("auth takes the key, the time of expiry in ms and the signature")
    key_id, expires, sent = (str(one) for one in arguments)
    if not (expires.isascii() and expires.isdigit()):
        raise parameter_error("the time of expiry is not a number of ms")
    key = _key(keys, key_id, client_ip)
    if not hmac.compare_digest(sign(key.secret, f"GET/realtime{expires}".encode()).encode(), sent.encode()):
        raise RequestError(errors.SIGN, "Error sign, please check your signature generation algorithm.")
    if int(expires) <= now_ms:
        raise parameter_error("the time of expiry is not in the future")
    return key


def check_window(timestamp: str, window: str, now_ms: int) -> None:
    """Checks the time of a request against the venue's. Raises RequestError."""
    for value in (timestamp, window or "0"):
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise parameter_error("the time and the window of a request are numbers of ms")
    window_ms = int(window) if window else WINDOW_MS
    if not now_ms - window_ms <= int(timestamp) < now_ms + _AHEAD_MS:
        raise RequestError(
            errors.WINDOW,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window_ms}]",
        )


def _key(keys: KeyRing, key_id: str, client_ip: str) -> ApiKey:
    key = keys.find("bybit", key_id)
    if key is None or key.is_revoked or key.kind is not KeyKind.HMAC:
        raise RequestError(errors.KEY, "API key is invalid.")
    if key.ips and client_ip not in key.ips:
        raise RequestError(errors.ADDRESS, "Unmatched IP, please check your API key's bound IP addresses.")
    return key
