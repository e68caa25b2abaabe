"""Applies the ticks and lots of recorded data that `[data.grid]` states in place of the venues' files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from arb.config.load import sizes_of
from arb.config.model import Config, VenueConfig
from arb.config.schema import Grid


def on_grids(
    venues: Mapping[str, VenueConfig], grids: Mapping[str, Mapping[str, Grid]]
) -> dict[str, VenueConfig]:
    """The venues with the stated ticks and lots of recorded data."""
    return {name: _on_grid(venue, grids.get(name, {})) for name, venue in venues.items()}


def _on_grid(venue: VenueConfig, grids: Mapping[str, Grid]) -> VenueConfig:
    symbols = dict(venue.symbols)
    for name, grid in grids.items():
        if name in symbols:
            own = symbols[name]
            symbols[name] = msgspec.structs.replace(
                own, tick_size=grid.tick_size or own.tick_size, lot_size=grid.lot_size or own.lot_size
            )
    return replace(venue, symbols=symbols)


def on_data_grid(config: Config) -> Config:
    """The configuration for recorded data: the legs' ticks and lots are those of `[data.grid]`, if stated.

    Applying it twice changes nothing.
    """
    venues = on_grids(config.venues, config.data.grid)
    legs = tuple(replace(leg, **sizes_of(venues[leg.venue].symbols[leg.symbol])) for leg in config.legs)
    return replace(config, venues=venues, legs=legs)
