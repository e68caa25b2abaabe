"""What the server needs of trading: one object that is given to it, or none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from arb.sandbox.accounts.keys import KeyRing
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import Listing
from arb.sandbox.serve.tape import Line


class Trading(Protocol):
    """All desks, accounts and keys. Times never decrease."""

    keys: KeyRing
    desks: Mapping[str, Any]
    delivery: Mapping[str, Any]
    #: `[undocumented.VENUE]` of the accounts file.
    undocumented: Mapping[str, Mapping[str, object]]

    def listen(self, venue: str, account: str, listener: Callable[[Any], None]) -> Callable[[], None]:
        """Calls the listener with every event of the account when it is due; returns what ends that."""

    def receive(self, line: Line, now_ns: int) -> None:
        """A frame is sent."""

    def advance(self, to_ns: int) -> None:
        """Does everything that is due."""

    def next_due_ns(self) -> int | None:
        """When `advance` has something to do."""


#: Makes the trading of a sandbox from its listings, their data by (venue, symbol), and the time of the start.
OpenTrading = Callable[[Sequence[Listing], Mapping[tuple[str, str], Facts], int], Trading]
