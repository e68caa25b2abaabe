"""`arb download`, and what `arb backtest --download` does first: history from public archives into the data folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from arb.app.legs import load_adapter
from arb.archive.choice import ArchiveLeg, Archives
from arb.archive.download import Progress, Services, carry_out, make_plan
from arb.archive.markets import all_series
from arb.archive.plan import Plan
from arb.config import Config, Variable
from arb.data.archived import ArchiveFile, ArchiveKind, find_archives
from arb.data.catalog import Recording, find_recordings
from arb.errors import InputError

#: What archives spell a symbol with.
_SYMBOL = re.compile(r"[A-Z0-9]+")


class Downloader:
    """A configuration's legs, and the archives as its `[archive]` describes them."""

    def __init__(self, config: Config) -> None:
        """Reads the key from the environment. Raises InputError for a symbol that no archive can have."""
        archive = config.archive
        variable = Variable(archive.tardis_key)
        key = variable.value()
        self.directory = Path(config.data.directory)
        self.legs = [
            ArchiveLeg(leg.venue.name, load_adapter(leg.venue).name, leg.symbol) for leg in config.legs
        ]
        for leg in self.legs:
            if not _SYMBOL.fullmatch(leg.symbol):
                raise InputError(f"{leg.name}: archives have symbols of capitals and digits only")
        self._services = Services(
            urls={
                "binance": archive.binance_url,
                "bybit_trades": archive.bybit_trades_url,
                "bybit_books": archive.bybit_books_url,
                "tardis": archive.tardis_url,
            },
            key=key,
            key_name=variable.name,
            connections=archive.parallel,
        )
        series = all_series(
            date.fromisoformat(archive.binance_touch_from), date.fromisoformat(archive.bybit_spot_books_from)
        )
        self._archives = Archives(series, key is not None, variable.name)

    def plan(
        self, start: date, end: date, source: str | None = None, progress: Progress | None = None
    ) -> Plan:
        """What to fetch for every leg from `start` to `end`, both inclusive. Asks the servers for sizes."""
        return self._plan(
            [(leg, day) for leg in self.legs for day in days_between(start, end)], source, progress
        )

    def plan_missing(self, start: date, end: date, progress: Progress | None = None) -> Plan:
        """The like for the legs and days of which there is neither a recording nor a downloaded book."""
        there = {(file.venue, file.symbol, file.day) for file in self._books()}
        return self._plan(
            [
                (leg, day)
                for leg in self.legs
                for day in days_between(start, end)
                if (leg.venue, leg.symbol, day) not in there
            ],
            None,
            progress,
        )

    def carry_out(self, plan: Plan, progress: Progress | None = None) -> int:
        """Fetches what a plan lacks; how many files that were."""
        return carry_out(self._services, plan, self.directory, progress)

    def _plan(
        self, wanted: Sequence[tuple[ArchiveLeg, date]], source: str | None, progress: Progress | None
    ) -> Plan:
        return make_plan(self._services, self._archives, wanted, source, self.directory, progress)

    def _books(self) -> list[Recording | ArchiveFile]:
        recordings = find_recordings(self.directory) if self.directory.is_dir() else []
        books = (ArchiveKind.BOOK, ArchiveKind.TOUCH)
        return [*recordings, *(file for file in find_archives(self.directory) if file.kind in books)]


def days_between(start: date, end: date) -> list[date]:
    """All days from `start` to `end`, both inclusive. Raises InputError where there is none."""
    if end < start:
        raise InputError(f"--end {end} lies before --start {start}")
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]
