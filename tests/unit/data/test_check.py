"""The check of recordings: one injected fault each, and what is said of it; nothing is said of a sound one."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.checked import VENUE, check, check_lines, codes, in_order, moved, text_of, trade_line
from support.recorder import Days
from support.recorder import write_recording as write_days
from support.recording_files import DAY, MS, NOON_NS, bybit_lines, depth_lines, write_recording
from support.venues import VENUES

from arb.data.catalog.days import Recording
from arb.data.check.recordings import Source, check_recordings
from arb.data.check.report import RecordingReport

SECOND = 1_000_000_000
TODAY = date(2024, 8, 8)


def bbo_line(local_ts: int, bid: str, ask: str, number: int = 1) -> str:
    at = local_ts // MS - 5
    data = {
        "e": "bookTicker", "u": number, "s": "BTCUSDT", "b": bid, "B": "1", "a": ask, "A": "1", "T": at, "E": at,
    }  # fmt: skip
    return f"{local_ts} {json.dumps({'stream': 'btcusdt@bookTicker', 'data': data}, separators=(',', ':'))}"


def snapshot_line(lines: list[str], n: int) -> str:
    """A snapshot that joins behind the change in line n, received with it."""
    first = json.loads(lines[0][20:])
    change = json.loads(lines[n][20:])["data"]
    first |= {"lastUpdateId": change["u"], "E": change["E"], "T": change["T"]}
    return f"{int(lines[n][:19]) + 1} {json.dumps(first, separators=(',', ':'))}"


@pytest.mark.parametrize(("venue", "make"), [(VENUE, depth_lines), ("bybit_linear", bybit_lines)])
def test_nothing_is_said_of_a_sound_recording(
    tmp_path: Path, venue: str, make: Callable[[int], list[str]]
) -> None:
    lines = make(1500)
    report = check_lines(tmp_path, lines, venue)
    assert (report.verdict, report.findings, report.error) == ("ok", [], "")
    assert report.lines == len(lines) == report.frames["depth"] + 1
    assert report.text_bytes == sum(len(line) + 1 for line in lines)
    assert report.file_bytes == (tmp_path / venue / f"btcusdt_{DAY}.gz").stat().st_size
    assert (report.local_ts_first, report.local_ts_last) == (int(lines[0][:19]), int(lines[-1][:19]))
    assert report.covered_share == 1.0
    assert report.day_share == pytest.approx(150 / 86_400, rel=1e-3)
    assert report.streams["depth"].latency is not None
    assert report.streams["depth"].latency.ns_p50 == pytest.approx(5 * MS, rel=0.01)
    assert report.clock.drift_ppm == 0.0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def not_gzip(path: Path) -> None:
    path.write_bytes(b"not compressed")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "why"), [(cut, "cut off"), (not_gzip, "not a whole gzip file"), (emptied, "the file is empty")]
)
def test_a_damaged_file_is_broken_and_the_next_one_is_checked(
    tmp_path: Path, damage: Callable[[Path], None], why: str
) -> None:
    path = write_recording(tmp_path, VENUE, depth_lines(3000))
    write_recording(tmp_path, "bybit_linear", bybit_lines(100))
    write_recording(tmp_path, VENUE, depth_lines(100), symbol="xrpusdt")
    damage(path)
    damaged, other, sound = check(tmp_path)
    assert (damaged.verdict, codes(damaged)[0]) == ("broken", "unreadable")
    assert why in damaged.error
    assert str(path) in damaged.error
    assert "another symbol than XRPUSDT" in other.error
    assert sound.verdict == "ok"


@pytest.mark.parametrize(
    ("bad_line", "why"),
    [
        ("garbage", "19-digit local time stamp"),
        (f'{NOON_NS} {{"e":"depthUpdate"', "binance_usdm"),
        (f'{NOON_NS} {{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[],"a":[]}}', "without T or pu"),
        (trade_line(NOON_NS, NOON_NS // MS).replace("BTCUSDT", "ETHUSDT"), "another symbol than BTCUSDT"),
    ],
)
def test_a_line_that_is_no_frame_of_it_is_named(tmp_path: Path, bad_line: str, why: str) -> None:
    lines = depth_lines(60)
    lines.insert(40, bad_line)
    report = check_lines(tmp_path, lines)
    assert report.verdict == "broken"
    assert f"btcusdt_{DAY}.gz, line 41: " in report.error
    assert why in report.error


def test_what_was_read_before_a_fault_is_reported(tmp_path: Path) -> None:
    lines = depth_lines(20_000)
    report = check_lines(tmp_path, [*lines, "garbage"])
    assert 15_000 < report.lines < 20_001
    assert report.verdict == "broken"
    assert codes(report) == ["unreadable"]


def test_a_gap_is_reported_with_its_time_and_length(tmp_path: Path) -> None:
    lines = depth_lines(300)
    snapshot = snapshot_line(lines, 250)
    report = check_lines(tmp_path, in_order([*lines[:100], *lines[101:], snapshot]))
    assert report.verdict == "warnings"
    assert codes(report) == ["gap"]
    assert report.book.gaps == 1
    [span] = report.book.unknown_longest
    assert (span.start_ts, span.end_ts) == (int(lines[101][:19]), int(snapshot[:19]))
    assert report.book.unknown_ns - report.book.before_snapshot_ns == span.length_ns
    assert report.book.unknown_share == pytest.approx(report.book.unknown_ns / report.span_ns)
    assert "1 gap in the book's ids; it was unknown for 14.90 s (49.6" in text_of(report, "gap")
    assert "from 12:00:10.105" in text_of(report, "gap")


def test_a_hole_is_reported_with_its_time_and_takes_from_the_coverage(tmp_path: Path) -> None:
    lines = depth_lines(1000)
    lines[500:] = [moved(line, 30 * SECOND) for line in lines[500:]]
    report = check_lines(tmp_path, lines)
    assert codes(report) == ["hole"]
    [span] = report.holes.longest
    assert (span.start_ts, span.end_ts) == (int(lines[499][:19]), int(lines[500][:19]))
    assert report.covered_share == pytest.approx(1 - span.length_ns / report.span_ns)
    assert text_of(report, "hole") == "nothing was received for 30.10 s from 12:00:49.905"
    assert check(tmp_path, hole_ns=31 * SECOND)[0].verdict == "ok"


def test_what_is_no_data_of_the_instrument_fills_no_hole(tmp_path: Path) -> None:
    lines = depth_lines(1000)
    frames = ('{"result":null,"id":1}', '{"stream":"btcusdt@kline_1m","data":{"e":"kline"}}')
    start = int(lines[499][:19])
    fillers = [f"{start + n * 500 * MS} {frames[n % 2]}" for n in range(1, 60)]
    lines[500:] = [moved(line, 30 * SECOND) for line in lines[500:]]
    report = check_lines(tmp_path, in_order([*lines, *fillers]))
    assert codes(report) == ["hole"]
    assert (report.frames["control"], report.frames["other"]) == (29, 30)


def test_many_holes_are_all_counted(tmp_path: Path) -> None:
    lines = [moved(line, n // 50 * 15 * SECOND) for n, line in enumerate(depth_lines(2000))]
    report = check_lines(tmp_path, lines)
    assert report.holes.count == 40
    assert len(report.holes.longest) == 16
    assert report.holes.total_ns == pytest.approx(40 * 15.1 * SECOND, rel=0.01)
    assert "and 39 more times (in sum 604" in text_of(report, "hole")


def test_a_quiet_instrument_has_no_holes(tmp_path: Path) -> None:
    assert check_lines(tmp_path, depth_lines(100, gap_ms=30_000)).holes.count == 0


def test_frames_of_another_day_do_not_count_as_others(tmp_path: Path) -> None:
    lines = depth_lines(1000)
    trades = [trade_line(at := int(line[:19]), at // MS - 5) for line in lines[:500]]
    misdated = [moved(line, 86_400 * SECOND) for line in trades[:40]]
    report = check_lines(tmp_path, [*in_order([*lines, *trades]), *misdated])
    silences = report.streams["trade"].silences
    assert silences is not None
    assert [span.other_frames for span in silences.longest] == [501]


@pytest.mark.parametrize("silent", [(0, 300), (400, 700), (600, 1001)])
def test_a_stream_that_falls_silent_while_another_flows_is_named(
    tmp_path: Path, silent: tuple[int, int]
) -> None:
    lines = depth_lines(1000)
    start = int(lines[0][:19])
    trades = [
        trade_line(start + n * 100 * MS, (start + n * 100 * MS) // MS - 5, n)
        for n in range(1000)
        if not silent[0] <= n < silent[1]
    ]
    report = check_lines(tmp_path, in_order([*lines, *trades]))
    assert codes(report) == ["silence"]
    assert report.holes.count == 0
    silences = report.streams["trade"].silences
    assert silences is not None
    [span] = silences.longest
    assert span.other_frames == pytest.approx(silent[1] - silent[0], abs=2)
    assert text_of(report, "silence").startswith("trade was silent for ")


def test_a_day_without_a_snapshot_is_unknown(tmp_path: Path) -> None:
    report = check_lines(tmp_path, depth_lines(200)[1:])
    assert codes(report) == ["no-snapshot"]
    assert (report.book.is_ever_known, report.book.unknown_share) == (False, 1.0)


def test_a_late_snapshot_is_reported(tmp_path: Path) -> None:
    lines = depth_lines(300)
    report = check_lines(tmp_path, in_order([*lines[1:], snapshot_line(lines, 200)]))
    assert codes(report) == ["late-snapshot"]
    assert report.book.before_snapshot_ns == report.book.unknown_ns == 199 * 100 * MS + 1


@pytest.mark.parametrize("venue", VENUES)
def test_a_day_that_carries_on_is_known_from_its_start(tmp_path: Path, venue: str) -> None:
    days = Days(venue)
    for n in range(3):
        write_days(tmp_path, venue, days.events(n), TODAY + timedelta(days=n), lag_ms=5)
    reports = check(tmp_path)
    assert [report.book.is_carried for report in reports] == [False, True, True]
    assert [report.book.gaps for report in reports] == [0, 0, 0]
    assert [report.book.unknown_ns for report in reports[1:]] == [0, 0]
    assert {report.verdict for report in reports} == {"ok"}


def test_days_that_do_not_join_are_a_gap(tmp_path: Path) -> None:
    days = Days(VENUE)
    write_days(tmp_path, VENUE, days.events(0), TODAY, lag_ms=5)
    write_days(tmp_path, VENUE, days.events(2), TODAY + timedelta(days=1), lag_ms=5)
    _, second = check(tmp_path)
    assert (second.book.is_carried, second.book.gaps, second.book.unknown_share) == (True, 1, 1.0)


def test_nothing_is_carried_on_from_a_broken_day_or_over_a_missing_one(tmp_path: Path) -> None:
    days = Days(VENUE)
    written = [
        write_days(tmp_path, VENUE, days.events(n), TODAY + timedelta(days=n), lag_ms=5) for n in range(3)
    ]
    cut(written[0].path)
    assert [report.book.is_carried for report in check(tmp_path)] == [False, False, False]
    written[1].path.unlink()
    assert [report.book.is_carried for report in check(tmp_path)] == [False, False]


@pytest.mark.parametrize(("ask", "fields"), [("60100.0", (3, 0)), ("59999.0", (3, 0)), ("60001.0", (0, 3))])
def test_a_crossed_or_locked_book_is_reported(tmp_path: Path, ask: str, fields: tuple[int, int]) -> None:
    lines = depth_lines(200)
    bid = {"60100.0": "60101.0", "59999.0": "60101.0", "60001.0": "60001.0"}[ask]
    for n, qty in ((100, "1.0"), (103, "0.0")):
        frame = json.loads(lines[n][20:])
        frame["data"]["b"] = [[bid, qty]]
        lines[n] = f"{lines[n][:19]} {json.dumps(frame, separators=(',', ':'))}"
    report = check_lines(tmp_path, lines)
    assert codes(report) == ["crossed"]
    assert (report.book.crossed, report.book.locked) == fields
    [span] = report.book.crossed_longest
    assert (span.start_ts, span.end_ts) == (int(lines[100][:19]), int(lines[103][:19]))
    assert "longest 300 ms from 12:00:10.005" in text_of(report, "crossed")


def test_a_crossed_best_bid_and_offer_is_reported(tmp_path: Path) -> None:
    quotes = [("1.0", "1.1"), ("1.2", "1.1"), ("1.1", "1.1"), ("1.1", "1.10")]
    bbos = [bbo_line(NOON_NS + n * MS, bid, ask, n) for n, (bid, ask) in enumerate(quotes)]
    report = check_lines(tmp_path, in_order([*depth_lines(50), *bbos]))
    assert codes(report) == ["crossed-bbo"]
    assert (report.book.bbo_crossed, report.book.bbo_locked) == (1, 2)


def test_a_second_depth_is_reported_and_left_out(tmp_path: Path) -> None:
    lines = list(bybit_lines(50))
    other = [
        moved(line, 1).replace("orderbook.50.", "orderbook.200.").replace('"u":', '"u":9') for line in lines
    ]
    report = check_lines(tmp_path, in_order([*lines, *other]), "bybit_linear")
    assert codes(report) == ["other-depth"]
    assert (report.book.gaps, report.book.other_depths) == (0, 51)


@pytest.mark.parametrize(("lag_ms", "code"), [(-1270, "clock-behind"), (900, "clock-ahead")])
def test_a_clock_that_is_off_is_reported(tmp_path: Path, lag_ms: int, code: str) -> None:
    report = check_lines(tmp_path, [moved(line, (lag_ms - 5) * MS, 0) for line in depth_lines(300)[1:]])
    assert code in codes(report)
    assert report.clock.lead_ns == -lag_ms * MS


def test_latencies_are_moved_by_the_largest_lead_of_all(tmp_path: Path) -> None:
    write_recording(tmp_path, VENUE, [moved(line, -1275 * MS, 0) for line in depth_lines(300)[1:]])
    write_recording(tmp_path, "bybit_linear", [moved(line, -1200 * MS, 0) for line in bybit_lines(300)])
    reports = check(tmp_path)
    assert [report.clock.offset_ns for report in reports] == [1270 * MS, 1270 * MS]
    medians = [r.streams["depth"].latency.ns_p50 / MS for r in reports]  # type: ignore[union-attr]
    assert medians == pytest.approx([0, 75], abs=0.005)


def test_a_drift_that_one_offset_cannot_make_up_for_is_reported(tmp_path: Path) -> None:
    lines = [moved(line, 300 * MS + round((n - 600) * 100 * MS * 400e-6), 0)
             for n, line in enumerate(depth_lines(1200))]  # fmt: skip
    report = check_lines(tmp_path, lines)
    assert report.clock.drift_ppm == pytest.approx(400, rel=0.01)
    assert report.clock.drift_ns == pytest.approx(48 * MS, rel=0.01)
    assert "drifts by +400.0 ppm, 48 ms over the recording" in text_of(report, "drift")


def test_frames_out_of_order_are_counted(tmp_path: Path) -> None:
    lines = depth_lines(400)
    lines[1:] = [moved(line, 0, -1500 if n % 10 == 9 else 0) for n, line in enumerate(lines[1:])]
    report = check_lines(tmp_path, lines)
    depth = report.streams["depth"]
    assert (depth.out_of_order, depth.venue_timed, depth.out_of_order_ns_max) == (40, 400, 1400 * MS)
    assert (report.out_of_order, report.venue_timed) == (40, 401)
    assert text_of(report, "order") == "frames arrive up to 1.40 s later than newer ones"


def test_frames_recorded_twice_are_counted(tmp_path: Path) -> None:
    lines = depth_lines(200)
    trades = [trade_line(NOON_NS + 50 * MS, NOON_NS // MS, n) for n in (1, 2)]
    again = [f"{int(line[:19]) + 7} {line[20:]}" for line in (lines[50], lines[120], trades[0])]
    report = check_lines(tmp_path, in_order([*lines, *trades, *again]))
    assert codes(report) == ["repeated"]
    assert {name: stream.duplicates for name, stream in report.streams.items()} == {
        "depth": 2, "snapshot": 0, "trade": 1,
    }  # fmt: skip
    assert report.book.gaps == 0


def test_a_venue_time_that_cannot_be_true_breaks_a_recording_and_no_statistics(tmp_path: Path) -> None:
    lines = depth_lines(200)
    lines[100] = moved(lines[100], 0, 3_700_000)
    report = check_lines(tmp_path, lines)
    assert (report.verdict, codes(report)) == ("broken", ["doubtful-time"])
    assert report.clock.lead_ns == 0
    assert report.streams["depth"].out_of_order == 0


@pytest.mark.parametrize("by_days", [-1, 1])
def test_a_local_time_of_another_day_breaks_a_recording(tmp_path: Path, by_days: int) -> None:
    lines = depth_lines(50)
    misdated = [moved(line, by_days * 86_400 * SECOND) for line in lines[1:3]]
    report = check_lines(tmp_path, [*lines[:-1], *misdated, lines[-1]])
    assert report.verdict == "broken"
    assert text_of(report, "misdated") == "2 frames were received more than 1 h outside of 2024-08-08"
    assert report.local_ts_last == int(lines[-1][:19])


def test_a_frame_behind_midnight_is_a_warning(tmp_path: Path) -> None:
    report = check_lines(tmp_path, depth_lines(100, start_ns=NOON_NS + 12 * 3600 * SECOND - 5 * SECOND))
    assert codes(report) == ["outside-day"]
    assert text_of(report, "outside-day") == "51 frames were received outside of 2024-08-08"


@pytest.mark.parametrize("lines", [[], [f'{NOON_NS} {{"result":null,"id":1}}']])
def test_a_recording_without_market_data_is_reported(tmp_path: Path, lines: list[str]) -> None:
    report = check_lines(tmp_path, lines)
    assert (codes(report), report.verdict, report.lines) == (["empty"], "warnings", len(lines))


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    report = check_lines(tmp_path, depth_lines(20))
    plain: Any = json.loads(json.dumps(msgspec.to_builtins(report), allow_nan=False))
    assert plain["streams"]["depth"]["frames"] == 20
    assert msgspec.convert(plain, RecordingReport) == report


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    peaks = []
    for count in (20_000, 80_000):
        path = write_recording(tmp_path / str(count), VENUE, depth_lines(count, gap_ms=10))
        recording = Recording(VENUE, "BTCUSDT", TODAY, path)
        check_recordings([Source(VENUES[VENUE], recording)])
        tracemalloc.start()
        check_recordings([Source(VENUES[VENUE], recording)])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(gzip.decompress(path.read_bytes())) > 8 << 20
    assert peaks[1] < peaks[0] + (2 << 20)


def test_a_recording_that_ends_before_another_of_its_day_is_named(tmp_path: Path) -> None:
    write_recording(tmp_path, VENUE, depth_lines(100))
    write_recording(tmp_path, "bybit_linear", bybit_lines(300))
    early, late = check(tmp_path)
    assert codes(early) == ["ends-early"]
    assert codes(late) == []
    assert ", 20.00 s before that of bybit_linear:BTCUSDT" in text_of(early, "ends-early")
    assert [codes(report) for report in check(tmp_path, hole_ns=30 * SECOND)] == [[], []]
