"""Converts the configuration of venues and legs to the objects that the lower layers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from arb.config import Config, VenueConfig, load_grids, load_venues, on_grids
from arb.config import Leg as ConfigLeg
from arb.config.adapters import feed_latency_ns
from arb.config.schema import Grid
from arb.config.templates import template_folder
from arb.data.rows.grid import stated_section
from arb.errors import InputError
from arb.leg import Leg
from connectors.model import Instrument

_NS_PER_MS = 1_000_000


def known_venues(config_path: Path) -> dict[str, VenueConfig]:
    """The venues described beside the main file; without a main file, the templates of `arb init`."""
    if config_path.is_file():
        return load_venues(config_path.parent)
    with template_folder() as folder:
        return load_venues(folder)


class GridSource(NamedTuple):
    """Where the grid of recorded data is configured, for errors, and whether it was stated for this data."""

    section: str
    is_stated: bool


class KnownGrids:
    """The grids of recorded data that a main file states."""

    def __init__(self, grids: Mapping[str, Mapping[str, Grid]], file: str) -> None:
        self._grids = grids
        self._file = file

    @classmethod
    def of_file(cls, config_path: Path) -> KnownGrids:
        """Reads the main file; no grids if it does not exist. Raises ConfigError."""
        grids = load_grids(config_path) if config_path.is_file() else {}
        return cls(grids, str(config_path))

    @classmethod
    def of_config(cls, config: Config) -> KnownGrids:
        return cls(config.data.grid, config.file)

    def venues(self, venues: Mapping[str, VenueConfig]) -> dict[str, VenueConfig]:
        """The venues with the data's ticks and lots."""
        return on_grids(venues, self._grids)

    def source(self, venue: VenueConfig, symbol: str) -> GridSource:
        """Where tick and lot of an instrument's data are configured."""
        stated = f"{stated_section(venue.name, symbol)} of {self._file}"
        if symbol in self._grids.get(venue.name, ()):
            return GridSource(stated, True)
        own = f"[symbols.{symbol}] of {venue.file}"
        return GridSource(f"{own}, or, of data that were re-encoded or simulated, in {stated}", False)


#: No grids stated: every recording is on its venue's grid.
NO_GRIDS = KnownGrids({}, "the main file")


def instrument_of(leg: Leg) -> Instrument:
    """The venue side's description of a leg's instrument."""
    return Instrument(leg.venue, leg.symbol, leg.tick_size, leg.lot_size)


def leg_of(leg: ConfigLeg) -> Leg:
    """A configured leg, independent of the configuration. Raises InputError for an unusable latency file."""
    file = leg.latency.order_file
    if file is not None:
        file = file.replace("{symbol}", leg.symbol.lower())
    return Leg(
        venue=leg.venue.name,
        symbol=leg.symbol,
        is_spot=leg.is_spot,
        tick_size=leg.tick_size,
        lot_size=leg.lot_size,
        min_qty=leg.min_qty,
        min_notional=leg.min_notional,
        contract_size=leg.contract_size,
        maker_fee=leg.fees.maker,
        taker_fee=leg.fees.taker,
        feed_latency_ns=feed_latency_ns(leg.venue),
        entry_latency_ns=round(leg.latency.entry_ms * _NS_PER_MS),
        response_latency_ns=round(leg.latency.response_ms * _NS_PER_MS),
        queue_model=leg.queue.model,
        queue_power=leg.queue.power,
        base=leg.base,
        quote=leg.quote,
        roi_lb=leg.roi_lb,
        roi_ub=leg.roi_ub,
        order_latency_file=file,
        order_latencies=None if file is None else _measured(Path(file), leg.name),
        pair=leg.pair,
        account=leg.account,
    )


def _measured(file: Path, leg: str) -> Any:
    # Imports compiled code, which some commands do not need.
    from arb.runtime.latencies import read_order_latencies

    return read_order_latencies(file, leg)


def with_latencies_of(config: Config, run: Path) -> Config:
    """The configuration with a session's measured order latencies for every leg.

    run: the session's folder. Raises InputError if it has none.
    """
    from arb.runtime.latencies import LATENCY_FOLDER

    if not (run / LATENCY_FOLDER).is_dir():
        raise InputError(
            f"{run}: no folder {LATENCY_FOLDER} in it: name the folder of a session that arb dry-run --live-data wrote"
        )

    def measured(leg: ConfigLeg) -> ConfigLeg:
        file = str(run / LATENCY_FOLDER / f"{leg.venue.name}_{{symbol}}_orders.npz")
        latency = msgspec.structs.replace(leg.latency, order_file=file)
        return replace(leg, venue=replace(leg.venue, latency=latency))

    return replace(config, legs=tuple(measured(leg) for leg in config.legs))
