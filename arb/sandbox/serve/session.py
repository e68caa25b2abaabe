"""A venue's websocket protocol on one connection, without I/O: messages in, replies and decisions out. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from arb.sandbox.serve.limits import Limits

Traffic = Literal["orders", "user"]


class RouteError(Exception):
    """The path of the connection is refused; the message is the reason."""


class Opening(NamedTuple):
    """The request that opens a websocket. `no` is the number of the connection at its venue."""

    path: str
    #: Decoded; the first value of a repeated parameter.
    query: dict[str, str]
    client_ip: str
    no: int
    #: By the venue's clock.
    at_ms: int = 0


@dataclass
class Outcome:
    """The outcome of a client's message; replies are sent before frames of new subscriptions."""

    replies: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


class Close(NamedTuple):
    """The server ends the connection, with the code and reason of a close frame."""

    code: int
    reason: str


class Session(ABC):
    """A venue's protocol on one connection."""

    #: Whether frames are sent in the combined form.
    is_combined = False

    #: Set by a fault: the venue takes no new order requests on this connection.
    is_restarting = False

    #: Limits of this connection where they are not those of the venue's streams.
    limits: Limits | None = None

    def __init__(self) -> None:
        #: The streams that the client subscribed to, in its spelling, in order.
        self.names: dict[str, None] = {}
        #: Sends a text at any time, at once: late replies and events. Set by the connection, like `close`.
        self.send: Callable[[str], None] = _drop
        #: Ends the connection with the code and reason of a close frame; code 0: without a close frame.
        self.close: Callable[[int, str], None] = _drop

    @abstractmethod
    def receive(self, text: str, now_ns: int, now_ms: int) -> Outcome:
        """Processes a text message of the client at `now_ns`; `now_ms` is the venue's time."""

    def closed(self) -> None:  # noqa: B027 (most sessions keep nothing)
        """Called once when the connection is gone."""

    def carries(self, what: Traffic) -> bool:
        """Whether the connection carries order requests, or receives the events of an account."""
        return False

    def expire_user_data(self, now_ns: int) -> None:
        """Ends the stream of an account as the venue does; without a message of its own, the connection is cut."""
        self.close(0, "")

    def delivers(self, name: str) -> bool:
        """Whether a subscribed stream is delivered on this connection."""
        return True

    def shutdown_notice(self, now_ms: int) -> str | None:
        """The message that announces the end of the connection; None if the venue sends none."""
        return None

    def subscribe(self, names: Iterable[str]) -> list[str]:
        """Subscribes to streams; returns those that are new."""
        added = [name for name in dict.fromkeys(names) if name not in self.names]
        self.names.update(dict.fromkeys(added))
        return added

    def unsubscribe(self, names: Iterable[str]) -> list[str]:
        """Ends subscriptions; returns those that there were."""
        removed = [name for name in dict.fromkeys(names) if name in self.names]
        for name in removed:
            del self.names[name]
        return removed


def _drop(*_: object) -> None:
    """A session without a connection sends nothing."""
