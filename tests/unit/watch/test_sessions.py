"""The watcher follows folders: what is written, rotated, torn, killed, finished or unreadable."""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from support.watched_folders import BEGAN_NS, LEGS, WatchedFolder, event, rows_of

from arb.results.event_log import LoggedEvent, encode_event
from arb.results.evidence import SESSION_LOCK
from arb.results.series import SERIES, row_type
from arb.results.status import STATUS, Status
from arb.watch.sessions import LOADED_MAX, OTHERS_MAX, TRADING_MAX, Sessions, WatchedSession
from arb.watch.thinning import LAST_MAX, THINNED_MAX, LastRows, ThinnedRows
from connectors.units import SECOND


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WatchedFolder]:
    folder = WatchedFolder(tmp_path / "runs" / "a")
    with contextlib.closing(folder):
        yield folder


class Listened:
    """What a listener was given."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.statuses: list[int] = []

    def on_status(self, session: WatchedSession, status: Status) -> None:
        self.statuses.append(status.fills)

    def on_events(self, session: WatchedSession, events: Sequence[LoggedEvent]) -> None:
        self.numbers += [one.number for one in events]


def followed(folder: WatchedFolder) -> tuple[Sessions, WatchedSession]:
    sessions = Sessions([folder.path.parent])
    sessions.poll()
    found = sessions.named("a")
    assert found is not None
    return sessions, found


def test_a_session_is_followed_while_it_is_written(folder: WatchedFolder) -> None:
    folder.write_status(fills=1)
    folder.write_events(event(1, "feed"), event(2))
    rows = rows_of(10)
    folder.write_rows(rows[:6])
    sessions, session = followed(folder)
    assert (session.run.state, session.run.fills, session.run.legs) == ("running", 1, LEGS)
    assert [one.number for one in session.others] == [1]
    assert [one.number for one in session.trading] == [2]
    folder.write_status(fills=2)
    folder.write_events(event(3, "halted"))
    folder.write_rows(rows[6:])
    assert not sessions.poll()
    assert (session.run.fills, session.counts) == (2, {"feed": 1, "fill": 1, "halted": 1})
    assert session.last is not None
    assert session.last.rows.tobytes() == rows.tobytes()


def test_a_torn_line_and_a_torn_row_are_read_when_they_are_whole(folder: WatchedFolder) -> None:
    folder.write_status()
    line, rows = encode_event(event(2)), rows_of(2)
    folder.write_events(event(1))
    folder.write_text(line[:20])
    folder.write_rows(rows)
    whole = (folder.path / SERIES).read_bytes()
    (folder.path / SERIES).write_bytes(whole[:-5])
    sessions, session = followed(folder)
    assert ([one.number for one in session.trading], session.problem) == ([1], "")
    assert session.last is not None
    assert len(session.last.rows) == 1
    folder.write_text(line[20:])
    with (folder.path / SERIES).open("ab") as file:
        file.write(whole[-5:])
    sessions.poll()
    assert [one.number for one in session.trading] == [1, 2]
    assert session.last.rows.tobytes() == rows.tobytes()


def test_events_go_on_in_the_next_file(folder: WatchedFolder) -> None:
    folder.write_status()
    folder.write_events(event(1))
    sessions, session = followed(folder)
    folder.write_events(event(2))
    folder.write_events(event(3), file_no=2)
    folder.write_events(event(4), file_no=3)
    sessions.poll()
    assert [one.number for one in session.trading] == [1, 2, 3, 4]


def test_listeners_get_every_event_and_status_once(folder: WatchedFolder) -> None:
    listened, sessions = Listened(), Sessions([folder.path.parent])
    sessions.listeners.append(listened)
    folder.write_status(fills=1)
    folder.write_events(*(event(number) for number in range(1, 5)))
    sessions.poll()
    sessions.poll()
    folder.write_events(event(5))
    folder.write_status(fills=2)
    sessions.poll()
    folder.write_events(event(6))
    folder.end({"fills": 3, "pnl_quote": 1.5})
    sessions.poll()
    sessions.poll()
    assert listened.numbers == [1, 2, 3, 4, 5, 6]
    assert listened.statuses == [1, 2]


def test_a_finished_run_is_read_when_it_is_asked_for_and_few_are_kept(tmp_path: Path) -> None:
    names = [f"run{n}" for n in range(LOADED_MAX + 2)]
    for name in names:
        folder = WatchedFolder(tmp_path / name)
        folder.write_events(event(1))
        folder.write_rows(rows_of(3))
        folder.end({"fills": 7, "pnl_quote": 2.5})
    sessions = Sessions([tmp_path])
    sessions.poll()
    assert [(one.run.state, one.run.fills, one.is_loaded) for one in sessions] == [("ended", 7, False)] * len(
        names
    )
    for name in names:
        session = sessions.named(name)
        assert session is not None
        assert (session.is_loaded, session.summary) == (True, {"fills": 7, "pnl_quote": 2.5})
    assert [one.name for one in sessions if one.is_loaded] == names[-LOADED_MAX:]


def test_a_silent_session_is_looked_at_and_a_killed_one_stays_in_the_list(folder: WatchedFolder) -> None:
    now_ns = BEGAN_NS
    folder.write_status(time_ns=now_ns)
    sessions = Sessions([folder.path.parent])
    sessions.poll(now_ns + SECOND)
    (session,) = sessions
    assert session.run.state == "running"
    # Its status is years old for the list, and its lock file is older than a start takes.
    later_ns = (folder.path / "session.lock").stat().st_mtime_ns + 60 * SECOND
    sessions.poll(later_ns)
    assert session.run.state == "silent"
    folder.kill()
    sessions.poll(later_ns + 2 * SECOND)
    assert (session.run.state, session.is_over) == ("killed", True)
    assert sessions.named("a") is session


def test_a_new_run_appears_and_one_that_is_deleted_disappears(folder: WatchedFolder) -> None:
    sessions = Sessions([folder.path.parent])
    sessions.poll(SECOND)
    other = WatchedFolder(folder.path.parent / "b")
    with contextlib.closing(other):
        other.write_status()
        sessions.poll(3 * SECOND)
        assert {one.name for one in sessions} == {"a", "b"}
    for path in other.path.iterdir():
        path.unlink()
    other.path.rmdir()
    sessions.poll(5 * SECOND)
    assert [one.name for one in sessions] == ["a"]


@pytest.mark.parametrize(
    ("name", "is_problem"),
    [(STATUS, False), (SERIES, True), ("events.jsonl", True), ("manifest.json", False)],
)
def test_a_file_that_cannot_be_read_is_a_line_and_the_others_are_followed(
    folder: WatchedFolder, name: str, is_problem: bool
) -> None:
    folder.write_status()
    with contextlib.closing(WatchedFolder(folder.path.parent / "b")) as other:
        other.write_status()
        (folder.path / name).write_bytes(b'{"format": 99}\n')
        sessions, session = followed(folder)
        assert (session.run.state == "unreadable") is not is_problem
        why = session.problem if is_problem else session.run.note
        assert name in why
        assert [one.run.state for one in sessions if one.name == "b"] == ["running"]


def test_runs_of_one_name_in_two_folders_have_names_of_their_own(tmp_path: Path) -> None:
    for place in ("x", "y"):
        WatchedFolder(tmp_path / place / "run").end({})
    sessions = Sessions([tmp_path / "x", tmp_path / "y", tmp_path / "none"])
    sessions.poll()
    assert {one.name for one in sessions} == {"run", "run~2"}
    assert "none: cannot be read" in sessions.problems[str(tmp_path / "none")]


def test_a_long_session_takes_bounded_memory(folder: WatchedFolder) -> None:
    folder.write_status()
    for start in range(0, 20_000, 1_000):
        folder.write_events(*(event(n, "fill" if n % 2 else "feed") for n in range(start + 1, start + 1_001)))
    rows = rows_of(100_000)
    folder.write_rows(rows)
    sessions = Sessions([folder.path.parent])
    tracemalloc.start()
    try:
        while sessions.poll():
            pass
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (session,) = sessions
    assert kept_bytes < 16e6
    assert (len(session.trading), len(session.others)) == (TRADING_MAX, OTHERS_MAX)
    assert session.counts == {"fill": 10_000, "feed": 10_000}
    assert session.thinned is not None
    thinned = session.thinned.rows
    assert THINNED_MAX // 4 < len(thinned) <= THINNED_MAX
    for name in ("bid", "ask", "edge_bps"):
        assert (thinned[name].min(axis=(0, 2)) == rows[name].min(axis=(0, 2))).all()
        assert (thinned[name].max(axis=(0, 2)) == rows[name].max(axis=(0, 2))).all()


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_thinned_rows_do_not_depend_on_how_they_arrive(batch: int) -> None:
    rows = rows_of(5_000)
    rows["edge_bps"][100:400] = np.nan
    rows["bid"][::3, 0] = np.nan
    whole, parts = (ThinnedRows(rows.dtype, 64) for _ in range(2))
    last = LastRows(rows.dtype)
    whole.add(rows)
    for start in range(0, len(rows), batch):
        parts.add(rows[start : start + batch])
        last.add(rows[start : start + batch])
    assert parts.rows.tobytes() == whole.rows.tobytes()
    assert np.nanmax(whole.rows["bid"]) == np.nanmax(rows["bid"])
    assert last.rows.tobytes() == rows[-LAST_MAX:].tobytes()


def test_nothing_is_known_without_rows() -> None:
    rows = np.empty(0, row_type(2, 2))
    thinned = ThinnedRows(rows.dtype)
    thinned.add(rows)
    assert len(thinned.rows) == len(LastRows(rows.dtype).rows) == 0


def test_what_is_no_file_holds_up_nothing(tmp_path: Path) -> None:
    """Opening a pipe would wait for its writer."""
    with contextlib.closing(WatchedFolder(tmp_path / "a")) as folder:
        for name in ("status.json", "events.jsonl", "series.bin"):
            os.mkfifo(folder.path / name)
        os.utime(folder.path / SESSION_LOCK, (1.0, 1.0))
        sessions = Sessions([tmp_path])
        sessions.poll()
        (session,) = sessions
        assert (session.run.state, session.status, session.events_read) == ("unreadable", None, 0)
        assert session.run.note.endswith("status.json: is no file")
