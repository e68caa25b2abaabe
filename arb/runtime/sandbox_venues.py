"""Addresses of a running sandbox for other commands. Does not import the server, so that a dry-run starts sooner."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from arb.config import VenueConfig
from arb.config.venue_schema import Connection
from arb.errors import InputError
from arb.sandbox.serve.urls import PORT_BASE, VenueUrls, ports_from, venue_urls


def with_sandbox(
    venues: Mapping[str, VenueConfig], urls: Mapping[str, VenueUrls] | None = None
) -> dict[str, VenueConfig]:
    """The venues with the addresses of a running sandbox; venues it does not serve are left out.

    urls: `Sandbox.urls`; by default those of `arb sandbox serve` on its default ports.
    """
    urls = sandbox_urls() if urls is None else urls
    return {
        name: dataclasses.replace(
            venue, connection=Connection(websocket_url=urls[name].websocket, rest_api_url=urls[name].rest)
        )
        for name, venue in venues.items()
        if name in urls
    }


def at_sandbox(venues: Mapping[str, VenueConfig], urls: Mapping[str, VenueUrls]) -> dict[str, VenueConfig]:
    """The venues with a sandbox's addresses. Raises InputError for one that it does not serve."""
    reached = with_sandbox(venues, urls)
    if missing := sorted(venues.keys() - reached.keys()):
        raise InputError(
            f"the sandbox does not serve {', '.join(missing)}: start it with --venues, or choose other legs"
        )
    return reached


def sandbox_urls(port_base: int = PORT_BASE) -> dict[str, VenueUrls]:
    """The addresses of the four venues of `arb sandbox serve --port-base`."""
    return venue_urls(ports_from(port_base))
