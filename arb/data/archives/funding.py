"""Funding rates and mark prices of Binance's archive as rows for the venue's side: one a funding time.

Source: github.com/binance/binance-public-data (README; read 2026-11). The files are small: no compiled code reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hftbacktest.types import EXCH_EVENT, event_dtype

from arb.data.archives.table import time_ns
from arb.data.archives.text import AGAIN, read_text
from arb.data.catalog.funding import FundingFiles
from arb.data.funding import FundingSpan
from arb.errors import InputError
from connectors.model import FUNDING_EVENT, Rows
from connectors.parsing.json_fields import decimal, signed_decimal
from connectors.units import DAY, MINUTE, SECOND

_HOUR = 60 * MINUTE
#: Columns of files without a header; those of klines go on with volumes.
_RATES = ("calc_time", "funding_interval_hours", "last_funding_rate")
_MARKS = ("open_time", "open", "high", "low", "close")
_HOURS = frozenset(str(hours) for hours in range(1, 25))


class FundingDay(NamedTuple):
    """The funding times of a UTC day as FUNDING_EVENT rows by time, and what they cover (`arb.data.funding`)."""

    rows: Rows
    spans: tuple[FundingSpan, ...]


class _Rate(NamedTuple):
    """A line of a file of rates. interval_ns: the venue's interval at that time."""

    ts: int
    interval_ns: int
    rate: float


def read_funding(files: FundingFiles) -> FundingDay:
    """The funding times of a day. A row's venue time and next funding time are the funding time; its price is the mark
    price there. Without a mark price there is no row: the venue's side would use an older one.

    A month's file has no hole where its times are not farther apart than its intervals. Raises InputError with file and
    line.
    """
    rates = sorted(_rates(files.rates, files.symbol))
    for one, other in pairwise(rates):
        if one.ts == other.ts:
            raise InputError(f"{files.rates}: two rates of {_shown(one.ts)}; {AGAIN}")
    start = _midnight(files.day)
    own = [rate for rate in rates if start <= rate.ts < start + DAY]
    befores = dict(zip(rates[1:], rates, strict=False))
    marks = _marks(files.marks, files.symbol, files.day, {rate.ts for rate in own})
    own = [rate for rate in own if rate.ts in marks]
    rows = np.zeros(len(own), event_dtype)
    rows["ev"] = FUNDING_EVENT | EXCH_EVENT
    for row, rate in zip(rows, own, strict=True):
        row["exch_ts"] = row["local_ts"] = row["ival"] = rate.ts
        row["px"] = marks[rate.ts]
        row["fval"] = rate.rate
    return FundingDay(rows, tuple(_span(befores.get(rate), rate) for rate in own))


def _span(before: _Rate | None, rate: _Rate) -> FundingSpan:
    """What a rate covers: the time since the one before it, unless that is longer ago than the interval."""
    interval = rate.interval_ns
    if before is not None and rate.ts - before.ts <= max(interval, before.interval_ns):
        return FundingSpan(before.ts, rate.ts)
    return FundingSpan(rate.ts - interval, rate.ts)


def _rates(path: Path, symbol: str) -> Iterator[_Rate]:
    for line, (time, hours, rate) in _lines(path, symbol, _RATES, _RATES):
        try:
            if hours not in _HOURS:
                raise ValueError(f"{hours!r} is no interval in hours")
            yield _Rate(_to_minute(time_ns(time)), int(hours) * _HOUR, signed_decimal(rate))
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from None


def _marks(path: Path, symbol: str, day: date, wanted: Collection[int]) -> dict[int, float]:
    """The opening mark prices of the wanted minutes."""
    found = {}
    start = _midnight(day)
    for line, (time, price) in _lines(path, symbol, _MARKS, ("open_time", "open")):
        try:
            ts, mark = time_ns(time), decimal(price)
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
        if not start <= ts < start + DAY:
            raise InputError(f"{path}, line {line}: the time {_shown(ts)} is not of {day}")
        if ts in wanted and mark > 0.0:
            found[ts] = mark
    return found


def _lines(
    path: Path, symbol: str, headerless: Sequence[str], wanted: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    """The number of each line, and its wanted fields. headerless: the first columns of a file without a header."""
    text = b"".join(read_text(path, symbol)).decode("utf-8-sig", "replace")
    columns: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split(",")
        if not columns:
            is_header = not line[:1].isdigit()
            columns = fields if is_header else list(headerless)
            if absent := [name for name in wanted if name not in columns]:
                raise InputError(f"{path}, line {number}: no column {absent[0]!r}")
            if is_header:
                continue
        if len(fields) < len(columns):
            raise InputError(f"{path}, line {number}: {len(fields)} columns, where {len(columns)} belong")
        yield number, [fields[columns.index(name)] for name in wanted]
    if not columns:
        raise InputError(f"{path}: there is nothing in it; {AGAIN}")


def _to_minute(ts: int) -> int:
    """The nearest minute: a rate is stamped when it was computed, some ms after its funding time."""
    return (ts + MINUTE // 2) // MINUTE * MINUTE


def _midnight(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND


def _shown(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC"
