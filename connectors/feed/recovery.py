"""Empties the books of a feed that may be wrong or are silent, requests them again, and reports their status.

Books are requested by REST or by a new subscription (`snapshots`), whichever the venue offers. The
touch and the rows of a book are empty from the first doubt until the venue's ids show that it is in sync again. One
thread; called by the feed, the timers and the REST client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from connectors.errors import DecodeError
from connectors.feed.clocks import FeedClock
from connectors.feed.interfaces import FeedTimes, Sink, Tap
from connectors.feed.pipeline import Outcome, Pipeline
from connectors.feed.snapshots import BookSource, Resubscription, Snapshots
from connectors.feed.status import FeedStatus, Monitor
from connectors.model import Stream, Venue
from connectors.net.backoff import Alarm
from connectors.net.interfaces import EventKind, Rest, Timers
from connectors.net.rate_limit import Limiter
from connectors.net.session import Session
from connectors.units import MILLISECOND

#: Shortest delay before a check for silence, so that frames already in the socket are read first.
_LOOK_NS_MIN = MILLISECOND


class SilenceWatch:
    """Calls back once when a synced book has been silent for `span_ns`; 0: never.

    Silence is measured in local time since the last applied change (docs/decisions/0010): a pong or a dropped message
    does not end it.
    """

    def __init__(
        self, pipeline: Pipeline, timers: Timers, span_ns: int, on_silence: Callable[[], None]
    ) -> None:
        self._pipeline = pipeline
        self._timers = timers
        self._span_ns = span_ns
        self._on_silence = on_silence
        self._alarm = Alarm(timers)
        #: `BookSync.life_ts` at the previous check.
        self._life_ts = 0

    def start(self) -> None:
        """Starts the timer: the book is in sync. Idempotent."""
        self.stop()
        if self._span_ns:
            self._life_ts = self._pipeline.sync.life_ts
            left_ns = self._life_ts + self._span_ns - self._timers.time_ns()
            # The local clock may have been set since.
            self._alarm.set(min(max(left_ns, _LOOK_NS_MIN), self._span_ns), self._look)

    def stop(self) -> None:
        """Stops the timer: the book is not in sync any more. Idempotent."""
        self._alarm.cancel()

    def _look(self) -> None:
        pipeline = self._pipeline
        if not pipeline.is_synced or pipeline.is_silent:
            return
        if pipeline.sync.life_ts != self._life_ts:
            self.start()
        else:
            self._on_silence()


class FeedBook:
    """One instrument of a feed: its pipeline, its counts, its session. Written by the feed only."""

    def __init__(self, no: int, pipeline: Pipeline, monitor: Monitor) -> None:
        self.no = no
        self.pipeline = pipeline
        self.loop = pipeline.loop
        self.monitor = monitor
        #: The session of its depth stream.
        self.session: Session | None = None
        #: Set by `Recovery`, once.
        self.silence: SilenceWatch
        #: How often the book was invalidated.
        self.doubts = 0
        #: Topics that the venue refuses, with its reason.
        self.refused: dict[str, str] = {}


class Recovery:
    """Books of one venue. `set_status` is the only writer of their status."""

    def __init__(
        self,
        venue: Venue,
        books: Sequence[FeedBook],
        clock: FeedClock,
        *,
        rest: Rest,
        timers: Timers,
        chance: Callable[[], float],
        weights: Limiter,
        times: FeedTimes,
        sink: Sink,
        tap: Tap | None,
        event: Callable[[EventKind, int, str, int], None],
    ) -> None:
        """`event`: called with kind, number of the book, text and local time."""
        self._venue = venue
        self._books = books
        self._clock = clock
        self._timers = timers
        self._sink = sink
        self._tap = tap
        self._event = event
        for book in books:
            fall_silent = partial(self._fall_silent, book)
            book.silence = SilenceWatch(book.pipeline, timers, times.stale_after_ns, fall_silent)
        fetches = [venue.snapshot_request(book.pipeline.symbol) for book in books]
        requests = [request for request in fetches if request is not None]
        self._source: BookSource
        if requests:
            self._source = Snapshots(
                requests, rest=rest, timers=timers, chance=chance, weights=weights, listener=self
            )
        else:
            self._source = Resubscription(
                len(books), timers=timers, chance=chance, book_ns=times.book_ns, subscribe=self._subscribe
            )

    def follow_up(self, book: FeedBook, outcome: Outcome, local_ts: int) -> None:
        """Acts on the outcome of a message of the book."""
        pipeline, no = book.pipeline, book.no
        if pipeline.is_silent and book.monitor.status == FeedStatus.SYNCED:
            self._report_silence(book, local_ts)
        elif outcome == Outcome.BOOK:
            if not pipeline.is_silent and book.monitor.status != FeedStatus.SYNCED:
                self._report_sync(book, local_ts)
        elif outcome == Outcome.BROKEN:
            self._event(EventKind.GAP, no, "the chain of the book is broken", local_ts)
            self.repair(book)
        elif outcome == Outcome.HELD:
            if pipeline.needs_fetch and not self._clock.stamps.is_off:
                self._source.want(no)
        elif outcome == Outcome.OLD_SNAPSHOT:
            self._event(EventKind.RESYNC, no, "the snapshot does not join the changes", local_ts)
            self._source.again(no)
        elif outcome == Outcome.OFF_GRID:
            self._report_grid(book, local_ts)

    def follow_clock(self) -> None:
        """Invalidates the books while the venue's clock is wrong, and requests them again when it is right."""
        for book in self._books:
            if self._clock.stamps.is_off:
                self._drop(book)
            elif not book.pipeline.is_synced and book.monitor.status == FeedStatus.SYNCING:
                self.repair(book)

    def begin(self, book: FeedBook) -> None:
        """The book's streams are subscribed."""
        book.monitor.subscribed(self._timers.monotonic_ns())
        if not book.pipeline.is_synced:
            self.set_status(book, FeedStatus.SYNCING)
            self.expect(book)

    def expect(self, book: FeedBook) -> None:
        """A subscription to the book began, perhaps with its snapshot."""
        if not book.pipeline.is_off_grid:
            self._source.expect(book.no)

    def invalidate(self, book: FeedBook, status: FeedStatus) -> None:
        """Clears the book and emits the rows that empty it at once."""
        book.silence.stop()
        book.doubts += 1
        book.pipeline.doubt(self._timers.time_ns())
        self._source.cancel(book.no)
        self._emit(book)
        self.set_status(book, status)

    def repair(self, book: FeedBook) -> None:
        """Clears a book that may be wrong and gets it again: by REST once a change is held, or by subscription."""
        pipeline = book.pipeline
        # A broken chain has already emptied the book, and the change that broke it is held.
        self._drop(book)
        self.set_status(book, FeedStatus.SYNCING)
        self._source.cancel(book.no)
        # Without a fetch: the unreadable frame may have been the awaited snapshot.
        if pipeline.needs_fetch or not (pipeline.is_fetched or pipeline.is_off_grid):
            self._source.want(book.no)

    def set_status(self, book: FeedBook, status: FeedStatus) -> None:
        """Sets and reports the status, if it is another one."""
        # A new connection does not fix a wrong tick or lot.
        if book.monitor.status not in (status, FeedStatus.OFF_GRID):
            book.monitor.status = status
            self._sink.on_status(book.no, status)

    # Called by Snapshots.

    def on_snapshot(self, no: int, body: bytes, local_ts: int) -> bool:
        book = self._books[no]
        if self._clock.stamps.is_off:
            # The book is requested again when the venue's clock is right.
            self._source.cancel(no)
            return True
        try:
            book.pipeline.decode_snapshot(body, local_ts)
        except DecodeError as error:
            self._event(EventKind.GARBAGE, no, str(error), local_ts)
            return False
        if self._tap is not None:
            self._tap.on_frame(no, local_ts, body)
        outcome = book.pipeline.receive(self._clock.offset.offset_ns)
        self._emit(book)
        self.follow_up(book, outcome, local_ts)
        return True

    def on_snapshot_event(self, no: int, kind: EventKind, text: str) -> None:
        self._event(kind, no, text, self._timers.time_ns())

    # Helpers.

    def _drop(self, book: FeedBook) -> None:
        """Invalidates the book, or the snapshot that waits."""
        if book.pipeline.is_synced:
            self.invalidate(book, FeedStatus.SYNCING)
        elif book.pipeline.sync.is_bridging:
            # Nothing would request another one if no change ever reached it. DOWN: a replay drops it too.
            self.invalidate(book, FeedStatus.DOWN)
            self.set_status(book, FeedStatus.SYNCING)

    def _subscribe(self, no: int) -> bool:
        """Restarts the stream of a book; False if that is not needed, or not possible now."""
        book = self._books[no]
        topic = self._venue.topic(Stream.DEPTH, book.pipeline.symbol)
        if book.pipeline.is_synced or book.session is None or not book.session.is_live:
            return False
        if topic in book.refused or self._clock.stamps.is_off:
            # The session retries, or the feed when the clock is right.
            return False
        self._event(EventKind.RESYNC, no, "subscribes again", self._timers.time_ns())
        book.session.subscribe_again([topic])
        return True

    def _emit(self, book: FeedBook) -> None:
        if len(book.pipeline.rows):
            self._sink.on_rows(book.no, book.pipeline.rows)

    def _report_sync(self, book: FeedBook, local_ts: int) -> None:
        was_stale = book.monitor.status == FeedStatus.STALE
        self._source.got(book.no)
        if not was_stale:
            self._event(EventKind.SYNCED, book.no, "", local_ts)
        self.set_status(book, FeedStatus.SYNCED)
        book.silence.start()

    def _fall_silent(self, book: FeedBook) -> None:
        """Empties a book that was silent for too long."""
        book.pipeline.fall_silent()
        self._emit(book)
        self._report_silence(book, self._timers.time_ns())

    def _report_silence(self, book: FeedBook, local_ts: int) -> None:
        book.silence.stop()
        self._event(EventKind.STALE, book.no, "the book is silent", local_ts)
        self.set_status(book, FeedStatus.STALE)

    def _report_grid(self, book: FeedBook, local_ts: int) -> None:
        """The configured tick or lot is wrong: the book stays unknown and is not requested again."""
        if news := book.pipeline.grid_news():
            self._event(EventKind.GRID, book.no, news, local_ts)
            self._source.cancel(book.no)
            self.set_status(book, FeedStatus.OFF_GRID)
