"""Every format of the archives against a reference that reads the same bytes by csv and json."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import event_dtype
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archive_reference import Row, expected_rows, plain
from support.archives import FORMATS, text_of, write_archive

from arb.data.archives.fields import BUY, RECORD_DTYPE, SELL
from arb.data.archives.rows import ROWS_PER_RECORD, STATE_FIELDS, emit_book, emit_touch, emit_trades
from arb.data.archives.streams import ArchiveStream
from arb.data.catalog.archived import ArchiveKind
from arb.data.catalog.days import find_archive_days
from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.bybit import BybitLinear, BybitSpot
from connectors.model import MESSAGE_DTYPE, Kind

EMITTERS: dict[str, Any] = {
    "trades": lambda records, state, *out: (
        emit_trades(records, int(Kind.TRADE), True, state, *out),
        len(records),
    ),
    "touch": lambda records, state, *out: (emit_touch(records, True, state, *out), len(records)),
    "book": emit_book,
}
VENUES = {v.name: v for v in (BinanceSpot(), BinanceUsdm(), BybitLinear(), BybitSpot())}


def decoded(folder: Path, venue: str, *, is_sorted: bool = False) -> tuple[list[Row], ArchiveStream]:
    """The rows of the one day in a folder, in the order of the messages."""
    (day,) = find_archive_days(folder)
    stream = ArchiveStream(VENUES[venue], day, is_sorted=is_sorted)
    rows: list[Row] = []
    for piece, messages in stream.decode():
        for message in messages:
            made = plain(piece[message["row_start"] : message["row_end"]])
            assert {row.local_ts for row in made} <= {message["local_ts"]}
            rows += made
    return rows, stream


@pytest.fixture(scope="module", params=[None, 700], ids=["whole", "in small pieces"])
def piece_bytes(request: pytest.FixtureRequest) -> Iterator[int | None]:
    """The size of the pieces in which files are read and records passed on."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param is not None:
            patch.setattr("arb.data.text._PIECE_BYTES", request.param)
            patch.setattr("arb.data.archives.text._PIECE_BYTES", request.param)
            patch.setattr("arb.data.archives.text._BUFFER_BYTES", request.param)
            patch.setattr("arb.data.archives.table._RECORDS_MAX", 5)
        yield request.param


@pytest.mark.parametrize(("source", "venue", "kind"), FORMATS)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 80))
@settings(max_examples=15)
def test_a_generated_file_is_decoded_as_it_is_meant(
    piece_bytes: int | None, source: str, venue: str, kind: ArchiveKind, seed: int, count: int
) -> None:
    text = text_of(source, venue, kind, seed, count)
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder), source, venue, kind, text)

        rows, _ = decoded(Path(folder), venue)

    assert rows == expected_rows(source, kind, text)


@pytest.mark.parametrize(("source", "venue", "kind"), FORMATS)
def test_few_lines_need_the_slow_code(tmp_path: Path, source: str, venue: str, kind: ArchiveKind) -> None:
    """Those with exponents; not those after a line that needed it, nor the last one without a newline."""
    text = text_of(source, venue, kind, 3, 600).rstrip()
    write_archive(tmp_path, source, venue, kind, text)

    _, stream = decoded(tmp_path, venue)

    assert stream.slow < 0.2 * text.count(b"\n")


def test_quotes_change_nothing(tmp_path: Path) -> None:
    place = ("tardis", "binance_usdm", ArchiveKind.BOOK)
    text = text_of(*place, 5, 50)
    header, *lines = text.decode().splitlines()
    quoted = [",".join(f'"{field}"' for field in line.split(",")) for line in lines[:20]]
    write_archive(tmp_path, *place, "\n".join([header, *quoted, *lines[20:]]).encode())

    rows, stream = decoded(tmp_path, "binance_usdm")

    assert rows == expected_rows("tardis", ArchiveKind.BOOK, text)
    assert 20 <= stream.slow < 30


def test_columns_that_nobody_asked_for_may_be_many(tmp_path: Path) -> None:
    place = ("tardis", "binance_usdm", ArchiveKind.TRADES)
    text = text_of(*place, 5, 50)
    wide = []
    for n, line in enumerate(text.decode().splitlines()):
        odd = [f"x{k}" for k in range(300)] if n == 0 else [str(n)] * 300
        fields = line.split(",")
        wide.append(",".join([*fields[:5], *odd, *fields[5:]]))
    write_archive(tmp_path, *place, "\n".join(wide).encode())

    rows, stream = decoded(tmp_path, "binance_usdm")

    assert rows == expected_rows("tardis", ArchiveKind.TRADES, text)
    assert stream.slow < 20


@pytest.mark.parametrize("kind", EMITTERS)
def test_nothing_of_what_a_buffer_held_before_is_left(kind: str) -> None:
    records = np.zeros(50, RECORD_DTYPE)
    records["px"] = records["qty"] = records["px_2"] = records["qty_2"] = np.arange(50) + 1.0
    records["time"], records["time_2"] = np.arange(50) // 3 * 1_000, np.arange(50) // 3 * 1_000 + 500
    records["side"], records["flag"], records["id"] = (
        np.where(np.arange(50) % 2, BUY, SELL),
        np.arange(50) < 9,
        1,
    )
    made = []
    for byte in (0x00, 0x5A):
        rows = np.full(50 * ROWS_PER_RECORD * event_dtype.itemsize, byte, np.uint8).view(event_dtype)
        messages = np.full(50 * MESSAGE_DTYPE.itemsize, byte, np.uint8).view(MESSAGE_DTYPE)
        row_count, count = EMITTERS[kind](records, np.zeros(STATE_FIELDS, np.int64), rows, messages)
        made.append((rows[:row_count].tobytes(), messages[:count].tobytes()))
    assert made[0] == made[1]
