"""Writes the journal of an environment: a run's number, the requests of a step before they are sent, then the rest.

A commit is the kernel's when it returns: a process that is killed loses nothing of it. The disk has it a few
milliseconds later (`flusher`), or with `sync = "full"` before `commit_step` returns. After a loss of power the journal
ends with some commit: everything before that is there, and a run's number always is. One thread, the host's.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import string
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from arb.errors import InputError, InvariantError
from arb.files import sync_folder
from arb.journal.flusher import Flusher, is_full
from arb.journal.locks import HeldLock
from arb.journal.reserve import FILE as RESERVE
from arb.journal.reserve import Reserve
from arb.journal.schema import (
    APPLICATION_ID,
    DRY_RUN,
    INTENTS,
    LETTERS,
    NOTES,
    VERSION,
    Intent,
    LegRow,
    Note,
    RunRow,
    definitions,
)

Sync: TypeAlias = Literal["background", "full"]
#: Name of the journal's file in the folder of its environment, and of the file that its session locks.
FILE, LOCK = "journal.db", "journal.lock"
_INSERTS = {table.row: table.insert() for table in NOTES}
_TAG_LENGTH = 5
_SIGNS = string.ascii_lowercase + string.digits
_T = TypeVar("_T")


class JournalError(InputError):
    """The journal cannot be written: nothing that it does not have may be sent."""

    #: Whether more room on the disk may help.
    is_full = False


class Journal:
    """See the module."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, held: HeldLock, tag: str, sync: Sync
    ) -> None:
        """`open` makes one."""
        self.path = path
        #: Of client ids: the environment's letter and five characters, made once for each journal.
        self.tag = tag
        self._connection = connection
        self._held = held
        self._is_full = sync == "full"
        self._writing = threading.Lock()
        self._steps: dict[int, str] = {}
        #: By leg, the last request of the run: client ids are never used twice.
        self._last: dict[int, int] = {}
        self._notes: dict[type, list[Note]] = {}
        self._commits = 0
        self._flusher: Flusher | None = None
        self._reserve: Reserve | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        environment: str,
        *,
        flush_ms: int = 20,
        sync: Sync = "background",
        holder: str = "",
        reserve_bytes: int = 0,
    ) -> Journal:
        """Opens or makes the journal. holder: who has it, for others who try. reserve_bytes: what `make_room` frees.

        Raises InputError if another session has it, for a file that is no journal of this environment, and if there is
        no room for the reserve.
        """
        held = HeldLock(path.with_name(LOCK), "the journal", holder)
        try:
            reserve = Reserve(path.with_name(RESERVE), reserve_bytes) if reserve_bytes else None
            # A commit is one page, or few: small ones are written sooner. The log's head is synced when it begins anew,
            # commits are not: those are the flusher's.
            connection = connected(path, "page_size = 1024", "synchronous = NORMAL")
            try:
                tag = _prepared(connection, path, environment)
                journal = cls(path, connection, held, tag, sync)
                journal._reserve = reserve
                journal._flusher = Flusher(path, flush_ms, lambda: journal._commits, journal._writing)
                sync_folder(path.parent)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            held.close()
            raise _unusable(path, error) from None
        except BaseException:
            held.close()
            raise
        journal._flusher.start()
        return journal

    def begin_run(self, run: RunRow) -> int:
        """The number of a new run, which is on the disk and is never given again. Raises JournalError."""

        def insert(connection: sqlite3.Connection) -> int:
            number = int(connection.execute("SELECT ifnull(max(run), 0) + 1 FROM runs").fetchone()[0])
            insert_run(connection, number, run)
            return number

        self._last.clear()
        return self._flushed(insert)

    def add_legs(self, run: int, legs: Sequence[LegRow]) -> None:
        """The legs of a run, before its first step; the disk has them on return. Raises JournalError."""
        self._flushed(lambda connection: insert_legs(connection, run, legs))

    def commit_step(self, intents: Sequence[Intent]) -> None:
        """One commit of the requests of a step, before the first byte of any. Raises JournalError: send nothing. Raises
        InvariantError for a request that was there before.

        What was noted before may be committed after it: a step does not wait for that.
        """
        flusher = self._flusher
        if flusher is None or flusher.fault is not None:
            raise self._failed(None if flusher is None else flusher.fault)
        last = self._last.copy()
        values: list[int | str] = []
        for intent in intents:
            _, leg, request, *_ = intent
            if request <= last.get(leg, 0):
                raise InvariantError(f"{self.path}: request {request} of leg {leg} is in it already")
            last[leg] = request
            values += intent
        count = len(intents)
        statement = self._steps.get(count)
        if statement is None:
            statement = self._steps[count] = INTENTS.insert(count)
        try:
            # One statement is one transaction.
            with self._writing:
                self._connection.execute(statement, values)
                self._commits += 1
            self._last = last
            if self._is_full:
                flusher.flush()
        except (OSError, OverflowError, sqlite3.Error) as error:
            raise self._failed(error) from None

    def make_room(self) -> bool:
        """Frees the reserve, after an error that `is_full`; then what failed can be tried again, and is worth it for
        what ends the session only. False if it was freed before, or there is none."""
        if self._flusher is None or self._reserve is None or not self._reserve.free():
            return False
        self._flusher.save_room()
        return True

    def note(self, row: Note) -> None:
        """Adds a row to those that `write_notes` commits."""
        rows = self._notes.get(type(row))
        if rows is None:
            rows = self._notes[type(row)] = []
        rows.append(row)

    def write_notes(self) -> None:
        """One commit of what was noted. Raises JournalError; then the next call tries again."""
        if not self._notes:
            return
        notes = self._notes

        def insert(connection: sqlite3.Connection) -> None:
            for kind, rows in notes.items():
                connection.executemany(_INSERTS[kind], rows)

        with self._errors(), self._writing:
            in_transaction(self._connection, insert)
            self._notes = {}
            self._commits += 1

    def end_run(self, run: int, outcome: str, ended_ns: int) -> None:
        """The run ended by itself; a killed one has no such row. Raises JournalError."""
        self.write_notes()
        self._flushed(lambda connection: insert_end(connection, run, ended_ns, outcome))

    def close(self) -> None:
        """Writes what was noted, and lets the next session have the journal. May be called repeatedly.

        Raises JournalError if something could not be written; it is closed all the same.
        """
        flusher, self._flusher = self._flusher, None
        if flusher is None:
            return
        try:
            self.write_notes()
            with self._errors():
                flusher.flush()
        finally:
            flusher.stop()
            with contextlib.suppress(sqlite3.Error):  # the last one to close writes the log into the file
                self._connection.close()
            self._held.close()
        if flusher.fault is not None:
            raise self._failed(flusher.fault)

    def _flushed(self, change: Callable[[sqlite3.Connection], _T]) -> _T:
        """A commit that the disk has on return."""
        if self._flusher is None:
            raise self._failed(None)
        with self._errors():
            with self._writing:
                result = in_transaction(self._connection, change)
                self._commits += 1
            self._flusher.flush()
        return result

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, OverflowError, sqlite3.Error) as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception | None) -> JournalError:
        why = "it is closed" if error is None else _why(error)
        failed = JournalError(f"{self.path}: cannot be written: {why}; make room, or use another disk")
        failed.is_full = error is not None and is_full(error)
        return failed


def connected(path: Path, *pragmas: str) -> sqlite3.Connection:
    """A connection to a database with a write-ahead log, which only the caller writes into the file. pragmas: before
    the log is begun."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (*pragmas, "journal_mode = WAL", "wal_autocheckpoint = 0"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepared(connection: sqlite3.Connection, path: Path, environment: str) -> str:
    """Makes an empty journal, or checks the one that is there; returns its tag. Raises InputError."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    if application_id == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        in_transaction(connection, lambda empty: make_journal(empty, environment, _new_tag(environment)))
    check_journal(connection, path, environment)
    # What a killed session left in the log goes into the file, so that the log begins anew.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return str(connection.execute("SELECT value FROM meta WHERE name = 'tag'").fetchone()[0])


def _new_tag(environment: str) -> str:
    return LETTERS[environment] + "".join(secrets.choice(_SIGNS) for _ in range(_TAG_LENGTH))


def make_journal(connection: sqlite3.Connection, environment: str, tag: str) -> None:
    """Makes the tables of a journal in an empty database."""
    for statement in definitions():
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", [("environment", environment), ("tag", tag)])


def insert_run(connection: sqlite3.Connection, number: int, run: RunRow) -> None:
    """Adds a run."""
    connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", (number, *run))


def insert_legs(connection: sqlite3.Connection, run: int, legs: Sequence[LegRow]) -> None:
    """Adds the legs of a run."""
    rows = [(run, no, *leg) for no, leg in enumerate(legs)]
    connection.executemany("INSERT INTO legs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def insert_end(connection: sqlite3.Connection, run: int, ended_ns: int, outcome: str) -> None:
    """Adds the end of a run, unless it has one."""
    connection.execute("INSERT OR IGNORE INTO run_ends VALUES (?, ?, ?)", (run, ended_ns, outcome))


def check_journal(connection: sqlite3.Connection, path: Path, environment: str) -> None:
    """Raises InputError for another kind of file, another version, and the journal of another environment."""
    advice = "name a dry-run's folder" if environment == DRY_RUN else "choose another live.state_directory"
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise InputError(f"{path}: is no journal of arb: {advice}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise InputError(
            f"{path}: has version {version} of the journal, and this arb writes {VERSION}: use the arb that made it, "
            f"or {advice}"
        )
    found = connection.execute("SELECT value FROM meta WHERE name = 'environment'").fetchone()
    if found is None or found[0] != environment:
        raise InputError(
            f"{path}: is the journal of {found[0] if found else 'no environment'}, and not of {environment}: {advice}"
        )


def in_transaction(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], _T]) -> _T:
    """Commits a change, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = change(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _unusable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: cannot be used: {_why(error)}; choose another live.state_directory")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
