"""`arb.data.rows.memory`: a day in memory has the rows that a conversion writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hftbacktest.data import validate_event_order
from support.archives import FORMATS, text_of, write_archive
from support.recording_files import depth_lines, write_recording
from support.venues import VENUES

from arb.data.catalog.archived import ArchiveKind
from arb.data.catalog.days import Day, find_days
from arb.data.rows import convert as convert_module
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.memory import rows_of_day
from connectors.model import Instrument, Rows

LATENCY_NS = 10_000_000
BOOKS = [
    *(("binance", "binance_usdm", kinds) for kinds in (["touch"], ["touch", "trades"], ["touch", "agg_trades"])),
    *(("bybit", venue, ["book", "trades"]) for venue in ("bybit_linear", "bybit_spot")),
    *(
        ("tardis", "binance_usdm", kinds)
        for kinds in (["book"], ["book", "trades"], ["touch", "trades"], ["book", "touch", "trades"])
    ),
]  # fmt: skip


def both(
    folder: Path, day: Day, instrument: Instrument | None, offset_ns: int | None = None
) -> tuple[Rows, Rows]:
    """The rows of a day from a conversion, and in memory."""
    venue = VENUES[day.venue]
    feed = Feed(venue, [day], LATENCY_NS, instrument)
    (file,) = convert([feed], RowCache(folder / "cache"), offset_ns=offset_ns).files[0]
    *begin, converted = file.load()
    assert all(np.isnan(rows["px"]).all() for rows in begin)
    return converted, rows_of_day(venue, day, LATENCY_NS, offset_ns=offset_ns, instrument=instrument)


def instrument_of(venue: str, *, is_fused: bool) -> Instrument | None:
    return Instrument(venue, "BTCUSDT", 0.1, 0.001) if is_fused else None


@pytest.mark.parametrize(("source", "venue", "kinds"), BOOKS)
@pytest.mark.parametrize("is_fused", [False, True])
def test_archives_in_memory_are_what_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, venue: str, kinds: list[str], is_fused: bool
) -> None:
    monkeypatch.setattr(convert_module, "BLOCK_ROWS", 97)
    for kind in kinds:
        assert (source, venue, kind) in FORMATS
        write_archive(
            tmp_path, source, venue, ArchiveKind(kind), text_of(source, venue, ArchiveKind(kind), 1, 1_000)
        )
    (day,) = find_days(tmp_path)
    converted, rows = both(tmp_path, day, instrument_of(venue, is_fused=is_fused))
    assert len(rows) > 1_000
    assert rows.tobytes() == converted.tobytes()
    validate_event_order(rows)


@pytest.mark.parametrize("offset_ns", [None, 0, 250_000_000])
def test_the_offset_of_a_clock_that_is_behind_is_measured_or_given(
    tmp_path: Path, offset_ns: int | None
) -> None:
    text = text_of("tardis", "binance_usdm", ArchiveKind.BOOK, 5, 400).decode().splitlines()
    behind = [text[0]]
    for line in text[1:]:
        fields = line.split(",")
        fields[3] = str(int(fields[3]) - 100_000)  # µs
        behind.append(",".join(fields))
    write_archive(tmp_path, "tardis", "binance_usdm", ArchiveKind.BOOK, "\n".join(behind).encode())
    (day,) = find_days(tmp_path)
    converted, rows = both(tmp_path, day, None, offset_ns)
    assert rows.tobytes() == converted.tobytes()
    least = int((rows["local_ts"] - rows["exch_ts"]).min())
    assert least == 0 if offset_ns != 250_000_000 else least > 150_000_000


def test_a_file_in_disorder_is_sorted(tmp_path: Path) -> None:
    header, *lines = text_of("binance", "binance_usdm", ArchiveKind.TOUCH, 4, 2_000).decode().splitlines()
    lines[700:900] = reversed(lines[700:900])
    write_archive(
        tmp_path, "binance", "binance_usdm", ArchiveKind.TOUCH, "\n".join([header, *lines]).encode()
    )
    (day,) = find_days(tmp_path)
    converted, rows = both(tmp_path, day, None)
    assert rows.tobytes() == converted.tobytes()


def test_a_recording_too(tmp_path: Path) -> None:
    write_recording(tmp_path, "binance_usdm", depth_lines(300))
    (day,) = find_days(tmp_path)
    converted, rows = both(tmp_path, day, instrument_of("binance_usdm", is_fused=True))
    assert len(rows) > 300
    assert rows.tobytes() == converted.tobytes()
