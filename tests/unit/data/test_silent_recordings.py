"""A recording whose depth stream was silent: its rows empty the book and restore it, for the strategy alone."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT
from support.books import PlainBook
from support.chaos import SIM_VENUES, TIMES, Chaos
from support.sim_market import LOT, TICK
from support.sim_time import EPOCH_NS, S

from arb.data.catalog.days import Recording
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.usable import book_notes
from connectors.book.rows import LOCAL_ONLY
from connectors.model import Instrument, Rows


def recorded(venue: str, folder: Path, quiet_s: int) -> Recording:
    """A minute of a venue, in whose middle nothing changes for a while."""
    chaos = Chaos(3, venue, symbols=1)
    chaos.feed.start()
    chaos.timers.run(20 * S)
    chaos.server.is_paused = True
    chaos.timers.run(quiet_s * S)
    chaos.server.is_paused = False
    chaos.timers.run(20 * S)
    day = datetime.fromtimestamp(EPOCH_NS // S, UTC).date()
    path = folder / venue / f"aaausdt_{day:%Y%m%d}.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"".join(b"%d %s\n" % (ts, frame) for _, ts, frame in chaos.watch.frames)))
    return Recording(venue, "AAAUSDT", day, path)


def rows_of(recording: Recording, folder: Path, silence_ns: int) -> tuple[Rows, list[str]]:
    venue = SIM_VENUES[recording.venue]
    instrument = Instrument(recording.venue, recording.symbol, TICK, LOT)
    feed = Feed(venue, [recording], 0, instrument, silence_ns=silence_ns)
    with RowCache(folder / "cache") as cache:
        conversion = convert([feed], cache)
        rows = [rows.copy() for file in conversion.files[0] for rows in file.load(is_first=True)]
    return np.concatenate(rows), book_notes(conversion, [feed])


def trades_of(rows: Rows) -> Rows:
    return rows[rows["ev"] & np.uint64(0xFF) == 2]


def exchange_book(rows: Rows) -> PlainBook:
    book = PlainBook()
    book.apply(rows[rows["ev"] & np.uint64(EXCH_EVENT) != 0])
    return book


@pytest.mark.parametrize("venue", SIM_VENUES)
def test_rows_of_a_silence_are_added_for_the_strategy_alone(venue: str, tmp_path: Path) -> None:
    recording = recorded(venue, tmp_path, 8)
    without, no_notes = rows_of(recording, tmp_path, 0)
    rows, notes = rows_of(recording, tmp_path, TIMES.stale_after_ns)

    ours = rows[rows["ival"] == LOCAL_ONLY]
    # A touch that comes before the change that proves the book is left out, nothing else.
    assert 0 <= len(without) - (len(rows) - len(ours)) <= 12
    assert trades_of(rows).tobytes() == trades_of(without).tobytes()
    assert exchange_book(rows) == exchange_book(without)
    assert (ours["ev"] & np.uint64(LOCAL_EVENT) != 0).all()
    assert not (ours["ev"] & np.uint64(EXCH_EVENT)).any()
    local = rows[rows["ev"] & np.uint64(LOCAL_EVENT) != 0]
    first = int(np.flatnonzero(local["ival"] == LOCAL_ONLY)[0])
    book = PlainBook()
    book.apply(local[:first])
    before = book.copy()
    is_book = (local["ev"] & np.uint64(0xFF) != 2)[:first]
    assert ours["local_ts"][0] - local["local_ts"][:first][is_book][-1] == pytest.approx(2 * S, abs=S // 10)
    book.apply(local[first : first + 2])
    assert book.is_empty()
    assert ours["local_ts"][2] - ours["local_ts"][0] == pytest.approx(6 * S, abs=S // 2)
    book.apply(ours[2:])
    assert book == before
    assert not no_notes
    assert "1 times nothing changed it for longer than execution.stale_after_ms" in notes[0]
