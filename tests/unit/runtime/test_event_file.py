"""`events.jsonl` and `series.bin` as a session writes them, and as others read them meanwhile."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from arb.results.event_log import START, LoggedEvent, Position, read_events
from arb.results.series import read_series
from arb.runtime import event_file
from arb.runtime.event_file import EventFile
from arb.runtime.series_file import SeriesFile

Fill = Callable[[int], None]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Sets how many bytes more the disk takes."""
    room = [1 << 40]

    def write_all(handle: int, content: bytes) -> None:
        part = content[: room[0]]
        room[0] -= os.write(handle, part) if part else 0
        if len(part) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(event_file, "write_all", write_all)
    return lambda left: room.__setitem__(0, left)


def failing(line: str) -> None:
    pytest.fail(line)


def all_of(folder: Path) -> list[LoggedEvent]:
    found, position = read_events(folder)
    while found:
        more, position = read_events(folder, position)
        if not more:
            return found
        found += more
    return found


def add(events: EventFile, *texts: str) -> None:
    for text in texts:
        events.add(7, "fill", text, {"price": 1.5})


def test_events_are_numbered_and_read_as_they_were_added(tmp_path: Path) -> None:
    events = EventFile(tmp_path, failing)
    assert read_events(tmp_path) == ([], START)
    add(events, "a", "b\n\x1b[2J")
    events.write()
    found, position = read_events(tmp_path)
    assert found[0] == LoggedEvent(1, 7, "fill", "a", {"price": 1.5})
    assert found[1].text == "b \\x1b[2J", "as in the log: no control character of a venue reaches a terminal"
    events.add(8, "gap", "c")
    assert read_events(tmp_path, position) == ([], position)
    events.close()
    events.add(9, "late", "after the hash")
    events.close()
    assert read_events(tmp_path, position)[0] == [LoggedEvent(3, 8, "gap", "c")]


def test_a_torn_last_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    events = EventFile(tmp_path, failing)
    add(events, "a", "b")
    events.write()
    path = tmp_path / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    found, position = read_events(tmp_path)
    assert [one.text for one in found] == ["a"]
    path.write_bytes(whole)
    assert [one.text for one in read_events(tmp_path, position)[0]] == ["b"]


def test_a_full_file_is_followed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "FILE_BYTES_MAX", 100)
    events = EventFile(tmp_path, failing)
    for text in "abcdefg":
        add(events, text)
        events.write()
    events.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"events.{number}.jsonl" for number in (2, 3, 4)),
        "events.jsonl",
    ]
    assert [(one.number, one.text) for one in all_of(tmp_path)] == list(enumerate("abcdefg", 1))


def test_one_write_is_bounded_and_the_last_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "WRITTEN_MAX", 3)
    events = EventFile(tmp_path, failing)
    add(events, *"abcdefgh")
    events.write()
    assert len(all_of(tmp_path)) == 3
    events.close()
    assert [one.number for one in all_of(tmp_path)] == list(range(1, 9))


def test_a_full_disk_costs_one_warning_and_events_beyond_the_queue(
    tmp_path: Path, disk: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "QUEUED_MAX", 4)
    warnings: list[str] = []
    events = EventFile(tmp_path, warnings.append)
    add(events, "a")
    events.write()
    size = (tmp_path / "events.jsonl").stat().st_size
    disk(size + 5)
    add(events, "b", "c")
    events.write()
    found, position = read_events(tmp_path)
    assert [one.text for one in found] == ["a", "b"], "b is whole, and a reader may have it"
    disk(0)
    add(events, *"defghi")
    events.write()
    disk(1 << 40)
    events.write()
    add(events, "j")
    events.close()
    found, _ = read_events(tmp_path, position)
    assert [one.text for one in found] == [
        *"cdef",
        "3 events are not in these files: No space left on device",
        "j",
    ]
    assert [one.number for one in found] == list(range(3, 9)), "no number is missing"
    assert found[4].data == {"events": 3}
    (warning,) = warnings
    assert warning.startswith("events.jsonl: cannot be written: No space left on device")


def test_what_is_lost_last_is_counted_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "QUEUED_MAX", 2)
    events = EventFile(tmp_path, failing)
    add(events, *"abcd")
    events.close()
    assert [one.text for one in all_of(tmp_path)] == [
        "a",
        "b",
        "2 events are not in these files: there were too many",
    ]


def test_a_folder_that_is_gone_costs_one_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    events = EventFile(tmp_path / "gone", warnings.append)
    series = SeriesFile(tmp_path / "gone", ["a"], [], warnings.append)
    for _ in range(2):
        add(events, "a")
        events.write()
        series.write(1)
    events.close()
    series.close()
    assert [line.partition(":")[0] for line in warnings] == ["events.jsonl", "series.bin"]


def test_a_row_has_the_extremes_of_its_samples(tmp_path: Path) -> None:
    series = SeriesFile(tmp_path, ["a", "b"], [("a", "b"), ("b", "a")], failing)
    assert read_series(tmp_path) is None
    nan = math.nan
    series.sample([1.0, nan, 2.0, nan, 5.0, nan, nan])
    series.sample([3.0, nan, 1.5, 4.0, -5.0, nan, -7.5])
    series.write(100)
    first = read_series(tmp_path)
    assert first is not None
    assert (first.head.legs, first.head.edges) == (["a", "b"], [("a", "b"), ("b", "a")])
    (row,) = first.rows
    assert row["time_ns"] == 100
    np.testing.assert_array_equal(row["bid"], [[1.0, 3.0], [nan, nan]])
    np.testing.assert_array_equal(row["ask"], [[1.5, 2.0], [4.0, 4.0]])
    np.testing.assert_array_equal(row["edge_bps"], [[-5.0, 5.0], [nan, nan]])
    assert row["pnl_quote"].tolist() == [-7.5, -7.5]
    series.write(50)
    series.close()
    series.write(200)
    second = read_series(tmp_path, first.offset)
    assert second is not None
    assert second.rows["time_ns"].tolist() == [101], "the clock was set back"
    assert np.isnan(second.rows["bid"]).all(), "no sample since the row before"


def test_a_row_that_the_disk_refuses_is_missing(tmp_path: Path, disk: Fill) -> None:
    warnings: list[str] = []
    series = SeriesFile(tmp_path, ["a"], [], warnings.append)
    series.write(1)
    disk(20)
    series.write(2)
    torn = read_series(tmp_path)
    assert torn is not None
    assert torn.rows["time_ns"].tolist() == [1]
    series.write(3)
    disk(1 << 40)
    series.write(4)
    found = read_series(tmp_path, torn.offset)
    assert found is not None
    assert found.rows["time_ns"].tolist() == [4]
    assert len(warnings) == 1


def test_positions_are_of_a_file(tmp_path: Path) -> None:
    assert read_events(tmp_path, Position(3, 10)) == ([], Position(3, 10))
