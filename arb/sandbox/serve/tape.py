"""Frames of a market in order of time: the common interface of the seeded market and recordings. Pure.

A frame is the venue's text: on Binance the combined form, `{"stream":NAME,"data":{...}}`, which contains the raw form.
Its key is the stream's name, by which books and subscriptions are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from arb.sandbox.events import Listing

#: Text before the stream's name in a combined frame, and between the name and the data.
_STREAM, _DATA = '{"stream":"', '","data":'
_TOPIC = '"topic":"'
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


def combined(key: str, data: str) -> str:
    """A Binance frame in the combined form."""
    return f"{_STREAM}{key}{_DATA}{data}}}"


def key_of_combined(text: str) -> str:
    """The stream's name in a combined Binance frame; "" for other forms."""
    if not text.startswith(_STREAM):
        return ""
    return text[len(_STREAM) : text.index('"', len(_STREAM))]


def raw_of(text: str, key: str) -> str:
    """The `data` of a combined Binance frame."""
    return text[len(_STREAM) + len(key) + len(_DATA) : -1]


def key_of_topic(text: str) -> str:
    """The topic of a Bybit frame; "" if it has none."""
    start = text.find(_TOPIC, 0, 64)
    if start < 0:
        return ""
    start += len(_TOPIC)
    return text[start : text.index('"', start)]


def key_of(venue: str, text: str) -> str:
    """The key of any venue's frame."""
    return key_of_topic(text) if venue.startswith("bybit") else key_of_combined(text)
