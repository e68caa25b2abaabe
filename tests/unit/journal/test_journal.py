"""What is committed is there after a kill; what is not can be seen in an error of one line."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.disk import files_up_to
from support.journals import (
    LEGS,
    RUN,
    begun,
    copy_cut,
    cut_back,
    execution,
    intent,
    journal_at,
    log_commits,
    reader_at,
    write_orders,
)
from support.live_sandbox import await_that

from arb.errors import ExitCode, InputError, InvariantError
from arb.journal import flusher
from arb.journal.journal import FILE, Journal, JournalError
from arb.journal.schema import Flagged, Refused

#: A session that is killed in its second step, between the commit and the first byte.
_KILLED = """
import os, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from support.journals import begun, intent, journal_at, write_orders
journal = journal_at(Path(sys.argv[1]))
run = begun(journal)
write_orders(journal, run, [1])
journal.commit_step([intent(run, 0, 2, 50_000), intent(run, 1, 2, 50_000)])
os.kill(os.getpid(), 9)
"""


def killed_session(folder: Path) -> Path:
    """The journal of a session that was killed; nothing that it left open can be closed in this process."""
    tests = Path(__file__).parents[2]
    root = tests.parent
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder), str(tests)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr
    return folder / "sandbox" / FILE


def test_a_run_has_a_number_of_its_own_for_ever(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        journal = journal_at(tmp_path)
        numbers += [journal.begin_run(RUN), journal.begin_run(RUN)]
        journal.close()
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_the_tag_is_made_once_for_a_journal(tmp_path: Path) -> None:
    tags = set()
    for _ in range(2):
        journal = journal_at(tmp_path)
        tags.add(journal.tag)
        journal.close()
    assert len(tags) == 1
    other = journal_at(tmp_path / "other", "demo")
    other.close()
    tag = tags.pop()
    assert (tag[0], other.tag[0]) == ("s", "d")
    assert len(tag) == 6
    assert all(sign in "abcdefghijklmnopqrstuvwxyz0123456789" for sign in tag)


def test_a_step_is_there_when_the_commit_returns(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 0, 1, 7), intent(run, 1, 1, 7)])
    with reader_at(tmp_path) as reader:
        assert [(order.leg, order.made_ns, order.status) for order in reader.orders()] == [
            (0, 7, ""),
            (1, 7, ""),
        ]
    journal.close()


def test_an_id_is_never_used_twice(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 0, 1)])
    with pytest.raises(InvariantError, match="request 1 of leg 0 is in it already"):
        journal.commit_step([intent(run, 0, 2), intent(run, 0, 1)])
    with reader_at(tmp_path) as reader:
        assert [order.placed for order in reader.orders()] == [1]  # of the refused step nothing is there
    journal.close()


def test_rows_never_change(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    journal.begin_run(RUN)
    journal.close()
    connection = sqlite3.connect(tmp_path / "sandbox" / FILE)
    for statement in ("DELETE FROM runs", "UPDATE runs SET command = 'other'"):
        with pytest.raises(sqlite3.IntegrityError, match="do not change"):
            connection.execute(statement)
    connection.close()


def test_notes_are_there_after_they_were_written(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.note(Refused(run, 5, 0, 1, "price band"))
    journal.note(Flagged(run, 6, "", "armed", ""))
    with reader_at(tmp_path) as reader:
        assert reader.flags() == []
        journal.write_notes()
        assert reader.flags() == [(run, 6, "", "armed", "")]
    journal.close()


def test_a_repeated_execution_counts_once(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 0, 1)])
    for _ in range(2):
        journal.note(execution(run, 0, 1, "x", 3))
        journal.write_notes()
    with reader_at(tmp_path) as reader:
        assert [one.lots for one in reader.positions()] == [3]
    journal.close()


def test_a_second_session_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    journal = Journal.open(folder / FILE, "sandbox", holder="the session in /runs/one")
    with pytest.raises(InputError) as caught:
        Journal.open(folder / FILE, "sandbox")
    assert str(caught.value) == (
        f"{folder}/journal.lock: the journal is in use by the session in /runs/one: wait for its end, or end it"
    )
    assert caught.value.exit_code == ExitCode.USER_INPUT
    journal.close()
    Journal.open(folder / FILE, "sandbox").close()


def test_the_journal_of_another_environment_is_refused(tmp_path: Path) -> None:
    journal_at(tmp_path, "demo").close()
    path = tmp_path / "demo" / FILE
    with pytest.raises(InputError) as caught:
        Journal.open(path, "live")
    assert str(caught.value) == (
        f"{path}: is the journal of demo, and not of live: choose another live.state_directory"
    )
    Journal.open(path, "demo").close()  # and nothing is held by the refused one


def test_another_version_is_refused(tmp_path: Path) -> None:
    journal_at(tmp_path).close()
    path = tmp_path / "sandbox" / FILE
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(
        InputError, match=r"journal\.db: has version 7 of the journal, and this arb writes 2: use the"
    ):
        journal_at(tmp_path)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100, None])
def test_another_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sandbox" / FILE
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE of_another (name TEXT)")
        connection.close()
    with pytest.raises(InputError) as caught:
        journal_at(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("choose another live.state_directory")
    assert "\n" not in str(caught.value)


def test_a_full_disk_refuses_the_step(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.commit_step([intent(run, 0, 1)])
    log = tmp_path / "sandbox" / f"{FILE}-wal"
    with files_up_to(log.stat().st_size), pytest.raises(JournalError) as caught:
        commit_all(journal, run, range(2, 100))
    assert str(caught.value).startswith(f"{tmp_path}/sandbox/{FILE}: cannot be written: ")
    assert str(caught.value).endswith("; make room, or use another disk")
    assert caught.value.exit_code == ExitCode.USER_INPUT
    with reader_at(tmp_path) as reader:
        placed = [order.placed for order in reader.orders()]
        assert 1 <= len(placed) < 99
        assert placed == list(range(1, len(placed) + 1))
        # With room again it goes on, and what could not be written is not there.
        journal.commit_step([intent(run, 0, len(placed) + 1)])
        assert len(reader.orders()) == len(placed) + 1
    journal.close()


def commit_all(journal: Journal, run: int, requests: Iterable[int]) -> None:
    """A step for each request."""
    for request in requests:
        journal.commit_step([intent(run, 0, request)])


def test_what_could_not_be_noted_is_written_later(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    log = tmp_path / "sandbox" / f"{FILE}-wal"
    journal.note(Flagged(run, 6, "", "armed", "x" * 20_000))
    with files_up_to(log.stat().st_size), pytest.raises(JournalError):
        journal.write_notes()
    journal.close()
    with reader_at(tmp_path) as reader:
        assert len(reader.flags()) == 1


def test_a_disk_that_does_not_take_the_log_ends_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def broken(file: int) -> None:
        tried.set()
        raise OSError(5, "Input/output error")

    journal = journal_at(tmp_path)
    run = begun(journal)
    monkeypatch.setattr(flusher, "_flush", broken)
    journal.commit_step([intent(run, 0, 1)])
    assert tried.wait(10)
    assert journal._flusher is not None
    journal._flusher.join(10)
    with pytest.raises(JournalError, match="Input/output error; make room"):
        journal.commit_step([intent(run, 0, 2)])
    with pytest.raises(JournalError, match="Input/output error"):
        journal.close()
    with reader_at(tmp_path) as reader:
        assert not reader.is_running
        assert [order.placed for order in reader.orders()] == [1]


def test_full_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    flush = flusher._flush

    def noted(file: int) -> None:
        flushed.append(threading.current_thread().name)
        flush(file)

    monkeypatch.setattr(flusher, "_flush", noted)
    main = threading.current_thread().name
    for sync, count in (("full", 1), ("background", 0)):
        journal = Journal.open(tmp_path / sync / FILE, "sandbox", sync=sync)  # type: ignore[arg-type]
        run = begun(journal)
        flushed.clear()
        journal.commit_step([intent(run, 0, 1)])
        assert flushed.count(main) == count
        journal.close()


def test_the_disk_gets_what_is_committed_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = threading.Event()
    journal = journal_at(tmp_path)
    run = begun(journal)
    flush = flusher._flush

    def noted(file: int) -> None:
        flush(file)
        flushed.set()

    monkeypatch.setattr(flusher, "_flush", noted)
    journal.commit_step([intent(run, 0, 1)])
    assert flushed.wait(10)
    journal.close()


def test_the_log_begins_anew_while_the_session_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "_COMMITS_MAX", 50)
    journal = journal_at(tmp_path)
    run = begun(journal)
    log = tmp_path / "sandbox" / f"{FILE}-wal"
    for first in range(1, 3_000, 100):
        salts = log.read_bytes()[16:24]
        for request in range(first, min(first + 100, 3_000)):
            journal.commit_step([intent(run, 0, request)])
        # Its salts change when it begins anew, which the flusher does in a pause between steps.
        await_that(lambda before=salts: log.read_bytes()[16:24] != before, "a log that begins anew", 0.005)
    assert log.stat().st_size < 8 << 20
    journal.close()
    with reader_at(tmp_path) as reader:
        assert len(reader.orders()) == 2_999


def test_a_kill_between_commit_and_send_leaves_the_step(tmp_path: Path) -> None:
    killed_session(tmp_path)
    with reader_at(tmp_path) as reader:
        assert not reader.is_running
        assert [(order.leg, order.placed) for order in reader.orders(open_only=True)] == [(0, 2), (1, 2)]
        assert [run.outcome for run in reader.runs()] == [""]
    journal = journal_at(tmp_path)
    assert journal.begin_run(RUN) == 2
    with reader_at(tmp_path) as reader:
        assert [(order.leg, order.placed) for order in reader.orders(open_only=True)] == [(0, 2), (1, 2)]
    journal.close()


def test_after_a_loss_of_power_the_beginning_is_there(tmp_path: Path) -> None:
    path = killed_session(tmp_path)
    sizes = log_commits(path)
    assert len(sizes) >= 5
    counts = []
    for no, size in enumerate(sizes):
        for torn in (0, 1_000):  # a part of the next commit may be there
            cut = copy_cut(path, tmp_path / f"{no}-{torn}" / "sandbox", size + torn)
            with reader_at(cut.parents[1]) as reader:
                counts.append((len(reader.runs()), len(reader.orders()), len(reader.executions())))
    assert counts == sorted(counts)
    assert counts[0] == (1, 0, 0)
    assert counts[-1] == (1, 4, 4)


def test_what_came_after_a_time_can_be_cut_away(tmp_path: Path) -> None:
    path = killed_session(tmp_path)
    assert cut_back(path, 10_000) == 2
    with reader_at(tmp_path) as reader:
        assert reader.known_until_ns() == 10_000
        assert len(reader.orders(open_only=True)) == 2
    journal = journal_at(tmp_path)
    assert journal.begin_run(RUN) == 2
    journal.close()


def test_a_journal_that_is_closed_takes_nothing(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    journal.end_run(run, "done", 99)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="it is closed"):
        journal.commit_step([intent(run, 0, 1)])
    assert not (tmp_path / "sandbox" / f"{FILE}-wal").exists()
    with reader_at(tmp_path) as reader:
        assert [(one.outcome, one.ended_ns) for one in reader.runs()] == [("done", 99)]


def test_a_whole_order_takes_less_than_a_kilobyte(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    run = begun(journal)
    write_orders(journal, run, range(1, 1_001))
    journal.close()
    assert (tmp_path / "sandbox" / FILE).stat().st_size / (1_000 * len(LEGS)) < 1_000


def test_the_documentation_has_every_table(tmp_path: Path) -> None:
    journal_at(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "sandbox" / FILE)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    text = (Path(__file__).parents[3] / "docs" / "journal.md").read_text().partition("## Tables")[2]
    rows = re.findall(r"^\| (`.+?) \| ", text, re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+)`", " ".join(rows))) == tables
