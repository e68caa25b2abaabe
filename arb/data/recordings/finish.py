"""Moves journals into the day's `.gz` as gzip members: each exactly once, even if the process is killed.

1. The journal is compressed into a file without a name.
2. The journal is renamed so that its name contains the length of the `.gz`: the offset of the member.
3. The `.gz` is truncated to that length, the member is appended and synced.
4. The journal is removed.

After a kill before 2, nothing has changed; after a kill between 2 and 4, the next start repeats all steps with the
length in the name. One thread at a time.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from arb.data.recordings.journal import (
    DayKey,
    Dropped,
    Journal,
    all_text,
    find_journals,
    whole_lines,
)
from arb.data.recordings.members import (
    Member,
    append_member,
    compressed,
    cut_text,
    is_being_read,
    whole_members,
)
from arb.data.recordings.sidecar import SEGMENT, Detail, last_length
from arb.files import sync_folder, write_all

REPAIR = "recorder.repair"
#: Temporary files; useless after the process has ended.
_ASIDE = ".journal-aside"

#: Writes an event of a day.
WriteEvent = Callable[[DayKey, str, Detail], None]


class Finisher:
    """The journals that wait to be moved into a `.gz`. Used by the writer thread only, except `add`."""

    def __init__(self, directory: Path, write_event: WriteEvent) -> None:
        """Finds the journals of earlier processes. Raises OSError."""
        for path in directory.glob(f"*/*{_ASIDE}"):
            path.unlink()
        self._directory = directory
        self._write_event = write_event
        self._waiting = find_journals(directory)
        #: Left by an earlier process: their lines are checked.
        self._leftover = {journal.path for journals in self._waiting.values() for journal in journals}
        #: Lengths of the files that this process has verified to be complete.
        self._lengths: dict[Path, int] = {}

    def add(self, journal: Journal) -> None:
        """Queues a complete, closed journal, after the earlier ones of its day."""
        self._waiting.setdefault(journal.key, []).append(journal)

    def last_numbers(self) -> dict[DayKey, int]:
        """The highest number of the waiting journals, by day."""
        return {key: journals[-1].number for key, journals in self._waiting.items()}

    @property
    def count(self) -> int:
        """The number of waiting journals."""
        return sum(map(len, list(self._waiting.values())))

    def run(self, budget_s: float = math.inf) -> bool:
        """Finishes all waiting journals, except for days whose file is being read; True if the time was too short.

        Raises OSError; remaining journals stay queued.
        """
        end_s = time.monotonic() + budget_s
        for key, journals in list(self._waiting.items()):
            while journals and time.monotonic() < end_s and self._finish(journals):
                journals.pop(0)
            if not journals:
                del self._waiting[key]
        return time.monotonic() >= end_s and bool(self._waiting)

    def _finish(self, journals: list[Journal]) -> bool:
        """Finishes the first journal of a day; False if its file is being read."""
        journal = journals[0]
        gz = journal.key.gz(self._directory)
        if is_being_read(gz):
            return False
        length = self._place_of(journal, gz)
        if length is None:
            return False
        saved = self._saved_tail(journal, gz, length)
        if saved is not None:
            journals.insert(0, saved)
            journal = saved
        dropped = Dropped()
        is_leftover = journal.path in self._leftover
        text = whole_lines(journal.path, dropped) if is_leftover else all_text(journal.path)
        with compressed(text, gz.parent) as member:
            journal = journals[0] = self._placed(journal, length)
            end = append_member(gz, length, member if member.frames else None)
        if end is None:
            return False
        self._done(journal, gz, end, member, dropped)
        return True

    def _place_of(self, journal: Journal, gz: Path) -> int | None:
        """The offset of the journal's member in the `.gz`; None while the file is being read."""
        size = gz.stat().st_size if gz.exists() else 0
        if journal.length is not None and journal.length <= size:
            return journal.length
        known = self._lengths.get(gz)
        if known is None:
            known = last_length(journal.key.events(self._directory))
        if size in (0, known):
            return size
        whole = whole_members(gz)
        if whole.ends_line:
            return whole.length
        # The last line of a file by another program would run into our first line.
        with compressed([b"\n"], gz.parent) as newline:
            return append_member(gz, whole.length, newline) if whole.length == whole.size else whole.length

    def _saved_tail(self, journal: Journal, gz: Path, length: int) -> Journal | None:
        """Saves the readable text after `length` in a `.gz` that no journal contains, as a new journal."""
        size = gz.stat().st_size if gz.exists() else 0
        if journal.length is not None or size <= length:
            return None
        saved = journal.key.journal(self._directory, journal.number - 1, length)
        aside = saved.path.with_suffix(_ASIDE)
        handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            for piece in cut_text(gz, length):
                write_all(handle, piece)
            saved_bytes = os.fstat(handle).st_size
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(aside, saved.path)
        sync_folder(gz.parent)
        self._leftover.add(saved.path)
        detail = {
            "what": "cut .gz",
            "gz_bytes": length,
            "cut_bytes": size - length,
            "saved_bytes": saved_bytes,
        }
        self._write_event(journal.key, REPAIR, detail)
        return saved

    def _placed(self, journal: Journal, length: int) -> Journal:
        """Renames the journal to a name with its offset."""
        if journal.length == length:
            return journal
        placed = journal.key.journal(self._directory, journal.number, length)
        os.rename(journal.path, placed.path)
        sync_folder(placed.path.parent)
        if journal.path in self._leftover:
            self._leftover.remove(journal.path)
            self._leftover.add(placed.path)
        return placed

    def _done(self, journal: Journal, gz: Path, end: int, member: Member, dropped: Dropped) -> None:
        if journal.path in self._leftover:
            self._write_event(
                journal.key, REPAIR, {"what": "journal of an earlier process", "file": journal.path.name}
            )
        if dropped.lines:
            detail = {"what": "no whole lines", "lines": dropped.lines, "bytes": dropped.bytes}
            self._write_event(journal.key, REPAIR, {**detail, "first": dropped.first})
        os.unlink(journal.path)
        sync_folder(journal.path.parent)
        self._leftover.discard(journal.path)
        self._lengths[gz] = end
        detail = {"gz_bytes": end, "frames": member.frames, "text_bytes": member.text_bytes}
        self._write_event(journal.key, SEGMENT, {**detail, "journal": journal.number})
