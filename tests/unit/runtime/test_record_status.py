"""What a watched recording publishes: a run that goes on, is gone at its end, and keeps its error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from arb.errors import InputError
from arb.results.runs import KILLED, RUNNING, find_runs, run_of
from arb.results.status import read_status
from arb.runtime.record_status import RecordedLeg, RecordStatus
from connectors.feed.status import FeedStatus, InstrumentState
from connectors.feed.touch import Touch
from connectors.units import SECOND


def leg(status: FeedStatus = FeedStatus.SYNCED, bid: float = 64_000.0) -> RecordedLeg:
    state = InstrumentState("BTCUSDT", status, 12.5, 3e6, 9e6, 1, 4_096, SECOND // 4, 0, 0, ())
    return RecordedLeg("binance_spot", state, Touch(bid, 1.0, 64_001.0, 1.0, 1, 0))


def recording(folder: Path) -> RecordStatus:
    return RecordStatus(folder / "runs", folder, lambda line: None)


def test_a_recording_is_a_run_while_it_goes_on(tmp_path: Path) -> None:
    own = recording(tmp_path)
    own.write([leg()], 1.5)
    (run,) = find_runs(tmp_path / "runs")
    assert (run.command, run.state, run.legs) == ("record", RUNNING, ("binance_spot:BTCUSDT",))
    status = read_status(own.folder)
    assert status is not None
    assert (status.legs[0].lag_ms, status.legs[0].age_s, status.legs[0].feed) == (3.0, 0.25, "synced")
    assert abs(status.time_ns - time.time_ns()) < 60 * SECOND
    other = recording(tmp_path)
    assert other.folder != own.folder
    other.close()
    own.close()
    assert list((tmp_path / "runs").iterdir()) == []


def test_an_unknown_touch_is_null(tmp_path: Path) -> None:
    own = recording(tmp_path)
    own.write([leg(FeedStatus.DOWN, float("nan"))], 1.5)
    status = read_status(own.folder)
    assert status is not None
    assert (status.legs[0].feed, status.legs[0].bid, status.legs[0].ask) == ("down", None, 64_001.0)
    own.close()


def test_an_error_stays_and_so_does_a_killed_one_until_the_next(tmp_path: Path) -> None:
    own = recording(tmp_path)
    own.write([leg()], 1.5)
    own.close("no space left")
    failed = run_of(own.folder)
    assert failed is not None
    assert (failed.command, failed.state, failed.note) == ("record", "failed", "no space left")
    killed = recording(tmp_path)
    assert killed.folder == own.folder
    killed.write([leg()], 1.5)
    killed._lock.close()
    found = run_of(own.folder)
    assert found is not None
    assert (found.state, found.note) == (KILLED, "the next arb record --watch replaces it")
    later = recording(tmp_path)
    assert (later.folder, read_status(later.folder)) == (own.folder, None)
    later.close()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match=r"runs: cannot be written: .*; record without --watch"):
        recording(tmp_path)
