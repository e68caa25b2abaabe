"""Where a session trades: the venues' own addresses, their testnets, their demos, or a sandbox. Values only.

This module has every address that a session may use; its transports, REST clients and resolvers open no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
import platformdirs

from arb.config.adapters import load_adapter
from arb.config.live_keys import Live
from arb.config.model import VenueConfig
from arb.errors import ConfigError
from arb.sandbox.serve.urls import VenueUrls
from connectors.model import Stream
from connectors.net.hosts import ListedHosts

EnvironmentName = Literal["live", "testnet", "demo", "sandbox"]


class LiveOptions(NamedTuple):
    """What the command line says about a session whose orders venues answer."""

    environment: EnvironmentName
    #: A position that the journal does not explain is taken over, or closed first; else it is refused.
    is_adopting: bool = False
    is_closing_first: bool = False


@dataclass(frozen=True)
class Environment:
    """The addresses of a session's venues. Those of a sandbox are known later, to the host of the session."""

    name: EnvironmentName
    #: The venues with this environment's addresses of market data.
    venues: Mapping[str, VenueConfig]
    #: By venue; `trade` is "" where orders go by REST.
    urls: Mapping[str, VenueUrls]
    hosts: ListedHosts

    @property
    def needed(self) -> dict[str, list[str]]:
        """The hosts without which it does not work, with the venues that need them: no other addresses of streams."""
        found: dict[str, list[str]] = {}
        for venue, urls in self.urls.items():
            for host in sorted({urlsplit(url).hostname or "" for url in urls if url}):
                found.setdefault(host, []).append(venue)
        return found


def environment_of(name: EnvironmentName, venues: Mapping[str, VenueConfig]) -> Environment:
    """The environment of these venues; no sandbox, whose addresses are in no file.

    Raises ConfigError for an address that is missing or not plain.
    """
    pointed = {venue: _pointed(name, config) for venue, config in venues.items()}
    urls = {venue: _urls(name, venues[venue]) for venue in venues}
    for venue, config in venues.items():
        try:
            ListedHosts(_addresses(pointed[venue], urls[venue]))
        except ValueError as error:
            raise ConfigError(f"{config.file}: [{_section(name)}] {error}") from None
    hosts = ListedHosts(address for venue in venues for address in _addresses(pointed[venue], urls[venue]))
    return Environment(name, pointed, urls, hosts)


def state_directory(live: Live) -> Path:
    """The folder of journals, locks and flags."""
    if live.state_directory is not None:
        return Path(live.state_directory)
    return platformdirs.user_data_path("arb", appauthor=False)


def _section(name: EnvironmentName) -> str:
    return "connection" if name == "live" else name


def _urls(name: EnvironmentName, venue: VenueConfig) -> VenueUrls:
    table = venue.connection if name == "live" else getattr(venue, name)
    required = ("websocket_url", "rest_api_url", "user_url")
    missing = [key for key in required if getattr(table, key) is None]
    if missing and name != "live" and len(missing) == len(required):
        raise ConfigError(
            f"{venue.file}: there is no [{name}]: {venue.name} cannot be traded there; choose other legs, or write its "
            f"addresses in [{name}]"
        )
    if missing:
        raise ConfigError(f"{venue.file}: [{_section(name)}] {missing[0]} is missing: `arb live` needs it")
    wallet = venue.connection.wallet_url if name == "live" else None
    return VenueUrls(
        table.websocket_url, table.rest_api_url, table.trade_url or "", table.user_url or "", wallet or ""
    )


def _pointed(name: EnvironmentName, venue: VenueConfig) -> VenueConfig:
    if name == "live":
        return venue
    table = getattr(venue, name)
    connection = msgspec.structs.replace(
        venue.connection,
        websocket_url=table.websocket_url,
        websocket_fallback_urls=(),
        rest_api_url=table.rest_api_url,
    )
    return dataclasses.replace(venue, connection=connection)


def _addresses(venue: VenueConfig, urls: VenueUrls) -> Iterator[str]:
    adapter = load_adapter(venue)
    for base in (urls.websocket, *venue.connection.websocket_fallback_urls):
        # The adapter adds its own path, or replaces the file's.
        yield from sorted({adapter.url(base, adapter.route(stream)) for stream in Stream})
    yield from (urls.rest, urls.user)
    yield from (url for url in (urls.trade, urls.wallet) if url)
