"""The real recordings through the whole conversion, against plain Python over their raw JSON."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pytest
from hftbacktest.data import validate_event_order
from hftbacktest.types import BUY_EVENT, DEPTH_CLEAR_EVENT, LOCAL_EVENT, TRADE_EVENT
from support.books import BUY, SELL, PlainBook, book_rows
from support.official import (
    Applied,
    book_tickers,
    follow_binance,
    follow_bybit,
    raw_messages,
    trades,
)
from support.paths import RECORDINGS, needs_recordings
from support.venues import VENUES

from arb.data.catalog.days import find_recordings
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.row_files import RowFile
from connectors.book.sequence import Status
from connectors.model import Rows

pytestmark = [needs_recordings, pytest.mark.slow]

DAY_1, DAY_2 = date(2024, 8, 8), date(2024, 8, 9)
CASES = [
    *((venue, "BTCUSDT", DAY_1) for venue in ("binance_spot", "binance_usdm", "bybit_linear")),
    ("binance_spot", "ETHUSDT", DAY_2),
]
TICKERS = [case for case in CASES if case[0] != "bybit_linear"]
LATENCY_NS = 1_000_000


class Converted(NamedTuple):
    """One recorded day: what the product makes of it and what it says in JSON."""

    file: RowFile
    rows: Rows
    #: Rows as the strategy sees them.
    local: Rows
    messages: list[tuple[int, dict[str, Any]]]
    applied: list[Applied]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, date], tuple[RowFile, int]]:
    """All recordings by one run, so on one clock."""
    recordings = [r for r in find_recordings(RECORDINGS) if r.venue in VENUES]
    legs = sorted({(r.venue, r.symbol) for r in recordings})
    feeds = [
        Feed(VENUES[venue], [r for r in recordings if (r.venue, r.symbol) == (venue, symbol)], LATENCY_NS)
        for venue, symbol in legs
    ]
    conversion = convert(feeds, RowCache(tmp_path_factory.mktemp("cache")))
    return {
        (recording.venue, recording.symbol, recording.day): (file, conversion.offset_ns)
        for feed, files in zip(feeds, conversion.files, strict=True)
        for recording, file in zip(feed.recordings, files, strict=True)
    }


def name_of(case: tuple[str, str, date]) -> str:
    return f"{case[0]}-{case[1]}-{case[2].day}"


@pytest.fixture(params=CASES, ids=name_of, scope="module")
def day(request: pytest.FixtureRequest, converted: dict[Any, tuple[RowFile, int]]) -> Converted:
    venue, symbol, when = request.param
    file, _ = converted[request.param]
    messages = list(raw_messages(RECORDINGS / venue / f"{symbol.lower()}_{when:%Y%m%d}.gz"))
    if venue == "bybit_linear":
        applied = follow_bybit(messages)
    else:
        known = converted[venue, symbol, DAY_1][0].scan.last_id if when == DAY_2 else None
        applied = follow_binance(messages, is_usdm=venue == "binance_usdm", known=known)
    rows = file.load(is_first=True)[-1]
    return Converted(file, rows, rows[(rows["ev"] & np.uint64(LOCAL_EVENT)) != 0], messages, applied)


def starting_book(day: Converted) -> PlainBook:
    book = PlainBook()
    if day.file.scan.is_carried:
        book.apply(day.file.load(is_first=True)[0])
    return book


def expected_rows(applied: list[Applied]) -> list[tuple[int, float, float]]:
    """Side, price and quantity of every level that is applied, NaN where a side is emptied first."""
    rows: list[tuple[int, float, float]] = []
    for message in applied:
        for side, levels in ((BUY, message.bids), (SELL, message.asks)):
            if message.is_snapshot:
                rows.append((side, np.nan, 0.0))
            rows += [(side, float(px), float(qty)) for px, qty in levels]
    return rows


def rows_made(message: Applied) -> int:
    return len(message.bids) + len(message.asks) + 2 * message.is_snapshot


def apply(book: PlainBook, message: Applied) -> None:
    if message.is_snapshot:
        book.clear()
    book.set_levels(message.bids, message.asks)


def depth_of(rows: Rows) -> Rows:
    return rows[(rows["ev"] & np.uint64(0xFF)) != TRADE_EVENT]


def test_no_gap_and_the_chain_ends_where_the_venue_ends(day: Converted) -> None:
    scan = day.file.scan
    assert (scan.gaps, scan.status, scan.slow_frames) == (0, Status.SYNCED, 0)
    assert scan.last_id == day.applied[-1].last_id
    assert scan.lines == len(day.messages)
    assert (day.file.clamped, day.file.stepped_back) == (0, 0)


def test_the_rows_are_those_of_the_official_rules_one_by_one(day: Converted) -> None:
    """So the book at every row is the plain dict's, for the same levels are set in the same order."""
    depth = depth_of(day.local)
    expected = np.array(expected_rows(day.applied))
    assert len(depth) == len(expected)
    assert (((depth["ev"] & np.uint64(BUY_EVENT)) != 0) == (expected[:, 0] == BUY)).all()
    np.testing.assert_array_equal(depth["px"], expected[:, 1])
    np.testing.assert_array_equal(depth["qty"], expected[:, 2])
    assert (np.isnan(depth["px"]) == ((depth["ev"] & np.uint64(0xFF)) == DEPTH_CLEAR_EVENT)).all()


def test_rows_become_known_when_their_frames_were_received(day: Converted) -> None:
    received = np.repeat([m.local_ts for m in day.applied], [rows_made(m) for m in day.applied])
    np.testing.assert_array_equal(depth_of(day.local)["local_ts"], received + day.file.offset_ns)


def test_the_books_are_equal_and_never_crossed(day: Converted) -> None:
    """Message by message: ours of the rows, the plain one of the JSON."""
    depth = depth_of(day.local)
    ours, plain = starting_book(day), starting_book(day)
    start = 0
    for number, message in enumerate(day.applied):
        apply(plain, message)
        end = start + rows_made(message)
        ours.apply(depth[start:end])
        start = end
        bid, _, ask, _ = touch = ours.touch()
        assert bid < ask
        assert touch == plain.touch()
        if number % 50 == 0 or number == len(day.applied) - 1:
            assert ours == plain
    assert start == len(depth)


def test_trades_are_those_of_the_market(day: Converted) -> None:
    found = day.local[(day.local["ev"] & np.uint64(0xFF)) == TRADE_EVENT]
    expected = np.array(trades(day.messages))
    assert len(found) == len(expected) > 1000
    np.testing.assert_array_equal((found["ev"] & np.uint64(BUY_EVENT)) != 0, expected[:, 1] == 1)
    np.testing.assert_array_equal(found["px"], expected[:, 2])
    np.testing.assert_array_equal(found["qty"], expected[:, 3])


def test_the_order_is_valid_and_no_row_is_from_the_future(day: Converted) -> None:
    validate_event_order(np.concatenate(day.file.load(is_first=True)))
    assert (day.rows["exch_ts"] <= day.rows["local_ts"]).all()
    depth = depth_of(day.local)
    assert (np.diff(depth["exch_ts"]) >= 0).all()


@pytest.mark.parametrize("day", TICKERS, ids=name_of, indirect=True)
def test_the_touch_is_the_book_tickers_wherever_their_ids_meet(day: Converted) -> None:
    by_id = {touch.update_id: touch.quote for touch in book_tickers(day.messages)}
    depth = depth_of(day.local)
    book = starting_book(day)
    start = met = equal = 0
    for message in day.applied:
        end = start + rows_made(message)
        book.apply(depth[start:end])
        start = end
        quote = by_id.get(message.last_id)
        if quote is not None:
            met += 1
            equal += book.touch() == quote
    assert met > 50
    assert equal >= 0.999 * met


def test_the_levels_at_the_end_are_the_plain_books(day: Converted) -> None:
    carried = day.file.load(is_first=True)[0] if day.file.scan.is_carried else day.local[:0]
    plain = starting_book(day)
    for message in day.applied:
        apply(plain, message)
    left = PlainBook()
    left.apply(book_rows(np.concatenate([carried, day.local])))
    assert left == plain


def test_one_offset_for_all_that_makes_the_fastest_frame_instant(
    converted: dict[Any, tuple[RowFile, int]],
) -> None:
    offsets = {offset for _, offset in converted.values()}
    assert len(offsets) == 1
    assert 1_260_000_000 < offsets.pop() < 1_280_000_000
    leads = [file.scan.lead_ns for file, _ in converted.values()]
    assert max(leads) == next(iter(converted.values()))[1]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_the_second_day_of_spot_carries_on_over_midnight(
    symbol: str, converted: dict[Any, tuple[RowFile, int]]
) -> None:
    first, second = (converted["binance_spot", symbol, when][0] for when in (DAY_1, DAY_2))
    assert not first.scan.is_carried
    assert second.scan.is_carried
    carried, rows = second.load(is_first=True)
    before, after = PlainBook(), PlainBook()
    [rows_before] = first.load(is_first=True)
    before.apply(rows_before[(rows_before["ev"] & np.uint64(LOCAL_EVENT)) != 0])
    after.apply(carried)
    assert before == after
    assert len(rows) > 10_000
