"""`arb download` and `arb backtest --download`: fetches history from public archives into the data folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from arb.config import Config
from arb.config.adapters import load_adapter
from arb.config.secrets import Variable
from arb.data.catalog.archived import ArchiveKind, find_archives
from arb.data.catalog.days import find_recordings
from arb.data.catalog.funding import FUNDING_MARKETS
from arb.data.download.choice import BOOK_KINDS, ArchiveLeg, Archives
from arb.data.download.download import Progress, Services, carry_out, make_funding_plan, make_plan
from arb.data.download.markets import SOURCES, all_series
from arb.data.download.plan import Plan, joined
from arb.errors import InputError

#: Before any of the markets opened.
_FIRST_DAY = date(2017, 1, 1)
#: Characters of a symbol in the archives.
_SYMBOL = re.compile(r"[A-Z0-9]+")


class Downloader:
    """A configuration's legs, and the archives described in its `[archive]`."""

    def __init__(self, config: Config) -> None:
        """Reads the key from the environment. Raises InputError for a symbol that archives cannot have."""
        archive = config.archive
        variable = Variable(archive.tardis_key)
        key = variable.value()
        self.directory = Path(config.data.directory)
        adapters = {name: load_adapter(venue).name for name, venue in config.venues.items()}
        self.legs = [ArchiveLeg(leg.venue, adapters[leg.venue], leg.symbol) for leg in config.legs]
        for leg in self.legs:
            if not _SYMBOL.fullmatch(leg.symbol):
                raise InputError(f"{leg.name}: archives have symbols of capitals and digits only")
        self._spot = {name for name, venue in config.venues.items() if venue.kind == "spot"}
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
        self._archives = Archives(series, key is not None, variable.name, _today())

    def plan(
        self, start: date, end: date, source: str | None = None, progress: Progress | None = None
    ) -> Plan:
        """What to fetch for every leg from `start` to `end`, both inclusive. Requests sizes from the servers."""
        wanted = [(leg, day) for leg in self.legs for day in days_between(start, end, _today())]
        return self._plan(wanted, source, self._archives, progress)

    def plan_funding(
        self, start: date, end: date, kinds: Collection[ArchiveKind], progress: Progress | None = None
    ) -> tuple[Plan, list[str]]:
        """The same for funding history, and a line for each leg that has none to download.

        Raises InputError if no leg has any.
        """
        legs = [leg for leg in self.legs if leg.market in FUNDING_MARKETS]
        left_out = [f"{leg.name}: {self._without_funding(leg)}" for leg in self.legs if leg not in legs]
        if not legs:
            raise InputError(f"no funding history to download: {'; '.join(left_out)}")
        wanted = [(leg, day) for leg in legs for day in days_between(start, end, _today())]
        return make_funding_plan(self._services, wanted, kinds, self.directory, progress), left_out

    def _without_funding(self, leg: ArchiveLeg) -> str:
        if leg.venue in self._spot:
            return "a spot market has no funding"
        return "no archive has its funding rates and mark prices; record them with arb record --streams markPrice"

    def plan_missing(self, start: date, end: date, progress: Progress | None = None) -> Plan:
        """Like `plan`, for the legs and days that were not recorded.

        Days that were partly downloaded are completed from the same source, so that an aborted download does not leave
        a run with half of its data.
        """
        recorded = self._recorded()
        sources = self._sources()
        wanted: dict[str | None, list[tuple[ArchiveLeg, date]]] = {}
        for leg in self.legs:
            for day in days_between(start, end, _today()):
                if (leg.venue, leg.symbol, day) not in recorded:
                    source = sources.get((leg.venue, leg.symbol, day))
                    wanted.setdefault(source, []).append((leg, day))
        # Existing files need no key; the server refuses the others without one.
        with_key = self._archives._replace(has_key=True)
        return joined(
            self._plan(days, source, with_key if source else self._archives, progress)
            for source, days in wanted.items()
        )

    def carry_out(self, plan: Plan, progress: Progress | None = None) -> int:
        """Fetches what a plan lacks; returns the number of files."""
        return carry_out(self._services, plan, self.directory, progress)

    def _plan(
        self,
        wanted: Sequence[tuple[ArchiveLeg, date]],
        source: str | None,
        archives: Archives,
        progress: Progress | None,
    ) -> Plan:
        return make_plan(self._services, archives, wanted, source, self.directory, progress)

    def _recorded(self) -> set[tuple[str, str, date]]:
        """Venue, symbol and day of all recordings."""
        recordings = find_recordings(self.directory) if self.directory.is_dir() else []
        return {(recording.venue, recording.symbol, recording.day) for recording in recordings}

    def _sources(self) -> dict[tuple[str, str, date], str]:
        """The source of the downloaded books by venue, symbol and day; the preferred archive if there are several."""
        files = [file for file in find_archives(self.directory) if file.kind in BOOK_KINDS]
        files.sort(key=lambda file: SOURCES.index(file.source), reverse=True)
        return {(file.venue, file.symbol, file.day): file.source for file in files}


def days_between(start: date, end: date, today: date) -> list[date]:
    """All days from `start` to `end`, both inclusive. Raises InputError if there are none, or no data can exist."""
    if end < start:
        raise InputError(f"--end {end} lies before --start {start}")
    if start < _FIRST_DAY:
        raise InputError(f"{start}: no archive goes back beyond {_FIRST_DAY}")
    if end >= today:
        raise InputError(f"{end} is not over; archives have whole days, and often only a day or two later")
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def _today() -> date:
    return datetime.now(UTC).date()
