"""A venue whose messages are Python literals: answers and events are written as the records that they are decoded to.

`FakeOrders` and `FakeUser` implement the protocols of `connectors.orders.protocol`; frames are made by `frame`.
"""

from __future__ import annotations

import pickle
from typing import Any

from connectors.errors import DecodeError
from connectors.orders.model import (
    AccountView,
    Act,
    Channel,
    Instrument,
    OrderRequest,
    VenueAnswer,
    WireRequest,
)
from connectors.orders.numbers import DecimalStep
from connectors.orders.protocol import SocketLimits

#: Acts that the socket has; all others are REST.
_SOCKET = frozenset({Act.PLACE, Act.CANCEL, Act.AMEND})


def frame(*decoded: Any) -> bytes:
    """The frame, or the REST body, that is decoded to these records."""
    return pickle.dumps(decoded)


def instrument(symbol: str = "BTCUSDT", *, is_spot: bool = True) -> Instrument:
    """A leg with ticks of 0.1 and lots of 0.001."""
    return Instrument(symbol, DecimalStep("0.1"), DecimalStep("0.001"), "BTC", "USDT", is_spot)


class FakeOrders:
    """Order entry. Every request that it encoded is in `requests`, by wire id."""

    limits = SocketLimits(0, 0)

    def __init__(self, venue: str = "bybit_spot") -> None:
        self.venue = venue
        self.requests: dict[str, OrderRequest] = {}
        #: A request of this act cannot be encoded.
        self.refuses: Act | None = None

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """Nothing is prepared."""

    def path(self) -> str:
        return "/trade"

    def opening(self, now_ms: int) -> list[WireRequest]:
        return []

    def opened(self, answer: Any) -> bool | None:
        return True

    def fallback(self) -> bool:
        return False

    def encode(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        channel = Channel.SOCKET if request.act in _SOCKET else Channel.REST
        return self._made(channel, request, wire_id, now_ms)

    def encode_rest(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        return self._made(Channel.REST, request, wire_id, now_ms)

    def _made(self, channel: Channel, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        if request.act is self.refuses:
            raise ValueError(f"no {request.act.name} here")
        self.requests[wire_id] = request
        return WireRequest(
            channel, wire_id, request.act, request.leg, request.request_no, text=f"{wire_id} {now_ms}"
        )

    def decode(self, frame: bytes) -> Any:
        (decoded,) = _loaded(self.venue, frame)
        return decoded

    def decode_rest(self, asked: WireRequest, status: int, body: bytes, retry_after_ns: int) -> Any:
        decoded = _loaded(self.venue, body)
        is_one = len(decoded) == 1 and isinstance(decoded[0], VenueAnswer | AccountView)
        return decoded[0] if is_one else decoded

    def ping(self, number: int) -> str | None:
        return None


class FakeUser:
    """The events of an account."""

    limits = SocketLimits(0, 0)

    def __init__(self, venue: str = "bybit_spot") -> None:
        self.venue = venue

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """Nothing is prepared."""

    def path(self, listen_key: str) -> str:
        return "/user"

    def opening(self, now_ms: int) -> list[WireRequest]:
        return []

    def opened(self, answer: Any) -> bool | None:
        return True

    def fallback(self) -> bool:
        return False

    def decode(self, frame: bytes) -> Any:
        return _loaded(self.venue, frame)

    def ping(self, number: int) -> str | None:
        return None

    def key_request(self, now_ms: int) -> WireRequest | None:
        return None

    def renewal(self, now_ms: int) -> WireRequest | None:
        return None


def _loaded(venue: str, frame: bytes) -> Any:
    if frame == b"?":
        raise DecodeError(venue, "unknown", frame)
    return pickle.loads(frame)
