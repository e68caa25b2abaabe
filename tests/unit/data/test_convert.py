"""Recordings to row files: the same inputs the same bytes, one clock, chains over midnight, nothing half-written."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hftbacktest.data import validate_event_order
from hftbacktest.types import DEPTH_EVENT, TRADE_EVENT, event_dtype
from support.conversions import book_of, check_tidy, feed_of, rows_in, run
from support.recorder import DAY, SYMBOL, Days, write_recording
from support.venues import VENUES

from arb.data.catalog.days import Recording
from arb.data.rows import convert as convert_module
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert, stamp_rows
from arb.data.rows.npy import NpyWriter, is_whole, load_rows
from arb.data.rows.spool import Spool
from arb.data.rows.usable import stamp_notes
from arb.errors import InputError
from arb.results.note_kinds import kind_of
from arb.sandbox.serve.timeline import shift_stamps
from connectors.book.fused import FusedBook
from connectors.book.rows import COVERS_BBO
from connectors.book.sequence import Status
from connectors.book.timestamps import RowClock
from connectors.errors import DecodeError
from connectors.parsing.scanner import BBO_ASK, BBO_BID, DELTA_BID

#: The recorder's clock is 1.27 s slow, and 17 ns stand behind its milliseconds.
LEAD_NS = 1_270_000_000 - 17
BINANCE = ["binance_spot", "binance_usdm"]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def spot(tmp_path: Path) -> Recording:
    return write_recording(tmp_path / "data", "binance_spot", Days("binance_spot").events(0))


@pytest.fixture
def linear(tmp_path: Path) -> Recording:
    return write_recording(tmp_path / "data", "bybit_linear", Days("bybit_linear", 2).events(0), lag_ms=-1200)


@pytest.mark.parametrize("venue", VENUES)
def test_the_rows_make_the_true_book(tmp_path: Path, venue: str) -> None:
    days = Days(venue)
    conversion = run(tmp_path / "cache", feed_of([write_recording(tmp_path, venue, days.events(0))], 50_000))
    [file] = conversion.files[0]
    [rows] = rows_in(conversion)
    validate_event_order(rows)
    assert (file.scan.gaps, file.scan.status, file.clamped) == (0, Status.SYNCED, 0)
    assert book_of(rows) == days.history.books[file.scan.last_id]
    assert file.scan.last_id == days.history.events[days.third - 1].last_id
    assert file.rows == len(rows)
    assert ((rows["ev"] & np.uint64(0xFF)) == TRADE_EVENT).sum() >= 30


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, spot: Recording, linear: Recording) -> None:
    feeds = feed_of([spot]), feed_of([linear])
    first, second = (run(tmp_path / name, *feeds) for name in ("a", "b"))
    assert first.offset_ns == second.offset_ns
    assert {n: c for n, c in files_in(tmp_path / "a").items() if n.endswith(".npy")} == {
        n: c for n, c in files_in(tmp_path / "b").items() if n.endswith(".npy")
    }


def test_what_is_cached_is_not_made_again(
    tmp_path: Path, spot: Recording, linear: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = feed_of([spot]), feed_of([linear])
    first = run(tmp_path / "cache", *feeds)
    monkeypatch.setattr(
        convert_module, "read_into", lambda *_, **__: pytest.fail("a recording was read again")
    )
    monkeypatch.setattr(convert_module, "write_rows", lambda *_: pytest.fail("rows were written again"))
    assert run(tmp_path / "cache", *feeds) == first


def test_one_offset_is_measured_for_all_feeds(tmp_path: Path, spot: Recording, linear: Recording) -> None:
    conversion = run(tmp_path / "cache", feed_of([linear]), feed_of([spot]))
    assert conversion.offset_ns == LEAD_NS
    bybit, binance = rows_in(conversion)
    assert (binance["local_ts"] - binance["exch_ts"]).min() == 0
    assert (bybit["local_ts"] - bybit["exch_ts"]).min() == 70_000_000
    assert [files[0].clamped for files in conversion.files] == [0, 0]


@pytest.mark.parametrize(("ahead_ms", "count"), [(3_480_000, 1), (3_000, 10), (86_400_000, 1)])
def test_wrong_stamps_of_one_feed_move_no_rows(
    tmp_path: Path, spot: Recording, linear: Recording, ahead_ms: int, count: int
) -> None:
    """One message stamped 58 minutes ahead moved the local times of all feeds by as much."""
    clean = run(tmp_path / "clean", feed_of([spot]), feed_of([linear]))
    lines = gzip.decompress(spot.path.read_bytes()).decode().splitlines()
    stamped = [n for n, line in enumerate(lines) if '"E":' in line]
    for n in stamped[200 : 200 + count]:
        lines[n] = shift_stamps(lines[n], ahead_ms)
    spot.path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))

    found = run(tmp_path / "wrong", feed_of([spot]), feed_of([linear]))

    assert found.offset_ns == clean.offset_ns == LEAD_NS
    assert found.files[1][0].scan == clean.files[1][0].scan
    assert rows_in(found)[1].tobytes() == rows_in(clean)[1].tobytes()
    wrong = found.files[0][0].scan.wrong_stamps
    assert sum(of.messages for of in wrong) == count
    note = stamp_notes(found, [feed_of([spot]), feed_of([linear])])[0]
    assert note.startswith("binance_spot:BTCUSDT: ")
    assert kind_of(note).heading == "Wrong times"
    rows = rows_in(found)[0]
    assert (rows["exch_ts"] <= rows["local_ts"]).all()
    assert not clean.files[0][0].scan.wrong_stamps


def test_a_clock_that_runs_ahead_is_left_alone(tmp_path: Path) -> None:
    recording = write_recording(tmp_path, "bybit_spot", Days("bybit_spot").events(0), lag_ms=30)
    conversion = run(tmp_path / "cache", feed_of([recording]))
    assert conversion.offset_ns == 0
    assert (rows_in(conversion)[0]["local_ts"] - rows_in(conversion)[0]["exch_ts"]).min() == 30_000_017


def test_a_given_offset_is_obeyed_and_rows_from_the_future_are_counted(
    tmp_path: Path, linear: Recording
) -> None:
    conversion = run(tmp_path / "cache", feed_of([linear]), offset_ns=5)
    [file] = conversion.files[0]
    assert (conversion.offset_ns, file.offset_ns) == (5, 5)
    assert file.clamped == sum(len(event.parts) for event in Days("bybit_linear", 2).events(0)[1:])


def key_of(folder: Path, feed: Feed, **options: int) -> str:
    return Path(run(folder, feed, **options).files[0][0].path).name


def test_the_key_holds_raw_bytes_offset_latency_and_code(
    tmp_path: Path, spot: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    keys = [key_of(cache, feed_of([spot]))]
    keys.append(key_of(cache, feed_of([spot]), offset_ns=LEAD_NS + 1))
    keys.append(key_of(cache, feed_of([spot], latency_ns=7)))
    with monkeypatch.context() as patch:
        patch.setattr(convert_module, "code_version", lambda: "other")
        keys.append(key_of(cache, feed_of([spot])))
    assert key_of(cache, feed_of([spot])) == keys[0]
    spot.path.write_bytes(gzip.compress(gzip.decompress(spot.path.read_bytes()), 9, mtime=0))
    keys.append(key_of(cache, feed_of([spot])))
    assert len(set(keys)) == 5


def test_the_same_bytes_at_another_venue_are_other_rows(tmp_path: Path) -> None:
    """A file in the wrong folder must not spoil what the right one gives."""
    days = Days("binance_usdm")
    right = write_recording(tmp_path, "binance_usdm", days.events(0))
    wrong = right._replace(venue="binance_spot")
    assert run(tmp_path / "cache", feed_of([wrong])).files[0][0].scan.gaps > 0
    assert run(tmp_path / "cache", feed_of([right])).files[0][0].scan.gaps == 0


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("rows-*.npy", "cut"),
        ("rows-*.npy", "longer"),
        ("book-*.npy", "gone"),
        ("*.json", "empty"),
        ("*.json", "cut"),
    ],
)
def test_damaged_entries_are_made_again(tmp_path: Path, pattern: str, damage: str) -> None:
    days = Days("binance_spot")
    recordings = [
        write_recording(tmp_path, "binance_spot", days.events(n), DAY + timedelta(days=n)) for n in (0, 1)
    ]
    cache = tmp_path / "cache"
    feed = feed_of(recordings[1:])
    first = run(cache, feed)
    expected, rows = files_in(cache), rows_in(first)[0].tobytes()
    damaged = list(cache.glob(pattern))
    assert damaged
    for path in damaged:
        content = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(
                {"cut": content[: len(content) // 2], "empty": b"", "longer": content + b"}"}[damage]
            )
    again = run(cache, feed)
    assert again == first
    assert rows_in(again)[0].tobytes() == rows
    assert files_in(cache) == expected


def test_a_cache_may_be_moved(tmp_path: Path) -> None:
    days = Days("binance_spot")
    recordings = [
        write_recording(tmp_path, "binance_spot", days.events(n), DAY + timedelta(days=n)) for n in (0, 1)
    ]
    rows = rows_in(run(tmp_path / "a", feed_of(recordings[1:])))[0].tobytes()
    shutil.move(tmp_path / "a", tmp_path / "b")
    [file] = run(tmp_path / "b", feed_of(recordings[1:])).files[0]
    assert {Path(file.path).parent, Path(file.carry_path).parent} == {tmp_path / "b"}
    assert np.concatenate(file.load(is_first=True)).tobytes() == rows


def damaged_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damaged_garbage(path: Path) -> None:
    path.write_bytes(b"garbage")


def damaged_line(path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[200] = lines[200].replace(b'"s"', b'"s', 1)
    path.write_bytes(gzip.compress(b"".join(lines)))


@pytest.mark.parametrize("damage", [damaged_cut, damaged_garbage, damaged_line])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_recording_is_named_and_nothing_is_left(tmp_path: Path, damage, number: int) -> None:
    """Of the day itself, or of the day before that its book carries on from."""
    days = Days("binance_spot")
    recordings = [
        write_recording(tmp_path, "binance_spot", days.events(n), DAY + timedelta(days=n)) for n in (0, 1)
    ]
    cache = tmp_path / "cache"
    good = write_recording(tmp_path, "bybit_spot", Days("bybit_spot").events(0))
    path = recordings[number].path
    damage(path)
    with pytest.raises(DecodeError if damage is damaged_line else InputError) as caught:
        run(cache, feed_of([good]), feed_of(recordings[1:]))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.splitlines() == [message]
    assert isinstance(caught.value, InputError) or caught.value.line == 201
    check_tidy(cache)
    assert not list(cache.glob("rows-*"))


def test_a_full_disk_is_one_line_and_nothing_is_left(
    tmp_path: Path, spot: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(NpyWriter, "write", refuse)
    with pytest.raises(
        InputError, match=r"cache: the row cache failed: No space left on device; .*arb data cache --clear$"
    ):
        run(tmp_path / "cache", feed_of([spot]))
    check_tidy(tmp_path / "cache")


def test_a_recording_of_control_frames_only_makes_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "binance_spot" / "btcusdt_20240808.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b'1723161256000000000 {"result":null,"id":1}\n'))
    conversion = run(tmp_path / "cache", feed_of([Recording("binance_spot", SYMBOL, DAY, path)]))
    [file] = conversion.files[0]
    assert (conversion.offset_ns, file.rows, file.scan.lead_ns, file.scan.lines) == (0, 0, None, 1)
    assert len(file.load(is_first=True)[0]) == 0
    assert is_whole(Path(file.path))


@pytest.mark.parametrize("block_rows", [1, 7, 100])
def test_small_blocks_give_the_same_bytes(
    tmp_path: Path, spot: Recording, block_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "a", feed_of([spot], 90_000_000)).files[0][0]
    monkeypatch.setattr(convert_module, "BLOCK_ROWS", block_rows)
    pieces = run(tmp_path / "b", feed_of([spot], 90_000_000)).files[0][0]
    assert Path(whole.path).read_bytes() == Path(pieces.path).read_bytes()


def test_a_spool_too_large_to_keep_is_read_again(
    tmp_path: Path, spot: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = run(tmp_path / "a", feed_of([spot])).files[0][0]
    monkeypatch.setattr(convert_module, "SPOOL_ROWS_MAX", 10)
    read_again = run(tmp_path / "b", feed_of([spot])).files[0][0]
    assert load_rows(Path(kept.path)).tobytes() == load_rows(Path(read_again.path)).tobytes()


def test_progress_tells_the_bytes_of_the_file(tmp_path: Path, spot: Recording) -> None:
    counts: list[int] = []
    convert([feed_of([spot])], RowCache(tmp_path / "cache"), progress=counts.append)
    assert sum(counts) == spot.path.stat().st_size


@pytest.mark.parametrize("book", [None, FusedBook(0.5, 0.1)])
def test_what_is_marked_for_the_fused_book_is_no_row_of_the_result(
    tmp_path: Path, book: FusedBook | None
) -> None:
    parts = [(BBO_BID, 50.0, 1.0, 0), (BBO_ASK, 51.0, 1.0, 0), (DELTA_BID, 49.0, 1.0, COVERS_BBO)]
    parts += [(BBO_BID, 50.0, 2.0, 0), (BBO_ASK, 51.0, 1.0, 0), (BBO_BID, np.nan, 0.0, COVERS_BBO)]
    rows = np.array(
        [(event, n, n, px, qty, 0, ival, 0.0) for n, (event, px, qty, ival) in enumerate(parts, 1)],
        event_dtype,
    )
    with Spool(tmp_path) as spooled, Spool(tmp_path) as stamped:
        spooled.append(rows)
        stamp_rows(spooled, RowClock(0, 0), book, stamped)
        out = np.array(stamped[: stamped.count])
    assert set((out["ev"] & np.uint64(0xFF)).tolist()) == {DEPTH_EVENT}
    assert not out["ival"].any()
    assert not np.isnan(out["px"]).any()
    assert len(out) == (1 if book is None else 5)
