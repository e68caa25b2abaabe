"""Origins of recordings."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from arb.data.catalog.archived import ArchiveFile, ArchiveKind
from arb.data.catalog.days import ArchiveDay, Recording, recording_path
from arb.errors import InputError
from arb.results.notes import archive_notes, heading_of, origin_notes


def recording(folder: Path, day: int = 8, origin: bytes | None = None) -> Recording:
    at = date(2024, 8, day)
    path = recording_path(folder, "bybit_linear", "BTCUSDT", at)
    path.parent.mkdir(parents=True, exist_ok=True)
    if origin is not None:
        path.with_suffix(".origin").write_bytes(origin)
    return Recording("bybit_linear", "BTCUSDT", at, path)


def test_a_recording_as_it_was_has_no_note(tmp_path: Path) -> None:
    assert origin_notes([recording(tmp_path), recording(tmp_path, 9, b"  \nmore")]) == []


def test_the_first_line_counts_and_the_same_text_is_reported_once(tmp_path: Path) -> None:
    files = [
        recording(tmp_path, 8, b"simulated, seed 7\nmore\n"),
        recording(tmp_path, 9, b"simulated, seed 7"),
    ]
    assert (tmp_path / "bybit_linear" / "btcusdt_20240808.origin").exists()
    assert origin_notes(files) == ["bybit_linear:BTCUSDT: simulated, seed 7"]


def test_a_note_is_bounded_and_printable(tmp_path: Path) -> None:
    (note,) = origin_notes([recording(tmp_path, 8, b"\x1b[31mred\xff " + b"x" * 5_000)])
    assert len(note) < 350
    assert note.isprintable()


def test_a_note_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    made = recording(tmp_path)
    made.path.with_suffix(".origin").mkdir()
    with pytest.raises(InputError, match=r"btcusdt_20240808\.origin: cannot be read"):
        origin_notes([made])


@pytest.mark.parametrize(
    ("note", "heading"),
    [
        ("bybit_linear:BTCUSDT: simulated, not a recording of any venue", "Simulated data"),
        ("bybit_linear:BTCUSDT: re-encoded from USD-M", "Data not as recorded"),
        ("the legs of venue_b: simulated or not, who knows", "Data not as recorded"),
    ],
)
def test_a_note_has_the_heading_of_its_kind(note: str, heading: str) -> None:
    assert heading_of(note) == heading


@pytest.mark.parametrize(
    ("source", "kind", "name", "heading"),
    [
        ("tardis", ArchiveKind.BOOK, "book.csv.gz", "Archive data"),
        ("bybit", ArchiveKind.BOOK, "2024-08-08_BTCUSDT_ob500.data.zip", "Archive data, modelled times"),
        ("binance", ArchiveKind.TOUCH, "touch.zip", "Archive data, modelled times"),
    ],
)
def test_real_data_of_an_archive_are_called_so(
    source: str, kind: ArchiveKind, name: str, heading: str
) -> None:
    file = ArchiveFile(source, "bybit_linear", "BTCUSDT", date(2024, 8, 8), kind, Path(name))
    day = ArchiveDay(file.venue, file.symbol, file.day, source, (file,))
    for days in ([day], [day, day]):
        assert [heading_of(note) for note in archive_notes(days, 5_000_000)] == [heading]
