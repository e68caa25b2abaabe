"""Drives one venue's market data: sessions, decoding, books, snapshots. Emits rows to a sink, raw frames to a tap.

A feed never publishes a book that may be wrong: on any doubt it first emits the rows that empty the book, and the touch
is NaN until the venue's ids show that the book is in sync again. Silence beyond `stale_after_ns` also empties the book
for the sink; the next change that continues the id chain shows that nothing was missed and restores it
(docs/decisions/0010). Clocks, randomness and sockets are injected. One thread: everything runs in callbacks of the
transport and the timers. Sinks and taps are called from there and must not block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.errors import DecodeError
from connectors.feed.clock_offset import OffsetEstimator
from connectors.feed.clocks import FeedClock, VenueTime
from connectors.feed.frame_loop import END, FRAMES_MAX, NO_LEAD, OTHER_TOPIC, StreamCounts
from connectors.feed.interfaces import FeedTimes, Sink, Tap
from connectors.feed.pipeline import Pipeline
from connectors.feed.recovery import FeedBook, Recovery
from connectors.feed.status import BOOK_STREAMS, FeedStatus, InstrumentState, Monitor
from connectors.feed.subscriptions import packs_of
from connectors.feed.touch import Touch
from connectors.model import Instrument, Kind, Stream, Venue
from connectors.net.backoff import Alarm
from connectors.net.interfaces import Event, EventKind, Rest, Timers, Transport
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
        urls: Sequence[str],
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
        """`urls`: base addresses of the venue's websockets, tried in turn.

        `offset` is shared by all feeds of a run, `weights` by all users of the venue's REST API.

        Raises InstrumentError for a stream that the venue does not have, ValueError for a feed without a book.
        """
        if Stream.DEPTH not in streams or not instruments:
            raise ValueError("a feed needs an instrument and the stream of its book")
        streams = _distinct(venue, instruments[0].symbol, streams)
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
        self._streams = streams
        self._books = []
        #: Books by the first bytes of their frames, up to the quote that ends the topic.
        self._openings: dict[bytes, FeedBook] = {}
        self._topic_at = len(venue.opening("")) - 1
        for no, instrument in enumerate(instruments):
            monitor = Monitor(instrument.symbol, streams, timers.monotonic_ns())
            openings = [venue.opening(venue.topic(stream, instrument.symbol)) for stream in streams]
            counts = StreamCounts(openings, monitor.counts, monitor.lag_counts)
            pipeline = Pipeline(
                venue, instrument, feed_latency_ns, trade_kind, silence_ns=silence_ns, streams=counts
            )
            book = FeedBook(no, pipeline, monitor)
            self._books.append(book)
            self._openings |= dict.fromkeys(openings, book)
        #: (book, index of the stream) by topic.
        self._targets = {
            venue.topic(stream, book.pipeline.symbol): (book, n)
            for book in self._books
            for n, stream in enumerate(streams)
        }
        #: A frame that is received by itself.
        self._one = Batch()
        self._sessions = self._open_sessions(urls, transport)
        self._recovery = Recovery(
            venue,
            self._books,
            self.clock,
            rest=rest,
            timers=timers,
            chance=chance,
            weights=self._weights,
            times=self._times,
            sink=sink,
            tap=tap,
            event=self._event,
        )
        self._tick_alarm = Alarm(timers)
        self._venue_time = VenueTime(venue, rest, self._weights, self._times.time_ns, self.clock.sample)

    def start(self) -> None:
        """Opens the sessions. May be called once, and again after `stop`."""
        self.clock.start()
        for session in self._sessions:
            session.start()
        self._tick()

    def stop(self) -> None:
        """Closes all sessions, clears the books and emits the rows that empty them. Idempotent."""
        self._tick_alarm.cancel()
        for session in self._sessions:
            session.stop()
        for book in self._books:
            self._recovery.invalidate(book, FeedStatus.DOWN)

    def touch(self, no: int) -> Touch:
        """The current touch of an instrument; NaN unless its book is in sync and not silent."""
        return self._books[no].pipeline.touch()

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

    # Called by sessions.

    def on_frame(self, session: Session, frame: bytes, local_ts: int) -> None:
        """A market frame by itself: a batch of one."""
        target = self._targets.get(self.venue.topic_of(frame))
        if target is None:
            self._receive_garbage(session, frame, local_ts)
            return
        book, stream = target
        one = self._one
        one.clear()
        one.frames.append(frame)
        one.stamps.append(local_ts)
        self._receive(book, one, 0, stream)

    def on_batch(self, session: Session, batch: Batch, first: int) -> int:
        """Market frames of one instrument from number `first` on; returns how many were processed.

        0 if the first one does not begin like a frame of a subscribed stream.
        """
        frame = batch.frames[first]
        book = self._openings.get(frame[: frame.find(b'"', self._topic_at) + 1])
        return 0 if book is None else self._receive(book, batch, first, -1)

    def _receive(self, book: FeedBook, batch: Batch, first: int, stream: int) -> int:
        """Processes plain frames of an instrument in one call, and the frame at which that stops; returns how many."""
        now, offset, lead = self._timers.monotonic_ns(), self.offset, self.clock.lead
        # Every frame is finished here while the status or the offset may change with it.
        is_steady = (
            book.monitor.status is _SYNCED and now < lead.steady_until_ns and self.clock.stamps.is_calm
        )
        loop, doubts = book.loop, book.doubts
        plain_max = FRAMES_MAX if is_steady else 0
        code = loop.take(batch, first, plain_max, stream, offset.lead_max, offset.offset_ns, now)
        count = len(loop.row_ends)
        if count:
            if loop.lead > lead.noted_lead or (now >= lead.noted_until_ns and loop.lead != NO_LEAD):
                lead.note(loop.lead, now)
            self._pass_on(book, batch, first)
        if code in (END, OTHER_TOPIC) or book.doubts != doubts:
            return count
        self._finish(book, code, batch.frames[first + count], batch.stamps[first + count])
        return count + 1

    def _finish(self, book: FeedBook, code: int, frame: bytes, local_ts: int) -> None:
        """Does what the compiled call left to do for a frame: it may change the offset, the sync state, the status."""
        no, pipeline, stream = book.no, book.pipeline, self._streams[book.loop.stream]
        try:
            pipeline.finish_decoding(code, frame, local_ts)
        except DecodeError as error:
            self._event(EventKind.GARBAGE, no, str(error), local_ts)
            if stream in BOOK_STREAMS:
                self._recovery.repair(book)
            return
        now = self._timers.monotonic_ns()
        if self._tap is not None:
            self._tap.on_frame(no, local_ts, frame)
        # Update the offset first: the rows are stamped with it.
        was_off = self.clock.stamps.is_off
        if pipeline.exch_ts and pipeline.kind != Kind.FUNDING:
            self.clock.follow(stream, pipeline.exch_ts, local_ts, now)
        outcome = pipeline.receive(self.offset.offset_ns)
        book.monitor.count(
            book.loop.stream, len(frame), pipeline.exch_ts, local_ts + self.offset.offset_ns, now
        )
        if len(pipeline.rows):
            self._sink.on_rows(no, pipeline.rows)
        self._recovery.follow_up(book, outcome, local_ts)
        if was_off or self.clock.stamps.is_off:
            self._recovery.follow_clock()

    def on_live(self, session: Session) -> None:
        """All streams of the session are subscribed; books sent on subscription will arrive."""
        for book in self._books:
            if book.session is session:
                self._recovery.begin(book)

    def on_lost(self, session: Session, reason: str) -> None:
        """The connection is lost: its books are invalid."""
        for book in self._books:
            if book.session is session:
                self._recovery.invalidate(book, FeedStatus.DOWN)

    def on_refused(self, session: Session, topic: str, reason: str) -> None:
        """The venue refuses one topic, the others continue; an empty `reason`: the topic was accepted after all."""
        book, stream = self._targets[topic]
        if reason:
            if topic not in book.refused:
                self._event(EventKind.REFUSED, book.no, f"{topic}: {reason}", self._timers.time_ns())
            book.refused[topic] = reason
            return
        book.refused.pop(topic, None)
        if self._streams[stream] == Stream.DEPTH:
            self._recovery.expect(book)

    def on_event(self, session: Session, kind: EventKind, text: str, local_ts: int) -> None:
        self._event(kind, -1, text, local_ts)

    # Helpers.

    def _open_sessions(self, urls: Sequence[str], transport: Transport) -> list[Session]:
        """Opens the sessions that routes and venue limits require; an instrument's streams of a route share one."""
        venue = self.venue
        connects = Limiter(venue.limits.connects, venue.limits.connects_ns)
        sessions = []
        for pack in packs_of(venue, self.instruments, self._streams):
            session = Session(
                venue,
                [venue.url(base, pack.route) for base in urls],
                pack.topics,
                transport=transport,
                timers=self._timers,
                chance=self._chance,
                connects=connects,
                listener=self,
                times=self._times.session,
            )
            sessions.append(session)
            if pack.has_books:
                for no in pack.numbers:
                    self._books[no].session = session
        return sessions

    def _pass_on(self, book: FeedBook, batch: Batch, first: int) -> None:
        """Passes the plain frames to the tap and their rows to the sink, frame by frame."""
        loop, tap, no, start = book.loop, self._tap, book.no, 0
        rows, doubts = loop.rows, book.doubts
        on_read = getattr(tap, "on_read", None)
        if on_read is not None and self._sink is tap:  # type: ignore[comparison-overlap]
            on_read(no, batch, first, rows, loop.ends)
            return
        try:
            for n, end in enumerate(loop.row_ends):
                loop.shown = n
                if tap is not None:
                    tap.on_frame(no, batch.stamps[first + n], batch.frames[first + n])
                if end > start:
                    self._sink.on_rows(no, rows[start:end])
                    start = end
                if book.doubts != doubts:  # the sink has stopped the feed
                    return
        finally:
            loop.shown = -1

    def _receive_garbage(self, session: Session, frame: bytes, local_ts: int) -> None:
        """A frame of no known topic: invalidates the books that it names, or all books of the session."""
        try:
            if self.venue.decode(frame).kind in (Kind.CONTROL, Kind.OTHER, Kind.FUNDING):
                return
            text = "a frame of a stream that was not asked for"
        except DecodeError as error:
            text = str(error)
        self._event(EventKind.GARBAGE, -1, text, local_ts)
        mine = [book for book in self._books if book.session is session]
        upper = frame.upper()
        named = [book for book in mine if book.pipeline.symbol.upper().encode() in upper]
        for book in named or mine:
            self._recovery.repair(book)

    def _tick(self) -> None:
        now, wall = self._timers.monotonic_ns(), self._timers.time_ns()
        self.clock.look()
        for no, book in enumerate(self._books):
            monitor = book.monitor
            monitor.look(now)
            for stream in monitor.silent_streams(now, self._times.first_data_ns):
                self._event(EventKind.SILENT, no, f"{stream.value} was subscribed, and nothing came", wall)
        self._venue_time.look(now)
        self._tick_alarm.set(self._times.tick_ns, self._tick)

    def _event(self, kind: EventKind, no: int, text: str, local_ts: int) -> None:
        """`no`: the instrument's number; -1: the event concerns the whole venue."""
        if self._tap is not None:
            symbol = self.instruments[no].symbol if no >= 0 else ""
            self._tap.on_event(Event(kind, local_ts, self.venue.name, symbol, text))


def _distinct(venue: Venue, symbol: str, streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """The streams without those of a topic that an earlier one has: Bybit's tickers have the mark price too."""
    by_topic: dict[str, Stream] = {}
    for stream in streams:
        by_topic.setdefault(venue.topic(stream, symbol), stream)
    return tuple(by_topic.values())
