"""Symbols to add to a configuration, as recordings or archives show them, without a network.

A recording has no listing. The tick is the largest step that divides all of its prices; the lot is that of nearly all
quantities, because venues have orders older than their current lot. The minima are not in it: the least quantity is
left at one lot, the least value is estimated from above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arb.commands.new_symbols import FoundSymbols
from arb.commands.recordings import StartProgress, bytes_of, days_in, not_described
from arb.config import VenueConfig
from arb.config.adapters import load_adapter
from arb.config.schema import SYMBOL_PLACEHOLDER
from arb.config.symbol_texts import NewSymbol, Traded
from arb.data.catalog.days import Day
from arb.data.rows.grid import COARSER_ROWS_MIN
from arb.data.rows.spool import read_into
from arb.errors import InputError
from connectors.book.grid import OFF_SHARE_MAX
from connectors.model import Rows

#: Quantities of a day that its lot is derived from.
_QUANTITIES_MAX = 1_000_000
_ROUNDING = 1e-9
#: The least value of an order at a venue that has no other symbols, in quote.
_MIN_NOTIONAL = 10.0


def recorded_symbols(
    directory: Path,
    venues: Mapping[str, VenueConfig],
    symbols: Sequence[str] | None,
    progress: StartProgress | None = None,
    *,
    is_chosen: bool = False,
) -> FoundSymbols:
    """The symbols of the recordings below `directory` at these venues; of each the largest day is read.

    symbols: None for all. is_chosen: recordings of other venues are not mentioned. Raises InputError for a symbol that
    was not recorded, and for files that cannot be read.
    """
    days = days_in(directory)
    largest: dict[tuple[str, str], Day] = {}
    for day in sorted(days, key=lambda day: bytes_of([[day]])):
        if day.venue in venues and (symbols is None or day.symbol in symbols):
            largest[day.venue, day.symbol] = day
    there = {symbol for _, symbol in largest}
    if absent := [symbol for symbol in symbols or () if symbol not in there]:
        known = sorted({f"{day.venue}:{day.symbol}" for day in days})
        raise InputError(f"{directory}: no recordings of {', '.join(absent)}; there are {', '.join(known)}")
    if not largest:
        raise InputError(f"{directory}: no recordings of {', '.join(venues)}")
    begun = progress and progress(bytes_of([largest.values()]))
    found: list[NewSymbol] = []
    prices: dict[str, float] = {}
    notes = [] if is_chosen else not_described(directory, venues)
    for key in sorted(largest):
        day, venue = largest[key], venues[key[0]]
        sink = Sample()
        grid = read_into(sink, load_adapter(venue), day, None, progress=begun).grid
        if not grid.tick_size or not grid.lot_size:
            notes.append(f"{venue.name}:{day.symbol}: left out, {day.path} has no prices")
            continue
        if grid.rows < COARSER_ROWS_MIN:
            notes.append(f"{venue.name}:{day.symbol}: {grid.rows:,} rows alone: tick and lot may be finer")
        least = max((own.min_notional for own in venue.symbols.values()), default=0.0) or _MIN_NOTIONAL
        found.append(
            NewSymbol(
                venue.name,
                day.symbol,
                grid.tick_size,
                sink.lot(grid.lot_size),
                "",
                f"{least:g}",
                _origin(day),
            )
        )
        prices.setdefault(day.symbol, sink.price)
    return FoundSymbols(found, prices, notes)


def first_day(directory: Path, legs: Traded) -> date | None:
    """The first day that all legs of the symbols have; None if there is none."""
    names = {name.replace(SYMBOL_PLACEHOLDER, symbol) for name in legs.legs for symbol in legs.symbols}
    days: dict[str, set[date]] = {name: set() for name in names}
    for day in days_in(directory):
        days.get(f"{day.venue}:{day.symbol}", set()).add(day.day)
    return min(set.intersection(*days.values()), default=None)


def _origin(day: Day) -> str:
    return (
        f"Derived from the prices and quantities of {day.path.name}, not from the venue's listing. The minima are not "
        "in recordings: min_qty is absent, which is one lot, and min_notional is an estimate. Enter the venue's; arb "
        "doctor compares them."
    )


class Sample:
    """Receives a day's rows: keeps one price, the median of the first ones, and the first quantities."""

    directory: Path | None = None

    def __init__(self) -> None:
        self.price = math.nan
        self._quantities: list[NDArray[np.float64]] = []
        self._count = 0

    def room(self, count: int) -> Rows | None:
        return None

    def append(self, rows: Rows) -> None:
        if math.isnan(self.price) and len(known := rows["px"][rows["px"] > 0.0]):
            self.price = float(np.median(known))
        if self._count < _QUANTITIES_MAX:
            self._quantities.append(rows["qty"][rows["qty"] > 0.0])
            self._count += len(self._quantities[-1])

    def clear(self) -> None:
        self.price = math.nan
        self._quantities.clear()
        self._count = 0

    def lot(self, divisor: str) -> str:
        """The largest power of ten that nearly all quantities are multiples of, or `divisor`, which divides all."""
        quantities = np.concatenate([np.empty(0), *self._quantities])
        lot = Decimal(divisor)
        coarser = Decimal(1).scaleb(lot.adjusted() + 1)
        while len(quantities) and _is_lot(quantities, float(coarser)):
            lot, coarser = coarser, coarser.scaleb(1)
        return f"{lot:f}"


def _is_lot(quantities: NDArray[np.float64], lot: float) -> bool:
    lots = quantities / lot
    is_off = np.abs(lots - np.rint(lots)) > _ROUNDING * np.maximum(lots, 1.0)
    return bool(np.rint(lots).min() >= 1.0 and is_off.mean() <= OFF_SHARE_MAX)
