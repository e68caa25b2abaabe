"""Ids of orders and wire requests. They decode themselves: no table, unique for ever, the same in every replay.

A client id is `arb-<tag>-<run>-<attempt>-<leg>-<request>`: the tag of the journal whose session placed the order, the
number of the session's run, the attempt of its strategy that the order belongs to (`arb.execution.attempts`), the leg
and its request that created the venue's order; numbers in hexadecimal digits. The journal reserves a run's number on
the disk before the run's first order and gives it to no other: with it all of the run's request numbers are reserved,
so that no id is used twice, whatever is lost. All venues accept its letters; it has at most 33 characters, with what a
cancellation's own id adds 36. A wire id is `<leg>-<request>-<letter><look>`; one of a request of the desk itself begins
with a letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.orders.model import Act

_TAG = re.compile(r"[a-z0-9]{6}")
_CLIENT_ID = re.compile(r"arb-([a-z0-9]{6})-([0-9a-f]{1,5})-([0-9a-f]{1,5})-([0-9a-f]{1,2})-([0-9a-f]{1,7})")
#: The next run and request that do not fit into an id.
RUNS_MAX = 1 << 20
REQUESTS_MAX = 1 << 28
#: The last attempt that fits; later ones have its number.
ATTEMPT_MAX = (1 << 20) - 1

#: Of the acts that are about one order.
LETTERS = {Act.PLACE: "p", Act.CANCEL: "c", Act.AMEND: "a", Act.LOOK_UP: "q", Act.EXECUTIONS: "x"}


class OrderId(NamedTuple):
    """A client id of ours, taken apart."""

    tag: str
    run: int
    attempt: int
    leg: int
    request_no: int


class SessionIds(NamedTuple):
    """What the ids of a session's orders begin with, and when it began (ms UTC). tag: 6 of a-z and 0-9."""

    tag: str
    run: int
    session_ms: int

    def client_id(self, leg: int, request_no: int, attempt: int = 0) -> str:
        """The client id of the order that a request creates."""
        return f"{self.client_head}{attempt:x}-{leg:x}-{request_no:x}"

    @property
    def client_head(self) -> str:
        """What the session's client ids begin with."""
        return f"arb-{self.tag}-{self.run:x}-"

    def owns(self, client_id: str) -> bool:
        """Whether a client id is one of this session."""
        found = parse_client_id(client_id)
        return found is not None and (found.tag, found.run) == (self.tag, self.run)

    @property
    def head(self) -> dict[str, Any]:
        """Fields of the manifest."""
        return {"order_tag": self.tag, "order_run": self.run, "session_ms": self.session_ms}


def ids_of(head: Mapping[str, Any]) -> SessionIds:
    """The ids of a written session, from its manifest. Raises ValueError."""
    tag, run, session_ms = head["order_tag"], head["order_run"], head["session_ms"]
    if not (isinstance(tag, str) and _TAG.fullmatch(tag) and 0 <= int(run) < RUNS_MAX):
        raise ValueError("order_tag and order_run of the manifest are no ids of a session")
    return SessionIds(tag, int(run), int(session_ms))


def parse_client_id(text: str) -> OrderId | None:
    """A client id of ours, of any session; None for any other text."""
    found = _CLIENT_ID.fullmatch(text)
    if found is None:
        return None
    tag, *numbers = found.groups()
    return OrderId(tag, *(int(part, 16) for part in numbers))


def cancel_id(client_id: str, wire: str) -> str:
    """The id that a cancellation has at some venues: that of its order, with two characters of its wire id."""
    word = wire.rpartition("-")[2]
    return f"{client_id}-{word[0]}{word[1:][-1:]}"


def wire_id(leg: int, request_no: int, act: Act, look: int = 0) -> str:
    """The id of a wire request about one order. look: of queries, from 1."""
    return f"{leg}-{request_no}-{LETTERS[act]}{look or ''}"
