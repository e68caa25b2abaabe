"""Converts the configuration of venues and legs to the objects that the lower layers use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from arb.config import Config, VenueConfig, load_grids, load_venues, on_grids
from arb.config.schema import Grid
from arb.config.templates import TEMPLATE_NAMES, template_folder
from arb.data.rows.grid import stated_section
from arb.errors import InputError
from arb.leg import Leg
from connectors.model import Instrument


def known_venues(
    config_path: Path, overrides: Sequence[str] = (), *, has_grids: bool = False
) -> dict[str, VenueConfig]:
    """The venues described beside the main file; without a main file, the templates of `arb init`.

    overrides, has_grids: see `load_venues`.
    """
    with _files_of(config_path) as main:
        return load_venues(main.parent, overrides, has_grids=has_grids)


@contextmanager
def _files_of(config_path: Path) -> Iterator[Path]:
    """The main file, or that of the templates."""
    if config_path.is_file():
        yield config_path
    else:
        with template_folder() as folder:
            yield folder / TEMPLATE_NAMES[0]


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
    def of_file(cls, config_path: Path, overrides: Sequence[str] = ()) -> KnownGrids:
        """Reads the main file; without one there are only the grids of the overrides. Raises ConfigError."""
        with _files_of(config_path) as main:
            return cls(load_grids(main, overrides), str(config_path))

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


def legs_of(config: Config) -> list[Leg]:
    """The legs with their measured order latencies, if configured. Raises InputError for an unusable latency file."""
    return [
        leg
        if leg.order_latency_file is None
        else replace(leg, order_latencies=_measured(Path(leg.order_latency_file), leg.name))
        for leg in config.legs
    ]


def with_openings(config: Config, manifest: Mapping[str, Any]) -> Config:
    """The configuration with the positions that its session took over. Raises InputError if they are unreadable."""
    rows = manifest.get("openings") or []
    if not rows:
        return config
    try:
        legs = tuple(
            replace(
                leg,
                opening_position=float(position),
                opening_price=float(price),
                base=float(base),
                quote=float(quote),
            )
            for leg, (position, price, base, quote) in zip(config.legs, rows, strict=True)
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"the manifest's openings cannot be read: {error}") from None
    return replace(config, legs=legs)


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

    legs, venues = [], dict(config.venues)
    for leg in config.legs:
        file = str(run / LATENCY_FOLDER / f"{leg.venue}_{{symbol}}_orders.npz")
        latency = msgspec.structs.replace(venues[leg.venue].latency, order_file=file)
        venues[leg.venue] = replace(venues[leg.venue], latency=latency)
        legs.append(replace(leg, order_latency_file=file.replace("{symbol}", leg.symbol.lower())))
    return replace(config, legs=tuple(legs), venues=venues)
