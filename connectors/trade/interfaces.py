"""What lines report, and to whom. Protocols and records only.

A line is one trade socket ("t3"), one stream of an account's events ("u1") or one REST request ("r17"); the name never
returns within a session.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

from connectors.parsing.batch import Batch


class Sent(NamedTuple):
    """What became of a request that was to be sent."""

    #: False: not a byte was or will be written. REST: True when it is queued.
    is_sent: bool
    #: The line.
    where: str


class LineEvent(IntEnum):
    """What happens to a line."""

    CONNECTING = 0
    OPEN = 1
    """The handshake is complete."""
    UP = 2
    """Logged on and subscribed. The text says how requests are authenticated: "logon" or "signed"."""
    LOST = 3
    """The line is gone, for the reason in the text."""
    RETIRING = 4
    """A successor takes new requests; answers and events of this one still count until it is LOST."""


class LineOwner(Protocol):
    """Receives everything of one venue's lines. `local_ts`: local time, ns UTC, read at the socket."""

    def line_event(self, where: str, event: LineEvent, text: str, local_ts: int) -> None: ...

    def line_frame(self, where: str, frame: bytes, local_ts: int) -> None:
        """A frame of a line that is up or retiring."""

    def line_batch(self, where: str, batch: Batch) -> None:
        """The frames of one read. Valid until this returns."""

    def own_traffic(self, where: str, is_sent: bool, text: str, local_ts: int) -> None:
        """What a line itself sends and receives: log-on, subscriptions, pings, listen keys."""

    def rest_answer(
        self,
        where: str,
        wire_id: str,
        status: int,
        body: bytes,
        retry_after_ns: int,
        was_sent: bool,
        local_ts: int,
    ) -> None:
        """The end of a REST request, once. Status 0: there is no response, and `body` is the reason."""
