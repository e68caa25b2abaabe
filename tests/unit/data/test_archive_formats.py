"""Every format of the archives against a reference that reads the same bytes by csv and json."""

from __future__ import annotations

import tempfile
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


@pytest.mark.parametrize(("source", "venue", "kind"), FORMATS)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 80))
@settings(max_examples=25)
def test_a_generated_file_is_decoded_as_it_is_meant(
    source: str, venue: str, kind: ArchiveKind, seed: int, count: int
) -> None:
    text = text_of(source, venue, kind, seed, count)
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder), source, venue, kind, text)

        rows, _ = decoded(Path(folder), venue)

    assert rows == expected_rows(source, kind, text)


@pytest.mark.parametrize(("source", "venue", "kind"), FORMATS)
def test_a_file_of_many_pieces_is_decoded_as_one(
    tmp_path: Path, source: str, venue: str, kind: ArchiveKind
) -> None:
    text = text_of(source, venue, kind, 3, 40_000 if kind != ArchiveKind.BOOK else 14_000)
    write_archive(tmp_path, source, venue, kind, text)

    rows, stream = decoded(tmp_path, venue)

    assert len(text) > 1 << 20
    assert rows == expected_rows(source, kind, text)
    # The exponents that the generator writes are the only lines that are read slowly.
    assert stream.slow < 0.2 * text.count(b"\n")


@pytest.mark.parametrize(("source", "venue", "kind"), [f for f in FORMATS if f[2] != ArchiveKind.BOOK])
def test_quotes_and_a_missing_last_newline_change_nothing(
    tmp_path: Path, source: str, venue: str, kind: ArchiveKind
) -> None:
    text = text_of(source, venue, kind, 5, 50).replace(b"\r\n", b"\n")
    header, *lines = text.decode().splitlines()
    quoted = "\n".join([header, *(",".join(f'"{field}"' for field in line.split(",")) for line in lines)])
    write_archive(tmp_path, source, venue, kind, quoted.encode())

    rows, stream = decoded(tmp_path, venue)

    assert rows == expected_rows(source, kind, text)
    assert stream.slow < len(lines) / 2


def test_quotes_that_begin_in_the_middle_cost_one_slow_line(tmp_path: Path) -> None:
    place = ("tardis", "binance_usdm", ArchiveKind.BOOK)
    text = text_of(*place, 5, 200)
    header, *lines = text.decode().splitlines()
    half = len(lines) // 2
    lines[half:] = [",".join(f'"{field}"' for field in line.split(",")) for line in lines[half:]]
    write_archive(tmp_path, *place, "\n".join([header, *lines]).encode())

    rows, stream = decoded(tmp_path, "binance_usdm")

    assert rows == expected_rows("tardis", ArchiveKind.BOOK, text)
    assert stream.slow <= 1


def test_columns_that_nobody_asked_for_may_be_many_and_anywhere(tmp_path: Path) -> None:
    place = ("tardis", "binance_usdm", ArchiveKind.TRADES)
    text = text_of(*place, 5, 50)
    wide = []
    for n, line in enumerate(text.decode().splitlines()):
        odd = [f"x{k}" for k in range(300)] if n == 0 else [str(n)] * 300
        fields = line.split(",")
        wide.append(",".join([*odd, *fields[:3], *(f"{word}y" for word in odd), *fields[3:], *odd[:0], "z"]))
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
