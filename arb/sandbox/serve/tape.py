"""What a market sends, in order of time: the common form of the seeded market and of a recording. Pure.

A frame is text as the venue writes it: on Binance the combined form, `{"stream":NAME,"data":{...}}`, of which the raw
form is a part. Its key is the stream's name; books and subscriptions go by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from arb.sandbox.events import Listing

#: In front of the stream's name in a combined frame, and between the name and the data.
_STREAM, _DATA = '{"stream":"', '","data":'
_TOPIC = '"topic":"'
#: The key of the answer of the REST depth endpoint: nobody can subscribe to it.
SNAPSHOT = "snapshot"


class Line(NamedTuple):
    """A frame, when it is sent by the market's clock, and which listing's it is. Sorted by time."""

    send_ns: int
    no: int
    key: str
    text: str


class Tape(Protocol):
    """Where frames come from. One thread; time never goes back."""

    @property
    def listings(self) -> Sequence[Listing]: ...

    @property
    def start_ns(self) -> int:
        """The market's time at the beginning."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will ever follow."""

    def advance(self, to_ns: int) -> list[Line]:
        """What is sent up to and including `to_ns`, in order of time."""

    def snapshot(self, no: int) -> str | None:
        """The answer of a Binance listing's REST depth endpoint as of now; None: to be made from the frames."""

    def source_of(self, no: int, key: str) -> str | None:
        """The stream that serves those who ask for `key`; None where the tape has none like it."""


def combined(key: str, data: str) -> str:
    """A Binance frame of the combined form."""
    return f"{_STREAM}{key}{_DATA}{data}}}"


def key_of_combined(text: str) -> str:
    """The stream's name in a Binance frame of the combined form; "" where it has another form."""
    if not text.startswith(_STREAM):
        return ""
    return text[len(_STREAM) : text.index('"', len(_STREAM))]


def raw_of(text: str, key: str) -> str:
    """The data of a Binance frame of the combined form."""
    return text[len(_STREAM) + len(key) + len(_DATA) : -1]


def key_of_topic(text: str) -> str:
    """The topic of a Bybit frame; "" where it has none."""
    start = text.find(_TOPIC, 0, 64)
    if start < 0:
        return ""
    start += len(_TOPIC)
    return text[start : text.index('"', start)]


def key_of(venue: str, text: str) -> str:
    """The key of any venue's frame."""
    return key_of_topic(text) if venue.startswith("bybit") else key_of_combined(text)
