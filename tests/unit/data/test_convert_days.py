"""Recordings of several days are one chain over midnight, with and without the day before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hftbacktest.data import validate_event_order
from support.books import PlainBook
from support.conversions import book_of, check_tidy, feed_of, rows_in, run
from support.recorder import DAY, Days, write_recording

from arb.data.catalog.days import Recording
from arb.data.rows.row_files import RowFile
from connectors.book.sequence import Status
from connectors.model import Rows

BINANCE = ["binance_spot", "binance_usdm"]


class ThreeDays:
    """Three recorded days, a snapshot on the first only."""

    def __init__(self, folder: Path, venue: str) -> None:
        self.folder = folder
        self.venue = venue
        self.days = Days(venue)
        self.recordings = [self.write(n) for n in range(3)]

    def write(self, number: int, skip: int = 0) -> Recording:
        return write_recording(
            self.folder, self.venue, self.days.events(number)[skip:], DAY + timedelta(days=number)
        )

    def convert(self, *numbers: int) -> tuple[list[RowFile], Rows]:
        conversion = run(self.folder / "cache", feed_of(self.recordings[n] for n in numbers))
        check_tidy(self.folder / "cache")
        return conversion.files[0], rows_in(conversion)[0]

    def true_book(self, number: int) -> PlainBook:
        """At the end of a day."""
        return self.days.history.books[self.days.history.events[(number + 1) * self.days.third - 1].last_id]


@pytest.fixture(params=["binance_spot", "binance_usdm", "bybit_linear"])  # each rule of ids once
def three(request: pytest.FixtureRequest, tmp_path: Path) -> ThreeDays:
    return ThreeDays(tmp_path, request.param)


def test_days_on_end_are_one_chain(three: ThreeDays) -> None:
    files, rows = three.convert(0, 1, 2)
    assert [(file.scan.gaps, file.scan.is_carried) for file in files] == [(0, False), (0, True), (0, True)]
    assert book_of(rows) == three.true_book(2)


@pytest.mark.parametrize("first", [1, 2])
def test_a_day_without_snapshot_carries_on_from_the_days_before(three: ThreeDays, first: int) -> None:
    files, rows = three.convert(*range(first, 3))
    assert [file.scan.gaps for file in files] == [0] * len(files)
    validate_event_order(np.concatenate(files[0].load(is_first=True)))
    assert book_of(rows) == three.true_book(2)
    carried = len(files[0].load(is_first=True)[0])
    assert book_of(rows[:carried]) == three.true_book(first - 1)
    assert len(files[0].load(is_first=False)) == 1


def test_a_day_gives_the_same_rows_with_and_without_the_day_before_it_in_the_run(three: ThreeDays) -> None:
    together, _ = three.convert(0, 1)
    alone, _ = three.convert(1)
    assert together[1].path == alone[0].path


def test_a_missing_day_before_leaves_the_book_unknown(three: ThreeDays) -> None:
    three.recordings[0].path.unlink()
    [file], rows = three.convert(1)
    assert (file.scan.status, file.scan.is_carried, file.carry_path) == (Status.UNSYNCED, False, "")
    assert book_of(rows).is_empty()
    assert len(rows) > 0


def test_a_hole_between_the_days_empties_the_book(three: ThreeDays) -> None:
    three.recordings[1] = three.write(1, skip=5)
    files, rows = three.convert(0, 1, 2)
    assert [(file.scan.gaps, file.scan.is_carried) for file in files] == [(0, False), (1, True), (0, False)]
    assert book_of(rows).is_empty()
    [first, _], rows = three.convert(1, 2)
    assert first.scan.gaps == 1
    assert book_of(rows).is_empty()


def test_a_changed_day_before_is_another_chain(three: ThreeDays) -> None:
    before, _ = three.convert(1)
    three.recordings[0] = write_recording(three.folder, three.venue, three.days.events(0)[:-1], DAY)
    after, rows = three.convert(1)
    assert before[0].path != after[0].path
    assert after[0].scan.gaps == 1
    assert book_of(rows).is_empty()


def test_a_later_day_with_its_own_snapshot_begins_with_an_empty_book(three: ThreeDays) -> None:
    """The recorder was down in between: the touch of the day before is none until the snapshot is there."""
    events = three.days.events(1)
    snapshot = three.days.history.snapshot(events[20].last_id or events[19].last_id)
    second = [*events[10:21], snapshot, *events[21:]]
    three.recordings[1] = write_recording(three.folder, three.venue, second, DAY + timedelta(days=1))
    files, rows = three.convert(0, 1)
    assert not files[1].scan.is_carried
    begin, own = files[1].load(is_first=False)
    assert np.isnan(begin["px"]).all()
    validate_event_order(np.concatenate([begin, own]))
    assert book_of(rows[: files[0].rows]) == three.true_book(0)
    assert book_of(rows[: files[0].rows + 2]).is_empty()
    assert book_of(rows) == three.true_book(1)
    assert len(files[1].load(is_first=True)) == 1


@pytest.mark.parametrize("venue", BINANCE)
def test_a_day_with_a_late_snapshot_carries_on_and_takes_it(tmp_path: Path, venue: str) -> None:
    three = ThreeDays(tmp_path, venue)
    events = three.days.events(1)
    late = three.days.history.snapshot(events[199].last_id or events[200].last_id)
    three.recordings[1] = write_recording(
        tmp_path, venue, [*events[:200], late, *events[200:]], DAY + timedelta(days=1)
    )
    [file], rows = three.convert(1)
    assert (file.scan.gaps, file.scan.is_carried) == (0, True)
    assert book_of(rows) == three.true_book(1)
