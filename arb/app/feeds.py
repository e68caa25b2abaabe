"""From a venue's file to what its feed is made of: the addresses, the transport, the adapter's own streams.

Nothing connects here; `connectors.feed` does, when it is started. Used by every command that listens to venues.
"""

from __future__ import annotations

from arb.config.load import VenueConfig
from arb.errors import InputError
from connectors.errors import TransportError
from connectors.feed import Endpoints
from connectors.sockets import transport_of
from connectors.transport import Transport


def endpoints_of(venue: VenueConfig) -> Endpoints:
    """Where the streams of a venue are: its address, then the others in the order of the file."""
    connection = venue.connection
    return Endpoints((connection.websocket_url, *connection.websocket_fallback_urls))


def venue_transport(venue: VenueConfig) -> Transport:
    """The transport that the venue's file names. Raises InputError where its library is not installed."""
    try:
        return transport_of(venue.connection.transport)
    except TransportError as error:
        raise InputError(f"{venue.file}: [connection] transport: {error}") from None
