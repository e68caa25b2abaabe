"""Records a simulated market in hftbacktest's collector format, one file per instrument and day.

Files are written in a temporary folder and published together when all are complete; existing files are never replaced.
A text file beside each states its origin. Owns the files only; the market is passed in. One thread.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Self

from numpy.random import Generator

from arb.data.catalog.days import recording_path
from arb.errors import InputError
from arb.files import give_new_name
from arb.sandbox.events import Event, Listing
from arb.sandbox.funding import Funding
from arb.sandbox.line import Line
from arb.sandbox.market import Market
from arb.sandbox.profiles import PROFILES
from arb.sandbox.streams import Frame
from arb.sandbox.venues import STREAMS
from connectors.units import DAY, MILLISECOND, SECOND

#: Step size of the market, which bounds the memory for its events.
_STEP_NS = SECOND
#: Delay of the Binance snapshot request after connecting, so that some changes are buffered before.
_SNAPSHOT_AFTER_NS = 250 * MILLISECOND
_LEVEL = 5


class Recorded(NamedTuple):
    """A written file."""

    listing: Listing
    #: The UTC day, by the recorder's clock.
    day: date
    path: Path
    frames: int
    size: int


def record(
    market: Market,
    chance: Generator,
    start_ns: int,
    end_ns: int,
    clock_offset_ns: int,
    files: RecordingFiles,
    funding: Funding | None = None,
) -> None:
    """Writes the frames that a recorder receives from `start_ns` to `end_ns` of its clock.

    funding: also record mark price and funding of perpetuals; all other frames are the same without it.
    `clock_offset_ns` is the recorder's clock minus the venues'; `market` must be at `start_ns` of the recorder's clock.
    """
    sources = [
        _Source(no, listing, market, own, clock_offset_ns, funding)
        for no, (listing, own) in enumerate(
            zip(market.listings, chance.spawn(len(market.listings)), strict=True)
        )
    ]
    end_market_ns = end_ns - clock_offset_ns
    snapshot_ns = market.now_ns + _SNAPSHOT_AFTER_NS
    for to_ns in (*range(snapshot_ns, end_market_ns, _STEP_NS), end_market_ns):
        by_listing: list[list[Event]] = [[] for _ in sources]
        for event in market.advance(to_ns):
            by_listing[event.no].append(event)
        for source, events in zip(sources, by_listing, strict=True):
            lines = source.receive(events, to_ns, is_snapshot_due=to_ns == snapshot_ns)
            files.write(source.listing, [line for line in lines if start_ns <= line[0] < end_ns])


class _Source:
    """One instrument's streams and its connection to the recorder."""

    def __init__(
        self,
        no: int,
        listing: Listing,
        market: Market,
        chance: Generator,
        clock_offset_ns: int,
        funding: Funding | None,
    ) -> None:
        self.listing = listing
        self._chance = chance
        self._streams = STREAMS[listing.venue](listing, market.book(no), chance, market.now_ns)
        latency_ms = PROFILES[listing.venue].latency_ms
        self._line = Line(chance, latency_ms, clock_offset_ns)
        self._mark_line: Line | None = None
        if funding is not None and not listing.is_spot:
            (own,) = chance.spawn(1)
            self._streams.add_funding(funding, own)
            self._mark_line = Line(own, latency_ms, clock_offset_ns)

    def receive(self, events: Sequence[Event], to_ns: int, *, is_snapshot_due: bool) -> list[tuple[int, str]]:
        """The frames that arrive up to `to_ns`, as (recorder's time, frame)."""
        frames = self._streams.advance(events, to_ns)
        snapshot = self._streams.snapshot() if is_snapshot_due else None
        if snapshot is not None:
            self._line.answer(Frame(to_ns, snapshot), round(self._chance.uniform(20.0, 60.0) * MILLISECOND))
        lines = self._line.carry(frames, to_ns)
        if self._mark_line is None:
            return lines
        return sorted(lines + self._mark_line.carry(self._streams.take_marks(), to_ns), key=itemgetter(0))


class RecordingFiles:
    """The files of one recording. A context manager: unpublished files are removed on exit."""

    def __init__(self, directory: Path, origin: str) -> None:
        """`origin`: content of the text file beside each file. Raises InputError if the folder is not writable."""
        self._directory = directory
        self._origin = origin
        self._files: dict[tuple[Listing, date], _DayFile] = {}
        self._made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
        with self._naming_the_folder():
            directory.mkdir(parents=True, exist_ok=True)
            self._aside = Path(tempfile.mkdtemp(prefix=".recording.", dir=directory))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):  # a full disk was reported already
                file.close()
        shutil.rmtree(self._aside, ignore_errors=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # it contains the recordings, or files of others
                folder.rmdir()

    def write(self, listing: Listing, lines: Sequence[tuple[int, str]]) -> None:
        """Appends lines (recorder's time, frame), in order, to the files of their days."""
        with self._naming_the_folder():
            for day_no, of_day in itertools.groupby(lines, key=lambda line: line[0] // DAY):
                day = datetime.fromtimestamp(day_no * DAY // SECOND, UTC).date()
                if (listing, day) not in self._files:
                    path = self._aside / f"{listing.venue}.{listing.symbol}.{day}.gz"
                    self._files[listing, day] = _DayFile(path)
                self._files[listing, day].write(list(of_day))

    def publish(self) -> list[Recorded]:
        """Publishes all files under their final names. If one exists already, publishes none and raises InputError."""
        published: list[Path] = []
        try:
            with self._naming_the_folder():
                recorded = [self._publish(*key, file, published) for key, file in self._files.items()]
        except BaseException:
            for path in published:
                path.unlink(missing_ok=True)
            raise
        return sorted(recorded)

    def _publish(self, listing: Listing, day: date, file: _DayFile, published: list[Path]) -> Recorded:
        file.close()
        path = recording_path(self._directory, listing.venue, listing.symbol, day)
        if not path.parent.exists():
            self._made.insert(0, path.parent)
        path.parent.mkdir(exist_ok=True)
        origin = file.path.with_suffix(".origin")
        origin.write_text(f"{self._origin}\n", encoding="utf-8")
        for source, target in ((origin, path.with_suffix(".origin")), (file.path, path)):
            give_new_name(source, target)
            published.append(target)
        return Recorded(listing, day, path, file.frames, path.stat().st_size)

    @contextlib.contextmanager
    def _naming_the_folder(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise InputError(
                f"{error.filename2 or error.filename}: exists already; name another folder with --out"
            ) from None
        except OSError as error:
            raise InputError(
                f"{self._directory}: cannot be written: {error.strerror}; name another folder with --out"
            ) from None


class _DayFile:
    """One gzip file being written. Its header has no name and time, so that equal content gives equal bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames = 0
        self._file = path.open("wb")
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._file, mtime=0)

    def write(self, lines: Sequence[tuple[int, str]]) -> None:
        self.frames += len(lines)
        self._gzip.write("".join([f"{at_ns} {text}\n" for at_ns, text in lines]).encode("ascii"))

    def close(self) -> None:
        """Closes the file. Idempotent."""
        if self._file.closed:
            return
        with self._file:
            self._gzip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
