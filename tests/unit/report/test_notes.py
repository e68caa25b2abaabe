"""Origins of recordings, and the headings of notes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from arb.data.catalog.archived import ArchiveFile, ArchiveKind
from arb.data.catalog.days import ArchiveDay, Recording, recording_path
from arb.data.funding import FundingCount
from arb.errors import InputError
from arb.results.note_kinds import NoteKind, Place, kind_of
from arb.results.notes import (
    DIFFERENT_ASSETS,
    NO_CAPITAL,
    NO_EFFECT,
    UNRECORDED,
    archive_notes,
    capital_note,
    dropped_notes,
    funding_notes_of,
    funds_note,
    halt_note,
    origin_notes,
    tie_note,
)


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


def test_the_note_on_the_default_capital_is_about_base_where_there_is_some() -> None:
    begun = "no [capital]: the run began with 10,000 quote"
    assert capital_note({"bybit_linear": (10_000.0, {})}) == f"{begun} at bybit_linear"
    assert capital_note({"bybit_spot": (10_000.0, {"BTCUSDT": 0.2})}) == (
        f"{begun} and 0.2 base of BTCUSDT at bybit_spot; base is worth as much as quote at the first price"
    )


LEG = "bybit_linear:BTCUSDT"


@pytest.mark.parametrize(
    ("note", "heading"),
    [
        (f"{LEG}: simulated, not a recording of any venue", "Simulated data"),
        ("market data of a sandbox, simulated", "Simulated data"),
        (
            "market data of a sandbox, which replays a recording (simulated, not a recording)",
            "Simulated data",
        ),
        ("market data of a sandbox, which replays a recording", "Data not as recorded"),
        (f"{LEG}: re-encoded from USD-M", "Data not as recorded"),
        ("the legs of venue_b: simulated or not, who knows", "Data not as recorded"),
        (capital_note({"bybit_linear": (10_000.0, {})}), "Capital"),
        (funds_note(LEG, 2, is_spot=True, base=1.0, quote=1.0, leverage=1.0), "Orders refused"),
        (
            funds_note(LEG, 2, is_spot=True, base=1.0, quote=1.0, leverage=1.0, assets={"BNB": 0.5}),
            "Orders refused",
        ),
        (halt_note(LEG, 0.001), "Position left"),
        (*funding_notes_of(LEG, FundingCount(3, 3, True), has_data=False), "Funding"),
        (*funding_notes_of(LEG, FundingCount(9, 2), has_data=True, remedy="record it"), "Funding"),
        (tie_note(LEG, 1, 2), "Random order"),
        (*dropped_notes({"records": 0, "fills": 2}), "Incomplete"),
        (UNRECORDED, "Incomplete"),
        (f"{NO_EFFECT}strategy.max_holding_s: the strategy is in inventory mode", "Configuration"),
        (f"{DIFFERENT_ASSETS}: {LEG} and bybit_linear:ETHUSDT cannot be compared", "Configuration"),
        (f"{NO_CAPITAL}: [capital] has nothing to trade {LEG} with", "Configuration"),
    ],
)
def test_a_note_has_the_heading_of_its_kind(note: str, heading: str) -> None:
    assert kind_of(note).heading == heading


@pytest.mark.parametrize(
    ("note", "heading"),
    [
        (
            f"{LEG}: 1.5 MB of 2024-08-08 are not in the .gz yet and not in this run: arb data finish x",
            "Data left out",
        ),
        (f"{LEG}: 9 rows were stamped later than received and count as received at once; ...", "Wrong times"),
        (
            f"{LEG}: 1 depth message is stamped ...; left out of the clock offset, they count as received",
            "Wrong times",
        ),
        (f"{LEG}: 2 messages are stamped up to 9.0 s ahead of receipt; not believed", "Wrong times"),
        (f"{LEG}: its book is lost for 9.0 s of 60.0 s of 2024-08-08, first at 12:00:00", "Book incomplete"),
        (
            f"{LEG}: its recording of 2024-08-08 ends at 12:00, the run goes on: its book is empty until 1:00",
            "Book incomplete",
        ),
        (
            f"{LEG}: all prices are multiples of 0.1, tick_size is 0.01: it looks finer than the venue's (...)",
            "Tick and lot",
        ),
        (f"{LEG}: off the configured grid, and unknown from there on: price 0.05", "Tick and lot"),
        ("12 rows arrived later than [dry_run] disorder_ms allows; fills may differ", "Late data"),
    ],
)
def test_a_note_on_the_quality_of_the_data_is_with_its_figures(note: str, heading: str) -> None:
    assert kind_of(note) == NoteKind(heading, Place.QUALITY)


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
        assert [kind_of(note) for note in archive_notes(days, 5_000_000)] == [NoteKind(heading, Place.SOURCE)]
