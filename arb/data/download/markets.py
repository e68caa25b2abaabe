"""The contents of the public archives: markets, kinds of data, and first and last days. Pure.

The spans are from documentation and loaders (read 2026-11-21) and not guaranteed: single days are missing, and every
plan queries the server for each file. `None` is an unknown day; two first days that are known to the month only are
settings. Sources: github.com/binance/binance-public-data (README, issues 372 and 437); loaders of Bybit's archive,
which has no page of its own; docs.tardis.dev/downloadable-csv-files.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from arb.data.catalog.archived import TARDIS_EXCHANGES, ArchiveKind
from arb.data.catalog.funding import FUNDING_MARKETS, FUNDING_SOURCE, MARKS_NAME, RATES_NAME

#: In order of preference: Tardis has the time of receipt besides the venue's and every change of a book as it was
#: sent; the venues' own archives have the venue's times only.
SOURCES = ("tardis", "binance", "bybit")

_TARDIS_TYPES = {
    ArchiveKind.BOOK: "incremental_book_L2",
    ArchiveKind.TOUCH: "book_ticker",
    ArchiveKind.TRADES: "trades",
}
_BINANCE_PATHS = {"binance_spot": "spot", "binance_usdm": "futures/um"}
_BINANCE_TYPES = {
    ArchiveKind.TOUCH: "bookTicker",
    ArchiveKind.TRADES: "trades",
    ArchiveKind.AGG_TRADES: "aggTrades",
}
#: The last complete day of Binance's bookTicker files of USD-M; spot never had any.
_BINANCE_TOUCH_LAST = date(2024, 3, 30)
_BYBIT_LINEAR_BOOKS_FIRST = date(2023, 1, 18)
#: From this day on linear books have 200 levels instead of 500.
_BYBIT_LINEAR_OB200_FIRST = date(2025, 8, 21)


class Series(NamedTuple):
    """Files of one kind of one market in one archive, one per UTC day; funding rates one per month.

    `path` and `name` are templates of `symbol` and `day`: the path below the address of `service`, and the stored
    file name. `first` and `last` are inclusive; None: unknown, or no last day yet.
    """

    source: str
    market: str
    kind: ArchiveKind
    service: str
    path: str
    name: str
    first: date | None = None
    last: date | None = None
    has_checksum: bool = False

    def covers(self, day: date) -> bool:
        """Whether the archive should have a file of that day."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


def all_series(binance_touch_from: date, bybit_spot_books_from: date) -> tuple[Series, ...]:
    """All series of the archives. The two first days are not certain and so are arguments."""
    return (
        *_tardis_series(),
        *_binance_series(binance_touch_from),
        *_bybit_series(bybit_spot_books_from),
    )


def funding_series() -> tuple[Series, ...]:
    """The series of funding history, which only Binance has: rates by month, mark prices by day."""
    mark = "data/futures/um/daily/markPriceKlines/{symbol}/1m/{symbol}-1m-{day}.zip"
    rates = f"data/futures/um/monthly/fundingRate/{{symbol}}/{RATES_NAME}"
    return tuple(
        Series(FUNDING_SOURCE, market, kind, "binance", path, name, has_checksum=True)
        for market in sorted(FUNDING_MARKETS)
        for kind, path, name in (
            (ArchiveKind.FUNDING, rates, RATES_NAME),
            (ArchiveKind.MARK, mark, MARKS_NAME),
        )
    )


def _tardis_series() -> Iterator[Series]:
    for market, exchange in TARDIS_EXCHANGES.items():
        for kind, word in _TARDIS_TYPES.items():
            path = f"v1/{exchange}/{word}/{{day:%Y/%m/%d}}/{{symbol}}.csv.gz"
            yield Series("tardis", market, kind, "tardis", path, f"{word}_{{day}}_{{symbol}}.csv.gz")


def _binance_series(touch_from: date) -> Iterator[Series]:
    for market, folder in _BINANCE_PATHS.items():
        for kind, word in _BINANCE_TYPES.items():
            is_touch = kind == ArchiveKind.TOUCH
            if is_touch and market == "binance_spot":
                continue
            name = f"{{symbol}}-{word}-{{day}}.zip"
            yield Series(
                "binance",
                market,
                kind,
                "binance",
                f"data/{folder}/daily/{word}/{{symbol}}/{name}",
                name,
                touch_from if is_touch else None,
                _BINANCE_TOUCH_LAST if is_touch else None,
                has_checksum=True,
            )


def _bybit_series(spot_books_from: date) -> Iterator[Series]:
    before_ob200 = _BYBIT_LINEAR_OB200_FIRST - timedelta(days=1)
    for market, folder, depth, first, last in (
        ("bybit_linear", "linear", 500, _BYBIT_LINEAR_BOOKS_FIRST, before_ob200),
        ("bybit_linear", "linear", 200, _BYBIT_LINEAR_OB200_FIRST, None),
        ("bybit_spot", "spot", 200, spot_books_from, None),
    ):
        name = f"{{day}}_{{symbol}}_ob{depth}.data.zip"
        path = f"orderbook/{folder}/{{symbol}}/{name}"
        yield Series("bybit", market, ArchiveKind.BOOK, "bybit_books", path, name, first, last)
    for market, path, name in (
        ("bybit_linear", "trading", "{symbol}{day}.csv.gz"),
        ("bybit_spot", "spot", "{symbol}_{day}.csv.gz"),
    ):
        yield Series("bybit", market, ArchiveKind.TRADES, "bybit_trades", f"{path}/{{symbol}}/{name}", name)


def is_free(source: str, day: date) -> bool:
    """Whether a source serves that day without a key: Tardis the first of each month, the venues every day."""
    return source != "tardis" or day.day == 1


def free_days_around(day: date) -> tuple[date, date]:
    """The nearest days that Tardis serves without a key, before and after `day`."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)
