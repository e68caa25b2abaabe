"""Texts of Binance's signed requests: what is constant is written once, the rest is put in at each request. Pure.

A websocket request is signed over its parameters sorted by name, with `apiKey` and without `signature`; a REST request
over its query as sent. After `session.logon` websocket requests have neither key nor signature. Here parameters are
sorted for REST too.

Sources: web-socket-api.md and rest-api.md ("SIGNED request security") of binance-spot-api-docs (read 2026-07-21);
USD-M: decimals are JSON texts, integers JSON numbers ("WebSocket API General Info", read 2025-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from connectors.orders.model import Act, Channel, OrderRequest, WireRequest
from connectors.orders.signing import Signer

#: Parameters that are integers; all others are texts.
_INTEGERS = frozenset(("fromId", "limit", "orderId", "recvWindow", "startTime", "timestamp"))
_SOCKET = Channel.SOCKET
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Credentials:
    """The key of one connection, and whether that has logged on. Written by the protocol of the connection."""

    def __init__(self, signer: Signer, recv_window_ms: int, *, is_logged_on: bool) -> None:
        self.signer = signer
        self.recv_window_ms = recv_window_ms
        #: Whether websocket requests have neither key nor signature.
        self.is_logged_on = is_logged_on


class SignedForm:
    """One kind of request: `method` of the websocket API, and `verb` and `path` of REST; "" where it has none.

    Values are given in the order of the names, which is that of the alphabet and ends with the time. They are numbers,
    decimal texts and client ids, none of which needs escapes.
    """

    def __init__(
        self,
        credentials: Credentials,
        act: Act,
        names: Sequence[str],
        constants: Mapping[str, str],
        *,
        method: str = "",
        verb: str = "",
        path: str = "",
    ) -> None:
        names = [*names, "timestamp"]
        if names != sorted(names):
            raise ValueError(f"{act.name}: {names} are not sorted")
        given = {"recvWindow": str(credentials.recv_window_ms), **constants}
        own = {name: escaped(value) for name, value in given.items()} | dict.fromkeys(names, "%s")
        keyed = own | {"apiKey": escaped(credentials.signer.key_id)}
        #: "": there is none, only REST.
        self.method = method
        self._credentials = credentials
        self._act = act
        self._payload = "&".join(f"{name}={keyed[name]}" for name in sorted(keyed))
        plain = ",".join(_json_pair(name, own[name]) for name in sorted(own))
        signed = ",".join(_json_pair(name, keyed[name]) for name in sorted(keyed))
        head = f'{{"id":"%s","method":"{method}","params":{{'
        self._plain_text = f"{head}{plain}}}}}"
        self._signed_text = f'{head}{signed},"signature":"%s"}}}}'
        encoded = {name: escaped(percent_encoded(value)) for name, value in given.items()}
        encoded |= dict.fromkeys(names, "%s")
        self._query = "&".join(f"{name}={encoded[name]}" for name in sorted(encoded))
        self._verb = verb
        self._path = path
        self._headers = (("X-MBX-APIKEY", credentials.signer.key_id),)

    def socket(self, request: OrderRequest, wire_id: str, values: tuple[str | int, ...]) -> WireRequest:
        """The request for the websocket."""
        credentials = self._credentials
        if credentials.is_logged_on:
            text = self._plain_text % (wire_id, *values)
        else:
            signature = credentials.signer.sign(self._payload % values)
            text = self._signed_text % (wire_id, *values, signature)
        # The class's own constructor is a function of Python, and this runs before an order's bytes leave.
        return tuple.__new__(
            WireRequest,
            (_SOCKET, wire_id, self._act, request.leg, request.request_no, text, "", "", "", (), b""),
        )

    def rest(self, request: OrderRequest, wire_id: str, values: tuple[str | int, ...]) -> WireRequest:
        """The request for REST."""
        query = self._query % values
        signature = percent_encoded_base64(self._credentials.signer.sign(query))
        return WireRequest(
            Channel.REST,
            wire_id,
            self._act,
            request.leg,
            request.request_no,
            method=self._verb,
            path=self._path,
            query=f"{query}&signature={signature}",
            headers=self._headers,
        )


def percent_encoded(text: str) -> str:
    """A text as a value of a query."""
    return "".join(chr(one) if one in _UNRESERVED else f"%{one:02X}" for one in text.encode())


def percent_encoded_base64(text: str) -> str:
    """A signature, in hex or base64, as a value of a query."""
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def escaped(text: str) -> str:
    """A constant for use in a template."""
    return text.replace("%", "%%")


def _json_pair(name: str, value: str) -> str:
    if name in _INTEGERS:
        return f'"{name}":{value}'
    return f'"{name}":"%s"' if value == "%s" else f'"{name}":{msgspec.json.encode(value).decode()}'
