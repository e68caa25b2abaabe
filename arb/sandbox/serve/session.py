"""One connection's side of a venue's protocol, without the connection: texts in, texts and decisions out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass
class Outcome:
    """What a message of the client leads to; replies are sent before anything of the new subscriptions."""

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
        """The streams that the client subscribed to, as it wrote them, in order."""

    @property
    def is_combined(self) -> bool:
        """Whether frames are sent in the combined form; False on Bybit, where there is one form."""

    def receive(self, text: str, now_ms: int) -> Outcome:
        """A text message of the client."""

    def delivers(self, name: str) -> bool:
        """Whether a stream that was subscribed to is ever sent on this connection."""

    def shutdown_notice(self, now_ms: int) -> str | None:
        """What announces the end of the connection, where the venue announces it."""
