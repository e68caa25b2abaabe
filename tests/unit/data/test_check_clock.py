"""The check of recordings: clocks that were set, stamps that are wrong, frames that are late."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.checked import VENUE, check, check_lines, codes, in_order, moved, text_of, trade_line
from support.recording_files import MS, bybit_lines, depth_lines, write_recording

from arb.data.check.report import RecordingReport

SECOND = 1_000_000_000


@pytest.mark.parametrize("by_s", [-7, 7])
def test_a_step_of_the_clock_is_reported(tmp_path: Path, by_s: int) -> None:
    lines = depth_lines(1200)
    lines[600:] = [moved(line, by_s * SECOND, 0) for line in lines[600:]]
    report = check_lines(tmp_path, lines)
    [step] = report.clock.steps
    assert step.by_ns == pytest.approx(by_s * SECOND, rel=0.01)
    assert f"the recorder's clock was set by {by_s}.00 s at 12:0" in text_of(report, "step")
    assert step.clock == "recorder"
    assert ("step-back" in codes(report)) == (by_s < 0)
    if by_s < 0:
        assert report.clock.steps_back == 1
        assert report.clock.steps_back_longest[0].length_ns == 6_900 * MS


@pytest.mark.parametrize("by_s", [-7, 7])
@pytest.mark.parametrize("streams", ["all", "depth"])
def test_a_step_of_the_venues_clock_is_not_the_recorders(tmp_path: Path, by_s: int, streams: str) -> None:
    """Only the venue's stamps jump, of all streams or of one; local times go on."""
    lines = depth_lines(1200)
    lines[600:] = [moved(line, 0, by_s * 1000) for line in lines[600:]]
    trades = [
        trade_line(local_ts := int(line[:19]) + 7 * MS, local_ts // MS - 5, n)
        for n, line in enumerate(lines[1:])
    ]
    if streams == "all":
        trades[600:] = [moved(line, 0, by_s * 1000) for line in trades[600:]]
    report = check_lines(tmp_path, in_order([*lines, *trades]))
    if by_s < 0 and streams == "depth":  # the fastest frames are as fast as before
        assert report.clock.steps == []
        return
    [step] = report.clock.steps
    assert step.clock == "venue"
    assert f"the clock of binance_usdm was set by {by_s}.00 s at 12:0" in text_of(report, "step")


@pytest.mark.parametrize("is_at_both", [False, True])
def test_a_small_step_is_that_of_the_clock_which_other_venues_show(tmp_path: Path, is_at_both: bool) -> None:
    """A step that is smaller than the spacing of frames: one recorder has one clock for all its venues."""
    lines, others = depth_lines(1200), list(bybit_lines(1200))
    lines[600:] = [moved(line, 0, 80) for line in lines[600:]]
    if is_at_both:
        others[600:] = [moved(line, -80 * MS, 0) for line in others[600:]]
    [alone] = check_each(tmp_path / "alone", {VENUE: lines})
    assert [step.clock for step in alone.clock.steps] == [""]
    assert "the recorder's clock or that of binance_usdm was set by" in text_of(alone, "step")

    [report, _] = check_each(tmp_path / "both", {VENUE: lines, "bybit_linear": others})

    assert [step.clock for step in report.clock.steps] == ["recorder" if is_at_both else "venue"]


def check_each(folder: Path, lines: dict[str, list[str]]) -> list[RecordingReport]:
    for venue, own in lines.items():
        write_recording(folder, venue, own)
    return check(folder)


@pytest.mark.parametrize("shape", ["stall", "ramp", "reconnect", "stairs"])
def test_a_backlog_of_nine_seconds_is_no_clock_that_was_set(tmp_path: Path, shape: str) -> None:
    """Frames that wait are received late: by 9 s at once or bit by bit, until the reader has caught up."""
    late_s = {
        "stall": lambda s: max(0.0, 9.0 - 0.3 * s),
        "ramp": lambda s: 9.0 - abs(s - 30) * 0.3 if s < 60 else 0.0,
        "reconnect": lambda s: min(9.0, 0.45 * s) if s < 40 else 0.0,
        "stairs": lambda s: 9.0 if s < 10 else 5.0 if s < 20 else 0.0,
    }[shape]
    lines = depth_lines(1800)
    lines[600:] = [
        moved(line, round(max(0.0, late_s(n / 10)) * SECOND), 0) for n, line in enumerate(lines[600:])
    ]
    report = check_lines(
        tmp_path, sorted(lines, key=lambda line: json.loads(line[20:]).get("data", {}).get("E", 0))
    )
    assert report.clock.steps == []
    assert "step" not in codes(report)


@pytest.mark.parametrize("ahead_s", [3, 3_480])
@pytest.mark.parametrize("count", [1, 10])
def test_wrong_stamps_are_counted_and_named_and_move_nothing(
    tmp_path: Path, ahead_s: int, count: int
) -> None:
    lines = depth_lines(300)
    lines[100 : 100 + count] = [moved(line, 0, ahead_s * 1000) for line in lines[100 : 100 + count]]
    report = check_lines(tmp_path, lines)
    clean = check_lines(tmp_path / "clean", depth_lines(300))
    assert report.clock.lead_ns == clean.clock.lead_ns
    assert (
        (report.out_of_order, report.out_of_order_ns_max)
        == (clean.out_of_order, clean.out_of_order_ns_max)
        == (0, 0)
    )
    assert report.streams["depth"].out_of_order == 0
    assert codes(report) == ["wrong-stamp"]
    are = "1 depth message is" if count == 1 else f"{count} depth messages are"
    assert text_of(report, "wrong-stamp").startswith(
        f"{are} stamped up to {ahead_s - 0.005:,.2f} s ahead of the local"
    )


def test_local_time_that_falls_is_reported(tmp_path: Path) -> None:
    lines = depth_lines(200)
    lines[100] = moved(lines[100], -250 * MS, 0)
    report = check_lines(tmp_path, lines)
    assert "local time falls 1 time, by up to 150 ms at 12:00:09.755" in text_of(report, "step-back")
