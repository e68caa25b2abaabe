"""Replays recordings as a tape: frames as received, in the order and at the pace of the recorder's clock.

The days of an instrument are concatenated. For Binance, the replay starts at the first recorded REST snapshot, so that
the book is known from the beginning; earlier frames only update the book. A stream that was not recorded is silent, but
a depth stream of any speed is served by the recorded one. Reads files; one thread.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from arb.data.catalog.days import Recording, find_recordings
from arb.data.catalog.origin import origin_of
from arb.data.text import read_recording
from arb.errors import InputError
from arb.sandbox.events import Listing
from arb.sandbox.serve.tape import SNAPSHOT, Line, Tape
from arb.sandbox.serve.timeline import Timeline, stamps_of
from arb.sandbox.serve.venues import FAMILIES
from connectors.units import MILLISECOND, SECOND

#: A recorded frame: the recorder's time, the key, the text.
_Received = tuple[int, str, str]

_STAMP_DIGITS = 19
_DEPTH = re.compile(r"depth(@\d{1,4}ms)?", re.ASCII)
#: Lines at the beginning of a recording that are searched for its streams, snapshot and clock.
_LINES_READ_MAX = 20_000
#: Time from the beginning of a recording in which a snapshot is searched.
_SNAPSHOT_WITHIN_NS = 60 * SECOND


@dataclass(frozen=True)
class RecordedMarket:
    """Recordings of some instruments, replayed on a common clock."""

    directory: Path
    listings: Sequence[Listing]
    #: Whether times in frames are moved to the sandbox's clock; otherwise they stay as recorded.
    is_moved: bool = True

    @property
    def description(self) -> str:
        """See `sandbox.Source`: a recording, with its origin if the frames are not those of a venue."""
        served = {(listing.venue, listing.symbol) for listing in self.listings}
        for one in find_recordings(self.directory):
            if (one.venue, one.symbol) in served and (origin := origin_of(one)):
                return f"a recording ({origin})"
        return "a recording"

    def open(self, wall_start_ns: int, speed: float) -> tuple[Tape, Timeline]:
        """See `sandbox.Source`. Raises InputError for a recording that is missing or cannot be read."""
        tape = RecordedTape(self.directory, self.listings)
        timeline = Timeline(wall_start_ns, tape.start_ns, speed, self.is_moved)
        tape.timeline = timeline
        return tape, timeline


def recorded_symbols(directory: Path, venues: Sequence[str]) -> list[tuple[str, str]]:
    """The (venue, symbol) of all recordings of these venues. Raises InputError."""
    found = {(one.venue, one.symbol) for one in find_recordings(directory) if one.venue in venues}
    return sorted(found)


class RecordedTape:
    """See the module. `timeline` converts the times in frames; it is set before the first `advance`."""

    timeline: Timeline

    def __init__(self, directory: Path, listings: Sequence[Listing]) -> None:
        """Reads the beginning of every recording."""
        self.listings = tuple(listings)
        recordings = find_recordings(directory)
        self._reels = [_Reel(no, listing, recordings, directory) for no, listing in enumerate(listings)]
        # One recorder wrote all: its clock may be behind the venues', but venue times must not be in the future.
        self._behind_ns = max(0, *(reel.behind_ns for reel in self._reels))
        self.start_ns = max(reel.start_ns for reel in self._reels) + self._behind_ns

    @property
    def has_ended(self) -> bool:
        """See `Tape`: true when the first of the recordings has ended."""
        return any(reel.next is None for reel in self._reels)

    def advance(self, to_ns: int) -> list[Line]:
        """See `Tape`."""
        lines = [
            Line(at_ns + self._behind_ns, reel.no, key, self.timeline.convert(text))
            for reel in self._reels
            for at_ns, key, text in reel.read(to_ns - self._behind_ns)
        ]
        lines.sort(key=attrgetter("send_ns"))
        return lines

    def snapshot(self, no: int) -> str | None:
        """See `Tape`: None, so that snapshots are built from the frames."""
        return None

    def source_of(self, no: int, key: str) -> str | None:
        """See `Tape`; depth streams of all speeds use the recorded one."""
        keys = self._reels[no].keys
        if key in keys:
            return key
        name, _, stream = key.partition("@")
        if _DEPTH.fullmatch(stream):
            return next((one for one in sorted(keys) if one.startswith(f"{name}@depth")), None)
        return None


class _Reel:
    """The recordings of one instrument."""

    def __init__(self, no: int, listing: Listing, recordings: Sequence[Recording], directory: Path) -> None:
        self.no = no
        days = [one for one in recordings if (one.venue, one.symbol) == (listing.venue, listing.symbol)]
        if not days:
            raise InputError(
                f"{directory}: no recording of {listing.venue}:{listing.symbol}; arb data list {directory} shows"
                " what there is"
            )
        lines = _lines(listing, [one.path for one in days])
        head = list(itertools.islice(lines, _LINES_READ_MAX))
        if not head:
            raise InputError(f"{days[0].path}: holds no frame")
        self._lines = itertools.chain(head, lines)
        #: The next frame; None at the end.
        self.next = next(self._lines, None)
        self.keys = frozenset(key for _, key, _ in head) - {SNAPSHOT, ""}
        self.start_ns = _start_of(head, listing.venue)
        #: Largest lead of a frame's first time over the recorder's clock.
        self.behind_ns = max(
            stamp * MILLISECOND - at_ns if key != SNAPSHOT else 0
            for at_ns, key, text in head
            for stamp in stamps_of(text)[:1] or [0]
        )

    def read(self, to_ns: int) -> Iterator[_Received]:
        """Frames received up to `to_ns` of the recorder's clock."""
        while self.next is not None and self.next[0] <= to_ns:
            line, self.next = self.next, next(self._lines, None)
            yield line


def _start_of(head: Sequence[_Received], venue: str) -> int:
    """Start of the replay: at the first snapshot for Binance, otherwise at the first frame."""
    first_ns = head[0][0]
    if FAMILIES[venue].has_snapshots:
        for at_ns, key, _ in head:
            if key == SNAPSHOT:
                return at_ns
            if at_ns - first_ns > _SNAPSHOT_WITHIN_NS:
                break
    return first_ns


def _lines(listing: Listing, paths: Sequence[Path]) -> Iterator[_Received]:
    """The frames of recordings in order."""
    for path in paths:
        rest = b""
        for piece in read_recording(path):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield _line(listing, path, line)
        if rest:
            yield _line(listing, path, rest)


def _line(listing: Listing, path: Path, line: bytes) -> _Received:
    stamp, space, frame = (
        line[:_STAMP_DIGITS],
        line[_STAMP_DIGITS : _STAMP_DIGITS + 1],
        line[_STAMP_DIGITS + 1 :],
    )
    if not stamp.isdigit() or space != b" ":
        raise InputError(
            f"{path}: a line that is no recording: {line[:60]!r}; arb data check says what else is wrong"
        )
    text = frame.decode("utf-8", errors="replace").strip()
    return int(stamp), *FAMILIES[listing.venue].recorded(listing, text)
