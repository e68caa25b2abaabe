"""Days of archives through the pipeline of recordings: sources, stamps, books, day boundaries."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import LOCAL_EVENT, TRADE_EVENT
from support.archive_reference import expected_rows
from support.archive_runs import (
    AGG,
    BOOK,
    LATENCY,
    LINEAR,
    MS,
    TOUCH,
    TRADES,
    USDM,
    converted,
    feeds_of,
    rows_of,
    seen_by,
    touches_after,
    trades_in,
)
from support.archives import (
    DAY,
    START_MS,
    SYMBOL,
    binance_agg_trades,
    binance_book_ticker,
    binance_trades,
    bybit_book,
    bybit_trades,
    tardis_book,
    write_archive,
)
from support.books import PlainBook
from support.recording_files import bybit_lines, write_recording

from arb.commands.recordings import convert_all
from arb.data.catalog.archived import archive_path
from arb.data.catalog.days import ArchiveDay, Recording, find_days, select_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import convert
from arb.data.rows.usable import book_notes
from arb.errors import InputError
from arb.results.note_kinds import kind_of
from arb.results.notes import archive_notes

# Which source a day is read from.


def test_a_recording_goes_before_archives_a_book_before_tardis_the_touch_last(tmp_path: Path) -> None:
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, b"")
    assert [d.source for d in find_days(tmp_path) if isinstance(d, ArchiveDay)] == ["binance"]
    write_archive(tmp_path, "tardis", "binance_usdm", BOOK, b"")
    assert [d.source for d in find_days(tmp_path) if isinstance(d, ArchiveDay)] == ["tardis"]
    write_archive(tmp_path, "tardis", "bybit_linear", BOOK, b"")
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, b"")
    assert [d.source for d in find_days(tmp_path) if isinstance(d, ArchiveDay)] == ["tardis", "bybit"]
    write_recording(tmp_path, "bybit_linear", [], day=f"{DAY:%Y%m%d}")
    assert [type(d) for d in find_days(tmp_path)] == [ArchiveDay, Recording]


def test_of_several_books_the_deepest_is_read_and_trades_before_aggregated_ones(tmp_path: Path) -> None:
    for name in ("ob200", "ob500", "ob50"):
        path = archive_path(tmp_path, "bybit", "bybit_linear", SYMBOL, f"{DAY}_{SYMBOL}_{name}.data.zip")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for kind in (TOUCH, AGG, TRADES):
        write_archive(tmp_path, "binance", "binance_usdm", kind, b"")
    usdm, linear = find_days(tmp_path)
    assert isinstance(usdm, ArchiveDay)
    assert usdm.kinds == (TOUCH, TRADES)
    assert linear.path.name == f"{DAY}_{SYMBOL}_ob500.data.zip"


def with_a_gap(seed: int, at_share: float) -> bytes:
    """A Bybit book that lacks three frames behind its only snapshot."""
    lines = [
        line
        for n, line in enumerate(bybit_book(seed, 2_000).splitlines(keepends=True))
        if n == 0 or b'"snapshot"' not in line
    ]
    for n, line in enumerate(lines):
        frame = json.loads(line)
        frame["data"]["u"] = 100 + n
        lines[n] = json.dumps(frame, separators=(",", ":")).encode() + b"\n"
    at = int(at_share * len(lines))
    return b"".join(lines[:at] + lines[at + 3 :])


@pytest.mark.parametrize(("at_share", "is_reported"), [(0.5, True), (0.97, False)])
def test_a_gap_of_an_archive_that_costs_much_of_the_day_is_reported(
    tmp_path: Path, at_share: float, is_reported: bool
) -> None:
    write_archive(tmp_path, "bybit", *LINEAR[:1], BOOK, with_a_gap(3, at_share))
    feeds = feeds_of(tmp_path, LINEAR)
    conversion = converted(tmp_path, LINEAR)
    notes = book_notes(conversion, feeds)
    assert conversion.files[0][0].scan.gaps == 1
    if not is_reported:
        assert notes == []
        return
    (note,) = notes
    assert kind_of(note).heading == "Book incomplete"
    assert re.fullmatch(
        r"bybit_linear:BTCUSDT: its book is lost for [\d.]+ s of [\d.]+ s of 2024-01-01, first at 00:0\d:\d\d: 1 gap"
        r" in its ids, each until the next snapshot \(no download has what an archive lacks: .*\)",
        note,
    )


@pytest.mark.parametrize(
    ("venue", "lacking"), [("binance_usdm", "bookTicker"), ("binance_spot", "Binance has none of spot")]
)
def test_trades_alone_are_refused_in_one_line(tmp_path: Path, venue: str, lacking: str) -> None:
    write_archive(tmp_path, "binance", venue, TRADES, binance_trades(1, 10, is_spot=False))
    with pytest.raises(
        InputError, match=rf"BTCUSDT-trades-2024-01-01.zip: trades alone; .*{lacking}"
    ) as reported:
        select_days(tmp_path, [(venue, SYMBOL)], DAY, DAY)
    assert "\n" not in str(reported.value)
    with pytest.raises(InputError, match="trades alone"):
        convert_all(tmp_path, {}, None)


# Best bid and offer alone.


def test_the_touch_of_a_touch_alone_is_the_tickers_after_every_row(tmp_path: Path) -> None:
    text = binance_book_ticker(4, 3_000)
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, text)
    columns = list(csv.DictReader(io.StringIO(text.decode())))
    at = [max(int(c["transaction_time"]), int(c["event_time"])) * MS + LATENCY for c in columns]
    wanted = {
        local: tuple(float(c[f"best_{x}"]) for x in ("bid_price", "bid_qty", "ask_price", "ask_qty"))
        for local, c in zip(at, columns, strict=True)
    }

    rows = rows_of(converted(tmp_path, USDM))

    local = seen_by(rows, LOCAL_EVENT)
    for row_touch, want in zip(
        touches_after(local, sorted(wanted)), map(wanted.get, sorted(wanted)), strict=True
    ):
        assert want is not None
        # Quantities below half a lot are no level.
        assert row_touch[0] == want[0] if round(want[1] / 0.001) else row_touch[0] != want[0]
        assert row_touch[2] == want[2] if round(want[3] / 0.001) else row_touch[2] != want[2]
    book = PlainBook()
    for row in local:
        book.apply(np.array([row]))
        bid, _, ask, _ = book.touch()
        assert not bid >= ask  # not even between the rows of one ticker
        assert len(book.sides[1]) <= 2
        assert len(book.sides[-1]) <= 2
    assert [len(side) for side in book.sides.values()] == [1, 1]


def test_trades_join_the_touch_by_time_and_before_it(tmp_path: Path) -> None:
    text = binance_agg_trades(2, 500, is_spot=False)
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, binance_book_ticker(2, 500))
    write_archive(tmp_path, "binance", "binance_usdm", AGG, text)

    rows = rows_of(converted(tmp_path, USDM))

    want = [(r.event, r.exch_ts, r.px, r.qty) for r in expected_rows("binance", AGG, text)]
    assert trades_in(rows) == want
    local = seen_by(rows, LOCAL_EVENT)
    is_trade = local["ev"] & np.uint64(0xFF) == TRADE_EVENT
    assert (np.diff(local["local_ts"]) >= 0).all()
    tied = np.flatnonzero((np.diff(local["local_ts"]) == 0) & is_trade[1:])
    assert is_trade[tied].all()
    np.testing.assert_array_equal(local["local_ts"][is_trade], local["exch_ts"][is_trade] + LATENCY)


def test_a_shuffled_file_comes_out_in_order(tmp_path: Path) -> None:
    header, *lines = binance_book_ticker(7, 2_000).decode().splitlines()
    # As some days were published: hours in the wrong order.
    pieces = [lines[n : n + 250] for n in range(0, 2_000, 250)]
    shuffled = [line for n in (3, 1, 0, 2, 7, 6, 5, 4) for line in pieces[n]]
    write_archive(tmp_path / "a", "binance", "binance_usdm", TOUCH, "\n".join([header, *lines]).encode())
    write_archive(tmp_path / "b", "binance", "binance_usdm", TOUCH, "\n".join([header, *shuffled]).encode())

    a, b = (rows_of(converted(tmp_path / name, USDM)) for name in ("a", "b"))

    assert a.tobytes() == b.tobytes()
    assert len(a) > 3_000


# Stamps.


def test_archives_are_stamped_by_the_model_and_bybits_book_when_it_was_sent(tmp_path: Path) -> None:
    text = bybit_book(3, 200)
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, text)
    write_archive(tmp_path, "bybit", "bybit_linear", TRADES, bybit_trades(3, 200, is_spot=False))
    frames = [json.loads(line) for line in text.decode().splitlines()]

    conversion = converted(tmp_path, LINEAR)

    (file,) = conversion.files[0]
    rows = seen_by(rows_of(conversion), LOCAL_EVENT)
    depth = rows[rows["ev"] & np.uint64(0xFF) != TRADE_EVENT]
    frames = [frame for frame in frames if frame["data"].get("b") or frame["data"].get("a")]
    sent = {frame["cts"] * MS: frame["ts"] * MS + LATENCY for frame in frames}
    # One frame overtook another at the gateway: what comes later cannot be known earlier.
    known = dict(zip(sent, np.maximum.accumulate(list(sent.values())).tolist(), strict=True))
    found = dict(zip(depth["exch_ts"].tolist(), depth["local_ts"].tolist(), strict=True))
    late = [found[at] - known[at] for at in found]
    assert min(late) >= 0
    assert sum(x > 0 for x in late) < len(late) / 10  # a trade may be in between
    assert (conversion.offset_ns, file.offset_ns, file.clamped) == (0, LATENCY, 0)
    trades = rows[rows["ev"] & np.uint64(0xFF) == TRADE_EVENT]
    assert (trades["local_ts"] - trades["exch_ts"] >= LATENCY).all()


def test_a_modelled_leg_and_a_slow_recorder_are_put_on_one_clock(tmp_path: Path) -> None:
    behind = 700 * MS
    lines = []
    for line in bybit_lines(200, start_ns=START_MS * MS):
        local, frame = line.split(" ", 1)
        lines.append(f"{int(local) - behind} {frame}")
    write_recording(tmp_path, "bybit_linear", lines, day=f"{DAY:%Y%m%d}")
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, binance_book_ticker(2, 500))

    conversion = converted(tmp_path, USDM, LINEAR)

    # 5 ms from venue to recorder in the fixture; the fastest frame is taken to need none.
    assert conversion.offset_ns == behind - 5 * MS
    modelled, recorded = (seen_by(rows_of(conversion, leg), LOCAL_EVENT) for leg in (0, 1))
    assert (modelled["local_ts"] - modelled["exch_ts"]).min() == LATENCY
    assert (recorded["local_ts"] - recorded["exch_ts"]).min() == 0


def test_a_given_offset_moves_tardis_but_no_modelled_leg(tmp_path: Path) -> None:
    write_archive(tmp_path, "tardis", "binance_usdm", BOOK, tardis_book(5, 300))
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, bybit_book(5, 100))

    still = converted(tmp_path, USDM, LINEAR)
    moved = converted(tmp_path, USDM, LINEAR, offset_ns=3 * MS)

    assert still.offset_ns == 0
    for leg, shift in ((0, 3 * MS), (1, 0)):
        a, b = (seen_by(rows_of(c, leg), LOCAL_EVENT)["local_ts"] for c in (still, moved))
        np.testing.assert_array_equal(a + shift, b)


def test_the_latency_is_part_of_the_key_and_of_the_rows(tmp_path: Path) -> None:
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, binance_book_ticker(2, 50))
    (feed,) = feeds_of(tmp_path, USDM)
    slower = feed._replace(feed_latency_ns=25 * MS)
    cache = RowCache(tmp_path / "cache")

    a, b = (rows_of(convert([f], cache)) for f in (feed, slower))

    assert (seen_by(b, LOCAL_EVENT)["local_ts"] - seen_by(a, LOCAL_EVENT)["local_ts"] == 15 * MS).all()


def test_the_notes_name_source_contents_and_latency(tmp_path: Path) -> None:
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, b"")
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, b"")
    write_archive(tmp_path, "bybit", "bybit_linear", TRADES, b"")
    write_archive(tmp_path, "tardis", "bybit_spot", BOOK, b"")

    notes = [note for day in find_days(tmp_path) for note in archive_notes([day, day], LATENCY)]

    touch, book = find_days(tmp_path)[:2]
    assert [note[-13:] for note in archive_notes([touch, book, book], LATENCY)] == [
        "; 1 of 3 days",
        "; 2 of 3 days",
    ]
    assert notes == [
        "binance_usdm:BTCUSDT: Binance's public archive (best bid and offer), a book of one level a side, without "
        "trades; stamped by a latency model: local times are the venue's plus 10 ms (latency.feed_ms)",
        "bybit_linear:BTCUSDT: Bybit's public archive (ob500, trades); stamped by a latency model: local times are the "
        "venue's plus 10 ms (latency.feed_ms)",
        "bybit_spot:BTCUSDT: Tardis' archive (order book), without trades; local times are those of its recorder",
    ]
