"""`arb convert` and `arb data list`: recordings to row files, and what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from arb.app.legs import feed_latency_ns, load_adapter
from arb.config import VenueConfig
from arb.data.cache import RowCache
from arb.data.catalog import Recording, find_recordings
from arb.data.compare import CONVERTERS, Comparison, compare
from arb.data.convert import Feed, RowFile, convert
from arb.data.npy import NpyWriter
from arb.data.raw import Progress
from arb.errors import InputError

#: Told how many bytes there are to read; gives what hears of each part that was read.
StartProgress = Callable[[int], Progress]


class Converted(NamedTuple):
    """A recording and its rows."""

    recording: Recording
    file: RowFile
    path: Path


def convert_all(
    directory: Path,
    venues: Mapping[str, VenueConfig],
    out: Path | None,
    progress: StartProgress | None = None,
) -> tuple[int, list[Converted]]:
    """The rows of all recordings in `directory` on one clock, and its offset in ns.

    They stay in the cache; `out` gets a copy of each as `<venue>/<symbol>_<YYYYMMDD>.npy`, which hftbacktest loads.
    Raises InputError where there is nothing to convert.
    """
    runs = list(_consecutive(_known(directory, venues)))
    feeds = [
        Feed(load_adapter(venues[run[0].venue]), run, feed_latency_ns(venues[run[0].venue])) for run in runs
    ]
    conversion = convert(feeds, RowCache(), progress=progress and progress(bytes_of(runs)))
    converted = [
        Converted(recording, file, _place(recording, file, out, is_first=recording is run[0]))
        for run, files in zip(runs, conversion.files, strict=True)
        for recording, file in zip(run, files, strict=True)
    ]
    return conversion.offset_ns, converted


def bytes_of(runs: Iterable[Iterable[Recording]]) -> int:
    """The size of all recordings together."""
    return sum(recording.path.stat().st_size for run in runs for recording in run)


def compare_all(directory: Path, venues: Mapping[str, VenueConfig]) -> Iterator[Comparison]:
    """Our comparison rows against hftbacktest's converter, for each recording of a venue that it converts."""
    recordings = [r for r in _known(directory, venues) if r.venue in CONVERTERS]
    if not recordings:
        raise InputError(
            f"{directory}: no recording that hftbacktest converts; it knows {', '.join(sorted(CONVERTERS))}"
        )
    for recording in recordings:
        yield compare(load_adapter(venues[recording.venue]), recording)


def list_all(directory: Path) -> list[Recording]:
    """All recordings. Raises InputError where the folder is missing or holds none."""
    recordings = find_recordings(directory)
    if not recordings:
        raise InputError(f"{directory}: no recordings; they are named <venue>/<symbol>_<YYYYMMDD>.gz")
    return recordings


def _known(directory: Path, venues: Mapping[str, VenueConfig]) -> list[Recording]:
    recordings = list_all(directory)
    known = [recording for recording in recordings if recording.venue in venues]
    if not known:
        found = ", ".join(sorted({recording.venue for recording in recordings}))
        raise InputError(f"{directory}: recordings of {found}, but no venue file describes any of them")
    return known


def _consecutive(recordings: Sequence[Recording]) -> Iterator[list[Recording]]:
    """Runs of days without a hole, an instrument at a time."""
    for _, group in groupby(recordings, key=lambda r: (r.venue, r.symbol)):
        run: list[Recording] = []
        for recording in group:
            if run and recording.day - run[-1].day != timedelta(days=1):
                yield run
                run = []
            run.append(recording)
        yield run


def _place(recording: Recording, file: RowFile, out: Path | None, *, is_first: bool) -> Path:
    """Where the rows are; below `out`, a first day that carries on begins with the book that it carries on from."""
    if out is None:
        return Path(file.path)
    target = out / recording.venue / f"{recording.symbol.lower()}_{recording.day:%Y%m%d}.npy"
    try:
        with NpyWriter(target) as writer:
            for rows in file.load(is_first=is_first):
                writer.write(rows)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    return target
