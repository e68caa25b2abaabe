"""The downloaded funding history of a day: Binance's funding rates of its month, and the mark prices of the day.

They are stored beside the archive files of their instrument, and are no days of their own.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from arb.data.catalog.archived import archive_path
from arb.data.catalog.days import ArchiveDay, Day

#: The archive that has them, and the adapters of its markets.
FUNDING_SOURCE = "binance"
FUNDING_MARKETS = frozenset({"binance_usdm"})
#: File names as stored; templates of `symbol` and `day`.
RATES_NAME = "{symbol}-fundingRate-{day:%Y-%m}.zip"
#: Served as `{symbol}-1m-{day}.zip`, the name of other files too.
MARKS_NAME = "{symbol}-markPriceKlines-1m-{day}.zip"


class FundingFiles(NamedTuple):
    """The files of a day: the rates of its month, and its mark prices."""

    symbol: str
    day: date
    rates: Path
    marks: Path

    @property
    def paths(self) -> tuple[Path, Path]:
        return self.rates, self.marks


def funding_files(day: Day) -> FundingFiles | None:
    """The files that were downloaded into the data folder of a day; None unless both are there."""
    # Archives are three folders deeper than recordings: archive/<source>/<venue>/<SYMBOL>/.
    directory = day.path.parents[4 if isinstance(day, ArchiveDay) else 1]
    rates, marks = (
        archive_path(
            directory, FUNDING_SOURCE, day.venue, day.symbol, name.format(symbol=day.symbol, day=day.day)
        )
        for name in (RATES_NAME, MARKS_NAME)
    )
    return FundingFiles(day.symbol, day.day, rates, marks) if rates.is_file() and marks.is_file() else None
