"""A day that begins without a snapshot: best bid and offer alone until depth proves the book."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT
from support.books import BUY, SELL, PlainBook
from support.command_line import arb
from support.official import book_tickers, raw_messages
from support.paths import RECORDINGS, needs_recordings
from support.recording_files import MS, NOON_NS, bybit_lines, depth_lines, make_leg, write_recording

from arb.commands.legs import instrument_of
from arb.data.catalog.days import Day, find_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.memory import rows_of_day
from arb.data.rows.row_files import Conversion, RowFile
from arb.data.rows.touch_start import TouchStart
from arb.data.rows.usable import refuse_unusable, touch_notes
from arb.errors import InputError
from connectors.binance import BinanceSpot, BinanceUsdm
from connectors.book.rows import LOCAL_ONLY, RESTORES
from connectors.model import Instrument, Rows, Venue
from connectors.parsing.lines import LineDecoder

pytestmark = pytest.mark.slow

USDM = make_leg("binance_usdm")
LATENCY_NS = 1_000_000


def ticker(
    n: int, bid: float, ask: float, qty: float = 1.0, id_step: int = 0, start_ns: int = NOON_NS
) -> str:
    """The best bid and offer 50 ms behind the n-th change of `depth_lines`, with its id."""
    at = start_ns + (n + 1) * 100 * MS + 50 * MS
    data = {
        "e": "bookTicker", "u": 101 + n + id_step, "s": "BTCUSDT", "b": f"{bid:.1f}", "B": f"{qty:.3f}",
        "a": f"{ask:.1f}", "A": f"{qty:.3f}", "T": at // MS, "E": at // MS,
    }  # fmt: skip
    return f"{at + 5 * MS} " + json.dumps(
        {"stream": "btcusdt@bookTicker", "data": data}, separators=(",", ":")
    )


def snapshot_at(n: int) -> str:
    """The book as it is behind the n-th change."""
    at = NOON_NS + (n + 1) * 100 * MS + 20 * MS
    bids = [[f"{60_000 - k:.1f}", "3.000"] for k in range(1, 6)]
    asks = [[f"{60_000 + k:.1f}", "3.000"] for k in range(1, 6)]
    body = {"lastUpdateId": 101 + n, "E": at // MS, "T": at // MS, "bids": bids, "asks": asks}
    return f"{at} {json.dumps(body, separators=(',', ':'))}"


def converted(folder: Path, venue: Venue, days: list[Day], instrument: Instrument | None, cache: str) -> Any:
    feeds = [Feed(venue, days, LATENCY_NS, instrument)]
    row_cache = RowCache(folder / cache)
    conversion = convert(feeds, row_cache)
    refuse_unusable(conversion, feeds)
    return conversion, touch_notes(conversion, feeds)


def rows_of(conversion: Conversion) -> Rows:
    return np.concatenate(conversion.rows(0))


def seen(rows: Rows) -> Rows:
    """Those that the strategy's side applies, but for trades."""
    return rows[(rows["ev"] & LOCAL_EVENT != 0) & (rows["ev"] & 0xFF != TRADE_EVENT)]


def books_of(rows: Rows) -> dict[int, tuple[list[Any], list[Any]]]:
    """The levels behind all rows of each local time, best first."""
    book, found = PlainBook(), {}
    rows = seen(rows)
    for at in np.unique(rows["local_ts"]):
        book.apply(rows[rows["local_ts"] == at])
        found[int(at)] = (
            sorted(book.sides[BUY].items(), reverse=True),
            sorted(book.sides[SELL].items()),
        )
    return found


def write_day(folder: Path, *tickers: str, late: int | None = None, changes: int = 300) -> list[Day]:
    """A day in the middle of a chain; `late`: the change behind which a snapshot comes."""
    lines = [line for line in depth_lines(changes) if "lastUpdateId" not in line]
    lines += [*tickers, *([] if late is None else [snapshot_at(late)])]
    write_recording(folder, "binance_usdm", sorted(lines))
    return find_days(folder)


TICKERS = [
    ticker(10, 59_999.0, 60_001.0),
    ticker(20, 60_010.0, 60_011.0, 2.0),
    ticker(30, 59_990.0, 59_991.0),
]


def test_the_book_is_the_touch_and_nothing_else(tmp_path: Path) -> None:
    days = write_day(tmp_path / "data", *TICKERS)
    conversion, notes = converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), "cache")
    books = list(books_of(rows_of(conversion)).values())
    assert [book for book in books if book != ([], [])] == [
        ([(59_999.0, 1.0)], [(60_001.0, 1.0)]),
        ([(60_010.0, 2.0)], [(60_011.0, 2.0)]),
        ([(59_990.0, 1.0)], [(59_991.0, 1.0)]),
    ]
    assert notes == [
        "binance_usdm:BTCUSDT: 2024-08-08 begins without a snapshot, and no day before it is carried on: best bid and "
        "offer alone, a book of one level a side, all day"
    ]


def test_a_snapshot_ends_it(tmp_path: Path) -> None:
    days = write_day(tmp_path / "data", *TICKERS, late=150)
    conversion, notes = converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), "cache")
    books = books_of(rows_of(conversion))
    at = NOON_NS + 151 * 100 * MS + 20 * MS
    before = [book for ts, book in books.items() if ts < at]
    assert before[-1] == ([(59_990.0, 1.0)], [(59_991.0, 1.0)])
    assert [len(side) for side in books[at]] == [5, 5]
    assert (books[at][0][0][0], books[at][1][-1]) == (59_999.0, (60_005.0, 3.0))
    time = datetime.fromtimestamp(at / 1e9, UTC)
    assert notes[0].endswith(f"until the first snapshot at {time:%H:%M:%S}")


def test_a_snapshot_ahead_of_the_changes_ends_it_when_they_reach_it(tmp_path: Path) -> None:
    body = snapshot_at(180).partition(" ")[2]
    lines = [line for line in depth_lines(300) if "lastUpdateId" not in line]
    lines += [*TICKERS, ticker(150, 59_980.0, 59_981.0), f"{NOON_NS + 12_020 * MS} {body}"]
    write_recording(tmp_path / "data", "binance_usdm", sorted(lines))
    conversion, _ = converted(
        tmp_path, BinanceUsdm(), find_days(tmp_path / "data"), instrument_of(USDM), "cache"
    )
    books = {ts: book for ts, book in books_of(rows_of(conversion)).items() if book != ([], [])}
    touches = [book for book in books.values() if [len(side) for side in book] == [1, 1]]
    assert touches[-1] == ([(59_980.0, 1.0)], [(59_981.0, 1.0)]), "the touch goes on behind the snapshot"
    known = next(ts for ts, book in books.items() if len(book[0]) > 1)
    assert NOON_NS + 181 * 100 * MS < known <= NOON_NS + 183 * 100 * MS


def test_from_the_snapshot_on_the_rows_are_those_of_a_day_that_waited_for_it(tmp_path: Path) -> None:
    found = []
    for name, tickers in (("with", TICKERS), ("without", [])):
        days = write_day(tmp_path / name, *tickers, ticker(160, 59_999.0, 60_001.0), late=150)
        books = books_of(
            rows_of(converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), f"c{name}")[0])
        )
        at = NOON_NS + 151 * 100 * MS + 20 * MS
        found.append({ts: book for ts, book in books.items() if ts >= at})
    assert found[0] == found[1]


def test_rows_in_memory_are_the_same(tmp_path: Path) -> None:
    days = write_day(tmp_path / "data", *TICKERS, late=150)
    conversion, _ = converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), "cache")
    rows = rows_of_day(
        BinanceUsdm(), days[0], LATENCY_NS, offset_ns=conversion.offset_ns, instrument=instrument_of(USDM)
    )
    assert rows.tobytes() == rows_of(conversion).tobytes()


def test_ids_that_step_back_leave_it_unknown(tmp_path: Path) -> None:
    days = write_day(tmp_path / "data", *TICKERS, ticker(200, 59_000.0, 59_001.0, id_step=-250))
    conversion, _ = converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), "cache")
    assert list(books_of(rows_of(conversion)).values())[-1] == ([], [])
    (file,) = conversion.files[0]
    assert file.scan.gaps == 1


def test_a_day_after_it_without_a_snapshot_is_the_touch_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_day(data, *TICKERS)
    start_ns = NOON_NS + 24 * 3600 * 1_000_000_000
    second = [*depth_lines(300, start_ns=start_ns)[1:], ticker(10, 61_000.0, 61_001.0, start_ns=start_ns)]
    write_recording(data, "binance_usdm", sorted(second), day="20240809")
    days = find_days(data)
    conversion, notes = converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), "cache")
    assert [bool(file.scan.touch_ts) for file in conversion.files[0]] == [True, True]
    assert len(notes) == 2
    books = books_of(rows_of(conversion))
    assert list(books.values())[-1] == ([(61_000.0, 1.0)], [(61_001.0, 1.0)])
    # Over midnight nothing is carried on.
    assert ([], []) in [book for ts, book in books.items() if ts > start_ns]


def test_a_day_with_neither_is_refused(tmp_path: Path) -> None:
    days = write_day(tmp_path / "data")
    with pytest.raises(InputError, match="no snapshot of the book in it"):
        converted(tmp_path, BinanceUsdm(), days, instrument_of(USDM), "cache")


@needs_recordings
def test_of_a_real_day_every_touch_is_the_venues_own(tmp_path: Path) -> None:
    """The second day of spot BTC has no snapshot: alone, it has no book, but its touch is known."""
    folder = tmp_path / "data" / "binance_spot"
    folder.mkdir(parents=True)
    (folder / "btcusdt_20240809.gz").symlink_to(RECORDINGS / "binance_spot" / "btcusdt_20240809.gz")
    days = find_days(tmp_path / "data")
    instrument = Instrument("binance_spot", "BTCUSDT", 0.01, 0.00001)
    conversion, notes = converted(tmp_path, BinanceSpot(), days, instrument, "cache")
    (file,) = conversion.files[0]
    assert isinstance(file, RowFile)
    assert "begins without a snapshot" in notes[0]

    sent = [one.quote for one in book_tickers(list(raw_messages(days[0].path)))]
    rows = seen(rows_of(conversion))
    book, shown = PlainBook(), []
    for start, end in pairwise([*np.flatnonzero(np.diff(rows["local_ts"], prepend=-1)), len(rows)]):
        book.apply(rows[start:end])
        assert [len(side) for side in book.sides.values()] == [1, 1]
        shown.append(book.touch())
    assert len(shown) > 1000
    # Each that was sent, in order; one that repeats the one before makes no rows.
    assert [touch for touch, _ in groupby(sent)] == [touch for touch, _ in groupby(shown)]


def test_a_backtest_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the command line, with a second leg that has a book."""
    monkeypatch.chdir(tmp_path)
    arb("init", "my")
    write_day(tmp_path / "data", *TICKERS)
    write_recording(tmp_path / "data", "bybit_linear", bybit_lines(300))
    words = [
        "backtest",
        "-c",
        "my/arbitrage.toml",
        "--data",
        "data",
        "--start",
        str(date(2024, 8, 8)),
        "--json",
    ]
    legs = ["--legs", "binance_usdm:BTCUSDT,bybit_linear:BTCUSDT", "--no-report"]
    reported = arb(*words, *legs)
    assert any("best bid and offer alone" in note for note in json.loads(reported.stdout)["notes"])


def test_it_falls_silent_and_the_next_touch_restores_it(tmp_path: Path) -> None:
    """Best bid and offer stops for 5 s while trades and depth go on, and again for good while another leg goes on."""
    silence_ns = 2_000 * MS
    days = write_day(tmp_path / "data", *TICKERS, ticker(80, 59_990.0, 59_992.0))
    feed = Feed(BinanceUsdm(), days, LATENCY_NS, instrument_of(USDM), silence_ns=silence_ns)
    conversion = convert([feed], RowCache(tmp_path / "cache"))
    [file] = conversion.files[0]
    books = {ts: book for ts, book in books_of(rows_of(conversion)).items() if ts >= NOON_NS}
    times = {n: int(ticker(n, 1.0, 2.0)[:19]) + conversion.offset_ns for n in (30, 80)}
    assert books[times[30]] == ([(59_990.0, 1.0)], [(59_991.0, 1.0)])
    assert books[times[30] + silence_ns] == ([], [])
    assert books[times[80]] == ([(59_990.0, 1.0)], [(59_992.0, 1.0)])
    assert file.silent_ts == times[80] + silence_ns
    assert books[times[80] + silence_ns] == ([], [])
    venue = PlainBook()
    rows = rows_of(conversion)
    venue.apply(rows[rows["ev"] & EXCH_EVENT != 0])
    assert (venue.sides[BUY], venue.sides[SELL]) == ({59_990.0: 1.0}, {59_992.0: 1.0})


def test_a_silence_is_the_same_however_the_messages_come(tmp_path: Path) -> None:
    trades = [trade_line(NOON_NS + second * 1_000 * MS) for second in range(1, 20)]
    text = "\n".join(sorted([*TICKERS, *trades, ticker(120, 59_990.0, 59_992.0)])).encode() + b"\n"
    ((rows, messages),) = LineDecoder(BinanceUsdm(), "BTCUSDT").decode([text])
    found = []
    for size in (len(messages), 1, 3):
        touch = TouchStart(BinanceUsdm().sequence_rule, 2_000 * MS)
        parts = [messages[n : n + size] for n in range(0, len(messages), size)]
        found.append(np.concatenate([touch.receive(rows, part).copy() for part in parts]))
        assert touch.is_silent
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    assert np.count_nonzero(found[0]["ival"] == LOCAL_ONLY) == 4
    assert np.count_nonzero(found[0]["ival"] == RESTORES) == 1
    assert (np.diff(found[0]["local_ts"]) >= 0).all()


def trade_line(local_ts: int) -> str:
    data = {"e": "trade", "E": local_ts // MS, "T": local_ts // MS, "s": "BTCUSDT", "t": 1, "p": "60000.0",
            "q": "0.001", "X": "MARKET", "m": False}  # fmt: skip
    return f"{local_ts} " + json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":"))
