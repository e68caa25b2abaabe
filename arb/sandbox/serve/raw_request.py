"""A REST request exactly as it was sent, which signatures are computed over. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from arb.sandbox.serve.rest import Response

#: Receives the response of a request, now or later. None: the connection is cut without one. A request that is never
#: replied to stays open until the client closes it.
Reply = Callable[[Response | None], None]

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


class RawRequest(NamedTuple):
    """Method, path, query, headers and body as sent; nothing is decoded."""

    method: str
    path: str
    #: Without the question mark; percent-encoded as sent.
    query: str = ""
    #: Names in lower case; the first value of a repeated header.
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    client_ip: str = "127.0.0.1"

    def parameters(self) -> dict[str, str]:
        """The query's parameters, decoded; the first value of a repeated one."""
        found: dict[str, str] = {}
        for name, value in decoded(self.query):
            found.setdefault(name, value)
        return found


def decoded(text: str) -> list[tuple[str, str]]:
    """Names and values of a query or form, percent-decoded, in order; empty parts are left out."""
    parts = (part.partition("=") for part in text.split("&") if part)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in parts]


def _unescaped(text: str) -> str:
    """Text whose `%` pairs are bytes of UTF-8, and whose `+` are spaces; other text is kept as it is."""
    if "%" not in text and "+" not in text:
        return text
    raw = text.replace("+", " ").encode("utf-8", "surrogateescape")
    return _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), raw).decode(errors="replace")
