"""The recorder: writes raw frames to `<directory>/<venue>/<symbol>_<YYYYMMDD>.gz`, and events to a sidecar file.

`frame` passes the line to the kernel before it returns, by a write to a journal file: kill -9 loses no received
frame. The recorder's own thread does everything else (compression, syncing, checking the free disk space). Frames
that are not compressed yet are on disk, never in memory. It owns files and no socket.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from arb.data.recordings.finish import Finisher
from arb.data.recordings.journal import VENUE, DayKey
from arb.data.recordings.lock import FolderLock
from arb.data.recordings.sidecar import Detail
from arb.data.recordings.track import ClockError, Place, Segment, Track
from arb.errors import ArbError, InputError, InvariantError
from arb.files import sync_folder, write_all

_GB = 1e9
#: A local time that falls by more than this is reported as an event: the clock was set.
_STEP_NS = 50_000_000
#: A write that took longer than this is reported as an event: the disk delayed the caller.
_STALL_NS = 100_000_000
_TICK_S = 1.0
#: Maximum time spent on finishing journals before other work is done.
_BUDGET_S = 1.0
#: Maximum time that `close` waits for readers of a file that must be finished.
_READERS_S = 10.0

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class NoReserveError(Exception):
    """The free disk space is below the reserve."""


class RecorderState(NamedTuple):
    """Counts of a recorder. `lost_frames`: frames that arrived after it had stopped."""

    frames: int
    frame_bytes: int
    lost_frames: int
    journals_waiting: int
    slowest_write_ns: int
    error: ArbError | None


class Recorder:
    """Records into a folder until `close`. Any thread may call; one recorder per folder.

    The first disk error stops the recording: `error` is set, `on_error` is called once (on the thread with the
    error), and `frame` and `event` have no effect except that lost frames are counted. The files are then complete,
    and the next start continues them.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_s: float = 300.0,
        reserve_gb: float = 1.0,
        fsync_s: float = 10.0,
        versions: Mapping[str, str] | None = None,
        on_error: Callable[[ArbError], None] | None = None,
        finishes_late: bool = False,
        clock: Callable[[], int] = time.time_ns,
        tick_s: float = _TICK_S,
    ) -> None:
        """Locks the folder; journals of earlier processes are finished in the background.

        segment_s: how often journals go into the `.gz`. reserve_gb: recording stops when less of the disk is free.
        fsync_s: how often journals are synced; 0: never. versions: program versions, for every sidecar. clock: time
        of the recorder's own events, ns UTC. finishes_late: journals of a recording that has stopped wait for `close`,
        since compressing them takes room. Raises InputError for a folder that cannot be written, that another
        recorder holds, or on a disk with less than the reserve free.
        """
        self._directory = directory
        self._reserve_gb = reserve_gb
        self._fsync_s = fsync_s
        self._on_error = on_error
        self._finishes_late = finishes_late
        self._clock = clock
        self._tick_s = tick_s
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._is_closed = self._is_put_away = self._is_behind = False
        self._sync_due_s = time.monotonic() + fsync_s
        self._frames = self._bytes = self._lost = self._slowest_ns = 0
        #: By venue and symbol in the callers' spelling.
        self._tracks: dict[tuple[str, str], Track] = {}
        #: The reason why the recording stopped, or None.
        self.error: ArbError | None = None
        with contextlib.ExitStack() as stack:
            folder_lock = self._take_folder()
            stack.callback(folder_lock.release)
            try:
                self._finisher = Finisher(directory, self._write_day_event)
                self._place = Place(directory, segment_s, dict(versions or {}), self._finisher.last_numbers())
                self._make_room()
            except (OSError, NoReserveError) as error:
                raise _reason(error, directory) from None
            stack.pop_all()
        self._folder_lock = folder_lock
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frame(self, venue: str, symbol: str, local_ts_ns: int, frame: bytes) -> bool:
        """Records a market data frame, or the response to a snapshot request, received at `local_ts_ns`.

        True: the kernel has the frame. False: this and all further frames are lost. A newline or NUL, which JSON
        allows only between tokens, becomes a space. Raises InputError for a venue or symbol that cannot name a file.
        """
        with self._lock:
            if self.error is not None or self._is_closed:
                self._lost += 1
                return False
            try:
                track = self._tracks.get((venue, symbol)) or self._new_track(venue, symbol)
                if not track.start_ns <= local_ts_ns < track.end_ns:
                    track.turn(local_ts_ns)
                if local_ts_ns < track.last_ns - _STEP_NS:
                    track.write_event(
                        local_ts_ns, "recorder.clock-back", {"from": track.last_ns, "to": local_ts_ns}
                    )
                track.last_ns = local_ts_ns
                if b"\n" in frame or b"\0" in frame:
                    frame = frame.replace(b"\n", b" ").replace(b"\0", b" ")
                line = b"%d %b\n" % (local_ts_ns, frame)
                began = time.perf_counter_ns()
                written = os.write(track.handle, line)
                if written != len(line):
                    write_all(track.handle, line[written:])
                self._note_time(track, local_ts_ns, time.perf_counter_ns() - began)
                self._frames += 1
                self._bytes += len(line)
                return True
            except (OSError, ClockError) as error:
                self._lost += 1
                stopped = self._stop(error)
        self._report(stopped)
        return False

    def frames(self, venue: str, symbol: str, local_ts_ns: Sequence[int], frames: Sequence[bytes]) -> int:
        """Records frames of one read by one write, each received at its time; returns how many are recorded.

        Those behind are to be recorded one by one with `frame`: nothing was done with them, since the recording has
        stopped, a new file is due, the clock was set, or one has to be changed.
        """
        stopped = None
        with self._lock:
            track = self._tracks.get((venue, symbol))
            if self.error is not None or self._is_closed or track is None:
                return 0
            first, last = min(local_ts_ns), max(local_ts_ns)
            if not (track.start_ns <= first and last < track.end_ns):
                return 0
            if first < track.last_ns - _STEP_NS or last - first > _STEP_NS:
                return 0
            lines = [b"%d %b\n" % line for line in zip(local_ts_ns, frames, strict=True)]
            text = b"".join(lines)
            if text.count(b"\n") != len(lines) or b"\0" in text:
                return 0
            written = 0
            began = time.perf_counter_ns()
            try:
                while written < len(text):
                    written += os.write(track.handle, text[written:] if written else text)
                self._note_time(track, local_ts_ns[-1], time.perf_counter_ns() - began)
                count = len(lines)
            except (OSError, ClockError) as error:
                # The rest of a line is cut off.
                count = text.count(b"\n", 0, written)
                stopped = self._stop(error)
            track.last_ns = local_ts_ns[-1]
            self._frames += count
            self._bytes += sum(map(len, lines[:count]))
        self._report(stopped)
        return count

    def event(self, venue: str, symbol: str, local_ts_ns: int, kind: str, detail: Detail = None) -> None:
        """Records an event that is not market data: an acknowledgement, a notice, a connection opened or lost.

        detail: any JSON value; bytes are stored as text. When it returns, the kernel has the event.
        """
        with self._lock:
            if self.error is not None or self._is_closed:
                return
            try:
                track = self._tracks.get((venue, symbol)) or self._new_track(venue, symbol)
                track.write_event(local_ts_ns, kind, detail)
                return
            except (OSError, ClockError) as error:
                stopped = self._stop(error)
        self._report(stopped)

    @property
    def state(self) -> RecorderState:
        """Counts since the start."""
        with self._lock:
            waiting = self._finisher.count
            return RecorderState(self._frames, self._bytes, self._lost, waiting, self._slowest_ns, self.error)

    def close(self) -> None:
        """Finishes all files and unlocks the folder; further calls do nothing. The next start finishes any that remain.

        Waits some seconds for readers of a file that must be finished.
        """
        with self._lock:
            if self._is_closed:
                return
            if self.error is None:
                self._write_to_all("recorder.stop", {"why": "closed"})
            self._is_closed = True
        self._closing.set()
        self._thread.join()
        self._folder_lock.release()

    # Called under the lock.

    def _note_time(self, track: Track, local_ts_ns: int, took_ns: int) -> None:
        """Notes how long a write took; a long one is an event. Raises OSError, ClockError."""
        if took_ns > self._slowest_ns:
            self._slowest_ns = took_ns
            if took_ns > _STALL_NS:
                track.write_event(local_ts_ns, "recorder.stall", {"ms": took_ns // 1_000_000})

    def _new_track(self, venue: str, symbol: str) -> Track:
        if not VENUE.fullmatch(venue) or not _SYMBOL.fullmatch(symbol):
            raise InputError(f"{venue}:{symbol}: a recording cannot be named by this venue and symbol")
        name = symbol.lower()
        track = next((t for t in self._all_tracks() if (t.venue, t.name) == (venue, name)), None)
        if track is None:
            (self._directory / venue).mkdir(exist_ok=True)
            track = Track(venue, name, self._place)
        self._tracks[venue, symbol] = track
        return track

    def _all_tracks(self) -> list[Track]:
        return list(dict.fromkeys(self._tracks.values()))

    def _write_to_all(self, kind: str, detail: Detail) -> None:
        """Writes an event for every recorded instrument, as far as the disk allows."""
        now = self._clock()
        for track in self._all_tracks():
            if track.is_recording:
                with contextlib.suppress(OSError, ClockError):
                    track.write_event(now, kind, detail)

    def _stop(self, error: Exception) -> ArbError | None:
        """Stops the recording with whole lines in every file; returns the reason. None if it had stopped before."""
        if self.error is not None:
            return None
        self.error = _reason(error, self._directory)
        for track in self._all_tracks():
            track.cut_torn_lines()
        self._write_to_all("recorder.stop", {"why": str(self.error)})
        return self.error

    # Called without the lock, on any thread.

    def _report(self, stopped: ArbError | None) -> None:
        if stopped is not None and self._on_error is not None:
            self._on_error(stopped)

    # The recorder's own thread.

    def _run(self) -> None:
        while not self._closing.wait(0 if self._is_behind else self._tick_s):
            if self.error is None:
                self._guarded(self._tick)
            elif not (self._is_put_away or self._finishes_late):
                self._guarded(self._put_away)
        if self.error is None or not self._is_put_away:
            self._guarded(self._put_away)
        self._guarded(self._wait_for_readers)
        for track in self._all_tracks():
            track.sidecar.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """The root of the thread's work: any exception stops the recording and is reported."""
        try:
            work()
        except Exception as error:
            with self._lock:
                stopped = self._stop(error)
            self._report(stopped)

    def _tick(self) -> None:
        self._is_behind = False
        self._check_reserve()
        self._seal(is_end=False)
        self._sync()
        self._is_behind = self._finisher.run(_BUDGET_S)

    def _put_away(self) -> None:
        """Closes all journals and finishes them as far as the disk allows."""
        self._is_put_away = True
        self._seal(is_end=True)
        self._finisher.run()

    def _wait_for_readers(self) -> None:
        give_up_s = time.monotonic() + _READERS_S
        while self._finisher.count and time.monotonic() < give_up_s:
            time.sleep(0.05)
            self._finisher.run()

    def _check_reserve(self) -> None:
        free_gb = shutil.disk_usage(self._directory).free / _GB
        if free_gb < self._reserve_gb:
            raise NoReserveError(
                f"{free_gb:.2f} GB of the disk are free, [record] reserve_gb is {self._reserve_gb:g}: recording stops; "
                "make room, or lower it, and start again"
            )

    def _seal(self, *, is_end: bool) -> None:
        """Takes complete journals from the callers, which then write to new ones."""
        with self._lock:
            tracks = self._all_tracks()
        for track in tracks:
            taken: list[Segment] = []
            try:
                with self._lock:
                    track.take_complete(taken, is_end=is_end)
            finally:
                for segment in taken:
                    self._hand_over(segment)

    def _hand_over(self, segment: Segment) -> None:
        """Closes a complete journal and queues it for the `.gz`."""
        try:
            is_empty = segment.is_empty()
            if self._fsync_s and not is_empty:
                os.fsync(segment.handle)
        finally:
            os.close(segment.handle)
        if is_empty:
            segment.journal.path.unlink()
        else:
            self._finisher.add(segment.journal)

    def _sync(self) -> None:
        """Syncs the open journals if that is due."""
        if not self._fsync_s or time.monotonic() < self._sync_due_s:
            return
        self._sync_due_s = time.monotonic() + self._fsync_s
        with self._lock:
            # Separate file handles, because the callers may close theirs.
            tracks = self._all_tracks()
            handles = [os.dup(handle) for track in tracks for handle in track.handles()]
        try:
            for handle in handles:
                os.fsync(handle)
            for venue in {track.venue for track in tracks}:
                sync_folder(self._directory / venue)
        finally:
            for handle in handles:
                os.close(handle)

    def _write_day_event(self, key: DayKey, kind: str, detail: Detail) -> None:
        """Writes an event of the recorder about a day's file."""
        with self._lock:
            track = self._tracks.get((key.venue, key.name)) or self._new_track(key.venue, key.name)
            track.write_day_event(key, self._clock(), kind, detail)

    # The start.

    def _take_folder(self) -> FolderLock:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            return FolderLock(self._directory)
        except OSError as error:
            raise InputError(
                f"{self._directory}: cannot be recorded into: {error.strerror or error}; name another folder with "
                "--data"
            ) from None

    def _make_room(self) -> None:
        """Checks the reserve; if it is not free, first compresses journals of earlier processes to free space."""
        try:
            self._check_reserve()
        except NoReserveError:
            self._finisher.run()
            self._check_reserve()


def _reason(error: Exception, directory: Path) -> ArbError:
    """The reason why the recording stops, for the user."""
    if isinstance(error, ClockError | NoReserveError):
        return InputError(f"{directory}: {error}")
    if isinstance(error, OSError):
        return InputError(
            f"{error.filename or directory}: {error.strerror or error}: recording stops, what is there is whole; "
            "make room or see to the disk, and start again"
        )
    if isinstance(error, ArbError):
        return error
    return InvariantError(f"{directory}: recording stops: {type(error).__name__}: {error}")
