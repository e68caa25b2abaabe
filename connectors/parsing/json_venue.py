"""The base class of venues whose frames are JSON: topics, requests in batches, decoding with one kind of error.

A venue class derives from `JsonVenue`, sets its attributes and adds what is its own (`connectors.model.Venue`). Pure.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from connectors.errors import DecodeError
from connectors.model import Limits, ListingPage, Mark, Message, Request, RestRequest

#: Errors that decoding an invalid frame raises; RecursionError: JSON that is nested too deep.
_NOT_A_FRAME = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)

_Read = TypeVar("_Read")


class JsonVenue(ABC):
    """The methods of `connectors.model.Venue` that do not depend on the venue."""

    name: str
    #: First bytes of every market frame, up to the topic, and the key of the topic.
    frame_head: ClassVar[bytes]
    topic_key: ClassVar[str]

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The venue's limits."""

    def decode(self, frame: bytes) -> Message:
        return self._read(frame, self._message)

    def mark(self, frame: bytes) -> Mark:
        return self._read(frame, self._mark)

    def time_of(self, body: bytes) -> int:
        return self._read(body, self._time)

    def listings_of(self, body: bytes) -> ListingPage:
        return self._read(body, self._listings)

    def touch_of(self, body: bytes) -> tuple[float, float]:
        return self._read(body, self._touch)

    def topic_of(self, frame: bytes) -> str:
        head = self.frame_head
        if frame.startswith(head):
            end = frame.find(b'"', len(head))
            return frame[len(head) : end].decode("ascii", "replace") if end > 0 else ""
        topic = object_of(frame).get(self.topic_key)
        return topic if isinstance(topic, str) else ""

    def opening(self, topic: str) -> bytes:
        return self.frame_head + topic.encode() + b'"'

    def route(self, stream: Any) -> str:
        return ""

    def url(self, base: str, route: str) -> str:
        return base

    def requests(self, verb: str, topics: Sequence[str], first_id: int) -> list[Request]:
        size = self.limits.topics_per_request
        batches = [tuple(topics[n : n + size]) for n in range(0, len(topics), size)]
        return [
            Request(self._request_text(verb, first_id + n, batch), str(first_id + n), batch)
            for n, batch in enumerate(batches)
        ]

    def snapshot_request(self, symbol: str) -> RestRequest | None:
        return None

    def touch_request(self, symbol: str) -> RestRequest | None:
        return None

    @abstractmethod
    def _message(self, payload: dict[str, Any]) -> Message:
        """The message in the JSON object of a frame. Raises ValueError if it is of no known form."""

    @abstractmethod
    def _mark(self, payload: dict[str, Any]) -> Mark:
        """The position of a market frame. Raises ValueError, TypeError or KeyError if it is none."""

    @abstractmethod
    def _time(self, payload: dict[str, Any]) -> int:
        """The venue's time in ns in its response. Raises like `_mark`."""

    @abstractmethod
    def _listings(self, payload: dict[str, Any]) -> ListingPage:
        """The listings in a response. Raises like `_mark`."""

    def _touch(self, payload: dict[str, Any]) -> tuple[float, float]:
        """The prices of best bid and ask in the response to `touch_request`. Raises like `_mark`."""
        raise ValueError("the venue has no such request")

    @abstractmethod
    def _request_text(self, verb: str, request_id: int, topics: Sequence[str]) -> str:
        """The frame of one request."""

    def _read(self, frame: bytes, read: Callable[[dict[str, Any]], _Read]) -> _Read:
        """What `read` makes of a frame's JSON object. Raises DecodeError if there is none, or if `read` raises."""
        try:
            payload = msgspec.json.decode(frame)
            if not isinstance(payload, dict):
                raise ValueError("not a JSON object")
            return read(payload)
        except KeyError as error:
            raise DecodeError(self.name, f"no {error}", frame) from None
        except (AttributeError, *_NOT_A_FRAME) as error:
            raise DecodeError(self.name, str(error), frame) from None


def object_of(frame: bytes) -> dict[str, Any]:
    """The JSON object in `frame`; an empty one if there is none."""
    try:
        payload = msgspec.json.decode(frame)
    except _NOT_A_FRAME:
        return {}
    return payload if isinstance(payload, dict) else {}


def compact_json(payload: dict[str, Any]) -> str:
    """JSON text without white space, as venues expect it."""
    return json.dumps(payload, separators=(",", ":"))
