"""The file of the alerts of an environment, or of a watcher: which states hold, and which messages a channel has not
accepted yet.

A guard or a watcher that dies leaves both as they are; the next one goes on. What a session says is taken once, by its
number, and the message of an end has the id of its beginning, so that what is said twice makes one message. Any thread,
and guards of two sessions for a moment.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from arb.alerts.message import AT_ONCE, USUAL, Origin, Terms, Transition, message_of, with_count

#: Name of the file, in the environment's folder of the state directory.
ALERTS_DB = "alerts.db"
#: Most messages that wait for a channel; beyond it the oldest are dropped.
WAITING_MAX = 1_000
#: Of alarms so many are kept, those that changed last.
_ALARMS_MAX = 5_000
#: How long another process may use the file.
_BUSY_S = 2.0
_DEFINITIONS = """
CREATE TABLE IF NOT EXISTS taken (session TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS states
(rule TEXT PRIMARY KEY, id TEXT NOT NULL, since_ns INTEGER NOT NULL, text TEXT NOT NULL, terms TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (no INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS waiting (channel TEXT NOT NULL, no INTEGER NOT NULL, PRIMARY KEY (channel, no));
CREATE TABLE IF NOT EXISTS begun (rule TEXT PRIMARY KEY, at_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS held (rule TEXT PRIMARY KEY, id TEXT NOT NULL, count INTEGER NOT NULL,
begin_body TEXT NOT NULL, end_body TEXT NOT NULL, terms TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS watched (one INTEGER PRIMARY KEY CHECK (one = 1), at_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS alarms (place TEXT NOT NULL, rule TEXT NOT NULL, at_ns INTEGER NOT NULL, text TEXT NOT NULL,
is_over INTEGER NOT NULL, begun INTEGER NOT NULL, PRIMARY KEY (place, rule));
CREATE TABLE IF NOT EXISTS sender (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL);
"""
_T = TypeVar("_T")


class Waiting(NamedTuple):
    """A message that a channel has not accepted. no: in the order of their making."""

    no: int
    message: dict[str, Any]


class State(NamedTuple):
    """A state that begins."""

    id: str
    rule: str
    text: str
    since_ns: int
    terms: Terms


class Alarm(NamedTuple):
    """The last beginning or end of a state of a session. begun: how often it has begun."""

    rule: str
    at_ns: int
    text: str
    is_over: bool
    begun: int


#: Alarms by whose they are (`Origin.place`) and rule.
Alarms: TypeAlias = dict[str, dict[str, Alarm]]


class Known(NamedTuple):
    """states: those that hold, by scope and rule, with when they began; taken: the last number by session; watched_ns:
    until when a watcher has looked, 0: none has."""

    states: dict[str, int]
    taken: dict[str, int]
    watched_ns: int
    alarms: Alarms


class AlertStore:
    """See the module."""

    def __init__(
        self, path: Path, channels: Sequence[str] | None, warn: Callable[[str], None], every_ns: int = 0
    ) -> None:
        """channels: their names; None: of whoever only reads. warn: receives a line if the file cannot be used: states
        and messages are then in memory, and end with the process. Messages for other channels are dropped. every_ns:
        the beginning of a state is reported at most once in so long; what follows sooner is held, and reported then
        (`release`)."""
        self._channels = tuple(channels or ())
        self._every_ns = every_ns
        self._warn = warn
        self._lock = threading.RLock()
        self._is_in_memory = False
        self._db = _opened(":memory:")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._db = _opened(str(path))
        except (OSError, sqlite3.Error) as error:
            self._use_memory(error)
        if channels is not None:
            self._do(self._forget_channels)

    def take(self, origin: Origin, transition: Transition, now_ns: int, terms: Terms = USUAL) -> None:
        """Takes what a session says; nothing if it was taken before."""

        def change(db: sqlite3.Connection) -> None:
            last = db.execute("SELECT number FROM taken WHERE session = ?", (origin.id,)).fetchone()
            if last is not None and transition.number <= last[0]:
                return
            db.execute("INSERT OR REPLACE INTO taken VALUES (?, ?)", (origin.id, transition.number))
            if transition.keeps is not None:
                for (rule,) in db.execute("SELECT rule FROM states").fetchall():
                    if rule not in transition.keeps:
                        self._end(db, origin, rule.removeprefix(origin.scope), now_ns, "")
            elif transition.is_over:
                self._end(db, origin, transition.rule, now_ns, transition.text)
            else:
                new = f"{origin.id}-{transition.number}"
                state = State(new, transition.rule, transition.text, transition.since_ns, terms)
                self._begin(db, origin, state, now_ns)

        self._do(change)

    def begin(
        self,
        origin: Origin,
        rule: str,
        text: str,
        now_ns: int,
        terms: Terms = USUAL,
        since_ns: int | None = None,
    ) -> None:
        """A state that the guard itself, or a watcher, has found; nothing while it holds. since_ns: if not now."""
        new = f"{origin.id}-{rule}-{now_ns}"
        state = State(new, rule, text, now_ns if since_ns is None else since_ns, terms)
        self._do(lambda db: self._begin(db, origin, state, now_ns))

    def end(self, origin: Origin, rule: str, now_ns: int, text: str = "") -> None:
        """Such a state is over; nothing unless it holds. text: why; "": that of its beginning."""
        self._do(lambda db: self._end(db, origin, rule, now_ns, text))

    def known(self) -> Known:
        """What a watcher that was killed goes on with."""

        def read(db: sqlite3.Connection) -> Known:
            found = db.execute("SELECT at_ns FROM watched").fetchone()
            return Known(
                dict(db.execute("SELECT rule, since_ns FROM states").fetchall()),
                dict(db.execute("SELECT session, number FROM taken").fetchall()),
                0 if found is None else found[0],
                _alarms(db),
            )

        return self._do(read)

    def watched(self, now_ns: int) -> None:
        """A watcher has looked at everything until now."""
        self._do(lambda db: db.execute("INSERT OR REPLACE INTO watched VALUES (1, ?)", (now_ns,)))

    def next(self, channel: str) -> Waiting | None:
        """The oldest message that a channel has not accepted."""

        def read(db: sqlite3.Connection) -> Waiting | None:
            found = db.execute(
                "SELECT no, body FROM messages JOIN waiting USING (no) WHERE channel = ? ORDER BY no LIMIT 1",
                (channel,),
            ).fetchone()
            return None if found is None else Waiting(found[0], json.loads(found[1]))

        return self._do(read)

    def accepted(self, channel: str, no: int) -> None:
        """A channel has accepted a message: it is not sent there again."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM waiting WHERE channel = ? AND no = ?", (channel, no))
            _forget_accepted(db)

        self._do(change)

    def release(self, now_ns: int) -> None:
        """Reports the states that were held, once their time is over."""
        self._do(lambda db: self._release(db, now_ns))

    def waiting(self) -> int:
        """How many messages wait, for all channels, and states are held."""
        counts = "SELECT (SELECT COUNT(*) FROM waiting) + (SELECT COUNT(*) FROM held)"
        count: int = self._do(lambda db: db.execute(counts).fetchone()[0])
        return count

    def least_waiting(self) -> int:
        """How many messages wait for the channel for which the fewest do."""
        counts = "SELECT channel, COUNT(*) FROM waiting GROUP BY channel"
        found: dict[str, int] = self._do(lambda db: dict(db.execute(counts).fetchall()))
        return min((found.get(channel, 0) for channel in self._channels), default=0)

    def holding(self) -> list[str]:
        """The rules whose states hold."""
        return self._do(
            lambda db: [rule for (rule,) in db.execute("SELECT rule FROM states ORDER BY since_ns")]
        )

    def name_sender(self, name: str) -> None:
        """From now on this guard sends; the one before looks at `sender`, and stops."""
        self._do(lambda db: db.execute("INSERT OR REPLACE INTO sender VALUES (1, ?)", (name,)))

    def sender(self) -> str:
        """The guard that is to send."""
        found = self._do(lambda db: db.execute("SELECT name FROM sender").fetchone())
        return "" if found is None else found[0]

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    # -- inside a transaction

    def _begin(self, db: sqlite3.Connection, origin: Origin, state: State, now_ns: int) -> None:
        key = origin.scope + state.rule
        if db.execute("SELECT 1 FROM states WHERE rule = ?", (key,)).fetchone():
            return
        terms = msgspec.json.encode(state.terms).decode()
        db.execute(
            "INSERT INTO states VALUES (?, ?, ?, ?, ?)", (key, state.id, state.since_ns, state.text, terms)
        )
        _note_alarm(db, origin, Alarm(state.rule, now_ns, state.text, is_over=False, begun=1))
        self._release(db, now_ns)
        message = message_of(
            origin, state.id, state.rule, state.text, state.since_ns, now_ns, is_over=False, terms=state.terms
        )
        reported = db.execute("SELECT at_ns FROM begun WHERE rule = ?", (key,)).fetchone()
        is_at_once = state.rule in AT_ONCE or reported is None
        if is_at_once or not self._is_soon(reported[0], now_ns, state.terms):
            self._report(db, key, message, now_ns, state.terms)
            return
        count = db.execute("SELECT IFNULL(SUM(count), 0) FROM held WHERE rule = ?", (key,)).fetchone()[0]
        values = key, state.id, count + 1, json.dumps(message), "", terms
        db.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)", values)

    def _end(self, db: sqlite3.Connection, origin: Origin, rule: str, now_ns: int, text: str) -> None:
        key = origin.scope + rule
        found = db.execute("SELECT id, since_ns, text, terms FROM states WHERE rule = ?", (key,)).fetchone()
        if found is None:
            return
        begun, since_ns, before, written = found
        terms = msgspec.json.decode(written, type=Terms)
        db.execute("DELETE FROM states WHERE rule = ?", (key,))
        _note_alarm(db, origin, Alarm(rule, now_ns, text or before, is_over=True, begun=0))
        message = message_of(
            origin, f"{begun}-over", rule, text or before, since_ns, now_ns, is_over=True, terms=terms
        )
        values = json.dumps(message), key, begun
        if not db.execute("UPDATE held SET end_body = ? WHERE rule = ? AND id = ?", values).rowcount:
            self._add(db, message, terms)

    def _is_soon(self, reported_ns: int, now_ns: int, terms: Terms) -> bool:
        # A clock that was set back does not hold anything.
        every_ns = self._every_ns if terms.every_ns is None else terms.every_ns
        return 0 <= now_ns - reported_ns < every_ns

    def _release(self, db: sqlite3.Connection, now_ns: int) -> None:
        rows = "SELECT rule, at_ns, count, begin_body, end_body, terms FROM held JOIN begun USING (rule) ORDER BY at_ns"
        for key, reported_ns, count, begin, end, written in db.execute(rows).fetchall():
            terms = msgspec.json.decode(written, type=Terms)
            if not self._is_soon(reported_ns, now_ns, terms):
                db.execute("DELETE FROM held WHERE rule = ?", (key,))
                self._report(db, key, with_count(json.loads(begin), count), now_ns, terms)
                if end:
                    self._add(db, json.loads(end), terms)

    def _report(
        self, db: sqlite3.Connection, key: str, begin: dict[str, Any], now_ns: int, terms: Terms
    ) -> None:
        """The message of a beginning; from now on others of the state are held for a while."""
        db.execute("INSERT OR REPLACE INTO begun VALUES (?, ?)", (key, now_ns))
        self._add(db, begin, terms)

    def _add(self, db: sqlite3.Connection, message: dict[str, Any], terms: Terms) -> None:
        no = db.execute("INSERT INTO messages (body) VALUES (?)", (json.dumps(message),)).lastrowid
        for channel in self._channels:
            if terms.channels and channel not in terms.channels:
                continue
            db.execute("INSERT INTO waiting VALUES (?, ?)", (channel, no))
            over = db.execute(
                "DELETE FROM waiting WHERE channel = ? AND no IN (SELECT no FROM waiting WHERE channel = ? "
                "ORDER BY no DESC LIMIT -1 OFFSET ?)",
                (channel, channel, WAITING_MAX),
            ).rowcount
            if over:
                self._warn(
                    f"alerts: {channel}: more than {WAITING_MAX:,} messages wait: the oldest is dropped"
                )
        _forget_accepted(db)

    def _forget_channels(self, db: sqlite3.Connection) -> None:
        places = ", ".join("?" * len(self._channels))
        db.execute(f"DELETE FROM waiting WHERE channel NOT IN ({places})", self._channels)
        _forget_accepted(db)

    # -- the file

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Does it in a transaction; in memory if the file fails."""
        with self._lock:
            try:
                return self._in_transaction(work)
            except sqlite3.Error as error:
                if self._is_in_memory:
                    raise
                self._use_memory(error)
                return self._in_transaction(work)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            found = work(self._db)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return found

    def _use_memory(self, error: Exception) -> None:
        """Goes on with a copy in memory, if the file can be read."""
        self._warn(f"alerts: {ALERTS_DB} cannot be used ({error}): what is not sent ends with the guard")
        file, self._is_in_memory = self._db, True
        self._db = _opened(":memory:")
        try:
            if file.in_transaction:
                file.execute("ROLLBACK")
            file.backup(self._db)
            file.close()
        except sqlite3.Error:
            self._db = _opened(":memory:")


def read_alarms(state: Path, but: Path | None = None) -> list[Alarms]:
    """The alarms in the files of guards and watchers in a state directory, of which nothing is changed; none of a file
    that cannot be read. but: a folder in it that is left out."""
    return [_read(path) for path in sorted(state.glob(f"*/{ALERTS_DB}")) if path.parent != but]


def _read(path: Path) -> Alarms:
    # Nobody uses a file without a log; a folder that may not be written to cannot get one.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_BUSY_S)
        try:
            return _alarms(db)
        finally:
            db.close()
    except sqlite3.Error:
        return {}


def _alarms(db: sqlite3.Connection) -> Alarms:
    found: Alarms = {}
    for place, *alarm in db.execute("SELECT place, rule, at_ns, text, is_over, begun FROM alarms"):
        rule, at_ns, text, is_over, begun = alarm
        found.setdefault(place, {})[rule] = Alarm(rule, at_ns, text, bool(is_over), begun)
    return found


def _note_alarm(db: sqlite3.Connection, origin: Origin, alarm: Alarm) -> None:
    db.execute(
        "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (place, rule) DO UPDATE SET "
        "at_ns = excluded.at_ns, text = excluded.text, is_over = excluded.is_over, begun = begun + excluded.begun",
        (origin.place, *alarm),
    )
    db.execute(
        "DELETE FROM alarms WHERE rowid IN (SELECT rowid FROM alarms ORDER BY at_ns DESC LIMIT -1 OFFSET ?)",
        (_ALARMS_MAX,),
    )


def _forget_accepted(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM messages WHERE no NOT IN (SELECT no FROM waiting)")


def _opened(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    # What a killed process has committed is there; only a power failure may take the last of it.
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.executescript(_DEFINITIONS)
    return db
