"""A session's state on disk while it runs, so that a killed session can also be replayed.

One SQLite file: the manifest's head, then an entry each second with the data since the entry before; of a dry-run also
the rows of its orders, in the tables of a journal (`arb.journal.schema`). An entry is taken between two calls of the
strategy, so that its parts are consistent, and is one commit with its rows. The kernel has a commit when it returns: a
kill loses none. Nothing is synced: a power failure may spoil the file.

Another file is the lock of the session's folder: only its holder may write there. The kernel releases the lock when the
process ends, for whatever reason. It is not the database: SQLite's locks on that are lost when its process closes the
file anywhere else, so nothing here opens it but SQLite.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.bot.account import CHARGE
from arb.bot.fills import FILL
from arb.bot.recorder import DECISION, RECORD
from arb.engine.world import ANSWER
from arb.errors import InputError
from arb.files import lock, try_lock
from arb.journal.journal import connected, in_transaction, insert_end, insert_legs, insert_run, make_journal
from arb.journal.schema import DRY_RUN, DRY_RUN_TAG, INTENTS, NOTES, Intent, Note
from arb.results.evidence import SESSION_DB, SESSION_LOCK
from arb.runtime.live_files import REQUEST, RESPONSE
from arb.runtime.order_tables import OrderTables
from arb.runtime.snapshot import Snapshot

#: The number of a session in its own file.
_RUN = 1
_INSERTS = {table.row: table.insert() for table in (INTENTS, *NOTES)}
#: What becomes of the orders that work when a session ends.
_PULLED = "the session ended"


class Entry(Snapshot, frozen=True, kw_only=True):
    """A snapshot with what the strategy did. Rows, as those of marks, are those since the entry before."""

    start_ts: int
    answers: bytes
    fills: bytes
    charges: bytes
    decisions: bytes
    records: bytes
    #: The state of every leg, of dtype RECORD.
    final: bytes
    refusals: dict[str, dict[str, int]]
    #: Of a session whose orders a gateway answered: rows of `live_files.REQUEST` and `RESPONSE`.
    requests: bytes = b""
    responses: bytes = b""


class SessionContent(NamedTuple):
    """A session up to its last entry. fills: of dtype FILL. charges: of dtype CHARGE. final: of all legs."""

    head: dict[str, Any]
    start_ts: int
    snapshot: Snapshot
    answers: Any
    fills: Any
    charges: Any
    decisions: Any
    #: (row, leg), of dtype RECORD.
    records: Any
    final: Any
    refusals: dict[str, dict[str, int]]
    #: Of dtypes `live_files.REQUEST` and `RESPONSE`.
    requests: Any
    responses: Any
    #: Number of entries.
    entries: int


class SessionStore:
    """Writes the file of one session and holds the folder's lock until `close`. One thread."""

    def __init__(self, folder: Path, head: Mapping[str, Any], tables: OrderTables | None) -> None:
        """head: the manifest's fields about code and configuration. tables: of a dry-run.

        Raises InputError for files that cannot be written, or exist.
        """
        self.path = folder / SESSION_DB
        #: Rows of the journal's tables that are not committed, of which so many are in the transaction.
        self.rest: list[Intent | Note] = []
        self._inserted = 0
        self._encoder = msgspec.msgpack.Encoder()
        self._connection: sqlite3.Connection | None = None
        with self._naming_the_file():
            self._lock = (folder / SESSION_LOCK).open("xb")
        try:
            with self._naming_the_file():
                # If another process locked the file first, it finds no entry and releases it at once.
                lock(self._lock)
                self._connection = connected(self.path, "synchronous = OFF")
                in_transaction(self._connection, lambda empty: _begin(empty, head, tables))
        except BaseException:
            self.close()
            raise

    def write(self, entry: Entry, rows: Sequence[Intent | Note]) -> None:
        """Commits an entry, rows of the journal's tables, and what was added; the kernel has them on return.

        Raises InputError; then nothing of it is in the file.
        """
        with self._changing(rows) as connection:
            content = self._encoder.encode(entry)
            connection.execute("INSERT INTO entries (content) VALUES (?)", (content,))
            connection.execute("COMMIT")
        self.rest, self._inserted = [], 0

    def add(self, rows: Sequence[Intent | Note]) -> None:
        """Adds rows to what the next entry commits, and prepares for that. Raises InputError."""
        with self._naming_the_file():
            if self._connection is not None and not self._connection.in_transaction:
                # The log begins anew with each entry: it stays short, and no entry has to wait for this.
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        with self._changing(rows):
            pass

    @contextlib.contextmanager
    def _changing(self, rows: Sequence[Intent | Note]) -> Iterator[sqlite3.Connection]:
        """Inside the context a transaction is open, with these rows and all that are not committed."""
        self.rest += rows
        with self._naming_the_file():
            connection = self._connection
            if connection is None:
                raise OSError(0, "it is closed")
            try:
                if not connection.in_transaction:
                    connection.execute("BEGIN IMMEDIATE")
                    self._inserted = 0
                _insert_rows(connection, self.rest[self._inserted :])
                self._inserted = len(self.rest)
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Closes the file and releases the lock. May be called repeatedly."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        self._lock.close()

    @contextlib.contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except (OSError, OverflowError, sqlite3.Error) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise InputError(
                f"{self.path}: cannot be written: {why}; make room, or name another folder with --out"
            ) from None


@contextlib.contextmanager
def held_folder(folder: Path) -> Iterator[bool]:
    """Inside the context the caller holds the folder of a session that ended early; yields False for any other.

    Raises InputError while its session or another process that finishes its folder holds it, and for a lock that
    cannot be opened.
    """
    path = folder / SESSION_LOCK
    try:
        file = path.open("r+b")  # some file systems only lock files opened for writing
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        try:
            is_ours = try_lock(file)
        except OSError as error:
            raise InputError(f"{path}: cannot be locked: {error.strerror}") from None
        if not is_ours:
            raise InputError(
                f"{folder}: its session still runs, or another arb verify finishes it; "
                "run arb verify when that has ended"
            )
        # The previous holder may have finished the folder and removed the lock.
        yield os.fstat(file.fileno()).st_nlink > 0


def read_store(path: Path) -> SessionContent:
    """Reads a session's file, also while it runs. Raises InputError for an unreadable one, or one without an entry."""
    try:
        head, entries = _stored(path)
        if head is None or not entries:
            raise InputError(
                f"{path}: the session was killed before it had kept anything; there is nothing to verify"
            )
        return _content(head, entries)
    except (sqlite3.Error, ValueError, msgspec.DecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def orders_file(path: Path, rest: Iterable[Intent | Note], outcome: str, ended_ns: int) -> bytes | None:
    """The content of a file with the journal's tables of an ended dry-run; None for a session without them.

    path: of its session's file. rest: rows that are not in that. Orders that still work end with the session. Raises
    InputError if it cannot be read.
    """
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(":memory:", uri=True, isolation_level=None)) as made:
            made.execute("ATTACH ? AS session", (f"{path.absolute().as_uri()}?mode=rw",))
            if not made.execute("SELECT count(*) FROM session.runs").fetchone()[0]:
                return None
            made.execute("BEGIN")
            _fill_tables(made, rest, outcome, ended_ns)
            made.execute("COMMIT")
            made.execute("DETACH session")
            return made.serialize()
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _begin(connection: sqlite3.Connection, head: Mapping[str, Any], tables: OrderTables | None) -> None:
    make_journal(connection, DRY_RUN if tables is not None else head["environment"], DRY_RUN_TAG)
    connection.execute("CREATE TABLE entries (entry INTEGER PRIMARY KEY, content BLOB NOT NULL)")
    connection.execute("INSERT INTO meta VALUES ('head', ?)", (json.dumps(head),))
    if tables is not None:
        insert_run(connection, _RUN, tables.run)
        insert_legs(connection, _RUN, tables.legs)


def _insert_rows(connection: sqlite3.Connection, rows: Iterable[Intent | Note]) -> None:
    by_kind: dict[type, list[Intent | Note]] = {}
    for row in rows:
        by_kind.setdefault(type(row), []).append(row)
    for kind, own in by_kind.items():
        connection.executemany(_INSERTS[kind], own)


def _fill_tables(
    made: sqlite3.Connection, rest: Iterable[Intent | Note], outcome: str, ended_ns: int
) -> None:
    make_journal(made, DRY_RUN, DRY_RUN_TAG)
    for name in ("runs", "legs", INTENTS.name, *(table.name for table in NOTES)):
        made.execute(f"INSERT INTO main.{name} SELECT * FROM session.{name}")
    _insert_rows(made, rest)
    made.execute(
        "INSERT INTO ends SELECT i.run, i.leg, i.placed, ?, 'canceled', 0, ? FROM main.intents i LEFT JOIN main.ends e "
        "ON e.run = i.run AND e.leg = i.leg AND e.placed = i.placed WHERE i.act = 'place' AND e.placed IS NULL",
        (ended_ns, _PULLED),
    )
    insert_end(made, _RUN, ended_ns, outcome)


def _stored(path: Path) -> tuple[dict[str, Any] | None, list[Entry]]:
    """The head, None before it is there, and the entries."""
    if not path.exists():
        return None, []
    decoder = msgspec.msgpack.Decoder(Entry)
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'").fetchone()[0]:
            return None, []
        (head,) = connection.execute("SELECT value FROM meta WHERE name = 'head'").fetchone()
        rows = connection.execute("SELECT content FROM entries ORDER BY entry")
        return json.loads(head), [decoder.decode(content) for (content,) in rows]


def _content(head: dict[str, Any], entries: list[Entry]) -> SessionContent:
    def rows(name: str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        return np.frombuffer(b"".join(getattr(entry, name) for entry in entries), dtype)

    last = entries[-1]
    legs = [
        msgspec.structs.replace(leg, lags=[lag for entry in entries for lag in entry.legs[n].lags])
        for n, leg in enumerate(last.legs)
    ]
    marks = b"".join(entry.marks for entry in entries)
    return SessionContent(
        head=head,
        start_ts=last.start_ts,
        snapshot=msgspec.structs.replace(last, legs=legs, marks=marks),
        answers=rows("answers", ANSWER),
        fills=rows("fills", FILL),
        charges=rows("charges", CHARGE),
        decisions=rows("decisions", DECISION),
        records=rows("records", RECORD).reshape(-1, len(legs)),
        final=np.frombuffer(last.final, RECORD),
        refusals=last.refusals,
        requests=rows("requests", REQUEST),
        responses=rows("responses", RESPONSE),
        entries=len(entries),
    )
