"""Ids of orders and wire requests. They decode themselves: no table, unique for ever, the same in every replay.

A client id is `arb-<ms>-<leg>-<request>`: the session's start, the leg and its request that created the venue's order,
in hexadecimal digits. All venues accept its letters and length. A wire id is `<leg>-<request>-<letter><attempt>`; one
of a request of the desk itself begins with a letter.
"""

from __future__ import annotations

import re

from connectors.orders.model import Act

_CLIENT_ID = re.compile(r"arb-([0-9a-f]{1,12})-([0-9a-f]{1,3})-([0-9a-f]{1,10})")

#: Of the acts that are about one order.
_LETTERS = {Act.PLACE: "p", Act.CANCEL: "c", Act.AMEND: "a", Act.LOOK_UP: "q", Act.EXECUTIONS: "x"}


def client_id(session_ms: int, leg: int, request_no: int) -> str:
    """The client id of the order that a request creates; at most 30 characters."""
    return f"arb-{session_ms:x}-{leg:x}-{request_no:x}"


def parse_client_id(text: str) -> tuple[int, int, int] | None:
    """(session's start in ms, leg, request) of a client id of ours; None for any other text."""
    found = _CLIENT_ID.fullmatch(text)
    if found is None:
        return None
    session_ms, leg, request_no = (int(part, 16) for part in found.groups())
    return session_ms, leg, request_no


def wire_id(leg: int, request_no: int, act: Act, attempt: int = 0) -> str:
    """The id of a wire request about one order. attempt: of queries, from 1."""
    return f"{leg}-{request_no}-{_LETTERS[act]}{attempt or ''}"
