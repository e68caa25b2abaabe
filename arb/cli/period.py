"""`--start` and `--end`: a UTC day, or a time on it.

A day as `--end` is inclusive; a time as `--end` is not. What runs is read from whole days, so a `Period` has both: the
days, and the window within them if a time was given.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from arb.errors import InputError
from connectors.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.data.catalog.days import Days
    from arb.data.rows.window import Window

_FORM = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_DAY = timedelta(days=1)
#: Of data: no time in ns overflows.
_YEARS = range(1970, 2200)


class Moment(NamedTuple):
    """A day, or a time if `has_time`. at: UTC, of a day its begin. text: as it was written."""

    at: datetime
    has_time: bool
    text: str

    @property
    def ts(self) -> int | None:
        """The time in ns, None for a day."""
        return round(self.at.timestamp()) * SECOND if self.has_time else None


class Time(click.ParamType[Moment]):
    """A UTC day or time: YYYY-MM-DD, or YYYY-MM-DDTHH:MM with or without seconds and a Z."""

    name = "YYYY-MM-DD[THH:MM]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:
        if isinstance(value, Moment):
            return value
        try:
            at = datetime.fromisoformat(value) if _FORM.fullmatch(value) else None
        except ValueError:
            at = None
        if at is None or at.year not in _YEARS:
            self.fail(
                f"{value!r} is neither a day nor a time; write it as 2024-08-08 or 2024-08-08T23:55",
                param,
                ctx,
            )
        if at.utcoffset():
            self.fail(f"{value!r} is not UTC; write it as {at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", param, ctx)
        return Moment(at.replace(tzinfo=UTC), "T" in value, value)


#: The help of `--start`, and of `--end` (continued by what is run without it).
START_HELP = "First UTC day, or a time on it."
END_HELP = "Last UTC day, inclusive, or a time, exclusive"


class Period(NamedTuple):
    """The days from `first` to `last`, both inclusive, and the part of them to run.

    last: None without `--end`. window: None for whole days.
    """

    first: date
    last: date | None
    window: Window | None


def period_of(start: Moment, end: Moment | None) -> Period:
    """The period from `--start` to `--end`. Raises InputError if there is no time between them."""
    last = None if end is None else _last_day(start, end)
    return Period(start.at.date(), last, window_of(start, end))


def window_of(start: Moment | None, end: Moment | None) -> Window | None:
    """The part of the days from `--start` to `--end`; None for whole days."""
    times = None if start is None else start.ts, None if end is None else end.ts
    if times == (None, None):
        return None
    from arb.data.rows.window import Window

    return Window(*times)


def days_of(start: Moment | None, end: Moment | None) -> Days:
    """The days from `--start` to `--end`, of a time its day. Raises InputError as `period_of`."""
    from arb.data.catalog.days import Days

    first = Moment(datetime.min.replace(tzinfo=UTC), has_time=False, text="") if start is None else start
    return Days(None if start is None else start.at.date(), None if end is None else _last_day(first, end))


def _last_day(start: Moment, end: Moment) -> date:
    after = end.at if end.has_time else end.at + _DAY
    if end.at < start.at and after <= start.at:
        raise InputError(f"{option('end')} {end.text} lies before {option('start')} {start.text}")
    if after <= start.at:
        raise InputError(
            f"{option('start')} {start.text} and {option('end')} {end.text}: no time between them; a time as "
            f"{option('end')} is exclusive"
        )
    return (after - timedelta(microseconds=1)).date()


def days_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--start` and `--end` to a command that takes whole days."""
    for name, text in (("--end", "Last UTC day, inclusive; of a time, its day."),
                       ("--start", "First UTC day; of a time, its day.")):  # fmt: skip
        command = click.option(name, type=Time(), help=text)(command)
    return command


def option(parameter: str) -> str:
    """The name of an option of the current command: `arb run` has other names for some."""
    found = (one.opts[0] for one in click.get_current_context().command.params if one.name == parameter)
    return next(found)
