"""Addresses of a running sandbox for other commands. Does not import the server, so that a dry-run starts sooner."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from arb.config import VenueConfig
from arb.config.venue_schema import Connection
from arb.errors import InputError
from arb.sandbox.serve.urls import VenueUrls, ports_from, venue_urls


def at_sandbox(venues: Mapping[str, VenueConfig], urls: Mapping[str, VenueUrls]) -> dict[str, VenueConfig]:
    """The venues with a sandbox's addresses (`Sandbox.urls`). Raises InputError for one that it does not serve."""
    if missing := sorted(venues.keys() - urls.keys()):
        raise InputError(
            f"the sandbox does not serve {', '.join(missing)}: start it with --venues, or choose other legs"
        )
    return {
        name: dataclasses.replace(
            venue, connection=Connection(websocket_url=urls[name].websocket, rest_api_url=urls[name].rest)
        )
        for name, venue in venues.items()
    }


def sandbox_urls(port_base: int) -> dict[str, VenueUrls]:
    """The addresses of the four venues of `arb sandbox serve --port-base`."""
    return venue_urls(ports_from(port_base))
