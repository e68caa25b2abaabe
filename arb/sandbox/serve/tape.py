"""Frames of a market in order of time: the common interface of the seeded market and recordings. Pure.

A frame is the venue's text: on Binance the combined form, `{"stream":NAME,"data":{...}}`, which contains the raw form.
Its key is the stream's name, by which books and subscriptions are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from arb.sandbox.events import Listing

#: The key of a REST depth response; clients cannot subscribe to it.
SNAPSHOT = "snapshot"


class Line(NamedTuple):
    """A frame with its send time on the market's clock and its listing's number. Sorted by time."""

    send_ns: int
    no: int
    key: str
    text: str


class Tape(Protocol):
    """A source of frames. One thread; time never decreases."""

    @property
    def listings(self) -> Sequence[Listing]: ...

    @property
    def start_ns(self) -> int:
        """The market's time at the beginning."""

    @property
    def has_ended(self) -> bool:
        """Whether there are no more frames."""

    def advance(self, to_ns: int) -> list[Line]:
        """The frames sent up to and including `to_ns`, in order of time."""

    def snapshot(self, no: int) -> str | None:
        """The current REST depth response of a Binance listing; None: build it from the frames."""

    def source_of(self, no: int, key: str) -> str | None:
        """The stream that serves subscriptions to `key`; None if the tape has none."""
