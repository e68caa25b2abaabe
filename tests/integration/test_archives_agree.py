"""The archives of one day against each other: a venue's own and Tardis' show the same touch.

Their venue times differ in meaning (matching engine or gateway), so moments are compared by when the venue sent them:
what Tardis calls the timestamp, and what the venue's own archive has as local time without the feed latency.
Bybit's spot market was not recorded: the frames of its linear one stand in for it.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hftbacktest import DEPTH_SNAPSHOT_EVENT, EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT
from hftbacktest.data.utils import tardis as tardis_data
from support.archive_days import RECORDED_DAY, archive_day, frames_of_day
from support.archive_runs import seen_by
from support.books import PlainBook
from support.paths import RECORDINGS
from support.venues import VENUES

from arb.data.catalog.archived import ArchiveKind, archive_path
from arb.data.catalog.days import find_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from connectors.model import Instrument, Rows, Venue

pytestmark = pytest.mark.slow

SYMBOL, LATENCY_NS = "BTCUSDT", 10_000_000
#: Both of Bybit's archives of books have begun, so that its spot market has one too.
SIMULATED_DAY, SIMULATED_TOUCH_DAY = date(2025, 6, 1), date(2024, 1, 1)
TICK_SIZES = {"binance_usdm": 0.1, "bybit_linear": 0.1, "bybit_spot": 0.01}
BOOK, TOUCH, TRADES = ArchiveKind.BOOK, ArchiveKind.TOUCH, ArchiveKind.TRADES
Touch = tuple[float, float, float, float]
Files = dict[tuple[str, ArchiveKind], tuple[str, bytes]]


def rows_of_source(
    folder: Path, venue: Venue, source: str, files: Files,
    kinds: tuple[ArchiveKind, ...],
) -> Rows:  # fmt: skip
    """What a conversion makes of the files of one archive."""
    for (origin, kind), (name, content) in files.items():
        if origin == source and kind in kinds:
            path = archive_path(folder, source, venue.name, SYMBOL, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    instrument = Instrument(venue.name, SYMBOL, TICK_SIZES[venue.name], 1e-6)
    feed = Feed(venue, find_days(folder), LATENCY_NS, instrument)
    (file,) = convert([feed], RowCache(folder / "cache"), offset_ns=0).files[0]
    (rows,) = file.load(is_first=True)
    rows = rows.copy()
    rows["px"] = np.round(rows["px"], 6)  # a level that was taken is named by its tick, not by its text
    return rows


def last_touches(rows: Rows, times: np.ndarray) -> Iterator[tuple[int, Touch]]:
    """(moment, touch) after the last row of each moment, in ms."""
    book = PlainBook()
    cuts = [*(np.flatnonzero(np.diff(times)) + 1).tolist(), len(rows)]
    start = 0
    for cut in cuts:
        book.apply(rows[start:cut])
        yield int(times[cut - 1]) // 1_000_000, book.touch()
        start = cut


def touches_as_sent(rows: Rows, source: str) -> dict[int, Touch]:
    """The last touch of each moment at which the venue sent something, ms."""
    side = EXCH_EVENT if source == "tardis" else LOCAL_EVENT
    rows = seen_by(rows, side)
    times = rows["exch_ts"] if source == "tardis" else rows["local_ts"] - LATENCY_NS
    return dict(last_touches(rows, np.asarray(times)))


@pytest.mark.parametrize(
    ("market", "own", "tardis", "is_recorded"),
    [
        ("binance_usdm", (TOUCH,), (TOUCH, TRADES), False),
        ("binance_usdm", (TOUCH,), (BOOK, TOUCH, TRADES), True),
        ("bybit_linear", (BOOK, TRADES), (BOOK, TRADES), True),
        ("bybit_spot", (BOOK, TRADES), (BOOK, TRADES), False),
    ],
    ids=["usdm-touch", "usdm-fused", "linear-book", "spot-book"],
)
def test_both_show_the_same_last_touch_at_every_time_of_the_venues_archive(
    tmp_path: Path,
    market: str,
    own: tuple[ArchiveKind, ...],
    tardis: tuple[ArchiveKind, ...],
    is_recorded: bool,
) -> None:
    day = RECORDED_DAY if is_recorded else SIMULATED_DAY
    if market == "binance_usdm" and not is_recorded:
        day = SIMULATED_TOUCH_DAY
    if is_recorded and not RECORDINGS.is_dir():
        pytest.skip("the recordings are not here")
    venue = VENUES[market]
    frames = frames_of_day(day, tmp_path / "market", SYMBOL, [market], 1.0)
    files = {
        (series.source, series.kind): (series.name.format(symbol=SYMBOL, day=day), content)
        for series, content in archive_day(frames, SYMBOL, day, is_always=True)
    }
    source = market.partition("_")[0]
    ours = touches_as_sent(rows_of_source(tmp_path / "own", venue, source, files, own), source)
    theirs = touches_as_sent(rows_of_source(tmp_path / "tardis", venue, "tardis", files, tardis), "tardis")
    known = [ms for ms, touch in theirs.items() if not np.isnan(touch).any()]
    begin = max(known[0], received_ms(files, tardis[0]))
    compared = [ms for ms in ours if ms >= begin]
    different = [ms for ms in compared if ours[ms] != theirs[known[bisect_right(known, ms) - 1]]]
    assert len(compared) > 0.9 * len(ours) > 100
    if BOOK in tardis and TOUCH in tardis:
        assert set(different) <= overtaken_touches(files)
        assert len(different) < 0.02 * len(compared)
    else:
        assert different == []


def times_of(files: Files, kind: ArchiveKind) -> list[tuple[int, int]]:
    """When each line of a file of Tardis was received and sent, us."""
    text = gzip.decompress(files["tardis", kind][1]).decode()
    rows = csv.DictReader(text.splitlines())
    return [(int(row["local_timestamp"]), int(row["timestamp"])) for row in rows]


def received_ms(files: Files, kind: ArchiveKind) -> int:
    """When Tardis received the first line: what it says of the time before was not known yet."""
    return times_of(files, kind)[0][0] // 1_000


def overtaken_touches(files: Files) -> set[int]:
    """The times, ms, of touches that Tardis received after a book that was sent later: a replay leaves them out."""
    book = times_of(files, BOOK)
    received = [local for local, _ in book]
    newest = list(accumulate((sent for _, sent in book), max))
    return {
        sent // 1_000
        for local, sent in times_of(files, TOUCH)
        if (n := bisect_right(received, local)) and newest[n - 1] > sent
    }


def test_hftbacktest_reads_what_tardis_would_serve(tmp_path: Path) -> None:
    """Its converter is the one reader of these files that is not ours."""
    frames = frames_of_day(SIMULATED_TOUCH_DAY, tmp_path / "market", SYMBOL, ["binance_usdm"], 0.3)
    paths = {}
    for series, content in archive_day(frames, SYMBOL, SIMULATED_TOUCH_DAY):
        if series.source == "tardis":
            paths[series.kind] = tmp_path / f"{series.kind}.csv.gz"
            paths[series.kind].write_bytes(content)
    rows = tardis_data.convert([str(paths[TRADES]), str(paths[BOOK])], snapshot_mode="process")
    kinds = rows["ev"] & 0xFF
    assert np.count_nonzero(kinds == TRADE_EVENT) > 25
    assert np.count_nonzero(kinds == DEPTH_SNAPSHOT_EVENT) >= 50
    assert (rows["local_ts"] > rows["exch_ts"]).all()
