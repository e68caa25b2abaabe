"""The notes of a live session on funding times that its frames did not name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.recording_files import make_leg

from arb.data.funding import FundingSpan
from arb.data.outages import BookOutages
from arb.runtime.session_files import SessionRecord, session_manifest
from arb.runtime.snapshot import LegSnapshot, Snapshot
from connectors.units import MINUTE, SECOND

MIDNIGHT = round(datetime(2024, 8, 8, tzinfo=UTC).timestamp()) * SECOND


def at(hour: float) -> int:
    return MIDNIGHT + round(hour * 60 * MINUTE)


def notes_of(
    folder: Path, first_hour: float, end_hour: float, *spans: tuple[float, float], is_spot: bool = False
) -> list[str]:
    """Of a session of one leg whose data name funding times; all in hours of a day."""
    leg = LegSnapshot(
        frames=9,
        rows=9,
        checksum=0,
        gaps=0,
        book=BookOutages(first_ts=at(first_hour), last_ts=at(end_hour)),
        lags=[],
        funding=tuple(FundingSpan(at(begin), at(end)) for begin, end in spans),
    )
    snapshot = Snapshot(end_ts=at(end_hour), legs=[leg], marks=b"", late=0, late_since=0, events={})
    record = SessionRecord(
        head={"created": "2024-08-08T07:00:00Z", "notes": []},
        snapshot=snapshot,
        answers=np.zeros(0),
        start_ts=at(first_hour),
        counts=(0, 0),
        recording_error=None,
        refusals={},
        outcome="ended",
        error=None,
    )
    manifest: dict[str, Any] = session_manifest(folder, [make_leg("binance_usdm", is_spot=is_spot)], record)
    notes: list[str] = manifest["notes"]
    return notes


@pytest.mark.parametrize(
    ("first", "end", "spans", "expected"),
    [
        (7.5, 7.9, [], []),
        (7.5, 8.1, [(7.501, 8), (8.001, 16)], []),
        (
            7.5,
            16.1,
            [],
            "not counted: its data have no funding rate; 2 funding times passed, if the venue's interval is 8 h",
        ),
        # The venue sent no further frame of it for twelve hours.
        (7.5, 20.5, [(7.501, 8), (8.001, 12)], "incomplete: 2 of 4 funding times have no data"),
    ],
)  # fmt: skip
def test_funding_times_that_no_frame_named(
    tmp_path: Path, first: float, end: float, spans: list[tuple[float, float]], expected: str | list[str]
) -> None:
    found = notes_of(tmp_path, first, end, *spans)
    assert found == ([f"funding of binance_usdm:BTCUSDT is {expected}"] if expected else [])
    assert notes_of(tmp_path, first, end, *spans, is_spot=True) == []
