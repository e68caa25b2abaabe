"""The rows of a run: day behind day, where a book falls silent, and what hftbacktest's engine reads of them."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT
from support.books import PlainBook
from support.recorder import DAY, SYMBOL, Days, write_recording
from support.streams import Event
from support.venues import VENUES

from arb.data.catalog.days import Recording, recording_path
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.npy import load_rows
from arb.data.rows.row_files import Conversion
from connectors.book.rows import LOCAL_ONLY
from connectors.model import Instrument, Kind, Rows
from connectors.parsing.scanner import TRADE_SELL

S = 1_000_000_000
SILENCE_NS = 2 * S
VENUE = "binance_usdm"
TRADE = Event(Kind.TRADE, 0, 0, 0, [(TRADE_SELL, 100.0, 0.5)])


def converted(folder: Path, *feeds: Sequence[Recording], silence_ns: int = SILENCE_NS) -> Conversion:
    instrument = Instrument(VENUE, SYMBOL, 0.01, 0.001)
    listed = [Feed(VENUES[VENUE], feed, 0, instrument, silence_ns=silence_ns) for feed in feeds]
    return convert(listed, RowCache(folder / "cache"))


class Wake(NamedTuple):
    """What a strategy in hftbacktest's engine sees when it wakes."""

    at: int
    bid: float
    ask: float
    trades: int


def played(data: Sequence[Rows | str]) -> list[Wake]:
    """Every wake of a strategy in hftbacktest's engine, for arrays or files of rows."""
    asset = (
        BacktestAsset()
        .data(list(data))
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(0.001)
        .last_trades_capacity(10)
    )
    engine = HashMapMarketDepthBacktest([asset])
    seen = []
    while engine.wait_next_feed(False, 10**18) == 2:
        depth = engine.depth(0)
        trades = len(engine.last_trades(0))
        seen.append(Wake(engine.current_timestamp, depth.best_bid, depth.best_ask, trades))
        engine.clear_last_trades(0)
    engine.close()
    return seen


def side(rows: Rows, flag: int) -> Rows:
    return rows[rows["ev"] & np.uint64(flag) != 0]


def check_whole(arrays: Sequence[Rows]) -> list[Wake]:
    """The engine goes through all arrays: what it shows at its wakes, the last of which is the end of data."""
    times = np.unique(side(np.concatenate(arrays), LOCAL_EVENT)["local_ts"])
    seen = played(arrays)
    assert [wake.at for wake in seen] == times[: len(seen)].tolist()
    assert len(seen) >= len(times) - 1
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("was_empty", [False, True], ids=["silent behind the day before", "silent within it"])
def test_a_run_on_a_book_that_fell_silent_before_begins_with_its_own_first_frame(
    tmp_path: Path, was_empty: bool
) -> None:
    days = Days(VENUE)
    write_recording(tmp_path, VENUE, [*days.events(0), *[TRADE] * (30 if was_empty else 0)])
    day = write_recording(tmp_path, VENUE, days.events(1), DAY + timedelta(days=1))
    conversion = converted(tmp_path, [day])
    [file] = conversion.files[0]
    assert (file.scan.is_carried, file.is_carried_silent) == (True, was_empty)
    arrays = conversion.rows(0)
    rows = np.concatenate(arrays)
    assert rows["local_ts"].min() == file.first_ts
    venue_book, book = PlainBook(), PlainBook()
    first = rows[rows["local_ts"] == file.first_ts]
    before = first[: int(np.flatnonzero(first["ival"] == LOCAL_ONLY)[1]) + 1]
    venue_book.apply(side(before, EXCH_EVENT))
    book.apply(side(before, LOCAL_EVENT))
    assert book.is_empty()
    assert venue_book == days.history.books[days.history.events[days.third - 1].last_id]
    seen = check_whole(arrays)
    assert not np.isnan([wake.bid for wake in seen]).any()


@pytest.mark.slow
def test_a_day_without_rows_and_a_leg_that_ends_before_another(tmp_path: Path) -> None:
    days = Days(VENUE)
    first = write_recording(tmp_path, VENUE, days.events(0))
    empty = recording_path(tmp_path, VENUE, SYMBOL, DAY + timedelta(days=1))
    empty.write_bytes(gzip.compress(b'1723161256000000000 {"result":null,"id":1}\n'))
    last = write_recording(tmp_path, VENUE, Days(VENUE, seed=2).events(0), DAY + timedelta(days=2))
    conversion = converted(
        tmp_path, [first, Recording(VENUE, SYMBOL, DAY + timedelta(days=1), empty), last], [last]
    )
    arrays = conversion.rows(0)
    seen = check_whole(arrays)
    unknown = [wake.at for wake in seen if np.isnan(wake.bid)]
    changes = [
        line for line in gzip.decompress(first.path.read_bytes()).splitlines() if b"depthUpdate" in line
    ]
    assert unknown[0] == int(changes[-1][:19]) + conversion.offset_ns + SILENCE_NS
    assert unknown[1] == conversion.files[0][2].first_ts
    assert len(conversion.rows(1)) == 1


@pytest.mark.slow
def test_the_venues_side_begins_a_day_behind_the_strategys_last_row_of_the_day_before(tmp_path: Path) -> None:
    """A day whose first frames were stamped before the end of the day before it was received."""
    first = write_recording(tmp_path, VENUE, Days(VENUE).events(0), lag_ms=0)
    end_ns = int(gzip.decompress(first.path.read_bytes()).splitlines()[-1][:19])
    early = write_recording(tmp_path / "early", VENUE, Days(VENUE, seed=2).events(0), lag_ms=0)
    lines = gzip.decompress(early.path.read_bytes()).splitlines()
    moved = b"".join(b"%d %s\n" % (end_ns + S + n * S // 10, line[20:]) for n, line in enumerate(lines))
    day = DAY + timedelta(days=1)
    path = recording_path(tmp_path, VENUE, SYMBOL, day)
    path.write_bytes(gzip.compress(moved, 1))
    check_whole(converted(tmp_path, [first, Recording(VENUE, SYMBOL, day, path)]).rows(0))


def test_silent_time_is_counted_within_the_day_alone(tmp_path: Path) -> None:
    """The depth of the first day stops 3 s before its trades; the second day begins hours later."""
    days = Days(VENUE)
    first = write_recording(tmp_path, VENUE, [*days.events(0), *[TRADE] * 30])
    second = write_recording(tmp_path, VENUE, [*[TRADE] * 10, *days.events(1)], DAY + timedelta(days=1))
    scans = [file.scan for file in converted(tmp_path, [first, second]).files[0]]
    assert [scan.is_carried for scan in scans] == [False, True]
    assert [scan.silent_ns for scan in scans] == [S, S]
    assert [(scan.is_silent, scan.silent_ts) for scan in scans] == [
        (True, 0),
        (False, scans[1].life_ts + SILENCE_NS),
    ]


def touches(rows: Rows) -> dict[int, tuple[float, float]]:
    """Best bid and ask of a plain book after all local rows of each time."""
    book = PlainBook()
    found = {}
    local = rows[(rows["ev"] & np.uint64(LOCAL_EVENT)) != 0]
    for start, end in pairwise([*np.flatnonzero(np.diff(local["local_ts"], prepend=0)), len(local)]):
        book.apply(local[start:end])
        bid, _, ask, _ = book.touch()
        found[int(local["local_ts"][start])] = (bid, ask)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("venue", VENUES)
def test_hftbacktest_loads_a_row_file_by_its_name_and_sees_the_book(tmp_path: Path, venue: str) -> None:
    recording = write_recording(tmp_path, venue, Days(venue).events(0))
    [[file]] = convert([Feed(VENUES[venue], [recording], 0)], RowCache(tmp_path / "cache")).files
    rows: Rows = load_rows(Path(file.path), mapped=False)
    seen = played([file.path])
    assert repr(seen) == repr(played([rows]))
    expected = touches(rows)
    assert len(seen) >= len(expected) - 1
    for wake in seen:
        np.testing.assert_allclose((wake.bid, wake.ask), expected[wake.at], rtol=0, atol=1e-9)
    assert len({(wake.bid, wake.ask) for wake in seen}) > 5
    is_trade = (rows["ev"] & np.uint64(LOCAL_EVENT | 0xFF)) == np.uint64(LOCAL_EVENT | TRADE_EVENT)
    assert sum(wake.trades for wake in seen) == is_trade.sum()
