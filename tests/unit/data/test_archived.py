"""`arb.data.catalog.archived`: what a file of an archive holds, told by its name and place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from arb.data.catalog.archived import ArchiveFile, ArchiveKind, archive_file, archive_path, find_archives

DAY = date(2024, 1, 1)


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

    assert find_archives(tmp_path) == [ArchiveFile(source, venue, "BTCUSDT", DAY, kind, path)]


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
