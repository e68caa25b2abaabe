"""The reserve of a journal: room that is there when its disk is full, for the orders that end a session."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.disk import files_up_to
from support.journals import LEGS, RUN, begun, fill_disk, intent, reader_at

from arb.errors import ExitCode, InputError
from arb.execution.answers import RequestRow
from arb.execution.gateway import ReadyRequest, TakenRequest
from arb.journal import flusher, reserve
from arb.journal.journal import FILE, Journal, JournalError
from arb.journal.schema import Flagged
from arb.runtime.order_journal import KeptRun, OrderJournal
from connectors.orders.model import Act, Force

SIZE = 1 << 16


def journal_with_reserve(folder: Path) -> Journal:
    return Journal.open(folder / "sandbox" / FILE, "sandbox", reserve_bytes=SIZE)


def test_the_reserve_takes_its_room_and_keeps_it_from_session_to_session(tmp_path: Path) -> None:
    path = tmp_path / "sandbox" / reserve.FILE
    journal_with_reserve(tmp_path).close()
    first = path.stat()
    assert (first.st_size, first.st_blocks * 512 >= SIZE, first.st_mode & 0o777) == (SIZE, True, 0o600)
    journal_with_reserve(tmp_path).close()
    assert path.stat().st_mtime_ns == first.st_mtime_ns
    path.write_bytes(b"")
    os.truncate(path, SIZE)  # a length without blocks
    journal_with_reserve(tmp_path).close()
    assert path.stat().st_blocks * 512 >= SIZE


def test_a_start_without_room_for_the_reserve_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(reserve, "write_all", full)
        with pytest.raises(InputError) as caught:
            journal_with_reserve(tmp_path)
    path = tmp_path / "sandbox" / reserve.FILE
    assert str(caught.value) == (
        f"{path}: cannot be written: No space left on device; the journal needs 0 MB in reserve for a full disk: make "
        "room, or choose another live.state_directory"
    )
    assert caught.value.exit_code == ExitCode.USER_INPUT
    assert not path.exists()
    journal_with_reserve(tmp_path).close()  # and nothing is held by the refused one


def test_a_full_disk_has_room_again_once_the_reserve_is_freed(tmp_path: Path) -> None:
    journal = journal_with_reserve(tmp_path)
    run = begun(journal)
    fill_disk(journal)
    with pytest.raises(JournalError, match="database or disk is full; make room") as caught:
        commit_until_full(journal, run)
    assert caught.value.is_full
    last = journal._last[0]
    assert journal.make_room()
    assert not (tmp_path / "sandbox" / reserve.FILE).exists()
    journal.commit_step([intent(run, 0, last + 1)])
    assert not journal.make_room()
    journal.close()
    with reader_at(tmp_path) as reader:
        assert [order.placed for order in reader.orders()] == list(range(1, last + 2))
    journal_with_reserve(tmp_path).close()
    assert (tmp_path / "sandbox" / reserve.FILE).stat().st_size == SIZE


def commit_until_full(journal: Journal, run: int) -> None:
    for request in range(1, 10_000):
        journal.commit_step([intent(run, 0, request)])


def test_a_checkpoint_without_room_is_no_fault_once_the_reserve_is_freed(tmp_path: Path) -> None:
    journal = journal_with_reserve(tmp_path)
    run = begun(journal)
    assert journal._flusher is not None
    full = flusher.sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = flusher.sqlite3.SQLITE_FULL
    journal._flusher._fault = full
    with pytest.raises(JournalError) as caught:
        journal.commit_step([intent(run, 0, 1)])
    assert caught.value.is_full
    assert journal.make_room()
    journal.commit_step([intent(run, 0, 1)])
    journal._flusher._fault = OSError(errno.EIO, "I/O")  # of a flush: what was lost stays lost
    with pytest.raises(JournalError) as caught:
        journal.commit_step([intent(run, 0, 2)])
    assert not caught.value.is_full
    with pytest.raises(JournalError):
        journal.close()


def order_journal(journal: Journal) -> OrderJournal:
    run = journal.begin_run(RUN)
    orders = OrderJournal(KeptRun(journal, run, lambda: LEGS), lambda leg, order_id: None)
    orders.open()
    return orders


def ready(request: int) -> ReadyRequest:
    row = RequestRow(request, request, Act.PLACE, 1, Force.IOC, False, 1_000, 5, 5)
    return ReadyRequest(TakenRequest(0, b"", 1, 5), row, None)  # type: ignore[arg-type]


def test_a_step_that_finds_no_room_is_not_committed_and_the_next_one_is(tmp_path: Path) -> None:
    journal = journal_with_reserve(tmp_path)
    orders = order_journal(journal)
    fill_disk(journal)
    last = next(no for no in range(1, 10_000) if not orders.commit([ready(no)]))
    assert orders.fault is None
    assert str(orders.shortage).endswith("; make room, or use another disk, then arb resume")
    assert orders.commit([ready(last)])
    orders.end("failed", 9)
    with reader_at(tmp_path) as reader:
        assert len(reader.orders()) == last


def test_notes_that_find_no_room_are_written_from_the_reserve(tmp_path: Path) -> None:
    journal = journal_with_reserve(tmp_path)
    orders = order_journal(journal)
    fill_disk(journal)
    for no in range(200):
        journal.note(Flagged(1, no, "", "armed", "x" * 900))
    orders.write()
    assert orders.fault is None
    assert orders.shortage is not None
    orders.end("failed", 9)
    with reader_at(tmp_path) as reader:
        assert len(reader.flags()) == 200


def test_where_the_reserve_does_not_help_nothing_is_committed(tmp_path: Path) -> None:
    journal = journal_with_reserve(tmp_path)
    orders = order_journal(journal)
    log = tmp_path / "sandbox" / f"{FILE}-wal"
    with files_up_to(log.stat().st_size):
        last = next(no for no in range(1, 10_000) if not orders.commit([ready(no)]))
        assert orders.shortage is not None
        assert not orders.commit([ready(last)])
    assert "disk I/O error" in str(orders.fault)
    orders.end("failed", 9)
