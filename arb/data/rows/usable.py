"""Checks whether converted recordings can be replayed together: errors before a run, and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations

from arb.data.catalog.days import ArchiveDay, Day
from arb.data.rows.convert import Feed
from arb.data.rows.grid import DayGrid, coarser_notes
from arb.data.rows.row_files import Conversion, RowFile
from arb.data.rows.window import Window
from arb.errors import InputError
from connectors.feed.leads import WrongStamps
from connectors.model import Kind

#: A book that was lost for at least this share of a day's recorded time gives a note.
LOST_SHARE_MIN = 0.1
#: A run that goes on for longer than this after a recording's end gives a note.
ENDS_EARLY_NS = 10_000_000_000


def refuse_unusable(conversion: Conversion, feeds: Sequence[Feed]) -> None:
    """Raises InputError if a run is impossible.

    That is: a day without a snapshot and without a chain to continue; an instrument whose book is never known; two
    whose books are never known at the same time.
    """
    _refuse_bookless(conversion, feeds)
    _refuse_never_known(conversion, feeds)
    _refuse_apart(conversion, feeds)


def refuse_empty(whole: Conversion, within: Conversion, feeds: Sequence[Feed], window: Window) -> None:
    """Raises InputError for an instrument without rows in a window. whole, within: the days, and cut to the window."""
    for feed, days, files in zip(feeds, whole.files, within.files, strict=True):
        if any(file.rows for file in files):
            continue
        first_ts = min((file.first_ts for file in days if file.first_ts), default=0)
        last_ts = max(file.last_ts for file in days)
        raise InputError(
            f"{name_of(feed)}: no data {window.text}; its data of these days are from {_time_text(first_ts)} to "
            f"{_time_text(last_ts)}: choose a time between them"
        )


def book_notes(conversion: Conversion, feeds: Sequence[Feed]) -> list[str]:
    """A line for each day on which a book is never known, though it is on others, or is lost for much of the day."""
    return [
        f"{name_of(feed)}: {note} ({_where_next(recording)})"
        for feed, recording, file in _days(conversion, feeds)
        if (note := _book_note(recording, file))
    ]


def _days(conversion: Conversion, feeds: Sequence[Feed]) -> Iterator[tuple[Feed, Day, RowFile]]:
    for feed, files in zip(feeds, conversion.files, strict=True):
        for recording, file in zip(feed.recordings, files, strict=True):
            yield feed, recording, file


def ending_notes(conversion: Conversion, feeds: Sequence[Feed]) -> list[str]:
    """A line for each recording after whose last frame the run goes on without its book."""
    notes = []
    for feed_no, (feed, files) in enumerate(zip(feeds, conversion.files, strict=True)):
        for n, (recording, file) in enumerate(zip(feed.recordings, files, strict=True)):
            until = conversion.goes_on_until(feed_no, n)
            is_kept = isinstance(recording, ArchiveDay) or not feed.silence_ns
            if is_kept or not file.rows or until - (file.silent_ts or file.last_ts) < ENDS_EARLY_NS:
                continue
            notes.append(
                f"{name_of(feed)}: its recording of {recording.day} ends at {_time_text(file.last_ts)}, the run goes "
                f"on: its book is empty until {_time_text(until)} ({_where_next(recording)})"
            )
    return notes


def _time_text(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"


def grid_notes(conversion: Conversion, feeds: Sequence[Feed]) -> list[str]:
    """A line for each step of an instrument that is larger than the configured one on all of its days."""
    notes = []
    for feed, files in zip(feeds, conversion.files, strict=True):
        days = [DayGrid(day, file.scan.grid) for day, file in zip(feed.recordings, files, strict=True)]
        notes += [] if feed.is_grid_stated else coarser_notes(feed.instrument, days)
    return notes


def touch_notes(conversion: Conversion, feeds: Sequence[Feed]) -> list[str]:
    """A line for each day that begins with best bid and offer only, because nothing proves its book."""
    return [
        f"{name_of(feed)}: {recording.day} begins without a snapshot, and no day before it is carried on: best bid "
        f"and offer alone, a book of one level a side, {_until(file)}"
        for feed, recording, file in _days(conversion, feeds)
        if file.scan.touch_ts
    ]


def _until(file: RowFile) -> str:
    """A text for the time up to which that lasts."""
    if not file.scan.proven_ts:
        return "all day"
    at = datetime.fromtimestamp((file.scan.proven_ts + file.offset_ns) // 1_000_000_000, UTC)
    return f"until the first snapshot at {at:%H:%M:%S}"


def _book_note(recording: Day, file: RowFile) -> str:
    book = file.scan.book
    if not book.known_ts:
        return f"its book is unknown all of {recording.day}: {gap_text(file)}"
    span_ns = book.last_ts - book.first_ts
    if not book.outages or book.outages_ns < LOST_SHARE_MIN * span_ns:
        return _silence_note(recording, file, span_ns)
    lost_at = datetime.fromtimestamp((book.first[0][0] + file.offset_ns) // 1_000_000_000, UTC)
    return (
        f"its book is lost for {book.outages_ns / 1e9:,.1f} s of {span_ns / 1e9:,.1f} s of {recording.day}, first at "
        f"{lost_at:%H:%M:%S}: {_gaps(file)} in its ids, each until the next snapshot"
    )


def stamp_notes(conversion: Conversion, feeds: Sequence[Feed]) -> list[str]:
    """A line for each stream of a day with rejected stamps."""
    return [
        f"{name_of(feed)}: {stamp_text(wrong)} on {recording.day}; left out of the clock offset, they count as "
        "received at once"
        for feed, recording, file in _days(conversion, feeds)
        for wrong in file.scan.wrong_stamps
    ]


def stamp_text(wrong: WrongStamps) -> str:
    """A text on the rejected stamps of a stream."""
    first_at = datetime.fromtimestamp(wrong.local_ts // 1_000_000_000, UTC)
    messages = f"{wrong.messages:,} {wrong.stream} message" + (" is" if wrong.messages == 1 else "s are")
    ahead = f"up to {wrong.lead_ns / 1e9:,.1f} s ahead of the local time"
    return f"{messages} stamped {ahead}, first at {first_at:%H:%M:%S}"


def _silence_note(recording: Day, file: RowFile, span_ns: int) -> str:
    scan = file.scan
    if not scan.silent_ns or scan.silent_ns < LOST_SHARE_MIN * span_ns:
        return ""
    return (
        f"its book is emptied for {scan.silent_ns / 1e9:,.1f} s of {span_ns / 1e9:,.1f} s of {recording.day}: "
        f"{scan.silences:,} times nothing changed it for longer than execution.stale_after_ms; set that higher for a "
        "quiet instrument"
    )


def _where_next(recording: Day) -> str:
    if isinstance(recording, ArchiveDay):
        return "no download has what an archive lacks: choose another day, or another archive"
    return f"arb data check {recording.path.parent.parent}"


def name_of(feed: Feed) -> str:
    """`venue:SYMBOL`."""
    return f"{feed.venue.name}:{feed.recordings[0].symbol}"


def gap_text(file: RowFile) -> str:
    """A text on why a day's book is not known."""
    return f"{_gaps(file)} in its ids, and no snapshot that joins what follows"


def _gaps(file: RowFile) -> str:
    gaps = file.scan.gaps
    return f"{gaps:,} gap{'' if gaps == 1 else 's'}"


def _refuse_bookless(conversion: Conversion, feeds: Sequence[Feed]) -> None:
    for _, recording, file in _days(conversion, feeds):
        if isinstance(recording, ArchiveDay) and recording.is_touch_only:
            if not file.scan.frames[Kind.BBO]:
                raise InputError(f"{recording.path}: no best bid and offer in it; download it again")
        elif not (file.scan.is_carried or file.scan.touch_ts or file.scan.frames[Kind.SNAPSHOT]):
            raise InputError(
                f"{recording.path}: no snapshot of the book in it, and no recording of the day before that it "
                "carries on from; add that one, or begin on a day with a snapshot"
            )


def _refuse_never_known(conversion: Conversion, feeds: Sequence[Feed]) -> None:
    for feed, files in zip(feeds, conversion.files, strict=True):
        if not any(file.scan.book.known_ts for file in files):
            raise InputError(
                f"{feed.recordings[0].path}: the book of {name_of(feed)} is never known: {gap_text(files[0])}; "
                "choose another day, or record it again"
            )


def _refuse_apart(conversion: Conversion, feeds: Sequence[Feed]) -> None:
    """Raises InputError for recordings made at different times of the day; ignores gaps in between."""
    known = [list(_known_spans(files)) for files in conversion.files]
    for one, other in combinations(range(len(feeds)), 2):
        if any(a[0] <= b[1] and b[0] <= a[1] for a in known[one] for b in known[other]):
            continue
        paths = " and ".join(str(feeds[n].recordings[0].path) for n in (one, other))
        times = ", ".join(f"{name_of(feeds[n])} {_span_text(known[n])}" for n in (one, other))
        raise InputError(
            f"{paths}: their books are at no time known together: {times}; choose recordings of the same hours"
        )


def _known_spans(files: Sequence[RowFile]) -> Iterator[tuple[int, int]]:
    """Spans from the first book of a day to the last frame with one, on the venues' clock."""
    for file in files:
        book = file.scan.book
        if book.known_ts:
            yield book.known_ts + file.offset_ns, (book.lost_ts or book.last_ts) + file.offset_ns


def _span_text(spans: Sequence[tuple[int, int]]) -> str:
    return f"from {_time_text(spans[0][0])} to {_time_text(spans[-1][1])}"
