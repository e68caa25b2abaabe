"""Finding recordings and archives by their names, and choosing days of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from arb.data.catalog.archived import ArchiveFile, ArchiveKind, archive_file, archive_path, find_archives
from arb.data.catalog.days import Recording, find_recordings, recording_path, select_days
from arb.errors import InputError

LEGS = [("binance_spot", "BTCUSDT"), ("bybit_spot", "BTCUSDT")]


def day(number: int) -> date:
    return date(2024, 8, number)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Spot has the 8th to the 10th, Bybit the 8th, 9th and 11th."""
    for venue, days in (("binance_spot", (8, 9, 10)), ("bybit_spot", (8, 9, 11))):
        for number in days:
            path = recording_path(tmp_path, venue, "BTCUSDT", day(number))
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return tmp_path


def refusal(*args: object) -> str:
    with pytest.raises(InputError) as caught:
        select_days(*args)  # type: ignore[arg-type]
    assert str(caught.value).splitlines() == [str(caught.value)]
    return str(caught.value)


def test_recordings_are_found_by_their_names(data: Path) -> None:
    recordings = find_recordings(data)
    assert len(recordings) == 6
    assert recordings[0] == Recording(
        "binance_spot", "BTCUSDT", day(8), data / "binance_spot" / "btcusdt_20240808.gz"
    )
    assert recordings == sorted(recordings)


@pytest.mark.parametrize(
    "name",
    [
        "btcusdt_20240899.gz",
        "btcusdt_2024088.gz",
        "btcusdt.gz",
        "BTCUSDT_20240808.gz",
        "btcusdt_20240808.npz",
        "_20240808.gz",
        "btcusdt_20240808.gz.tmp",
        ".btcusdt_20240808.gz~",
        "btcusdt_00000000.gz",
        "btc usdt_20240808.gz",
    ],
)
def test_files_of_other_names_are_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "venue").mkdir()
    (tmp_path / "venue" / name).touch()
    (tmp_path / "btcusdt_20240808.gz").touch()
    assert find_recordings(tmp_path) == []


def test_a_path_is_found_again(tmp_path: Path) -> None:
    path = recording_path(tmp_path, "bybit_linear", "1000PEPE-26SEP25_X", day(8))
    path.parent.mkdir()
    path.touch()
    assert find_recordings(tmp_path) == [Recording("bybit_linear", "1000PEPE-26SEP25_X", day(8), path)]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder"):
        find_recordings(tmp_path / "none")


def test_both_days_are_inclusive(data: Path) -> None:
    selected = select_days(data, LEGS, day(8), day(9))
    assert [[recording.day for recording in leg] for leg in selected] == [[day(8), day(9)]] * 2
    assert [leg[0].venue for leg in selected] == ["binance_spot", "bybit_spot"]


def test_without_end_it_is_the_last_day_of_all(data: Path) -> None:
    assert [leg[-1].day for leg in select_days(data, LEGS, day(8), None)] == [day(9)] * 2


def test_a_missing_day_is_named_with_its_file(data: Path) -> None:
    line = refusal(data, LEGS, day(8), day(10))
    assert str(data / "bybit_spot" / "btcusdt_20240810.gz") in line
    assert "2024-08-08 to 2024-08-11" in line
    assert "arb data list" in line


def test_no_recording_at_all_is_said(data: Path) -> None:
    assert "it has none" in refusal(data, [("binance_usdm", "BTCUSDT")], day(8), None)
    assert "binance_spot:DOGEUSDT" in refusal(data, [("binance_spot", "DOGEUSDT")], day(8), day(8))


def test_an_end_before_the_start_is_refused(data: Path) -> None:
    assert "lies before" in refusal(data, LEGS, day(9), day(8))


@pytest.mark.parametrize(
    ("source", "venue", "name", "kind"),
    [
        ("binance", "binance_usdm", "BTCUSDT-bookTicker-2024-01-01.zip", ArchiveKind.TOUCH),
        ("binance", "binance_spot", "BTCUSDT-trades-2024-01-01.zip", ArchiveKind.TRADES),
        ("binance", "binance_spot", "BTCUSDT-aggTrades-2024-01-01.zip", ArchiveKind.AGG_TRADES),
        ("bybit", "bybit_linear", "2024-01-01_BTCUSDT_ob500.data.zip", ArchiveKind.BOOK),
        ("bybit", "bybit_linear", "BTCUSDT2024-01-01.csv.gz", ArchiveKind.TRADES),
        ("bybit", "bybit_spot", "BTCUSDT_2024-01-01.csv.gz", ArchiveKind.TRADES),
        ("tardis", "bybit_spot", "incremental_book_L2_2024-01-01_BTCUSDT.csv.gz", ArchiveKind.BOOK),
        ("tardis", "bybit_spot", "book_ticker_2024-01-01_BTCUSDT.csv.gz", ArchiveKind.TOUCH),
        ("tardis", "bybit_spot", "trades_2024-01-01_BTCUSDT.csv.gz", ArchiveKind.TRADES),
    ],
)
def test_a_file_is_known_by_its_name(
    tmp_path: Path, source: str, venue: str, name: str, kind: ArchiveKind
) -> None:
    path = archive_path(tmp_path, source, venue, "BTCUSDT", name)
    path.parent.mkdir(parents=True)
    path.touch()

    assert find_archives(tmp_path) == [ArchiveFile(source, venue, "BTCUSDT", date(2024, 1, 1), kind, path)]


@pytest.mark.parametrize(
    "path",
    [
        "archive/binance/binance_spot/BTCUSDT/BTCUSDT-trades-2024-01-01.zip.CHECKSUM",
        "archive/binance/binance_spot/BTCUSDT/BTCUSDT-trades-2024-13-01.zip",
        "archive/binance/binance_spot/ETHUSDT/BTCUSDT-trades-2024-01-01.zip",
        "archive/elsewhere/binance_spot/BTCUSDT/BTCUSDT-trades-2024-01-01.zip",
    ],
)
def test_other_files_are_none(path: str) -> None:
    assert archive_file(Path(path)) is None


def test_no_folder_has_no_archives(tmp_path: Path) -> None:
    assert find_archives(tmp_path / "missing") == []
