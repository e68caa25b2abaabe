"""What a venue's file describes, as objects of the venue side: its adapter and its instruments."""

from __future__ import annotations

import importlib

from arb.config.model import VenueConfig
from arb.errors import ConfigError
from connectors.model import Instrument, Venue

_NS_PER_MS = 1_000_000


def load_adapter(venue: VenueConfig) -> Venue:
    """An instance of the class named in the venue's file. Raises ConfigError."""
    module_name, _, class_name = venue.adapter.partition(":")
    try:
        adapter = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{venue.file}: adapter {venue.adapter!r} cannot be loaded: {error}") from None
    if not isinstance(adapter, type) or not hasattr(adapter, "topic"):
        raise ConfigError(
            f"{venue.file}: adapter {venue.adapter!r} is not a class that implements a venue's protocol"
        )
    return adapter()


def known_instrument(venue: VenueConfig, symbol: str) -> Instrument | None:
    """An instrument of a venue file; None for a symbol that is not described there."""
    known = venue.symbols.get(symbol)
    if known is None:
        return None
    return Instrument(venue.name, symbol, float(known.tick_size), float(known.lot_size))


def feed_latency_ns(venue: VenueConfig) -> int:
    """The latency assumed for streams without venue times."""
    return round(venue.latency.feed_ms * _NS_PER_MS)


def instrument_at(venue: VenueConfig, symbol: str) -> Instrument:
    """An instrument described in the venue's file. Raises ConfigError for any other."""
    instrument = known_instrument(venue, symbol)
    if instrument is None:
        raise ConfigError(f"{venue.file}: no [symbols.{symbol}]; add its tick_size and lot_size")
    return instrument
