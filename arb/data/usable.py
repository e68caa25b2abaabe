"""Whether converted recordings can be replayed together: what is refused before a run, and what is only told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations

from arb.data.catalog import ArchiveDay
from arb.data.convert import Conversion, Feed, RowFile
from arb.errors import InputError
from connectors.types import Kind


def refuse_unusable(conversion: Conversion, feeds: Sequence[Feed]) -> None:
    """Raises InputError where no run can come of it.

    That is: a day without a snapshot and without a chain to carry on; an instrument whose book is never known; two
    whose books are at no time known together.
    """
    _refuse_bookless(conversion, feeds)
    _refuse_never_known(conversion, feeds)
    _refuse_apart(conversion, feeds)


def bookless_notes(conversion: Conversion, feeds: Sequence[Feed]) -> list[str]:
    """A line for each day on which a book is never known though other days have one."""
    return [
        f"{name_of(feed)}: its book is unknown all of {recording.day}: {gap_text(file)} "
        f"(arb data check {recording.path.parent.parent})"
        for feed, files in zip(feeds, conversion.files, strict=True)
        for recording, file in zip(feed.recordings, files, strict=True)
        if not file.scan.book.known_ts
    ]


def name_of(feed: Feed) -> str:
    """`venue:SYMBOL`."""
    return f"{feed.venue.name}:{feed.recordings[0].symbol}"


def gap_text(file: RowFile) -> str:
    """Why a day's book is not known."""
    gaps = file.scan.gaps
    return f"{gaps:,} gap{'' if gaps == 1 else 's'} in its ids, and no snapshot that joins what follows"


def _refuse_bookless(conversion: Conversion, feeds: Sequence[Feed]) -> None:
    for feed, files in zip(feeds, conversion.files, strict=True):
        for recording, file in zip(feed.recordings, files, strict=True):
            if isinstance(recording, ArchiveDay) and recording.is_touch_only:
                if not file.scan.frames[Kind.BBO]:
                    raise InputError(f"{recording.path}: no best bid and offer in it; download it again")
            elif not file.scan.is_carried and not file.scan.frames[Kind.SNAPSHOT]:
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
    """Gaps in between are left aside: it is about recordings made at different times of the day."""
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
    """From the first book of a day to the last frame with one, on the venues' clock."""
    for file in files:
        book = file.scan.book.moved(file.offset_ns)
        if book.known_ts:
            yield book.known_ts, book.lost_ts or book.last_ts


def _span_text(spans: Sequence[tuple[int, int]]) -> str:
    start, end = (datetime.fromtimestamp(ts // 1_000_000_000, UTC) for ts in (spans[0][0], spans[-1][1]))
    return f"from {start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S}"
