"""Drives one venue's market data: sessions, decoding, books, snapshots. Emits rows to a sink, raw frames to a tap.

A feed never publishes a book that may be wrong: on any doubt it first emits the rows that empty the book, and the touch
is NaN until the venue's ids show that the book is in sync again. Silence beyond `stale_after_ns` also empties the book
for the sink; the next change that continues the id chain shows that nothing was missed and restores it
(docs/decisions/0010). Clocks, randomness and sockets are injected. One thread: everything runs in callbacks of the
transport and the timers. Sinks and taps are called from there and must not block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from connectors.errors import DecodeError
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.clocks import FeedClock
from connectors.feed.fast_path import NO_LEAD
from connectors.feed.instrument import FeedBook
from connectors.feed.interfaces import Endpoints, FeedTimes, Sink, Tap
from connectors.feed.lags import ClockSample
from connectors.feed.listener import FeedListener
from connectors.feed.pipeline import Outcome, Pipeline, Touch
from connectors.feed.silence import SilenceWatch
from connectors.feed.snapshots import CALM_NS, FAILURES_NS, REPEATS_NS, Snapshots
from connectors.feed.status import BOOK_STREAMS, FeedStatus, InstrumentState, Monitor
from connectors.feed.subscriptions import packs_of
from connectors.feed.venue_clock import VenueTime
from connectors.model import Instrument, Kind, RestRequest, Stream, Venue
from connectors.net.backoff import Pace
from connectors.net.interfaces import Event, EventKind, Rest, Timer, Timers, Transport
from connectors.net.rate_limit import Limiter
from connectors.net.session import Session
from connectors.parsing.batch import Batch

#: Avoids the attribute look-up of an enum member for each frame.
_SYNCED = FeedStatus.SYNCED


class Feed:
    """Market data of some instruments of one venue."""

    def __init__(
        self,
        venue: Venue,
        instruments: Sequence[Instrument],
        streams: Sequence[Stream],
        endpoints: Endpoints,
        *,
        transport: Transport,
        rest: Rest,
        timers: Timers,
        chance: Callable[[], float],
        sink: Sink,
        tap: Tap | None = None,
        offset: OffsetEstimator | None = None,
        feed_latency_ns: int = 0,
        times: FeedTimes | None = None,
        weights: Limiter | None = None,
    ) -> None:
        """`offset` is shared by all feeds of a run, `weights` by all users of the venue's REST API.

        Raises InstrumentError for a stream that the venue does not have, ValueError for a feed without a book.
        """
        if Stream.DEPTH not in streams or not instruments:
            raise ValueError("a feed needs an instrument and the stream of its book")
        streams = tuple(dict.fromkeys(streams))
        self.venue = venue
        self.instruments = tuple(instruments)
        self.offset = offset or OffsetEstimator()
        self._times = times or FeedTimes()
        self._timers = timers
        self.clock = FeedClock(
            venue.name,
            self.offset,
            timers,
            self._times.step_ns,
            lambda kind, *what: self._event(kind, -1, *what),
        )
        self._sink = sink
        self._tap = tap
        self._weights = weights or Limiter(venue.limits.weight, venue.limits.weight_ns)
        self._chance = chance
        silence_ns = self._times.stale_after_ns
        trade_kind = Kind.TRADE if Stream.TRADE in streams else Kind.AGG_TRADE
        self._books = [
            FeedBook(
                no,
                Pipeline(venue, instrument, feed_latency_ns, trade_kind, silence_ns=silence_ns),
                Monitor(instrument.symbol, streams, timers.monotonic_ns()),
                [venue.opening(venue.topic(stream, instrument.symbol)) for stream in streams],
                Pace(FAILURES_NS, REPEATS_NS, CALM_NS, chance),
            )
            for no, instrument in enumerate(instruments)
        ]
        for book in self._books:
            book.silence = SilenceWatch(book.pipeline, timers, silence_ns, partial(self._fall_silent, book))
        #: Books by the first bytes of their frames, up to the quote that ends the topic.
        self._openings = {opening: book for book in self._books for opening in book.runs.openings}
        self._topic_at = len(venue.opening("")) - 1
        #: (instrument index, stream) by topic.
        self._targets = {
            venue.topic(stream, instrument.symbol): (no, stream)
            for no, instrument in enumerate(instruments)
            for stream in streams
        }
        self._sessions = self._open_sessions(streams, endpoints, transport)
        requests = [venue.snapshot_request(instrument.symbol) for instrument in instruments]
        fetched: list[RestRequest] = [request for request in requests if request is not None]
        self._snapshots = (
            Snapshots(fetched, rest=rest, timers=timers, chance=chance, weights=self._weights, listener=self)
            if fetched
            else None
        )
        self._tick_timer: Timer | None = None
        self._venue_time = VenueTime(venue, rest, self._weights, self._times.time_ns, self.clock.sample)

    def start(self) -> None:
        """Opens the sessions. May be called once, and again after `stop`."""
        self.clock.start()
        for session in self._sessions:
            session.start()
        self._tick()

    def stop(self) -> None:
        """Closes all sessions, clears the books and emits the rows that empty them. Idempotent."""
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None
        for session in self._sessions:
            session.stop()
        for no in range(len(self._books)):
            self._doubt(no, FeedStatus.DOWN)

    def touch(self, no: int) -> Touch:
        """The current touch of an instrument; NaN unless its book is in sync and not silent."""
        return self._books[no].pipeline.touch()

    @property
    def clock_sample(self) -> ClockSample | None:
        """The venue's clock minus ours, from the venue's time endpoint; None: not known."""
        return self._venue_time.sample

    def status(self, no: int) -> FeedStatus:
        """The status reported last."""
        return self._books[no].monitor.status

    def refused(self, no: int) -> dict[str, str]:
        """Topics of an instrument that the venue refuses, and why."""
        return dict(self._books[no].refused)

    def states(self) -> list[InstrumentState]:
        """The state of each instrument, for the status table."""
        now = self._timers.monotonic_ns()
        return [book.monitor.state(book.pipeline, now) for book in self._books]

    # Called by sessions through FeedListener.

    def receive(self, session: Session, frame: bytes, local_ts: int) -> None:
        """A market frame."""
        topic = self.venue.topic_of(frame)
        target = self._targets.get(topic)
        if target is None:
            self._receive_garbage(session, frame, local_ts)
            return
        no, stream = target
        book = self._books[no]
        now = self._timers.monotonic_ns()
        pipeline = book.pipeline
        try:
            pipeline.decode(frame, local_ts)
        except DecodeError as error:
            self._event(EventKind.GARBAGE, no, str(error), local_ts)
            if stream in BOOK_STREAMS:
                self._repair(no)
            return
        if self._tap is not None:
            self._tap.on_frame(no, local_ts, frame)
        # Update the offset first: the rows are stamped with it.
        was_off = self.clock.stamps.is_off
        if pipeline.exch_ts:
            self.clock.follow(stream, pipeline.exch_ts, local_ts, now)
        outcome = pipeline.receive(self.offset.offset_ns)
        book.monitor.count(stream, len(frame), pipeline.exch_ts, local_ts + self.offset.offset_ns, now)
        if len(pipeline.rows):
            self._sink.on_rows(no, pipeline.rows)
        if pipeline.is_silent and book.monitor.status is _SYNCED:
            self._report_silence(book, local_ts)
        elif outcome != Outcome.NOTHING:
            self._follow_up(no, outcome, local_ts)
        if was_off or self.clock.stamps.is_off:
            self._follow_clock()

    def receive_run(self, batch: Batch, first: int) -> int:
        """Market frames of one instrument from number `first` on, while they are plain (see `fast_path`)."""
        frame = batch.frames[first]
        book = self._openings.get(frame[: frame.find(b'"', self._topic_at) + 1])
        now, offset, lead = self._timers.monotonic_ns(), self.offset, self.clock.lead
        # A stale book returns to SYNCED on the single-frame path, which reports the status.
        if book is None or book.monitor.status is not _SYNCED or now >= lead.steady_until_ns:
            return 0
        if not self.clock.stamps.is_calm:
            return 0
        runs = book.runs
        ends = runs.take(batch, first, offset.lead_max, offset.offset_ns, now)
        if ends:
            if runs.lead > lead.noted_lead or (now >= lead.noted_until_ns and runs.lead != NO_LEAD):
                lead.note(runs.lead, now)
            self._hand_on(book, batch, first, ends)
        return len(ends)

    def session_live(self, session: Session) -> None:
        """All streams of the session are subscribed; books sent on subscription will arrive."""
        for no, book in enumerate(self._books):
            if book.session is session:
                book.monitor.subscribed(self._timers.monotonic_ns())
                if not book.pipeline.is_synced:
                    self._set_status(no, FeedStatus.SYNCING)
                    self._await_book(no)

    def session_lost(self, session: Session, reason: str) -> None:
        """The connection is lost: its books are invalid."""
        for no, book in enumerate(self._books):
            if book.session is session:
                self._doubt(no, FeedStatus.DOWN)

    def session_refused(self, topic: str, reason: str) -> None:
        """The venue refuses one topic, the others continue; an empty `reason`: the topic was accepted after all."""
        no, stream = self._targets[topic]
        book = self._books[no]
        if reason:
            if topic not in book.refused:
                self._event(EventKind.REFUSED, no, f"{topic}: {reason}", self._timers.time_ns())
            book.refused[topic] = reason
            return
        book.refused.pop(topic, None)
        if stream == Stream.DEPTH:
            self._await_book(no)

    def session_event(self, kind: EventKind, text: str, local_ts: int) -> None:
        self._tell(Event(kind, local_ts, self.venue.name, "", text))

    # Called by Snapshots.

    def on_snapshot(self, no: int, body: bytes, local_ts: int) -> bool:
        try:
            self._books[no].pipeline.receive_snapshot(body, local_ts)
        except DecodeError as error:
            self._event(EventKind.GARBAGE, no, str(error), local_ts)
            return False
        if self._tap is not None:
            self._tap.on_frame(no, local_ts, body)
        self._join(no, local_ts)
        return True

    def on_snapshot_event(self, no: int, kind: EventKind, text: str) -> None:
        self._event(kind, no, text, self._timers.time_ns())

    # Helpers.

    def _open_sessions(
        self, streams: Sequence[Stream], endpoints: Endpoints, transport: Transport
    ) -> list[Session]:
        """Opens the sessions that routes and venue limits require; an instrument's streams of a route share one."""
        venue = self.venue
        connects = Limiter(venue.limits.connects, venue.limits.connects_ns)
        sessions = []
        routes: dict[str, list[Stream]] = {}
        for stream in streams:
            routes.setdefault(venue.route(stream), []).append(stream)
        for route, members in routes.items():
            for numbers, topics in packs_of(venue, self.instruments, members):
                listener = FeedListener(self)
                session = Session(
                    venue,
                    [venue.url(base, route) for base in endpoints.websocket_urls],
                    topics,
                    transport=transport,
                    timers=self._timers,
                    chance=self._chance,
                    connects=connects,
                    listener=listener,
                    times=self._times.session,
                )
                listener.session = session
                sessions.append(session)
                if Stream.DEPTH in members:
                    for no in numbers:
                        self._books[no].session = session
        return sessions

    def _hand_on(self, book: FeedBook, batch: Batch, first: int, ends: list[int]) -> None:
        """Passes the frames of a run to the tap and their rows to the sink, frame by frame."""
        runs, tap, no, start = book.runs, self._tap, book.no, 0
        rows, doubts = runs.rows, book.doubts
        try:
            for n, end in enumerate(ends):
                runs.shown = n
                if tap is not None:
                    tap.on_frame(no, batch.stamps[first + n], batch.frames[first + n])
                if end > start:
                    self._sink.on_rows(no, rows[start:end])
                    start = end
                if book.doubts != doubts:  # the sink has stopped the feed
                    return
        finally:
            runs.shown = -1

    def _follow_clock(self) -> None:
        """Invalidates the books while the venue's clock is wrong, and requests them again when it is right."""
        for no, book in enumerate(self._books):
            if not self.clock.stamps.is_off:
                if not book.pipeline.is_synced and book.monitor.status == FeedStatus.SYNCING:
                    self._repair(no)
            elif book.pipeline.is_synced:
                self._doubt(no, FeedStatus.SYNCING)

    def _follow_up(self, no: int, outcome: Outcome, local_ts: int) -> None:
        """Acts on the outcome of a message of the book."""
        book = self._books[no]
        if outcome == Outcome.BOOK:
            is_known = book.pipeline.is_synced and not book.pipeline.is_silent
            if is_known and book.monitor.status != FeedStatus.SYNCED:
                self._synced(no, local_ts)
        elif outcome == Outcome.BROKEN:
            self._event(EventKind.GAP, no, "the chain of the book is broken", local_ts)
            self._repair(no)
        elif outcome == Outcome.HELD:
            self._join(no, local_ts)
        elif outcome == Outcome.OFF_GRID:
            self._leave_grid(no, local_ts)

    def _join(self, no: int, local_ts: int) -> None:
        """Joins the fetched snapshot to the held changes, or requests a snapshot."""
        pipeline, snapshots = self._books[no].pipeline, self._snapshots
        if snapshots is None or self.clock.stamps.is_off:
            return
        outcome = pipeline.join(local_ts, self.offset.offset_ns)
        if len(pipeline.rows):
            self._sink.on_rows(no, pipeline.rows)
        if outcome == Outcome.BOOK:
            self._synced(no, local_ts)
        elif outcome == Outcome.OFF_GRID:
            self._leave_grid(no, local_ts)
        elif outcome == Outcome.OLD_SNAPSHOT:
            self._event(EventKind.RESYNC, no, "the snapshot is older than the changes", local_ts)
            snapshots.again(no)
        elif pipeline.needs_fetch:
            snapshots.want(no)

    def _synced(self, no: int, local_ts: int) -> None:
        book = self._books[no]
        was_stale = book.monitor.status == FeedStatus.STALE
        book.cancel()
        book.pace.succeed()
        if self._snapshots is not None:
            self._snapshots.got(no)
        if not was_stale:
            self._event(EventKind.SYNCED, no, "", local_ts)
        self._set_status(no, FeedStatus.SYNCED)
        book.silence.start()

    def _fall_silent(self, book: FeedBook) -> None:
        """Empties a book that was silent for too long."""
        book.pipeline.fall_silent()
        if len(book.pipeline.rows):
            self._sink.on_rows(book.no, book.pipeline.rows)
        self._report_silence(book, self._timers.time_ns())

    def _report_silence(self, book: FeedBook, local_ts: int) -> None:
        book.silence.stop()
        self._event(EventKind.STALE, book.no, "the book is silent", local_ts)
        self._set_status(book.no, FeedStatus.STALE)

    def _leave_grid(self, no: int, local_ts: int) -> None:
        """The configured tick or lot is wrong: the book stays unknown and is not requested again."""
        book = self._books[no]
        if news := book.pipeline.grid_news():
            self._event(EventKind.GRID, no, news, local_ts)
            book.cancel()
            if self._snapshots is not None:
                self._snapshots.cancel(no)
            self._set_status(no, FeedStatus.OFF_GRID)

    def _doubt(self, no: int, status: FeedStatus) -> None:
        """Invalidates the book and emits the rows that empty it at once."""
        book = self._books[no]
        book.cancel()
        book.silence.stop()
        book.doubts += 1
        book.pipeline.doubt(self._timers.time_ns())
        if self._snapshots is not None:
            self._snapshots.cancel(no)
        if len(book.pipeline.rows):
            self._sink.on_rows(no, book.pipeline.rows)
        self._set_status(no, status)

    def _repair(self, no: int) -> None:
        """Clears a book that may be wrong and gets it again: by REST once a change is held, or by subscription."""
        book = self._books[no]
        # A broken chain has already emptied the book, and the change that broke it is held.
        if book.pipeline.is_synced:
            self._doubt(no, FeedStatus.SYNCING)
        elif book.pipeline.has_snapshot:
            # Nothing would request another one if no change ever reached it. DOWN: a replay drops it too.
            self._doubt(no, FeedStatus.DOWN)
        self._set_status(no, FeedStatus.SYNCING)
        if self._snapshots is not None:
            self._snapshots.cancel(no)
            if book.pipeline.needs_fetch:
                self._snapshots.want(no)
        else:
            # The unreadable frame may have been the awaited snapshot.
            self._plan_subscription(no)

    def _plan_subscription(self, no: int) -> None:
        book = self._books[no]
        if book.pipeline.is_off_grid:
            return
        book.cancel()
        delay = book.pace.delay_ns(self._timers.monotonic_ns())
        book.timer = self._timers.call_later(delay, lambda: self._subscribe_again(no))

    def _subscribe_again(self, no: int) -> None:
        book = self._books[no]
        book.timer = None
        topic = self.venue.topic(Stream.DEPTH, self.instruments[no].symbol)
        if book.pipeline.is_synced or book.session is None or not book.session.is_live:
            return
        if (
            topic in book.refused or self.clock.stamps.is_off
        ):  # the session retries, or the feed when the clock is right
            return
        book.pace.ask(self._timers.monotonic_ns())
        self._event(EventKind.RESYNC, no, "subscribes anew", self._timers.time_ns())
        book.session.subscribe_again([topic])
        self._await_book(no)

    def _await_book(self, no: int) -> None:
        """Subscribes again if the snapshot that begins a subscription does not arrive in time."""
        book = self._books[no]
        if self._snapshots is None and not book.pipeline.is_off_grid:
            book.cancel()
            book.timer = self._timers.call_later(self._times.book_ns, lambda: self._miss_book(no))

    def _miss_book(self, no: int) -> None:
        """The snapshot did not arrive in time."""
        self._books[no].pace.fail(self._timers.monotonic_ns())
        self._plan_subscription(no)

    def _receive_garbage(self, session: Session, frame: bytes, local_ts: int) -> None:
        """A frame of no known topic: invalidates the books that it names, or all books of the session."""
        try:
            if self.venue.decode(frame).kind in (Kind.CONTROL, Kind.OTHER):
                return
            text = "a frame of a stream that was not asked for"
        except DecodeError as error:
            text = str(error)
        self._event(EventKind.GARBAGE, -1, text, local_ts)
        mine = [no for no, book in enumerate(self._books) if book.session is session]
        upper = frame.upper()
        named = [no for no in mine if self.instruments[no].symbol.upper().encode() in upper]
        for no in named or mine:
            self._repair(no)

    def _tick(self) -> None:
        now, wall = self._timers.monotonic_ns(), self._timers.time_ns()
        self.clock.look()
        for no, book in enumerate(self._books):
            monitor = book.monitor
            monitor.look(now)
            for stream in monitor.silent_streams(now, self._times.first_data_ns):
                self._event(EventKind.SILENT, no, f"{stream.value} was subscribed, and nothing came", wall)
        self._venue_time.look(now)
        self._tick_timer = self._timers.call_later(self._times.tick_ns, self._tick)

    def _set_status(self, no: int, status: FeedStatus) -> None:
        monitor = self._books[no].monitor
        # A new connection does not fix a wrong tick or lot.
        if monitor.status not in (status, FeedStatus.OFF_GRID):
            monitor.status = status
            self._sink.on_status(no, status)

    def _event(self, kind: EventKind, no: int, text: str, local_ts: int) -> None:
        symbol = self.instruments[no].symbol if no >= 0 else ""
        self._tell(Event(kind, local_ts, self.venue.name, symbol, text))

    def _tell(self, event: Event) -> None:
        if self._tap is not None:
            self._tap.on_event(event)
