"""What a session on live data has written for other processes, compared with its other files."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arb.results.event_log import read_events
from arb.results.evidence import changed_files
from arb.results.series import read_series
from arb.results.status import read_status
from arb.results.trades import Trade


def is_whole_for_others(run: Path, trades: Sequence[Trade], summary: Mapping[str, Any]) -> None:
    """Events without holes, of which each fill is one; rows whose times increase; a status that agrees."""
    events, _ = read_events(run)
    assert [one.number for one in events] == list(range(1, len(events) + 1))
    said = [one.data for one in events if one.event == "fill"]
    filled = [(one["order_id"], one["leg"], one["price"], one["qty"], one["fee"]) for one in said]
    assert sorted(filled) == sorted(
        (one.order_id, one.leg, one.price, one.quantity, one.fee) for one in trades
    )
    assert (events[-1].event, events[-1].data) == ("end", {"outcome": "ended"})

    series = read_series(run)
    assert series is not None
    assert np.diff(series.rows["time_ns"]).min() > 0
    bids, asks = series.rows["bid"], series.rows["ask"]
    is_known = ~np.isnan(bids[:, :, 0]) & ~np.isnan(asks[:, :, 0])
    assert is_known.any(axis=0).all(), "a touch of each leg"
    assert (bids[:, :, 0] <= bids[:, :, 1])[is_known].all()
    assert (bids[:, :, 0] < asks[:, :, 1])[is_known].all()

    status = read_status(run)
    assert status is not None
    assert [leg.name for leg in status.legs] == [leg["leg"] for leg in summary["legs"]]
    assert 0 < status.fills <= len(trades)
    assert sum(line.answers for line in status.latencies) > 0
    assert status.unhedged_s >= 0.0
    assert (status.attempts_affordable or 0.0) > 0.0
    assert (status.max_edge_bps, status.max_drawdown_pct) == (None, None), (
        "limits of the spread strategy alone"
    )
    assert {leg.off for leg in status.legs} == {0.0}
    assert status.reported == []
    assert status.capital_quote == pytest.approx(summary["equity"]["capital_quote"], rel=0.05)


def finds_changes(run: Path, folder: Path) -> None:
    """The manifest covers events and series: a changed byte in a copy is found."""
    manifest = json.loads((run / "manifest.json").read_bytes())
    copy = folder / "copy"
    shutil.copytree(run, copy)
    for name in ("events.jsonl", "series.bin", "status.json"):
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
    assert [one.name for one in changed_files(copy, manifest)] == ["events.jsonl", "series.bin"]


def most_late_s(run: Path) -> float:
    """The longest that a recorded frame was on its way, by the venue's time in it."""
    return max(
        int(line[:19]) / 1e9 - int(stamp.group(1)) / 1e3
        for path in run.glob("recording/*/*.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
        if (stamp := re.search(rb'"(?:E|ts)":(\d{13})\b', line)) is not None
    )
