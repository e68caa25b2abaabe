"""Books of archives: their snapshots, ids and days, and those of several files."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import BUY_EVENT, EXCH_EVENT, LOCAL_EVENT
from support.archive_reference import expected_rows
from support.archive_runs import (
    BOOK,
    LATENCY,
    LINEAR,
    MS,
    TOUCH,
    TRADES,
    USDM,
    converted,
    feeds_of,
    in_ticks,
    rows_of,
    seen_by,
    trades_in,
)
from support.archives import (
    DAY,
    START_MS,
    binance_book_ticker,
    bybit_book,
    tardis_book,
    tardis_touch,
    tardis_trades,
    write_archive,
)
from support.books import PlainBook
from support.paths import RECORDINGS, needs_recordings
from support.venues import VENUES

from arb.data.catalog.archived import archive_path
from arb.data.catalog.days import select_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.errors import InputError
from connectors.model import Instrument


def test_bybits_book_follows_its_ids_and_its_new_snapshots(tmp_path: Path) -> None:
    text = bybit_book(8, 400)
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, text)
    book = PlainBook()
    for line in text.decode().splitlines():
        frame = json.loads(line)
        if frame["type"] == "snapshot":
            book.clear()
        book.set_levels(frame["data"].get("b", []), frame["data"].get("a", []))

    conversion = converted(tmp_path, LINEAR)

    (file,) = conversion.files[0]
    assert (file.scan.gaps, file.scan.slow_frames) == (0, 0)
    assert file.scan.lines == 400
    end = PlainBook()
    end.apply(in_ticks(seen_by(rows_of(conversion), EXCH_EVENT)))
    bid, _, ask, _ = end.touch()
    # Fusing takes levels that a later one proves gone; the generated book crosses itself now and then.
    for side in (1, -1):
        assert (
            end.sides[side].items()
            <= {px: qty for px, qty in book.sides[side].items() if qty >= 0.0005}.items()
        )
    assert bid < ask


def test_a_lost_frame_of_bybits_book_empties_it_until_the_next_snapshot(tmp_path: Path) -> None:
    lines = [
        line
        for line in bybit_book(1, 60).splitlines(keepends=True)
        if b'"delta"' in line or b'"u":202' in line
    ]
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, b"".join(lines[:30] + lines[31:]))

    (file,) = converted(tmp_path, LINEAR).files[0]

    assert file.scan.gaps >= 1
    book = PlainBook()
    book.apply(seen_by(file.load(is_first=True)[0], LOCAL_EVENT))
    assert book.is_empty()


def test_a_second_day_without_snapshot_carries_the_first_on(tmp_path: Path) -> None:
    lines = bybit_book(2, 80).splitlines(keepends=True)
    first, second = lines[:40], [line.replace(b'"snapshot"', b'"delta"') for line in lines[40:]]
    ids = [json.loads(line)["data"]["u"] for line in lines]
    # One chain over both days: without the restarts that the generator puts in.
    chained = [
        line.replace(f'"u":{u},'.encode(), f'"u":{500 + n},'.encode())
        for n, (line, u) in enumerate(zip([*first, *second], ids, strict=True))
    ]
    later = [
        _moved(line, 86_400_000) for line in chained[40:]
    ]  # fmt: skip
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, b"".join(chained[:40]))
    next_day = DAY + timedelta(days=1)
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, b"".join(later), day=next_day)

    both = converted(tmp_path, LINEAR, days=2)
    (alone,) = select_days(tmp_path, [LINEAR], next_day, next_day)
    only = convert([feeds_of(tmp_path, LINEAR)[0]._replace(recordings=alone)], RowCache(tmp_path / "cache"))

    assert [file.scan.is_carried for file in both.files[0]] == [False, True]
    assert [file.scan.gaps for file in both.files[0]] == [0, 0]
    ends = []
    for conversion in (both, only):
        book = PlainBook()
        book.apply(seen_by(rows_of(conversion), LOCAL_EVENT))
        ends.append(book)
    assert ends[0] == ends[1]
    assert not ends[0].is_empty()


def _moved(line: bytes, ms: int) -> bytes:
    frame = json.loads(line)
    frame["ts"] += ms
    frame["cts"] += ms
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def test_a_second_day_of_the_touch_begins_with_an_empty_book(tmp_path: Path) -> None:
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, binance_book_ticker(1, 40))
    header, *lines = binance_book_ticker(2, 40).decode().splitlines()
    moved = "\n".join([header, *map(_later, lines)])
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, moved.encode(), day=DAY + timedelta(days=1))

    conversion = converted(tmp_path, USDM, days=2)

    first, second = conversion.files[0][1].load()
    assert np.isnan(first["px"]).all()
    assert len(first) == 2
    book = PlainBook()
    book.apply(seen_by(rows_of(conversion), LOCAL_EVENT))
    assert [len(side) for side in book.sides.values()] == [1, 1]
    assert len(second) > 40


def _later(line: str) -> str:
    fields = line.split(",")
    return ",".join([*fields[:5], *(str(int(field) + 86_400_000) for field in fields[5:])])


def test_days_do_not_overlap_where_a_frame_was_sent_behind_midnight(tmp_path: Path) -> None:
    midnight = START_MS + 86_400_000
    first = bybit_book(5, 30, start_ms=midnight - 691 - 800)
    # In the file of the day before, by the time of the matching engine.
    kept = [line for line in first.splitlines(keepends=True) if json.loads(line)["cts"] < midnight]
    late = json.loads(kept[-1])
    late["ts"] = midnight + 80
    kept[-1] = json.dumps(late, separators=(",", ":")).encode() + b"\n"
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, b"".join(kept))
    second = bybit_book(6, 30, start_ms=midnight - 691)
    write_archive(tmp_path, "bybit", "bybit_linear", BOOK, second, day=DAY + timedelta(days=1))

    rows = rows_of(converted(tmp_path, LINEAR, days=2))

    assert (np.diff(seen_by(rows, LOCAL_EVENT)["local_ts"]) >= 0).all()
    assert seen_by(rows, LOCAL_EVENT)["local_ts"].max() > midnight * MS + LATENCY


def test_tardis_begins_with_its_snapshot_and_each_snapshot_replaces_the_book(tmp_path: Path) -> None:
    text = tardis_book(6, 400)
    write_archive(tmp_path, "tardis", "binance_usdm", BOOK, text)
    feed = feeds_of(tmp_path, USDM)[0]._replace(instrument=None)
    book, was_snapshot, is_begun = PlainBook(), False, False
    for c in csv.DictReader(io.StringIO(text.decode())):
        is_snapshot = c["is_snapshot"] == "true"
        if is_snapshot and not was_snapshot:
            book.clear()
            is_begun = True
        was_snapshot = is_snapshot
        if is_begun:
            book.set(1 if c["side"] == "bid" else -1, float(c["price"]), float(c["amount"]))

    (file,) = convert([feed], RowCache(tmp_path / "cache")).files[0]

    (rows,) = file.load(is_first=True)
    end = PlainBook()
    end.apply(seen_by(rows, LOCAL_EVENT))
    assert end == book
    assert file.scan.dropped >= 1  # in front of the first snapshot
    assert file.scan.frames[3] > 1


def test_tardis_book_touch_and_trades_are_one_book_in_the_order_of_receipt(tmp_path: Path) -> None:
    trades = tardis_trades(9, 300)
    write_archive(tmp_path, "tardis", "binance_usdm", BOOK, tardis_book(9, 300))
    write_archive(tmp_path, "tardis", "binance_usdm", TOUCH, tardis_touch(9, 300))
    write_archive(tmp_path, "tardis", "binance_usdm", TRADES, trades)

    conversion = converted(tmp_path, USDM)

    rows = rows_of(conversion)
    (file,) = conversion.files[0]
    assert all(file.scan.frames[kind] for kind in (2, 3, 4, 5))
    assert trades_in(rows) == [
        (r.event, r.exch_ts, r.px, r.qty) for r in expected_rows("tardis", TRADES, trades)
    ]
    for side, time in ((LOCAL_EVENT, "local_ts"), (EXCH_EVENT, "exch_ts")):
        assert (np.diff(seen_by(rows, side)[time]) >= 0).all()
    assert (rows["local_ts"] >= rows["exch_ts"]).all()
    book = PlainBook()
    book.apply(in_ticks(seen_by(rows, LOCAL_EVENT)))
    bid, _, ask, _ = book.touch()
    assert bid < ask


def test_a_day_of_tardis_without_a_snapshot_has_no_book(tmp_path: Path) -> None:
    write_archive(tmp_path, "tardis", "binance_usdm", BOOK, tardis_book(9, 30).replace(b"true", b"false"))
    with pytest.raises(InputError, match="no snapshot of the book in it"):
        converted(tmp_path, USDM)


def test_a_file_of_tickers_without_rows_has_no_book(tmp_path: Path) -> None:
    write_archive(tmp_path, "binance", "binance_usdm", TOUCH, binance_book_ticker(9, 0))
    with pytest.raises(InputError, match="no best bid and offer in it"):
        converted(tmp_path, USDM)


@needs_recordings
def test_the_real_archive_converts_with_its_snapshot(tmp_path: Path) -> None:
    name = "2024-12-01_XRPUSDT_ob500.data.zip"
    source = RECORDINGS / "bybit_archive" / name
    path = archive_path(tmp_path, "bybit", "bybit_linear", "XRPUSDT", name)
    path.parent.mkdir(parents=True)
    path.write_bytes(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        frames = [json.loads(line) for line in archive.read(archive.namelist()[0]).splitlines()]
    (days,) = select_days(tmp_path, [("bybit_linear", "XRPUSDT")], date(2024, 12, 1), None)
    instrument = Instrument("bybit_linear", "XRPUSDT", 0.0001, 1.0)

    (file,) = convert(
        [Feed(VENUES["bybit_linear"], days, LATENCY, instrument)], RowCache(tmp_path / "cache")
    ).files[0]

    (rows,) = file.load(is_first=True)
    ids = [frame["data"]["u"] for frame in frames]
    assert all(b == a + 1 for a, b in pairwise(ids))
    assert (file.scan.lines, file.scan.gaps, file.scan.slow_frames, file.scan.last_id) == (50, 0, 0, ids[-1])
    first = seen_by(rows, LOCAL_EVENT)[: 2 + len(frames[0]["data"]["b"]) + len(frames[0]["data"]["a"])]
    book = PlainBook()
    book.apply(first)
    wanted = PlainBook()
    wanted.set_levels(frames[0]["data"]["b"], frames[0]["data"]["a"])
    assert book == wanted
    for frame in frames[1:]:
        wanted.set_levels(frame["data"].get("b", []), frame["data"].get("a", []))
    book.apply(seen_by(rows, LOCAL_EVENT)[len(first) :])
    assert book == wanted
    assert {bool(event & BUY_EVENT) for event in first["ev"].tolist()} == {True, False}
    assert first["local_ts"][0] == frames[0]["ts"] * MS + LATENCY
    assert first["exch_ts"][0] == frames[0]["cts"] * MS
