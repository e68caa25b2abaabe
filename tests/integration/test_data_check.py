"""`arb data check`: the command, and its figures on the real recordings against numpy over their raw JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.archives import write_archive
from support.command_line import arb
from support.official import raw_messages
from support.paths import RECORDINGS, needs_recordings
from support.recording_files import (
    Finished,
    bybit_lines,
    depth_lines,
    write_pair,
    write_recording,
)
from support.screens import drawn
from support.venues import VENUES

from arb.cli.check import FINDINGS_MAX, finding_lines, report_table
from arb.data.catalog.archived import ArchiveKind
from arb.data.catalog.days import find_recordings
from arb.data.check.recordings import Source, check_recordings
from arb.data.check.report import RecordingReport
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert

pytestmark = pytest.mark.slow


def check(folder: Path, *words: str) -> Finished:
    done = arb("data", "check", folder, *words, code=None)
    return Finished(done.exit_code, done.stdout, done.stderr)


def test_sound_recordings_end_with_0(tmp_path: Path) -> None:
    done = check(write_pair(tmp_path / "data", 300))
    assert (done.code, done.err) == (0, "")
    assert "binance_usdm  btcusdt_20240808.gz" in done.out
    assert done.out.count(" ok ") == 2


def test_days_of_archives_are_said_not_to_be_checked(tmp_path: Path) -> None:
    data = write_pair(tmp_path / "data", 300)
    for source, kinds in (("bybit", [ArchiveKind.BOOK, ArchiveKind.TRADES]), ("tardis", [ArchiveKind.BOOK])):
        for kind in kinds:
            write_archive(data, source, "bybit_linear", kind, b"whatever\n")
    done = check(data)
    assert done.code == 0
    assert [line.partition(" in ")[0] for line in done.err.splitlines()] == [
        "not checked: 1 day of bybit",
        "not checked: 1 day of tardis",
    ]
    done = check(data, "--venues", "binance_usdm")
    assert (done.code, done.err) == (0, "")
    shutil.rmtree(data / "bybit_linear")
    shutil.rmtree(data / "binance_usdm")
    done = check(data)
    assert done.code == 2
    assert "no recordings but 2 days of archives" in done.err


def test_a_broken_recording_ends_with_4_and_is_named_first(tmp_path: Path) -> None:
    lines = depth_lines(300)
    write_recording(tmp_path / "data", "binance_usdm", [*lines[:100], *lines[101:200], "garbage"])
    write_recording(tmp_path / "data", "bybit_linear", bybit_lines(300))
    done = check(tmp_path / "data")
    assert (done.code, done.err) == (4, "")
    path = tmp_path / "data" / "binance_usdm" / "btcusdt_20240808.gz"
    found = [line for line in done.out.splitlines() if line.startswith(("broken", "warning"))]
    assert found[0].startswith(f"broken {path}, line 200: binance_usdm: the line does not begin with")
    assert " broken" in done.out
    assert " ok " in done.out


def test_json_is_a_line_a_recording(tmp_path: Path) -> None:
    lines = depth_lines(300)
    write_pair(tmp_path / "data", 300)
    write_recording(tmp_path / "data", "binance_usdm", [*lines[:100], *lines[101:]])
    done = check(tmp_path / "data", "--json")
    assert done.code == 0
    usdm, linear = map(json.loads, done.out.splitlines())
    assert (usdm["recording"], usdm["verdict"]) == ("binance_usdm/btcusdt_20240808.gz", "warnings")
    assert [finding["code"] for finding in usdm["findings"]] == ["gap"]
    assert (linear["verdict"], linear["lines"], linear["streams"]["depth"]["frames"]) == ("ok", 301, 300)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--venues", "okx"], "no recordings of okx; there are binance_usdm:BTCUSDT, bybit_linear:BTCUSDT"),
        (["--venues", "binance_usdm", "--symbols", "ETHUSDT"], "no recordings of"),
        (["--symbols", ","], "is no list of names"),
        (["--hole", "0"], "0"),
    ],
)
def test_a_choice_of_nothing_ends_with_2(tmp_path: Path, words: list[str], why: str) -> None:
    done = check(write_pair(tmp_path / "data", 10), *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert why in done.err
    assert done.err.count("\n") == 1


def test_a_folder_without_recordings_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, why in (("absent", "no such folder"), ("empty", "no recordings")):
        done = check(tmp_path / name)
        assert (done.code, done.out) == (2, "")
        assert why in done.err


def test_venues_and_symbols_narrow_the_check(tmp_path: Path) -> None:
    write_pair(tmp_path / "data", 20)
    write_recording(tmp_path / "data", "okx_swap", depth_lines(20))
    both = check(tmp_path / "data")
    assert (both.code, both.err.count("no venue file describes okx_swap")) == (0, 1)
    one = check(tmp_path / "data", "--json", "--venues", "bybit_linear", "--symbols", "BTCUSDT")
    assert [json.loads(line)["venue"] for line in one.out.splitlines()] == ["bybit_linear"]
    assert one.err == ""


# The real recordings.

#: Stream, venue time: as `connectors` reads them, found here on raw JSON.
_BINANCE = {"depthUpdate": "depth", "trade": "trade", "bookTicker": "bbo"}


def stream_and_ms(payload: dict[str, Any]) -> tuple[str, int]:
    if "topic" in payload:
        if payload["topic"].startswith("publicTrade"):
            return "trade", payload["data"][-1]["T"]
        return ("snapshot" if payload["type"] == "snapshot" else "depth"), payload.get("cts", payload["ts"])
    if "lastUpdateId" in payload:
        return "snapshot", payload.get("T", 0)
    return _BINANCE[payload.get("e", "bookTicker")], payload.get("T", payload.get("E", 0))


@pytest.fixture(scope="module")
def reports() -> list[RecordingReport]:
    return check_recordings([Source(VENUES[r.venue], r) for r in find_recordings(RECORDINGS)])


def report_of(reports: list[RecordingReport], venue: str, symbol: str, day: str) -> RecordingReport:
    [report] = [r for r in reports if (r.venue, r.symbol, r.day) == (venue, symbol, day)]
    return report


@needs_recordings
def test_figures_are_those_of_numpy_over_the_raw_json(reports: list[RecordingReport]) -> None:
    for report in reports:
        local_ts, streams, exch_ts = [], [], []
        for at, payload in raw_messages(Path(report.file)):
            stream, ms = stream_and_ms(payload)
            local_ts.append(at)
            streams.append(stream)
            exch_ts.append(ms * 1_000_000)
        check_against(report, np.array(local_ts), np.array(streams), np.array(exch_ts))


def check_against(
    report: RecordingReport, local_ts: np.ndarray, streams: np.ndarray, exch_ts: np.ndarray
) -> None:
    assert report.lines == len(local_ts)
    assert report.span_ns == local_ts[-1] - local_ts[0]
    is_timed = exch_ts > 0
    falls = np.maximum.accumulate(exch_ts[is_timed]) - exch_ts[is_timed]
    assert (report.venue_timed, report.out_of_order, report.out_of_order_ns_max) == (
        is_timed.sum(),
        (falls > 0).sum(),
        falls.max(),
    )
    assert report.clock.lead_ns == (exch_ts - local_ts)[is_timed].max()
    for name in np.unique(streams):
        stream = report.streams[name]
        chosen = streams == name
        assert stream.frames == chosen.sum()
        if not (chosen & is_timed).any():
            assert stream.latency is None
            continue
        latency = (local_ts - exch_ts)[chosen & is_timed] + report.clock.offset_ns
        expected = np.quantile(latency, (0, 0.01, 0.5, 0.95, 0.99, 1), method="inverted_cdf")
        assert stream.latency is not None
        found = [getattr(stream.latency, field) for field in stream.latency.__struct_fields__]
        assert found == pytest.approx(expected.tolist(), rel=0.01)
        assert (found[0], found[-1]) == (expected[0], expected[-1])


@needs_recordings
def test_the_offset_is_that_of_a_conversion(reports: list[RecordingReport], tmp_path: Path) -> None:
    recordings = find_recordings(RECORDINGS)
    feeds = [Feed(VENUES[r.venue], [r], 0) for r in recordings if r.day == recordings[0].day]
    conversion = convert(feeds, RowCache(tmp_path))
    leads = [files[0].scan.lead_ns for files in conversion.files]
    assert leads == [r.clock.lead_ns for r in reports if r.day == str(recordings[0].day)]
    assert reports[0].clock.offset_ns == max(r.clock.lead_ns or 0 for r in reports)


@needs_recordings
def test_the_known_facts_are_found(reports: list[RecordingReport]) -> None:
    """What was measured by hand: clock 1.27 s behind and some ppm slow, trades late on spot, no gaps, disorder."""
    for report in reports:
        assert [finding.code for finding in report.findings] == ["clock-behind"]
        assert (report.clock.lead_ns or 0) / 1e9 == pytest.approx(1.27, abs=0.01)
        assert (report.book.gaps, report.holes.count, report.clock.steps_back) == (0, 0, 0)
        assert (report.book.crossed, report.book.locked, report.book.bbo_crossed) == (0, 0, 0)
        assert report.book.is_carried == (report.day == "2024-08-09")
        if report.venue.startswith("binance"):
            assert -6.5 < (report.clock.drift_ppm or 0) < -4.0
    spot = report_of(reports, "binance_spot", "BTCUSDT", "2024-08-08")
    usdm = report_of(reports, "binance_usdm", "BTCUSDT", "2024-08-08")
    assert spot.streams["trade"].latency is not None
    assert spot.streams["trade"].latency.ns_p99 / 1e6 == pytest.approx(211, abs=1)
    p99 = [s.latency.ns_p99 / 1e6 for name, s in usdm.streams.items() if s.latency and name != "snapshot"]
    assert 24 < min(p99) < max(p99) < 48
    assert usdm.streams["bbo"].latency is not None
    assert usdm.streams["bbo"].latency.ns_max / 1e6 == pytest.approx(117.6, abs=0.1)
    assert spot.out_of_order / spot.venue_timed == pytest.approx(0.164, abs=0.001)
    assert usdm.out_of_order / usdm.venue_timed == pytest.approx(0.077, abs=0.001)
    assert (spot.out_of_order_ns_max, usdm.out_of_order_ns_max) == (166_000_000, 110_000_000)


@needs_recordings
def test_the_table_has_a_line_a_recording(reports: list[RecordingReport]) -> None:
    lines = drawn(report_table(reports), 160).splitlines()
    assert sum(".gz" in line for line in lines) == len(reports) == 8
    assert len(finding_lines(reports)) == 8 < FINDINGS_MAX
