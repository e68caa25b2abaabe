"""Addresses of a running sandbox, in the form of the venues' `[connection]` tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: What `GET /sandbox` calls the data of the seeded market.
SIMULATED = "simulated"

_WEBSOCKET_PATHS = {
    "binance_spot": "/ws",
    "binance_usdm": "",
    "bybit_spot": "/v5/public/spot",
    "bybit_linear": "/v5/public/linear",
}
#: The venues in the order of their ports.
VENUES = tuple(_WEBSOCKET_PATHS)


class VenueUrls(NamedTuple):
    """The addresses of one venue; the first two as `websocket_url` and `rest_api_url` of its file."""

    websocket: str
    rest: str
    #: Websockets of order entry and of user data, without their paths, which the protocols have.
    trade: str
    user: str
    #: Where it is asked what a key may do; "": at `rest`.
    wallet: str = ""


def venue_urls(ports: Mapping[str, int]) -> dict[str, VenueUrls]:
    """The addresses of the venues on these ports of this machine."""
    return {
        venue: VenueUrls(
            f"ws://127.0.0.1:{port}{_WEBSOCKET_PATHS[venue]}",
            f"http://127.0.0.1:{port}",
            *2 * (f"ws://127.0.0.1:{port}",),
        )
        for venue, port in ports.items()
    }


def ports_from(base: int) -> dict[str, int]:
    """The ports of a sandbox that was started with `--port-base`."""
    return {venue: base + number for number, venue in enumerate(VENUES)}
