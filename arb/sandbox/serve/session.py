"""A venue's websocket protocol on one connection, without I/O: messages in, replies and decisions out. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class RouteError(Exception):
    """The path of the connection is refused; the message is the reason."""


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

    def __init__(self) -> None:
        #: The streams that the client subscribed to, in its spelling, in order.
        self.names: dict[str, None] = {}

    @abstractmethod
    def receive(self, text: str, now_ms: int) -> Outcome:
        """Processes a text message of the client."""

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
