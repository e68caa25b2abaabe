"""The file of a session that runs, and the lock of its folder."""

from __future__ import annotations

import fcntl
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.disk import files_up_to
from support.journals import LEGS, RUN, execution, intent

from arb.bot.recorder import RECORD
from arb.data.outages import BookOutages
from arb.errors import ExitCode, InputError
from arb.journal.reader import JournalReader
from arb.journal.schema import DRY_RUN, Answered, Ended
from arb.results.evidence import ORDERS_DB, SESSION_DB, SESSION_LOCK
from arb.runtime.session_store import Entry, SessionStore, held_folder, orders_file, read_store
from arb.runtime.snapshot import LegSnapshot

HEAD = {"command": "live", "environment": "sandbox", "config": {"limit": float("inf")}}
TABLES: Any = SimpleNamespace(run=RUN, legs=LEGS)


def entry(number: int, *, size: int = 0) -> Entry:
    """The entry of a session with two legs; its marks are its number."""
    legs = [LegSnapshot(number, 2, 3, 0, BookOutages(), [(number, 7)]) for _ in LEGS]
    return Entry(
        end_ts=number, legs=legs, marks=bytes([number]) + bytes(size), late=0, late_since=0, events={"gap": number},
        start_ts=1, answers=b"", fills=b"", charges=b"", decisions=b"", records=b"",
        final=np.zeros(2, RECORD).tobytes(), refusals={},
    )  # fmt: skip


def test_it_is_held_until_it_is_closed(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, HEAD, None)
    with pytest.raises(InputError) as caught, held_folder(tmp_path):
        pass
    assert str(caught.value) == (
        f"{tmp_path}: its session still runs, or another arb verify finishes it; run arb verify when that has ended"
    )
    assert caught.value.exit_code == ExitCode.USER_INPUT
    store.close()
    with held_folder(tmp_path) as is_ours:
        assert is_ours


def test_reading_it_does_not_release_the_folder(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, HEAD, TABLES)
    store.write(entry(1), [])
    read_store(store.path)
    orders_file(store.path, [], "ended", 2)
    with pytest.raises(InputError, match="still runs"), held_folder(tmp_path):
        pass
    # SQLite's lock, as another process sees it.
    program = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0.05).execute('PRAGMA journal_mode = DELETE')"
    )
    done = subprocess.run([sys.executable, "-c", program, store.path], capture_output=True, text=True)
    assert "database is locked" in done.stderr
    store.write(entry(2), [])
    store.close()


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    SessionStore(tmp_path, HEAD, None).close()
    with held_folder(tmp_path) as is_ours:
        assert is_ours
        with pytest.raises(InputError, match="another arb verify"), held_folder(tmp_path):
            pass
    with held_folder(tmp_path) as is_ours:
        assert is_ours


def test_one_that_was_finished_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SessionStore(tmp_path, HEAD, None).close()
    flock = fcntl.flock

    def late(file: Any, operation: int) -> None:
        (tmp_path / SESSION_LOCK).unlink()  # by who held it until now
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with held_folder(tmp_path) as is_ours:
        assert not is_ours


def test_without_one_there_is_nothing_to_hold(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with held_folder(folder) as is_ours:
            assert not is_ours


def test_one_that_cannot_be_begun_is_let_go_of(tmp_path: Path) -> None:
    with files_up_to(10_000), pytest.raises(InputError) as caught:
        SessionStore(tmp_path, HEAD, TABLES)
    assert str(caught.value).startswith(f"{tmp_path / SESSION_DB}: cannot be written: ")
    assert str(caught.value).endswith("; make room, or name another folder with --out")
    with held_folder(tmp_path) as is_ours:
        assert is_ours
    with pytest.raises(InputError, match="nothing to verify"):
        read_store(tmp_path / SESSION_DB)


def test_entries_are_read_while_it_is_written(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, HEAD, None)
    with pytest.raises(InputError, match="nothing to verify"):
        read_store(store.path)
    for number in (1, 2, 3):
        store.write(entry(number), [])
        found = read_store(store.path)
        assert found.head == HEAD
        assert (found.entries, found.snapshot.end_ts, found.snapshot.events) == (
            number,
            number,
            {"gap": number},
        )
        assert found.snapshot.marks == bytes(range(1, number + 1))
        assert found.snapshot.legs[1].lags == [(one, 7) for one in range(1, number + 1)]
    store.close()


def test_an_entry_is_there_with_its_rows_or_not_at_all(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, HEAD, TABLES)
    store.write(entry(1), [intent(1, 0, 1)])
    with files_up_to(200_000), pytest.raises(InputError, match="make room"):
        store.write(entry(2, size=400_000), [intent(1, 0, 2)])
    assert read_store(store.path).entries == 1
    with JournalReader(store.path, DRY_RUN) as reader:
        assert [one.placed for one in reader.orders()] == [1]
    store.write(entry(2, size=400_000), [intent(1, 0, 2)])
    assert read_store(store.path).entries == 2
    store.close()


def test_the_file_of_its_orders_has_what_was_kept_and_the_rest(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, HEAD, TABLES)
    filled = [
        Answered(1, 11, 0, 1, 1, "ended", "filled", 1_000, 1, 0, ""), execution(1, 0, 1, "0", 7, ts=11),
        Ended(1, 0, 1, 11, "filled", 1, ""),
    ]  # fmt: skip
    store.write(entry(1), [intent(1, 0, 1, 10), *filled])
    content = orders_file(store.path, [intent(1, 1, 1, 12)], "interrupted", 20)
    store.close()
    assert content is not None
    (tmp_path / ORDERS_DB).write_bytes(content)
    with JournalReader(tmp_path / ORDERS_DB, DRY_RUN) as reader:
        (run,) = reader.runs()
        assert (run.command, run.outcome, run.ended_ns) == (RUN.command, "interrupted", 20)
        assert reader.legs(1) == list(LEGS)
        assert [(one.leg, one.status, one.text) for one in reader.orders()] == [
            (0, "filled", ""),
            (1, "canceled", "the session ended"),
        ]
        assert reader.trade_count() == 1
    with sqlite3.connect(tmp_path / ORDERS_DB) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert "head" not in dict(connection.execute("SELECT name, value FROM meta"))
    connection.close()
    assert sorted(path.name for path in tmp_path.glob("orders.db*")) == [ORDERS_DB]


def test_a_session_on_accounts_has_no_such_file(tmp_path: Path) -> None:
    assert orders_file(tmp_path / SESSION_DB, [], "ended", 1) is None
    store = SessionStore(tmp_path, HEAD, None)
    store.write(entry(1), [])
    assert orders_file(store.path, [], "ended", 1) is None
    store.close()


def test_another_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / SESSION_DB
    path.write_bytes(b"no database " * 1000)
    for read in (read_store, lambda path: orders_file(path, [], "ended", 1)):
        with pytest.raises(InputError, match=r"session\.db: cannot be read: file is not a database"):
            read(path)


def test_its_log_does_not_grow_with_the_session(tmp_path: Path) -> None:
    store = SessionStore(tmp_path, HEAD, TABLES)
    sizes = []
    for number in range(400):
        store.write(entry(number % 200, size=5_000), [intent(1, 0, number + 1, number)])
        store.add([])
        sizes.append(store.path.with_name(f"{SESSION_DB}-wal").stat().st_size)
    assert max(sizes) < 300_000
    assert store.path.stat().st_size > 400 * 5_000
    store.close()
