"""What a venue class of order entry and one of user data implement. Pure; one instance per venue and connection."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from connectors.orders.model import (
    AccountView,
    Decoded,
    Instrument,
    Notice,
    OrderRequest,
    VenueAnswer,
    WireRequest,
)


class SocketLimits(NamedTuple):
    """Limits of one websocket."""

    #: After this time the venue closes it; 0: never.
    life_ns: int
    #: Interval of the client's pings; 0: the venue sends them, and the websocket library answers.
    ping_ns: int


class OrderProtocol(Protocol):
    """Order entry at one venue."""

    venue: str
    limits: SocketLimits

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """Makes a leg known, before the first request for it."""

    def path(self) -> str:
        """Path of the websocket, with its query."""

    def opening(self, now_ms: int) -> list[WireRequest]:
        """The requests before all others on a new websocket: each is sent after the answer to the one before."""

    def opened(self, answer: VenueAnswer) -> bool | None:
        """Whether an opening request was accepted. False: refused for good. None: try again after `fallback`."""

    def fallback(self) -> bool:
        """Changes to signing each request, if the venue's log-on refuses the key; False: there is nothing left."""

    def encode(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        """A request for the websocket, or for REST where the websocket has none."""

    def encode_rest(self, request: OrderRequest, wire_id: str, now_ms: int) -> WireRequest:
        """A request for REST."""

    def decode(self, frame: bytes) -> VenueAnswer | Notice:
        """A frame of the websocket. Raises DecodeError for an unknown form."""

    def decode_rest(
        self, asked: WireRequest, status: int, body: bytes, retry_after_ns: int
    ) -> VenueAnswer | AccountView | tuple[Decoded, ...]:
        """A REST response; status 0: there was none. Raises DecodeError for an unknown form."""

    def ping(self, number: int) -> str | None:
        """The client's ping, if the venue has one."""

    @property
    def switch_reach(self) -> str:
        """Which orders the venue's own dead-man's switch cancels; "": it has none."""

    def switch(self, window_ms: int, now_ms: int, *, is_renewal: bool) -> list[WireRequest]:
        """The REST requests that switch it on, renew it or, with a window of 0, switch it off; without any there is
        nothing to do."""


class UserProtocol(Protocol):
    """The events of an account at one venue."""

    venue: str
    limits: SocketLimits

    def add_leg(self, leg: int, instrument: Instrument) -> None:
        """Makes a leg known; events of other symbols are ignored."""

    def path(self, listen_key: str) -> str:
        """Path of the websocket; listen_key: "" where there is none."""

    def opening(self, now_ms: int) -> list[WireRequest]:
        """See `OrderProtocol`: log-on and subscriptions."""

    def opened(self, answer: VenueAnswer) -> bool | None:
        """See `OrderProtocol`."""

    def fallback(self) -> bool:
        """See `OrderProtocol`."""

    def decode(self, frame: bytes) -> tuple[Decoded, ...]:
        """A frame. Raises DecodeError for an unknown form."""

    def ping(self, number: int) -> str | None:
        """See `OrderProtocol`."""

    def key_request(self, now_ms: int) -> WireRequest | None:
        """The request for a listen key; None where there is none."""

    def renewal(self, now_ms: int) -> WireRequest | None:
        """The request that keeps a listen key alive."""
