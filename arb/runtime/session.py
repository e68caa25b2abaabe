"""One live session: frames to the recorder, rows to the strategy, and the data needed to replay it.

It is the sink and tap of every feed of a run. Runs on the host's thread, inside calls of the feeds and the timer;
nothing here blocks. Errors are kept for the host (`fault`): a socket must not treat them as its own.
"""

from __future__ import annotations

import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from arb.engine.world import NEVER
from arb.leg import Leg
from arb.runtime.calm import calm_messages
from arb.runtime.health_events import Unreached
from arb.runtime.latencies import is_funding
from arb.runtime.leg_state import FeedCounts, LegState
from arb.runtime.live_rows import LiveDriver
from arb.runtime.replay_marks import emptied_by, losses_of
from arb.runtime.snapshot import STOP, Snapshot
from arb.runtime.venue_tap import VenueTap
from arb.runtime.view import EventLine
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.status import FeedStatus
from connectors.model import Rows
from connectors.net.interfaces import Event, EventKind
from connectors.parsing.batch import Batch

log = logging.getLogger(__name__)

_S = 1_000_000_000
#: Number of recent events that the view has.
_EVENTS_SHOWN = 200
#: Events that are counted and recorded, not shown, and logged at debug: a status line follows, or nothing has changed.
_NOISE = frozenset({EventKind.PONG, EventKind.ACK, EventKind.SYNCED})


class FrameRecorder(Protocol):
    """Records frames and events: `arb.data.recordings.recorder.Recorder`."""

    def frame(self, venue: str, symbol: str, local_ts_ns: int, frame: bytes) -> bool: ...

    def frames(self, venue: str, symbol: str, local_ts_ns: Sequence[int], frames: Sequence[bytes]) -> int: ...

    def event(self, venue: str, symbol: str, local_ts_ns: int, kind: str, detail: Any = None) -> None: ...


_P = ParamSpec("_P")
_T = TypeVar("_T")


def _ends_session(call: Callable[Concatenate[Session, _P], None]) -> Callable[Concatenate[Session, _P], None]:
    """An error of the call ends the session; the feed does not get it."""

    @functools.wraps(call)
    def guarded(session: Session, /, *arguments: _P.args, **named: _P.kwargs) -> None:
        try:
            call(session, *arguments, **named)
        except Exception as error:
            session.fail(error)

    return guarded


class Session:
    """One run of a strategy on live data."""

    def __init__(
        self,
        legs: Sequence[Leg],
        driver: LiveDriver,
        offset: OffsetEstimator,
        recorder: FrameRecorder,
        *,
        log: Callable[[str, str, int], None],
        ended: Callable[[], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """log: called with (event, text, local time in ns). ended: called once when the strategy has ended or something
        failed.
        """
        self._driver = driver
        self._offset = offset
        self._recorder = recorder
        self._log = log
        self._on_end = ended
        driver.side.on_late = self.on_late
        self._clock = clock
        self._states = [LegState(no, leg) for no, leg in enumerate(legs)]
        self._reached_ts = -1
        #: By leg, how many marks and latency samples `session.db` has.
        self._saved = [(0, 0) for _ in legs]
        #: The error for the host to raise.
        self.fault: BaseException | None = None
        self.is_over = False
        #: When the session was halted on the strategy's clock, and how: see `Snapshot.halted`; (0, 0): never.
        self.halted = (0, 0)
        #: Whether the strategy's orders have ended since, and the host's began.
        self.is_halting = False
        #: What venues held then beyond the bot's positions, by leg; see `LiveBot.halt`.
        self.unbooked: list[float] = []
        #: When the strategy received its first row of the market, on the machine's monotonic clock.
        self.first_row_ns = 0
        #: Since when the strategy has been running (monotonic ns), 0 while it waits; the watchdog reads it.
        self.entered_ns = 0
        self.events: deque[EventLine] = deque(maxlen=_EVENTS_SHOWN)
        #: Number of rows of the market that were too late for the simulated exchange, and when the first was; 0 if
        #: none was.
        self.late = 0
        self.late_since = 0
        #: Whether the call in progress is about funding data, whose streams may be slower than those of the market.
        self._is_funding = False
        self._unreached = Unreached()
        #: Number of events by kind.
        self.event_counts: dict[str, int] = {}

    @property
    def now(self) -> int:
        """The time on the run's clock; it never decreases."""
        now, reached = self._clock() + self._offset.offset_ns, self._reached_ts
        return now if now > reached else reached

    @property
    def offset_ns(self) -> int:
        """What is added to this machine's time for the run's clock."""
        return self._offset.offset_ns

    def tap_of(self, leg_nos: Sequence[int], venue: str) -> VenueTap:
        """Sink and tap for the feed of a venue whose instruments are these legs, in order."""
        return VenueTap(self, list(leg_nos), venue)

    @_ends_session
    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """Receives rows of a leg from its feed."""
        if self.is_over:
            return
        state = self._states[leg_no]
        rows = state.marks.take(rows, self._offset.offset_ns, self._reached_ts)
        now = int(rows["local_ts"][-1])
        self._reached_ts = max(self._reached_ts, now)
        self._is_funding = is_funding(rows)
        if not self.first_row_ns and not self._is_funding:
            self.first_row_ns = time.monotonic_ns()
        is_alive = self._entered(lambda: self._driver.on_rows(leg_no, rows, now))
        self._count(state, rows)
        if self._driver.fault is not None:
            raise self._driver.fault
        if not is_alive:
            self._end()

    def on_late(self, leg_no: int, rows: int, watermark: int) -> None:
        """Some rows of the call in progress were too late for the simulated exchange; `rows` is their number."""
        self._states[leg_no].marks.on_late(watermark)
        if self._is_funding:
            return  # it changes no fill
        self.late += rows
        self.late_since = self.late_since or self._reached_ts

    @_ends_session
    def on_time(self) -> None:
        """Called by the host's timer."""
        if self.is_over:
            return
        now = self._reached_ts = self.now
        if not self._entered(lambda: self._driver.on_time(now)):
            self._end()

    @_ends_session
    def on_answers(self, received_ts: int) -> None:
        """Answers to orders are in the bot's queues, the last one received at this time on the run's clock."""
        if self.is_over:
            return
        now = self._reached_ts = max(self._reached_ts, received_ts)
        if not self._entered(lambda: self._driver.on_answers(now)):
            self._end()

    @_ends_session
    def on_frame(self, leg_no: int, local_ts: int, frame: bytes) -> None:
        """Receives a frame, before its rows."""
        if self.is_over:
            return
        leg, marks = self._states[leg_no].leg, self._states[leg_no].marks
        is_recorded = self._recorder.frame(leg.venue, leg.symbol, local_ts, frame)
        marks.on_frame()
        if not is_recorded:
            marks.on_loss(self._reached_ts, self._driver.side.settled_ts)

    @_ends_session
    def on_read(self, leg_no: int, batch: Batch, first: int, rows: Rows, ends: NDArray[np.int64]) -> None:
        """Receives frames of a leg, from number `first` of a batch on, and their rows: as `on_frame` and `on_rows` with
        each in turn. ends: the end of each frame's rows."""
        done = 0
        while done < len(ends) and not self.is_over:
            taken = self._take_calm(leg_no, batch, first, rows, ends, done)
            if not taken:
                taken = 1
                self.on_frame(leg_no, batch.stamps[first + done], batch.frames[first + done])
                start, end = (int(ends[done - 1]) if done else 0), int(ends[done])
                if end > start:
                    self.on_rows(leg_no, rows[start:end])
            done += taken

    def _take_calm(
        self, leg_no: int, batch: Batch, first: int, rows: Rows, ends: NDArray[np.int64], done: int
    ) -> int:
        """Takes frames from number `done` on together, as far as none needs a mark, a sample or a look; returns how
        many."""
        state = self._states[leg_no]
        marks = state.marks
        most = self._driver.messages_max
        if not (most and state.first_ts and marks.has_offset(self._offset.offset_ns)):
            return 0
        look = (self._reached_ts, state.age.second, state.lags.due_ts)
        limit = min(len(ends), done + most)
        count, end, last_ts, oldest_ns = calm_messages(rows, ends, done, limit, *look)
        if not count:
            return 0
        at = first + done
        leg = state.leg
        recorded = self._recorder.frames(
            leg.venue, leg.symbol, batch.stamps[at : at + count], batch.frames[at : at + count]
        )
        if recorded < count:
            if not recorded:
                return 0
            count, end, last_ts, oldest_ns = calm_messages(rows, ends, done, done + recorded, *look)
        start = int(ends[done - 1]) if done else 0
        if end == start:
            marks.on_read(count, rows[start:end], is_fresh=True)
            return count
        frames, own = marks.frames, rows[start:end]
        own_ends = ends[done : done + count] - start
        self._reached_ts, self._is_funding = last_ts, False
        processed, is_alive, late = self._entered(
            partial(self._driver.on_read, leg_no, own, own_ends, last_ts)
        )
        if processed < count:
            own, own_ends = own[: own_ends[processed - 1]], own_ends[:processed]
        marks.on_read(processed, own, is_fresh=len(own_ends) > 1 and own_ends[-1] == own_ends[-2])
        for one in late:
            marks.on_late_message(frames + one.message + 1, one.watermark)
            self.late += one.rows
            self.late_since = self.late_since or int(own["local_ts"][own_ends[one.message] - 1])
        state.outages.follow(own)
        state.last_ts = state.data_ts = int(own["local_ts"][-1])
        state.age.add(oldest_ns)
        if not is_alive:
            self._reached_ts = state.last_ts
            self._end()
        return int(count)

    @_ends_session
    def on_status(self, leg_no: int, status: FeedStatus) -> None:
        """The state of a leg's book changed."""
        if self.is_over:
            return
        state = self._states[leg_no]
        if status == FeedStatus.DOWN:
            state.marks.on_down()
        self.emit("feed", f"{state.leg.name}: {status.value}")

    @_ends_session
    def on_event(self, leg_nos: Sequence[int], event: Event) -> None:
        """Receives an event beside the market data; without a symbol it is about all legs at the venue."""
        for leg_no in leg_nos:
            leg = self._states[leg_no].leg
            if event.symbol in ("", leg.symbol):
                self._states[leg_no].gaps += event.kind == EventKind.GAP
                if event.kind == EventKind.GRID:
                    self._states[leg_no].off_grid = event.text
                self._recorder.event(leg.venue, leg.symbol, event.local_ts, event.kind.value, event.text)
        name = f"{event.venue}:{event.symbol}" if event.symbol else event.venue
        if self._unreached.is_news(event) and event.kind not in _NOISE:
            self.emit(event.kind.value, f"{name} {event.text}".rstrip())
        else:
            self._count_event(event.kind.value)
            log.debug("%s %s %s", event.kind.value, name, event.text)

    @property
    def last_rows_ns(self) -> list[int]:
        """When the latest data of the market of each leg arrived, on the run's clock; 0: none have."""
        return [state.data_ts for state in self._states]

    @property
    def troubles(self) -> list[tuple[int, int]]:
        """By leg, how often market data were missing, and the seconds in which they arrived late."""
        return [(state.gaps, state.age.late) for state in self._states]

    @property
    def feed_counts(self) -> list[FeedCounts]:
        """By leg, what its feed has delivered."""
        return [state.counts(self.now) for state in self._states]

    @property
    def heartbeat_ns(self) -> int:
        """Until when the strategy's clock has been advanced, of this machine; 0 before the first time."""
        return max(0, self._reached_ts - self._offset.offset_ns) if self._reached_ts > 0 else 0

    @property
    def legs_without_data(self) -> list[str]:
        """Legs that have received no row of the market, each with the reason if known."""
        return [
            f"{state.leg.name} ({reason})"
            if (reason := state.off_grid or self._unreached.reason(state.leg.venue))
            else state.leg.name
            for state in self._states
            if not state.first_ts
        ]

    def emit(self, event: str, text: str) -> None:
        """Counts an event, and writes it to the log and the view."""
        self._count_event(event)
        self.write(event, text)

    def write(self, event: str, text: str, ts: int | None = None) -> None:
        """Writes a line to the log and the view. ts: its time on the run's clock; now without it."""
        self._log(event, text, self.show(event, text, ts))

    def show(self, event: str, text: str, ts: int | None = None) -> int:
        """Adds a line to the view; returns its time, of this machine. ts: see `write`."""
        time_ns = self._clock() if ts is None else ts - self._offset.offset_ns
        self.events.append(EventLine(time_ns, event, text))
        return time_ns

    def _count_event(self, event: str) -> None:
        self.event_counts[event] = self.event_counts.get(event, 0) + 1

    def start(self) -> bool:
        """Runs the strategy to its first wait. False if it ends before."""
        return self._entered(self._driver.start)

    def stop(self) -> bool:
        """Stops the strategy; False if it does not end."""
        self.is_over = True
        return self._entered(self._driver.stop)

    def halt(
        self, *, is_flattening: bool = False, is_stop: bool = False, unbooked: Sequence[float] = ()
    ) -> None:
        """The session is halted: the strategy is stopped, and its positions are closed or its legs balanced before the
        end. is_stop, unbooked: see `LiveBot.halt`."""
        self.unbooked = list(unbooked)
        self.is_halting = True

        def halt() -> bool:
            halt_ts = self._driver.halt(is_flattening=is_flattening, is_stop=is_stop, unbooked=self.unbooked)
            self.halted = halt_ts, STOP if is_stop else int(is_flattening)
            return self._driver.task.is_alive

        # The bot is stopped while the strategy itself is still to return, which it may never do.
        if not self._entered(halt) or (self._driver.bot.is_stopped and not is_flattening):
            self._end()

    @property
    def due_ns(self) -> int:
        """Longest time in ns until `on_time` must be called."""
        due = self._driver.next_due
        return _S if due == NEVER else max(0, due - self.now)

    @property
    def quiet_ns(self) -> int:
        """How long ago the strategy's clock was advanced."""
        return self.now - self._reached_ts

    def snapshot(self, *, is_whole: bool = True) -> Snapshot:
        """The session so far; otherwise with the marks and latency samples since the last call that was not whole.

        Not to be called during another call.
        """
        states = self._states
        firsts = [(0, 0) for _ in states] if is_whole else self._saved
        if not is_whole:
            self._saved = [(state.marks.count, len(state.lags.samples)) for state in states]
        pairs = list(zip(states, firsts, strict=True))
        return Snapshot(
            end_ts=self._reached_ts,
            halted=self.halted,
            unbooked=self.unbooked,
            legs=[state.snapshot(lag) for state, (_, lag) in pairs],
            marks=b"".join(state.marks.since(mark).tobytes() for state, (mark, _) in pairs),
            losses=losses_of([state.marks for state in states]).tobytes(),
            late=self.late,
            late_since=self.late_since,
            events=dict(self.event_counts),
            wrong_stamps=dict(self._offset.wrong_stamps),
        )

    def _entered(self, call: Callable[[], _T]) -> _T:
        self.entered_ns = time.monotonic_ns()
        try:
            return call()
        finally:
            self.entered_ns = 0

    def _count(self, state: LegState, rows: Rows) -> None:
        state.marks.add_rows(rows)
        if self._is_funding:
            state.funding.follow(rows)
            return  # it says nothing of the book, nor of the age of the market data
        local_ts = int(rows["local_ts"][-1])
        if not state.first_ts:
            state.first_ts = int(rows["local_ts"][0])
            state.outages.begin(state.first_ts, is_carried=False)
        state.outages.follow(rows)
        state.last_ts = local_ts
        if emptied_by(rows) is None:
            state.data_ts = local_ts
        state.lags.follow(rows)
        if news := state.age.follow(rows):
            self.emit("age", f"{state.leg.name}: {news}")

    def fail(self, error: BaseException) -> None:
        """Ends the session with an error for the host."""
        self.fault = self.fault or error
        self._end()

    def _end(self) -> None:
        self.is_over = True
        self._on_end()
