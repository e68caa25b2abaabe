"""Chooses the archive files that a range of days needs, per leg. Pure: files that servers lack are an argument."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple, NoReturn

from arb.data.catalog.archived import ArchiveKind
from arb.data.download.markets import SOURCES, Series, free_days_around, is_free
from arb.errors import InputError

#: Kinds of data of which a leg needs one per day to be traded in a backtest.
BOOK_KINDS = (ArchiveKind.BOOK, ArchiveKind.TOUCH)
#: Kinds of data beside those of the market.
FUNDING_KINDS = (ArchiveKind.FUNDING, ArchiveKind.MARK)
_KIND_WORDS = {
    ArchiveKind.BOOK: "order book",
    ArchiveKind.TOUCH: "touch",
    ArchiveKind.TRADES: "trades",
    ArchiveKind.AGG_TRADES: "aggregate trades",
    ArchiveKind.FUNDING: "funding",
    ArchiveKind.MARK: "mark price",
}


class ArchiveLeg(NamedTuple):
    """A leg. `venue` names the folder, `market` is one of `arb.data.download.markets`."""

    venue: str
    market: str
    symbol: str

    @property
    def name(self) -> str:
        return f"{self.venue}:{self.symbol}"


class RemoteFile(NamedTuple):
    """A file in an archive: one kind of data of one leg and day; funding rates: of the month that begins that day."""

    leg: ArchiveLeg
    day: date
    source: str
    kind: ArchiveKind
    service: str
    path: str
    name: str
    has_checksum: bool


class Choice(NamedTuple):
    """The files chosen for a leg and day."""

    leg: ArchiveLeg
    day: date
    source: str
    files: tuple[RemoteFile, ...]

    @property
    def has_book(self) -> bool:
        """Whether there is a book or a touch, which a backtest needs."""
        return any(file.kind in BOOK_KINDS for file in self.files)

    @property
    def is_of_funding(self) -> bool:
        """Whether it is no market data, but the funding history of a perpetual."""
        return all(file.kind in FUNDING_KINDS for file in self.files)

    @property
    def has_trades(self) -> bool:
        return any(file.kind in (ArchiveKind.TRADES, ArchiveKind.AGG_TRADES) for file in self.files)

    @property
    def holds(self) -> str:
        """The contents as text."""
        words = ", ".join(_KIND_WORDS[file.kind] for file in self.files)
        return words if self.has_book or self.is_of_funding else f"{words} only"


class Archives(NamedTuple):
    """The archives: their series, whether there is a key for Tardis, and the environment variable of the key."""

    series: Sequence[Series]
    has_key: bool
    key_name: str
    #: The first day that is not over; archives have no files from it on.
    today: date = date.max


def choose(
    wanted: Sequence[tuple[ArchiveLeg, date]],
    source: str | None,
    archives: Archives,
    missing: Collection[RemoteFile] = (),
) -> list[Choice]:
    """The files to fetch for each leg and day, in order. `missing`: files that a server turned out not to have.

    Without `source`, the first of SOURCES that has a book or a touch of the leg on every day; if none has, the first
    that has each day. From a named source, everything that it has, even trades only. If there is nothing, raises
    InputError that names leg and day, and what exists instead.
    """
    days_of: dict[ArchiveLeg, list[date]] = {}
    for leg, day in wanted:
        days_of.setdefault(leg, []).append(day)
    sources = {
        leg: [source] if source else _ranked(leg, days, archives, missing) for leg, days in days_of.items()
    }
    choices = []
    for leg, day in wanted:
        offers = [_offer(leg, day, name, archives, missing) for name in sources[leg]]
        fit = [offer for offer in offers if offer.has_book or (source and offer.files)]
        if not fit:
            _refuse(leg, day, source, archives, missing)
        choices.append(fit[0])
    return choices


def _ranked(
    leg: ArchiveLeg, days: Sequence[date], archives: Archives, missing: Collection[RemoteFile]
) -> list[str]:
    """The sources, those with a book or a touch on all days first, so that a run uses one source if possible."""
    return sorted(
        SOURCES,
        key=lambda name: not all(_offer(leg, day, name, archives, missing).has_book for day in days),
    )


def _offer(
    leg: ArchiveLeg, day: date, source: str, archives: Archives, missing: Collection[RemoteFile]
) -> Choice:
    """The files that a source should have of a leg and day."""
    if not (archives.has_key or is_free(source, day)):
        return Choice(leg, day, source, ())
    files = {
        series.kind: file
        for series in archives.series
        if (series.source, series.market) == (source, leg.market) and series.covers(day)
        if (file := _file(series, leg, day)) not in missing
    }
    if ArchiveKind.TRADES in files:
        # The same trades, aggregated.
        files.pop(ArchiveKind.AGG_TRADES, None)
    return Choice(leg, day, source, tuple(files.values()))


def _file(series: Series, leg: ArchiveLeg, day: date) -> RemoteFile:
    path, name = (text.format(symbol=leg.symbol, day=day) for text in (series.path, series.name))
    return RemoteFile(leg, day, series.source, series.kind, series.service, path, name, series.has_checksum)


def choose_funding(
    wanted: Sequence[tuple[ArchiveLeg, date]],
    kinds: Collection[ArchiveKind],
    series: Sequence[Series],
    missing: Collection[RemoteFile] = (),
) -> list[Choice]:
    """The files of funding history for each leg and day, in order; a month's file once, with the first of its days.

    kinds: of FUNDING_KINDS. missing: files that the server turned out not to have. Raises InputError that names the
    first of them.
    """
    choices, chosen = [], set[RemoteFile]()
    for leg, day in wanted:
        files = []
        for one in series:
            if one.market == leg.market and one.kind in kinds:
                file = _file(one, leg, day.replace(day=1) if one.kind == ArchiveKind.FUNDING else day)
                if file in missing:
                    _refuse_funding(file, day)
                if file not in chosen:
                    files.append(file)
        chosen.update(files)
        if files:
            choices.append(Choice(leg, day, files[0].source, tuple(files)))
    return choices


def _refuse_funding(file: RemoteFile, day: date) -> NoReturn:
    is_month = file.kind == ArchiveKind.FUNDING
    when = "appears after the month has ended" if is_month else "may appear a day or two later, or not exist"
    raise InputError(
        f"{file.leg.name} {day}: {file.source} does not have {file.path}: it {when}; choose other days, or record "
        "funding rates with arb record --streams markPrice"
    )


def _refuse(
    leg: ArchiveLeg, day: date, source: str | None, archives: Archives, missing: Collection[RemoteFile]
) -> NoReturn:
    if source is None:
        what = "no order book or touch of that day"
    elif archives.has_key or is_free(source, day):
        what = f"{source} has nothing of that day"
    else:
        what = f"{source} gives that day for a key only"
    lacking = [file for file in missing if (file.leg, file.day) == (leg, day) and file.kind in BOOK_KINDS]
    if lacking:
        what += f" (not there: {', '.join(sorted(f'{file.source} {file.path}' for file in lacking))})"
    there = [text for name in SOURCES if (text := _what_exists(leg, day, name, archives))]
    instead = "; ".join(there) or "no archive knows this market"
    raise InputError(f"{leg.name} {day}: {what}. What exists: {instead}")


def _what_exists(leg: ArchiveLeg, day: date, source: str, archives: Archives) -> str:
    """A text on what a source has of a market; "" for nothing."""
    series = [s for s in archives.series if (s.source, s.market) == (source, leg.market)]
    if not series:
        return ""
    books = [s for s in series if s.kind in BOOK_KINDS]
    if not books:
        return f"{source} has trades only"
    if source == "tardis":
        free = ", ".join(str(day) for day in free_days_around(day) if day < archives.today)
        key = (
            f"any other day with the key in {archives.key_name}" if archives.key_name else "others for a key"
        )
        return f"tardis has the order book, the first day of each month free ({free}), {key}"
    first, last = min(s.first or date.min for s in books), max(s.last or date.max for s in books)
    span = f"from {first}" + ("" if last == date.max else f" to {last}")
    return f"{source} has the {_KIND_WORDS[books[0].kind]} {span}"
