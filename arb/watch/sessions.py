"""What the watcher knows of each run: `Sessions` finds the folders, a `WatchedSession` follows the files of one.

Call `Sessions.poll` a few times a second. Files are opened only if their size or inode has changed. Reads alone; one
thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from arb.alerts.store import Alarm
from arb.errors import InputError
from arb.results.event_log import START, LoggedEvent, Position, event_file, read_events
from arb.results.evidence import MANIFEST, SESSION_LOCK
from arb.results.runs import KILLED, RUNNING, UNREADABLE, Run, candidates, run_of, running
from arb.results.series import SERIES, SeriesHead, read_series, row_type
from arb.results.status import STATUS, Status, read_status
from arb.watch.thinning import LastRows, ThinnedRows
from connectors.units import SECOND

log = logging.getLogger(__name__)

#: Interval of `poll`, and of looks for new folders and for what has become of silent sessions.
POLL_S, SCAN_S = 0.25, 1.0
#: Events that are kept of a session: those of its trading, and all others.
TRADING_MAX, OTHERS_MAX = 4_000, 2_000
#: Kinds of events that are trading.
TRADING = frozenset(
    {
        *("attempt", "order", "fill", "funding", "chase", "reverse", "opportunity", "refused", "rejected"),
        *("expired", "hedged", "missed", "reversed", "imbalance", "residual", "uncounted", "flatten"),
        *("hedge", "halted", "lost"),
    }
)
#: Sessions that have ended whose events and series are kept, those that were asked for last.
LOADED_MAX = 4
#: A session whose status is older is looked at: it may have been killed.
_FRESH_S = 2.0
#: A lock file that is younger may be one that its session is about to lock.
_NEW_S = 5.0
#: After a file that cannot be read.
_AGAIN_S = 5.0
#: Read at once of the series, and steps of a poll.
_BLOCK, _STEPS = 4 << 20, 8


class Listener(Protocol):
    """Receives what is new of every session that is followed, in order, also what was written before the watcher."""

    def on_status(self, session: WatchedSession, status: Status) -> None:
        """A status that was not read before; some may have been replaced unread."""

    def on_events(self, session: WatchedSession, events: Sequence[LoggedEvent]) -> None:
        """Events: every one since the session's start once, as long as this watcher lives."""


class WatchedSession:
    """One run folder.

    run: its line in the list. status: the last one, None before the first. summary: of `summary.json`, once it has
    ended. trading, others: its last events, by whether their kind is in TRADING; counts: of all events since its start,
    by kind; missed: opportunities that were not taken, by reason. head, thinned, last: its series, None before the
    first row. problem: why one of its files is not read, "" if all are.
    alarms: of guard and watcher, by rule; whoever finds them sets them.
    """

    def __init__(self, folder: Path, name: str, run: Run) -> None:
        self.folder, self.name, self.run = folder, name, run
        self.status: Status | None = None
        self.summary: dict[str, Any] | None = None
        self.problem = ""
        self.alarms: Mapping[str, Alarm] = {}
        self._status_mark: tuple[int, ...] = ()
        self._manifest_mark: tuple[int, ...] = ()
        self._looked_ns = 0
        self.clear()

    def clear(self) -> None:
        """Forgets its events and series."""
        self.trading: deque[LoggedEvent] = deque(maxlen=TRADING_MAX)
        self.others: deque[LoggedEvent] = deque(maxlen=OTHERS_MAX)
        self.counts: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.events_read = 0
        self.head: SeriesHead | None = None
        self.thinned: ThinnedRows | None = None
        self.last: LastRows | None = None
        self._position: Position = START
        self._offset = self._series_inode = 0
        self._again_ns = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is written any more: its folder is complete, or it was killed."""
        return bool(self._manifest_mark) or self.run.state == KILLED

    @property
    def ended_ns(self) -> int:
        """When its folder was completed, of this machine; 0: it is not."""
        return self._manifest_mark[2] if self._manifest_mark else 0

    @property
    def is_loaded(self) -> bool:
        """Whether it holds events or series."""
        return bool(self.events_read or self.head)

    def look(self, now_ns: int) -> bool:
        """Reads status, or manifest and summary if they are new; whether it is still the folder of a run."""
        manifest = _mark(self.folder / MANIFEST)
        if manifest:
            if manifest != self._manifest_mark:
                self._manifest_mark = manifest
                self.run = run_of(self.folder) or self.run
                self.summary = _summary(self.folder)
            return True
        self._manifest_mark = ()
        lock_ns = _modified_ns(self.folder / SESSION_LOCK)
        if not lock_ns:
            return False
        try:
            self._read_status()
        except InputError as error:
            self.run = Run(self.folder, "", "", UNREADABLE, (), None, None, str(error))
            return True
        if self.status is not None and now_ns - self.status.time_ns < _FRESH_S * SECOND:
            self.run = running(self.folder, self.status)
        elif now_ns - lock_ns > _NEW_S * SECOND and now_ns - self._looked_ns >= SCAN_S * SECOND:
            self._looked_ns = now_ns
            self.run = run_of(self.folder) or self.run
        return True

    def read(self, now_ns: int, listeners: Sequence[Listener] = ()) -> bool:
        """Reads what is new of events and series, some megabytes at most; whether there may be more."""
        if now_ns < self._again_ns:
            return False
        try:
            is_more = self._read_events(listeners)
            is_more = self._read_series() or is_more
        except (InputError, OSError) as error:
            self.problem = str(error)
            self._again_ns = now_ns + round(_AGAIN_S * SECOND)
            return False
        self.problem = ""
        return is_more

    def _read_status(self) -> None:
        mark = _mark(self.folder / STATUS)
        if not mark or mark == self._status_mark:
            return
        self._status_mark = mark
        self.status = read_status(self.folder)

    def _read_events(self, listeners: Sequence[Listener]) -> bool:
        for _ in range(_STEPS):
            before, size = self._position, _size(self.folder / event_file(self._position.file_no))
            if size < before.offset:  # another session's folder of the same name
                self.clear()
                continue
            following = self.folder / event_file(before.file_no + 1)
            if size == before.offset and not following.exists():
                return False
            events, self._position = read_events(self.folder, before)
            for event in events:
                (self.trading if event.event in TRADING else self.others).append(event)
                self.counts[event.event] += 1
                if event.event == "opportunity" and (reason := event.data.get("reason")) != "taken":
                    self.missed[str(reason)] += 1
            self.events_read += len(events)
            if events:
                for listener in listeners:
                    listener.on_events(self, events)
            if self._position == before:
                return False
        return True

    def _read_series(self) -> bool:
        for _ in range(_STEPS):
            mark = _mark(self.folder / SERIES)
            if not mark or mark[1] == self._offset:
                return False
            if mark[0] != self._series_inode or mark[1] < self._offset:
                self.head, self._offset, self._series_inode = None, 0, mark[0]
            found = read_series(self.folder, self._offset, _BLOCK)
            if found is None:
                return False
            if self.head is None:
                self.head = found.head
                dtype = row_type(len(found.head.legs), len(found.head.edges))
                self.thinned, self.last = ThinnedRows(dtype), LastRows(dtype)
            if found.offset == self._offset or self.thinned is None or self.last is None:
                return False
            self._offset = found.offset
            self.thinned.add(found.rows)
            self.last.add(found.rows)
        return True

    def repeat(self, listener: Listener, *, is_whole: bool = False) -> None:
        """Gives a listener the events that were read so far; is_whole: all of its files. Raises InputError."""
        position, number = START, 0
        while is_whole or number < self.events_read:
            events, position = read_events(self.folder, position)
            if not events:
                return
            number = events[-1].number
            listener.on_events(self, [one for one in events if is_whole or one.number <= self.events_read])

    def know_status(self) -> None:
        """Reads the last status of one that was over when it was found."""
        with contextlib.suppress(InputError):  # of another format, or damaged: the summary has the figures
            self._read_status()

    def load(self) -> None:
        """Reads all of its files at once, for one that is over."""
        self.know_status()
        while self.read(time.time_ns()):
            pass


class Sessions:
    """All runs below some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = list(folders)
        self._by_folder: dict[Path, WatchedSession] = {}
        self._scanned_ns = 0
        #: Those that are over whose files were read, the last asked for last.
        self._loaded: dict[str, None] = {}
        self.listeners: list[Listener] = []
        #: Why a folder cannot be listed, by folder.
        self.problems: dict[str, str] = {}

    def __iter__(self) -> Iterator[WatchedSession]:
        """The sessions, oldest first."""
        return iter(sorted(self._by_folder.values(), key=lambda one: (one.run.began, one.name)))

    def get(self, name: str) -> WatchedSession | None:
        """The session of a name, as it is."""
        return next((one for one in self._by_folder.values() if one.name == name), None)

    def named(self, name: str) -> WatchedSession | None:
        """The same; one that is over is read if it was not."""
        found = self.get(name)
        if found is not None and found.is_over:
            if not found.is_loaded:
                found.load()
            self._keep_loaded(found)
        return found

    def poll(self, now_ns: int | None = None) -> bool:
        """Reads what is new; whether there may be more to read at once. now_ns: of this machine's clock."""
        now_ns = time.time_ns() if now_ns is None else now_ns
        if abs(now_ns - self._scanned_ns) >= SCAN_S * SECOND:
            self._scanned_ns = now_ns
            self._scan(now_ns)
        is_more = False
        for session in list(self._by_folder.values()):
            if session.is_over and not (session.problem and session.is_loaded):
                continue  # what could not be read to its end is tried again
            before, state = session.status, session.run.state
            if not session.look(now_ns):
                del self._by_folder[session.folder]
                continue
            if session.run.state != state:
                log.info("run=%s state=%s was=%s", session.name, session.run.state, state)
            if session.is_over and not session.is_loaded:
                continue
            is_more_of_it = session.read(now_ns, self.listeners)
            if session.status is not None and session.status is not before:
                for listener in self.listeners:
                    listener.on_status(session, session.status)
            if session.is_over:  # just now: what it wrote last is read to its end
                while is_more_of_it:
                    is_more_of_it = session.read(now_ns, self.listeners)
                self._keep_loaded(session)
            is_more = is_more or is_more_of_it
        return is_more

    def join(self, listener: Listener) -> None:
        """A further listener: it is given the events so far of sessions that go on."""
        self.listeners.append(listener)
        for session in self:
            if not session.is_over:
                with contextlib.suppress(InputError):  # it is the session's problem, and on the page
                    session.repeat(listener)

    def _scan(self, now_ns: int) -> None:
        """Finds new folders, and those that are gone or were written again."""
        self.problems = {}
        seen: set[Path] = set()
        for root in self._folders:
            try:
                seen.update(candidates(root))
            except InputError as error:
                self.problems[str(root)] = str(error)
        for folder in seen - self._by_folder.keys():
            if not os.access(folder, os.R_OK | os.X_OK):
                self.problems[str(folder)] = f"{folder}: cannot be read: you may not open it"
            is_complete = bool(_mark(folder / MANIFEST))
            if is_complete or _mark(folder / SESSION_LOCK):
                self._by_folder[folder] = session = self._new(folder)
                if is_complete:
                    session.look(now_ns)
        for folder, session in list(self._by_folder.items()):
            if folder not in seen or (session.is_over and not session.look(now_ns)):
                del self._by_folder[folder]

    def _new(self, folder: Path) -> WatchedSession:
        names = {one.name for one in self._by_folder.values()}
        name, number = folder.resolve().name or "run", 1
        while name in names:
            number += 1
            name = f"{folder.resolve().name}~{number}"
        return WatchedSession(folder, name, Run(folder, "", "", RUNNING, (), None, None, "it is starting"))

    def _keep_loaded(self, session: WatchedSession) -> None:
        self._loaded.pop(session.name, None)
        self._loaded[session.name] = None
        while len(self._loaded) > LOADED_MAX:
            name = next(iter(self._loaded))
            del self._loaded[name]
            for one in self._by_folder.values():
                if one.name == name and one.is_over:
                    one.clear()


def _mark(path: Path) -> tuple[int, ...]:
    """Inode, size and time of a file; empty if there is none, or it may not be looked at. To open what is no file, as a
    pipe, could hold up the watcher."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    if not stat.S_ISREG(found.st_mode):
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _size(path: Path) -> int:
    mark = _mark(path)
    return mark[1] if mark else 0


def _modified_ns(path: Path) -> int:
    mark = _mark(path)
    return mark[2] if mark else 0


def _summary(folder: Path) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode((folder / "summary.json").read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None
    return found if isinstance(found, dict) else None
