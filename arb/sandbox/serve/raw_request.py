"""A REST request exactly as it was sent, which signatures are computed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from arb.sandbox.serve.rest import Response

#: Receives the response of a request, now or later; a request without a response stays open.
Reply = Callable[[Response], None]


class RawRequest(NamedTuple):
    """Method, path, query, headers and body as sent; nothing is decoded."""

    method: str
    path: str
    #: Without the question mark; percent-encoded as sent.
    query: str
    #: Names in lower case; the first value of a repeated header.
    headers: dict[str, str]
    body: bytes
    client_ip: str
