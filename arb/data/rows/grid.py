"""Checks whether the days of an instrument are on the configured grid: errors and notes.

A value off the tick or the lot is an error and never rounded. A grid that only looks coarser than the configured one
gives a note: a quiet day may have multiples of a larger lot only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from arb.data.catalog.days import Day
from arb.errors import InputError
from connectors.book.grid import Measured, fault_text, is_coarser, setting_text, size_text
from connectors.model import Instrument

#: Minimum number of rows to conclude that a grid is coarser than the configured one, or that of the day before.
COARSER_ROWS_MIN = 1_000


class DayGrid(NamedTuple):
    """A day and its measured grid."""

    day: Day
    measured: Measured


def refuse_off_grid(
    instrument: Instrument | None, days: Sequence[DayGrid], section: str = "", *, is_stated: bool = False
) -> None:
    """Raises InputError for the first of consecutive days with values off the instrument's grid, or another grid.

    section: the configuration section of tick and lot. is_stated: they were stated for exactly these data, so days on
    a coarser grid are correct.
    """
    if instrument is None:
        return
    for number, (day, measured) in enumerate(days):
        if fault := off_grid_text(instrument, measured, section):
            before = " (the days before it are on that grid: it has changed)" if number else ""
            raise InputError(f"{day.path}: {day.day}{before}: {fault}")
    if not is_stated:
        _refuse_change(instrument, days)


def off_grid_text(instrument: Instrument, measured: Measured, section: str = "") -> str:
    """A text on values that contradict the configured grid, and the lines to write; "" if there are none."""
    fault = fault_text(measured, instrument.tick_size, instrument.lot_size)
    if not fault:
        return ""
    name = f"{instrument.venue}:{instrument.symbol}"
    where = section or f"[symbols.{instrument.symbol}] of the file of {instrument.venue}"
    return f"{name} is off the configured grid: {fault}; write {setting_text(measured)} in {where}"


def stated_section(venue: str, symbol: str) -> str:
    """The section of the main file that states the grid of an instrument's data."""
    return f"[data.grid.{venue}.{symbol}]"


def _refuse_change(instrument: Instrument, days: Sequence[DayGrid]) -> None:
    known = [(day, grid) for day, grid in days if grid.rows >= COARSER_ROWS_MIN]
    for (_, before), (day, now) in pairwise(known):
        changes = [
            f"{key} from {then} to {later}"
            for key, then, later in (
                ("tick_size", before.tick_size, now.tick_size),
                ("lot_size", before.lot_size, now.lot_size),
            )
            if then and later and then != later
        ]
        if changes:
            raise InputError(
                f"{day.path}: the grid of {day.venue}:{day.symbol} changes on {day.day}: {' and '.join(changes)}; end "
                f"the run before that day, begin with it, or state one grid for all days in "
                f"{stated_section(instrument.venue, instrument.symbol)}"
            )


def coarser_notes(instrument: Instrument | None, days: Sequence[DayGrid]) -> list[str]:
    """A line for each step that all days show to be larger than the configured one."""
    if instrument is None or sum(grid.rows for _, grid in days) < COARSER_ROWS_MIN:
        return []
    notes = []
    for key, configured, steps in (
        ("tick_size", instrument.tick_size, [grid.tick_size for _, grid in days]),
        ("lot_size", instrument.lot_size, [grid.lot_size for _, grid in days]),
    ):
        if all(is_coarser(step, configured) for step in steps):
            what = "prices" if key == "tick_size" else "quantities"
            notes.append(
                f"{instrument.venue}:{instrument.symbol}: all {what} are multiples of {', '.join(sorted(set(steps)))}, "
                f"{key} is {size_text(configured)}: it looks finer than the venue's (arb doctor asks for it)"
            )
    return notes
