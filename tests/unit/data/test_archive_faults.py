"""Archive files that are not what they should be: one line that names file, line and column, and no rows."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archives import (
    DAY,
    SYMBOL,
    binance_book_ticker,
    binance_trades,
    bybit_book,
    bybit_trades,
    tardis_book,
    text_of,
    write_archive,
)
from support.archives import FORMATS as ALL_FORMATS
from support.venues import VENUES

from arb.data.archives import table as table_module
from arb.data.archives.formats import LAYOUTS
from arb.data.archives.streams import ArchiveStream, OutOfOrderError
from arb.data.archives.table import Table, time_ns
from arb.data.archives.text import buffered
from arb.data.catalog.archived import ArchiveFile, ArchiveKind
from arb.data.catalog.days import find_archive_days
from arb.errors import InputError
from connectors.errors import DecodeError

TOUCH = ("binance", "binance_usdm", ArchiveKind.TOUCH)
USDM_TRADES = ("binance", "binance_usdm", ArchiveKind.TRADES)
SPOT_TRADES = ("binance", "binance_spot", ArchiveKind.TRADES)
BYBIT_BOOK = ("bybit", "bybit_linear", ArchiveKind.BOOK)
BYBIT_TRADES = ("bybit", "bybit_linear", ArchiveKind.TRADES)
TARDIS_BOOK = ("tardis", "binance_usdm", ArchiveKind.BOOK)

TICKER = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
LINE = "1,42300.0,1.5,42300.1,2.5,1704067200100,1704067200101\n"
LINEAR = "timestamp,symbol,side,size,price\n"
TARDIS = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
TARDIS_LINE = "binance-futures,BTCUSDT,1704067200000000,1704067200004000,true,bid,42300,1\n"


def read(folder: Path) -> int:
    """Decodes the one day in a folder; how many rows there are."""
    (day,) = find_archive_days(folder)
    return sum(len(rows) for rows, _ in ArchiveStream(VENUES[day.venue], day).decode())


def refusal(folder: Path) -> str:
    with pytest.raises((InputError, DecodeError)) as reported:
        read(folder)
    assert "\n" not in str(reported.value)
    return str(reported.value)


@pytest.mark.parametrize(
    ("place", "text", "words"),
    [
        (TOUCH, "", "bookTicker-2024-01-01.zip: there is nothing in it"),
        (TOUCH, "\n", "line 1: the line is blank where a header or a row belongs"),
        (TOUCH, TICKER.replace("best_ask_qty,", ""), "line 1: no column 'best_ask_qty'; there are update_id,"),
        (TOUCH, "update_id," + TICKER, "line 1: the column 'update_id' is there twice"),
        (TOUCH, TICKER + LINE + LINE.replace("42300.1", "x"), "line 3: column 'best_ask_price': 'x' is not a"),
        (TOUCH, TICKER + LINE.replace("42300.1", "-1"), "line 2: column 'best_ask_price': '-1' is not a decimal"),
        (TOUCH, TICKER + LINE.replace("42300.1", "nan"), "line 2: column 'best_ask_price': 'nan'"),
        (TOUCH, TICKER + LINE.replace("42300.1", ""), "line 2: column 'best_ask_price': ''"),
        (TOUCH, TICKER + LINE.replace("1.5", "1e999"), "line 2: column 'best_bid_qty': '1e999' is too large"),
        (TOUCH, TICKER + LINE + TICKER + LINE, "line 3: column 'update_id': 'update_id' is not a whole number"),
        (TOUCH, TICKER + LINE + "\n" + LINE[:-20], "line 4: 6 columns, where 7 belong"),
        (TOUCH, TICKER + LINE[:-1] + ",\n", "line 2: 8 columns, where 7 belong"),
        (TOUCH, TICKER + LINE.replace("1,", "9" * 30 + ",", 1), "line 2: column 'update_id': '9999999"),
        (TOUCH, TICKER + LINE.replace("1704067200100", "12345678901234567"), "line 2: column 'transaction_time'"),
        (TOUCH, TICKER + LINE.replace("1704067200100", "1.7.0"), "line 2: column 'transaction_time': '1.7.0'"),
        (TOUCH, TICKER + LINE + LINE.replace("17040672001", "17041680001"), "line 3: the time 2024-01-02 04:00:00"),
        (TOUCH, TICKER + LINE.replace("17040672", "1704060"), "line 2: the time 1975-"),
        (USDM_TRADES, "1,2,3,4\n", "line 1: 4 columns, where 6 or 7 belong"),
        (USDM_TRADES, "1,42300,1,42300,1704067200100,maybe\n", "column 'is_buyer_maker': 'maybe' is none of"),
        (SPOT_TRADES, "price,qty\n1,2\n", "line 1: no column 'id'; there are price, qty"),
        (BYBIT_TRADES, "1704067200.1,BTCUSDT,Buy,1,42300\n", "line 1: the header is missing"),
        (BYBIT_TRADES, LINEAR + "1704067200.1,ETHUSDT,Buy,1,42300\n", "column 'symbol': 'ETHUSDT' where 'BTCUSDT'"),
        (BYBIT_TRADES, LINEAR + "1704067200.1,BTCUSD,Buy,1,42300\n", "column 'symbol': 'BTCUSD' where"),
        (BYBIT_TRADES, LINEAR + "1704067200.1,BTCUSDTX,Buy,1,42300\n", "column 'symbol': 'BTCUSDTX' where"),
        (BYBIT_TRADES, LINEAR + "1704067200.1,BTCUSDT,Bid?,1,42300\n", "column 'side': 'Bid?' is none of"),
        (TARDIS_BOOK, TARDIS + TARDIS_LINE.replace("-futures", ""), "column 'exchange': 'binance' where 'binance-f"),
        (TARDIS_BOOK, TARDIS + TARDIS_LINE.replace("1704067200004000", "1704067200.5.1"), "column 'local_time"),
        (TARDIS_BOOK, TARDIS + TARDIS_LINE.replace("true", "1"), "column 'is_snapshot': '1' is none of true, false"),
        (TARDIS_BOOK, TARDIS + TARDIS_LINE.replace("bid", "unknown"), "column 'side': 'unknown' is none of buy, bid"),
        (BYBIT_BOOK, '{"topic":"orderbook.500.ETHUSDT"}\n', "line 1: bybit_linear: "),
        (BYBIT_BOOK, "not json\n", "line 1: bybit_linear: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    tmp_path: Path, place: tuple[str, str, ArchiveKind], text: str, words: str
) -> None:
    file = write_archive(tmp_path, *place, text.encode())

    line = refusal(tmp_path)

    assert words in line
    assert file.path.name in line


def test_a_book_of_another_symbol_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path, *BYBIT_BOOK, bybit_book(1, 5).replace(b"BTCUSDT", b"ETHUSDT"))
    assert "line 1: bybit_linear: a frame of another symbol than BTCUSDT" in refusal(tmp_path)


def _damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _damage_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _page(path: Path) -> None:
    path.write_bytes(b"<html>404</html>")


@pytest.mark.parametrize("damage", [_damage_end, _damage_middle, _empty, _page])
@pytest.mark.parametrize("place", [TOUCH, BYBIT_BOOK, BYBIT_TRADES])
def test_a_file_that_is_not_whole_is_to_be_downloaded_again(
    tmp_path: Path, place: tuple[str, str, ArchiveKind], damage: Callable[[Path], None]
) -> None:
    file = write_archive(tmp_path, *place, text_of(*place, 1, 3_000))
    damage(file.path)

    line = refusal(tmp_path)

    assert str(file.path) in line
    assert "download it again" in line or "line " in line


def _zip(file: ArchiveFile, *members: str) -> None:
    with zipfile.ZipFile(file.path, "w") as archive:
        for member in members:
            archive.writestr(member, TICKER + LINE)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ((), "the zip holds 0 files, where one belongs"),
        ((f"{SYMBOL}-a.csv", f"{SYMBOL}-b.csv"), "the zip holds 2 files, where one belongs"),
        (("ETHUSDT-bookTicker-2024-01-01.csv",), "'ETHUSDT-bookTicker-2024-01-01.csv', which is no file of BTCUSDT"),
        (("1000BTCUSDT-bookTicker-2024-01-01.csv",), "which is no file of BTCUSDT"),
    ],
)  # fmt: skip
def test_a_zip_of_something_else_is_refused(tmp_path: Path, members: tuple[str, ...], words: str) -> None:
    _zip(write_archive(tmp_path, *TOUCH, b""), *members)
    assert words in refusal(tmp_path)


def test_a_folder_in_a_zip_is_passed_over(tmp_path: Path) -> None:
    _zip(write_archive(tmp_path, *TOUCH, b""), "data/", f"data/{SYMBOL}-bookTicker-{DAY}.csv")
    assert read(tmp_path) == 2


def test_a_mark_at_the_begin_blank_lines_and_crlf_are_passed_over(tmp_path: Path) -> None:
    text = (
        "\ufeff" + (TICKER + LINE + "\n\n" + LINE.replace("1,", "2,", 1)).replace("\n", "\r\n") + "\r\n\r\n"
    )
    write_archive(tmp_path, *TOUCH, text.encode())
    assert read(tmp_path) == 4


def test_a_blank_line_in_a_book_is_passed_over(tmp_path: Path) -> None:
    write_archive(tmp_path, *BYBIT_BOOK, bybit_book(1, 1) + b"\r\n\n")
    assert read(tmp_path) == 42


def test_a_long_line_is_no_line(tmp_path: Path) -> None:
    write_archive(tmp_path, *TOUCH, (TICKER + "1" * 3_000_000).encode())
    assert "a line of more than 1 MB" in refusal(tmp_path)


def test_concatenated_gzip_is_one_text(tmp_path: Path) -> None:
    file = write_archive(tmp_path, *BYBIT_TRADES, b"")
    text = bybit_trades(1, 100, is_spot=False)
    file.path.write_bytes(gzip.compress(text[:500]) + gzip.compress(text[500:]))
    assert read(tmp_path) == 100


def test_a_trade_that_is_written_twice_counts_once(tmp_path: Path) -> None:
    header, *lines = binance_trades(5, 50, is_spot=True).decode().splitlines()
    write_archive(
        tmp_path, *SPOT_TRADES, "\n".join([header, *(x for line in lines for x in (line, line))]).encode()
    )
    single = len({line.split(",")[0] for line in [header, *lines]})
    assert read(tmp_path) == single


def test_disorder_asks_for_sorting_unless_times_are_of_receipt(tmp_path: Path) -> None:
    header, *lines = binance_book_ticker(1, 50).decode().splitlines()
    write_archive(tmp_path / "a", *TOUCH, "\n".join([header, *reversed(lines)]).encode())
    with pytest.raises(OutOfOrderError):
        read(tmp_path / "a")
    header, *lines = tardis_book(1, 50).decode().splitlines()
    write_archive(tmp_path / "b", *TARDIS_BOOK, "\n".join([header, *reversed(lines)]).encode())
    assert read(tmp_path / "b") >= len(lines)


def damaged(place: tuple[str, str, ArchiveKind], data: st.DataObject) -> bytes:
    """A generated file with some bytes changed, taken or put in."""
    text = bytearray(text_of(*place, data.draw(st.integers(0, 50)), 12))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        end = at + data.draw(st.integers(0, 3))
        odd = st.sampled_from([b"\n", b",", b'"', b"\r\n", b"\r", b"-", b".", b"0", b" ", b"\0"])
        text[at:end] = data.draw(st.binary(max_size=4) | odd)
    return bytes(text)


@pytest.mark.parametrize("place", ALL_FORMATS)
@given(data=st.data())
@settings(max_examples=20)
def test_damaged_text_is_refused_or_read_but_never_a_fault_of_ours(
    place: tuple[str, str, ArchiveKind], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write_archive(folder, *place, damaged(place, data))

    with contextlib.suppress(InputError, DecodeError, OutOfOrderError):
        assert read(folder) >= 0


def records_or_error(path: Path, place: tuple[str, str, ArchiveKind], *pieces: bytes) -> bytes | str:
    """All records of a text that comes in pieces, or what is said of it."""
    words = {"symbol": SYMBOL, "exchange": "binance-futures"}
    table = Table(path, LAYOUTS[place[0], place[2]], words)
    try:
        return b"".join(records.tobytes() for records in table.read(buffered(pieces)))
    except InputError as error:
        return str(error)


def _read_nothing(buffer: Any, end: int, widths: Any, words: Any, records: Any, cursor: Any) -> int:
    """Stands for the compiled loop: passes over blank lines, and leaves all others to the csv module."""
    while cursor[0] < end:
        line = bytes(buffer[cursor[0] : end]).split(b"\n", 1)[0]
        if line not in (b"", b"\r"):
            return 2 if cursor[2] == len(records) else 1
        cursor[0] += len(line) + 1
        cursor[1] += 1
    return 0


def test_columns_are_found_by_name_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "record_reader", lambda _: _read_nothing)
    turned = "\n".join(",".join(reversed(line.split(","))) for line in (TICKER + LINE).split())
    write_archive(tmp_path, *TOUCH, turned.upper().encode())
    assert read(tmp_path) == 2


@pytest.mark.parametrize("place", [place for place in ALL_FORMATS if (place[0], place[2]) in LAYOUTS])
@given(data=st.data())
@settings(max_examples=80)
def test_the_compiled_loop_and_the_csv_module_agree_on_damaged_text(
    place: tuple[str, str, ArchiveKind], data: st.DataObject
) -> None:
    text = damaged(place, data)
    path = Path("a.csv")

    fast = records_or_error(path, place, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "record_reader", lambda _: _read_nothing)
        slow = records_or_error(path, place, text)

    assert fast == slow


@pytest.mark.parametrize("place", [place for place in ALL_FORMATS if (place[0], place[2]) in LAYOUTS])
@given(data=st.data())
@settings(max_examples=25)
def test_text_that_is_cut_anywhere_is_read_as_the_whole(
    place: tuple[str, str, ArchiveKind], data: st.DataObject
) -> None:
    text = damaged(place, data) if data.draw(st.booleans()) else text_of(*place, 3, 12)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=60)))
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]

    assert records_or_error(Path("a.csv"), place, *pieces) == records_or_error(Path("a.csv"), place, text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1704067200", 1_704_067_200_000_000_000),
        ("1704067200.000000001", 1_704_067_200_000_000_001),
        ("1704067200.09720000000001", 1_704_067_200_097_200_000),
        ("1704067200097", 1_704_067_200_097_000_000),
        ("1704067200097.25", 1_704_067_200_097_250_000),
        ("1704067200097250", 1_704_067_200_097_250_000),
        ("1.7040672e9", 1_704_067_200_000_000_000),
    ],
)
def test_the_size_of_a_time_tells_its_unit(text: str, ns: int) -> None:
    assert time_ns(text) == ns


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "+1", " 1", "nan", "Infinity", "9300000000", "9300000000000000", "१"]
)
def test_other_texts_are_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        time_ns(text)
