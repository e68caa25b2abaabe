"""The recorder: frames as received into `<directory>/<venue>/<symbol>_<YYYYMMDD>.gz`, events into a sidecar beside it.

`frame` writes the line to a journal file before it returns, so that it is the kernel's: kill -9 loses nothing that was
received. Everything else (compression, syncing, watching the disk) is done by one thread of the recorder's own. What is
not compressed yet waits on the disk, never in memory. It owns files and no socket.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from arb.data.atomic import sync_folder
from arb.data.recordings.finish import Finisher
from arb.data.recordings.journal import VENUE, DayKey, write_all
from arb.data.recordings.lock import FolderLock
from arb.data.recordings.sidecar import Detail
from arb.data.recordings.stops import ClockError, NoReserveError, reason
from arb.data.recordings.track import Place, Segment, Track
from arb.errors import ArbError, InputError

_GB = 1e9
#: A local time that falls by more than this is told: the clock was set.
_STEP_NS = 50_000_000
#: A write that took longer than this is told: the disk held up the caller.
_STALL_NS = 100_000_000
_TICK_S = 1.0
#: Journals are finished for so long before the rest has its turn again.
_BUDGET_S = 1.0
#: How long `close` waits for those who read a file that is to be finished.
_READERS_S = 10.0

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class RecorderState(NamedTuple):
    """Where a recorder stands. `lost_frames`: those that came when it had stopped."""

    frames: int
    frame_bytes: int
    lost_frames: int
    journals_waiting: int
    slowest_write_ns: int
    error: ArbError | None


class Recorder:
    """Records into a folder until `close`. Any thread may call; one recorder a folder.

    The first error of the disk stops the recording: `error` is set, `on_error` is called once (on the thread that met
    the error), and `frame` and `event` become calls without effect; the frames are counted. The files are whole then,
    and the next start goes on with them.
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
        clock: Callable[[], int] = time.time_ns,
        tick_s: float = _TICK_S,
    ) -> None:
        """Takes the folder; what an earlier process left is finished in the background.

        segment_s: how often journals go into the `.gz`. reserve_gb: recording stops when less of the disk is free.
        fsync_s: how often journals are synced; 0: never. versions: of the programs, for every sidecar. clock: dates
        the recorder's own events, ns UTC. Raises InputError for a folder that cannot be written, that another recorder
        holds, or where the reserve is not free.
        """
        self._directory = directory
        self._reserve_gb = reserve_gb
        self._fsync_s = fsync_s
        self._on_error = on_error
        self._clock = clock
        self._tick_s = tick_s
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._is_closed = self._is_put_away = self._is_behind = False
        self._sync_due_s = time.monotonic() + fsync_s
        self._frames = self._bytes = self._lost = self._slowest_ns = 0
        #: By venue and symbol as callers spell them.
        self._tracks: dict[tuple[str, str], Track] = {}
        #: Why the recording has stopped, or None.
        self.error: ArbError | None = None
        with contextlib.ExitStack() as stack:
            folder_lock = self._take_folder()
            stack.callback(folder_lock.release)
            try:
                self._finisher = Finisher(directory, self._tell_day)
                self._place = Place(directory, segment_s, dict(versions or {}), self._finisher.last_numbers())
                self._make_room()
            except (OSError, NoReserveError) as error:
                raise reason(error, directory) from None
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
        """Records a market data frame, or the answer to a snapshot request, as received at `local_ts_ns`.

        When it returns True the frame is in the kernel; False: it is lost, and so are all that follow. A newline or
        NUL, which JSON has between its words at most, becomes a space. Raises InputError for a venue or symbol that
        cannot name a file.
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
                    track.tell(local_ts_ns, "recorder.clock-back", {"from": track.last_ns, "to": local_ts_ns})
                track.last_ns = local_ts_ns
                if b"\n" in frame or b"\0" in frame:
                    frame = frame.replace(b"\n", b" ").replace(b"\0", b" ")
                line = b"%d %b\n" % (local_ts_ns, frame)
                began = time.perf_counter_ns()
                written = os.write(track.handle, line)
                if written != len(line):
                    write_all(track.handle, line[written:])
                took = time.perf_counter_ns() - began
                self._frames += 1
                self._bytes += len(line)
                if took > self._slowest_ns:
                    self._slowest_ns = took
                    if took > _STALL_NS:
                        track.tell(local_ts_ns, "recorder.stall", {"ms": took // 1_000_000})
                return True
            except (OSError, ClockError) as error:
                self._lost += 1
                stopped = self._stop(error)
        self._report(stopped)
        return False

    def event(self, venue: str, symbol: str, local_ts_ns: int, kind: str, detail: Detail = None) -> None:
        """Records what is no market data: an acknowledgement, a notice, a connection made or lost.

        detail: anything that JSON knows; bytes are kept as text. When it returns the event is in the kernel.
        """
        with self._lock:
            if self.error is not None or self._is_closed:
                return
            try:
                track = self._tracks.get((venue, symbol)) or self._new_track(venue, symbol)
                track.tell(local_ts_ns, kind, detail)
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
        """Finishes all files and lets go of the folder; again: nothing. What cannot be finished, the next start will.

        Waits some seconds for readers of a file that is to be finished.
        """
        with self._lock:
            if self._is_closed:
                return
            if self.error is None:
                self._tell_all("recorder.stop", {"why": "closed"})
            self._is_closed = True
        self._closing.set()
        self._thread.join()
        self._folder_lock.release()

    # Under the lock.

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

    def _tell_all(self, kind: str, detail: Detail) -> None:
        """An event for every instrument that is recorded, as far as the disk takes it."""
        now = self._clock()
        for track in self._all_tracks():
            if track.is_recording:
                with contextlib.suppress(OSError, ClockError):
                    track.tell(now, kind, detail)

    def _stop(self, error: Exception) -> ArbError | None:
        """Ends the recording: whole lines in every file, and the reason. None where it has ended before."""
        if self.error is not None:
            return None
        self.error = reason(error, self._directory)
        for track in self._all_tracks():
            track.cut_torn_lines()
        self._tell_all("recorder.stop", {"why": str(self.error)})
        return self.error

    # Without the lock, on any thread.

    def _report(self, stopped: ArbError | None) -> None:
        if stopped is not None and self._on_error is not None:
            self._on_error(stopped)

    # The recorder's own thread.

    def _run(self) -> None:
        while not self._closing.wait(0 if self._is_behind else self._tick_s):
            if self.error is None:
                self._guarded(self._tick)
            elif not self._is_put_away:
                self._guarded(self._put_away)
        if self.error is None or not self._is_put_away:
            self._guarded(self._put_away)
        self._guarded(self._wait_for_readers)
        for track in self._all_tracks():
            track.sidecar.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        """The thread's root: whatever goes wrong stops the recording, and is heard of."""
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
        """All journals are complete; finishes them as far as the disk lets it."""
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
            raise NoReserveError(free_gb, self._reserve_gb)

    def _seal(self, *, is_end: bool) -> None:
        """Takes the journals that are complete from the callers, who write to new ones then."""
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
        """A complete journal is closed and waits for its place in the `.gz`."""
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
        """Syncs what is being written, where that is due."""
        if not self._fsync_s or time.monotonic() < self._sync_due_s:
            return
        self._sync_due_s = time.monotonic() + self._fsync_s
        with self._lock:
            # Of our own, because the callers may close theirs.
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

    def _tell_day(self, key: DayKey, kind: str, detail: Detail) -> None:
        """An event of the recorder's own about a day's file."""
        with self._lock:
            track = self._tracks.get((key.venue, key.name)) or self._new_track(key.venue, key.name)
            track.tell_day(key, self._clock(), kind, detail)

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
        """The reserve must be free; where it is not, what an earlier process left may take less room compressed."""
        try:
            self._check_reserve()
        except NoReserveError:
            self._finisher.run()
            self._check_reserve()
