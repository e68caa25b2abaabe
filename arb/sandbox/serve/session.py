"""A venue's websocket protocol on one connection, without I/O: messages in, replies and decisions out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


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


class Session(Protocol):
    """A venue's protocol on one connection."""

    @property
    def names(self) -> dict[str, None]:
        """The streams that the client subscribed to, in its spelling, in order."""

    @property
    def is_combined(self) -> bool:
        """Whether frames are sent in the combined form; False on Bybit, which has only one form."""

    def receive(self, text: str, now_ms: int) -> Outcome:
        """Processes a text message of the client."""

    def delivers(self, name: str) -> bool:
        """Whether a subscribed stream is delivered on this connection."""

    def shutdown_notice(self, now_ms: int) -> str | None:
        """The message that announces the end of the connection; None if the venue sends none."""
