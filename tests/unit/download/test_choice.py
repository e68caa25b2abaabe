"""Which archive gives what: the table's days, the fixed preference, and what is said where there is nothing."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from arb.data.catalog.archived import ArchiveKind, archive_file, archive_path
from arb.data.catalog.days import download_command
from arb.data.download.choice import ArchiveLeg, Archives, Choice, choose, choose_funding
from arb.data.download.markets import SOURCES, all_series, funding_series
from arb.data.download.plan import FileState, Plan, size_text
from arb.errors import InputError

SERIES = all_series(date(2023, 5, 1), date(2025, 5, 1))
MARKETS = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
LEGS = {market: ArchiveLeg(market, market, "BTCUSDT") for market in MARKETS}
NO_KEY = Archives(SERIES, False, "TARDIS_API_KEY")
KEY = Archives(SERIES, True, "TARDIS_API_KEY")


def chosen(
    market: str, *days: date, archives: Archives = NO_KEY, source: str | None = None, missing: tuple = ()
) -> list[Choice]:
    return choose([(LEGS[market], day) for day in days], source, archives, missing)


def refusal(
    market: str, day: date, archives: Archives = NO_KEY, source: str | None = None, missing: tuple = ()
) -> str:
    with pytest.raises(InputError) as caught:
        chosen(market, day, archives=archives, source=source, missing=missing)
    assert str(caught.value).splitlines() == [str(caught.value)]
    return str(caught.value)


@pytest.mark.parametrize(
    ("market", "day", "archives", "source", "holds"),
    [
        # The first of a month is free at Tardis, which has receipt times: it is the first choice.
        ("binance_spot", date(2024, 1, 1), NO_KEY, "tardis", "order book, touch, trades"),
        ("bybit_spot", date(2024, 1, 1), NO_KEY, "tardis", "order book, touch, trades"),
        ("binance_usdm", date(2024, 1, 1), NO_KEY, "tardis", "order book, touch, trades"),
        ("bybit_linear", date(2024, 1, 1), NO_KEY, "tardis", "order book, touch, trades"),
        ("binance_usdm", date(2024, 1, 2), NO_KEY, "binance", "touch, trades"),
        ("binance_usdm", date(2024, 1, 2), KEY, "tardis", "order book, touch, trades"),
        ("binance_usdm", date(2023, 5, 2), NO_KEY, "binance", "touch, trades"),
        ("binance_usdm", date(2024, 3, 30), NO_KEY, "binance", "touch, trades"),
        ("bybit_linear", date(2023, 1, 18), NO_KEY, "bybit", "order book, trades"),
        ("bybit_linear", date(2025, 8, 20), NO_KEY, "bybit", "order book, trades"),
        ("bybit_linear", date(2025, 8, 21), NO_KEY, "bybit", "order book, trades"),
        ("bybit_spot", date(2025, 5, 2), NO_KEY, "bybit", "order book, trades"),
        ("binance_spot", date(2024, 1, 2), KEY, "tardis", "order book, touch, trades"),
    ],
)
def test_the_best_source_of_a_day(
    market: str, day: date, archives: Archives, source: str, holds: str
) -> None:
    (choice,) = chosen(market, day, archives=archives)
    assert (choice.source, choice.holds) == (source, holds)
    assert choice.has_book


@pytest.mark.parametrize(
    ("market", "day", "path"),
    [
        ("bybit_linear", date(2025, 8, 20), "orderbook/linear/BTCUSDT/2025-08-20_BTCUSDT_ob500.data.zip"),
        ("bybit_linear", date(2025, 8, 21), "orderbook/linear/BTCUSDT/2025-08-21_BTCUSDT_ob200.data.zip"),
        ("bybit_linear", date(2025, 8, 21), "trading/BTCUSDT/BTCUSDT2025-08-21.csv.gz"),
        ("bybit_spot", date(2025, 6, 2), "orderbook/spot/BTCUSDT/2025-06-02_BTCUSDT_ob200.data.zip"),
        ("bybit_spot", date(2025, 6, 2), "spot/BTCUSDT/BTCUSDT_2025-06-02.csv.gz"),
        (
            "binance_usdm",
            date(2024, 1, 2),
            "data/futures/um/daily/bookTicker/BTCUSDT/BTCUSDT-bookTicker-2024-01-02.zip",
        ),
        (
            "binance_usdm",
            date(2024, 1, 2),
            "data/futures/um/daily/trades/BTCUSDT/BTCUSDT-trades-2024-01-02.zip",
        ),
        (
            "binance_usdm",
            date(2024, 2, 1),
            "v1/binance-futures/incremental_book_L2/2024/02/01/BTCUSDT.csv.gz",
        ),
        ("binance_spot", date(2024, 2, 1), "v1/binance/trades/2024/02/01/BTCUSDT.csv.gz"),
        ("bybit_spot", date(2024, 2, 1), "v1/bybit-spot/book_ticker/2024/02/01/BTCUSDT.csv.gz"),
        ("bybit_linear", date(2024, 2, 1), "v1/bybit/incremental_book_L2/2024/02/01/BTCUSDT.csv.gz"),
    ],
)
def test_addresses_are_those_of_the_archives(market: str, day: date, path: str) -> None:
    (choice,) = chosen(market, day)
    assert path in [file.path for file in choice.files]


def test_every_file_that_is_kept_is_found_again(tmp_path: Path) -> None:
    day = date(2024, 2, 1)
    for series in SERIES:
        name = series.name.format(symbol="1000PEPEUSDT", day=day)
        path = archive_path(tmp_path, series.source, series.market, "1000PEPEUSDT", name)
        found = archive_file(path)
        assert found is not None, path
        assert (found.source, found.venue, found.kind, found.day) == (
            series.source, series.market, series.kind, day,
        )  # fmt: skip


def test_only_binance_has_checksums_and_never_a_book_of_spot() -> None:
    assert {s.source for s in SERIES if s.has_checksum} == {"binance"}
    kinds = {s.kind for s in SERIES if (s.source, s.market) == ("binance", "binance_spot")}
    assert kinds == {ArchiveKind.TRADES, ArchiveKind.AGG_TRADES}
    assert {s.source for s in SERIES} == set(SOURCES)


def test_a_run_of_days_is_of_one_source_where_one_has_them_all() -> None:
    days = [date(2024, 2, 1) + timedelta(days=n) for n in range(3)]
    assert [choice.source for choice in chosen("binance_usdm", *days)] == ["binance"] * 3
    assert [choice.source for choice in chosen("bybit_linear", *days)] == ["bybit"] * 3
    assert [choice.source for choice in chosen("binance_usdm", *days, archives=KEY)] == ["tardis"] * 3


def test_where_no_source_has_all_days_each_has_its_best() -> None:
    days = [date(2024, 3, 30), date(2024, 4, 1)]
    assert [choice.source for choice in chosen("binance_usdm", *days)] == ["binance", "tardis"]


def test_what_a_server_lacks_is_chosen_elsewhere() -> None:
    day = date(2024, 2, 1)
    (first,) = chosen("bybit_linear", day)
    books = tuple(file for file in first.files if file.kind != ArchiveKind.TRADES)
    (second,) = chosen("bybit_linear", day, missing=books)
    assert (second.source, second.holds) == ("bybit", "order book, trades")
    # The touch alone is missing: the book is still the best.
    (third,) = chosen("bybit_linear", day, missing=tuple(f for f in books if f.kind == ArchiveKind.TOUCH))
    assert (third.source, third.holds) == ("tardis", "order book, trades")


def test_aggregate_trades_stand_in_for_trades_alone() -> None:
    (first,) = chosen("binance_usdm", date(2024, 1, 2))
    trades = tuple(file for file in first.files if file.kind == ArchiveKind.TRADES)
    (second,) = chosen("binance_usdm", date(2024, 1, 2), missing=trades)
    assert second.holds == "touch, aggregate trades"


def test_a_named_source_gives_what_it_has() -> None:
    (choice,) = chosen("binance_spot", date(2024, 1, 2), source="binance")
    assert (choice.holds, choice.has_book) == ("trades only", False)


def test_no_book_without_a_key_names_the_free_days_and_the_variable() -> None:
    assert refusal("binance_spot", date(2024, 1, 15)) == (
        "binance_spot:BTCUSDT 2024-01-15: no order book or touch of that day. What exists: tardis has the order book,"
        " the first day of each month free (2024-01-01, 2024-02-01), any other day with the key in TARDIS_API_KEY;"
        " binance has trades only"
    )


def test_a_free_day_that_is_not_over_is_not_offered() -> None:
    for today, named in ((date(2024, 2, 1), "(2024-01-01)"), (date(2024, 2, 2), "(2024-01-01, 2024-02-01)")):
        reported = refusal("binance_spot", date(2024, 1, 15), NO_KEY._replace(today=today))
        assert f"the first day of each month free {named}, any other day" in reported


def test_a_day_out_of_span_names_the_spans() -> None:
    reported = refusal("bybit_linear", date(2022, 12, 2))
    assert "bybit has the order book from 2023-01-18" in reported
    reported = refusal("binance_usdm", date(2024, 3, 31))
    assert "binance has the touch from 2023-05-01 to 2024-03-30" in reported
    assert "bybit has the order book from 2025-05-01" in refusal("bybit_spot", date(2025, 4, 2))


def test_a_named_source_that_lacks_a_market_or_needs_a_key() -> None:
    assert "binance has nothing of that day. What exists: tardis" in refusal(
        "bybit_spot", date(2024, 1, 1), source="binance"
    )
    assert "tardis gives that day for a key only" in refusal("bybit_spot", date(2024, 1, 2), source="tardis")


def test_what_is_not_there_is_named() -> None:
    day = date(2024, 2, 1)
    (first,) = chosen("binance_spot", day)
    reported = refusal("binance_spot", day, missing=first.files)
    assert (
        "(not there: tardis v1/binance/book_ticker/2024/02/01/BTCUSDT.csv.gz, tardis v1/binance/incr"
        in reported
    )


def test_the_command_is_ready_for_a_shell() -> None:
    first, last = date(2024, 1, 1), date(2024, 1, 3)
    legs = [("binance_spot", "BTCUSDT"), ("bybit_spot", "BTCUSDT")]
    assert download_command(Path("recordings"), legs, first, first) == (
        "arb download --start 2024-01-01 --legs binance_spot:BTCUSDT,bybit_spot:BTCUSDT --data recordings"
    )
    more = [(venue, symbol) for symbol in ("BTCUSDT", "ETHUSDT") for venue in ("binance_spot", "bybit_spot")]
    assert (
        "--legs binance_spot:SYMBOL,bybit_spot:SYMBOL --symbols BTCUSDT,ETHUSDT --data"
        in download_command(Path("x"), more, first, last)
    )
    assert download_command(Path("my data"), legs, first, last, "my/it's.toml") == (
        "arb download --start 2024-01-01 --end 2024-01-03 --legs binance_spot:BTCUSDT,bybit_spot:BTCUSDT"
        """ --data 'my data' --config 'my/it'"'"'s.toml'"""
    )


def test_a_plan_counts_what_is_to_come_and_asks_when_it_is_much() -> None:
    (choice,) = chosen("binance_usdm", date(2024, 1, 2))
    touch, trades = choice.files
    states = {
        touch: FileState(Path("a"), 1000, 400, is_whole=False),
        trades: FileState(Path("b"), 500, 500, is_whole=True),
    }
    plan = Plan((choice,), states, 10**9)
    assert (plan.missing, plan.bytes_to_come, plan.unknown_sizes) == ([touch], 600, 0)
    assert not plan.needs_consent(600)
    assert plan.needs_consent(599)
    states[touch] = FileState(Path("a"), None, 0, is_whole=False)
    assert plan.needs_consent(1e12)
    assert plan.unknown_sizes == 1


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (2_500_000, "2.5 MB"),
        (1_234e9, "1,234.0 GB"),
    ],
)
def test_sizes_as_a_person_reads_them(count: int | None, text: str) -> None:
    assert size_text(count) == text


FUNDING, MARK = ArchiveKind.FUNDING, ArchiveKind.MARK


def funding_of(
    *days: date, kinds: tuple[ArchiveKind, ...] = (FUNDING, MARK), missing: tuple = ()
) -> list[Choice]:
    return choose_funding([(LEGS["binance_usdm"], day) for day in days], kinds, funding_series(), missing)


def test_funding_rates_are_fetched_once_a_month_and_mark_prices_once_a_day() -> None:
    july, august = date(2024, 7, 31), date(2024, 8, 1)
    choices = funding_of(july, august, august + timedelta(days=1))
    paths = [[file.path for file in choice.files] for choice in choices]
    um = "data/futures/um"
    rates, marks = (
        f"{um}/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate",
        f"{um}/daily/markPriceKlines/BTCUSDT/1m/BTCUSDT-1m",
    )
    assert paths == [
        [f"{rates}-2024-07.zip", f"{marks}-2024-07-31.zip"],
        [f"{rates}-2024-08.zip", f"{marks}-2024-08-01.zip"],
        [f"{marks}-2024-08-02.zip"],
    ]
    assert [choice.holds for choice in choices] == [
        "funding, mark price", "funding, mark price", "mark price"
    ]  # fmt: skip
    # Klines of other kinds are served under the same name.
    assert choices[2].files[0].name == "BTCUSDT-markPriceKlines-1m-2024-08-02.zip"
    assert [file.kind for choice in funding_of(july, kinds=(MARK,)) for file in choice.files] == [MARK]


def test_a_month_without_a_file_of_rates_is_refused() -> None:
    day = date(2026, 11, 20)
    rates = funding_of(day)[0].files[0]
    with pytest.raises(InputError) as caught:
        funding_of(day, missing=(rates,))
    assert str(caught.value) == (
        "binance_usdm:BTCUSDT 2026-11-20: binance does not have data/futures/um/monthly/fundingRate/BTCUSDT/"
        "BTCUSDT-fundingRate-2026-11.zip: it appears after the month has ended; choose other days, or record funding "
        "rates with arb record --streams markPrice"
    )
