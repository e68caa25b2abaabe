"""Folders of sessions that nobody runs: status, events and series with their writers' own structs, for the watcher."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from arb.files import lock
from arb.results.event_log import LoggedEvent, encode_event, event_file
from arb.results.series import SERIES, encode_head, row_type
from arb.results.status import (
    FORMAT,
    STATUS,
    EdgeStatus,
    LatencyStatus,
    LegStatus,
    RuleStatus,
    SpanStatus,
    Status,
)
from connectors.units import SECOND

LEGS = ("binance_spot:BTCUSDT", "binance_usdm:BTCUSDT")
EDGES = ((LEGS[0], LEGS[1]), (LEGS[1], LEGS[0]))
#: When the sessions began, unless it is said otherwise: 2026-01-01T00:00:00Z.
BEGAN_NS = 1_767_225_600 * SECOND


def status(**changed: Any) -> Status:
    """A status with a value in every field."""
    now_ns = int(changed.get("time_ns", time.time_ns()))
    whole = Status(
        format=FORMAT,
        command="dry-run",
        pid=4321,
        began_ns=BEGAN_NS,
        time_ns=now_ns,
        elapsed_s=125.5,
        remaining_s=3_474.5,
        heartbeat_ns=now_ns - 3_000_000,
        legs=[
            LegStatus(
                LEGS[0], "synced", 64_000.1, 64_000.2, 0.125, 12.34, 45.6, 12_345, 0, 0.0125, 800.0, 0.0
            ),
            LegStatus(LEGS[1], "synced", 64_012.3, None, None, None, 0.0, 0, 2, -0.0125, -800.15, 0.0),
        ],
        edges=[EdgeStatus(*EDGES[0], 1.2345, 7.5), EdgeStatus(*EDGES[1], None, -3.25)],
        threshold_bps=2.5,
        is_over_basis=False,
        working=1,
        latencies=[LatencyStatus(LEGS[0], 17, 21.5, 48.25, 99.9, 425.5, [0] * 8 + [9, 7, 1] + [0] * 6)],
        decisions=[SpanStatus(LEGS[0], 1.5, [0, 5, 4, *[0] * 14])],
        sends=[SpanStatus(LEGS[0], 3.5, [0, 0, 9, *[0] * 14])],
        fills=1_234,
        attempts=700,
        hedged=610,
        missed=80,
        reversed=9,
        opportunities=901,
        opportunities_taken=699,
        events={"fill": 1_234},
        refusals={"max_order_quote": 3},
        capital_quote=10_000.0,
        fee_quote=12.3456,
        pnl_quote=-0.123456,
        drawdown_quote=1.5,
        day_loss_quote=0.0,
        max_edge_bps=200.0,
        max_drawdown_pct=5.0,
        unhedged_s=0.0,
        attempts_affordable=25.0,
        leverage_pct=8.0,
        margin_pct=None,
        reported=[],
        halted="",
        doubts=2,
        rules=[RuleStatus("data", "no book of binance_usdm:BTCUSDT for 31 s")],
        processor_pct=12.5,
        memory_gb=0.41,
        open_files=42,
        disk_free_gb=120.5,
        environment="",
        accounts=[],
    )
    return msgspec.structs.replace(whole, **changed)


def event(number: int, kind: str = "fill", text: str = "", time_ns: int = 0, **data: Any) -> LoggedEvent:
    """An event of a session."""
    return LoggedEvent(number, time_ns or BEGAN_NS + number * SECOND, kind, text or f"number {number}", data)


def rows_of(count: int, start_ns: int = BEGAN_NS, seed: int = 1, every_ns: int = SECOND // 4) -> Any:
    """Rows of a series: two legs and both edges, as a market that wanders; the extremes of each differ."""
    chance = np.random.default_rng(seed)
    rows = np.zeros(count, row_type(len(LEGS), len(EDGES)))
    rows["time_ns"] = start_ns + np.arange(count) * every_ns
    mid = 64_000.0 + np.cumsum(chance.normal(0.0, 1.0, count))
    for leg in range(len(LEGS)):
        own = mid + chance.normal(0.0, 4.0, count)
        rows["bid"][:, leg] = np.stack((own - 0.6, own - 0.1), axis=1)
        rows["ask"][:, leg] = np.stack((own + 0.1, own + 0.6), axis=1)
    for name in ("bid", "ask"):  # ticks of 0.1, as on the wire
        rows[name] = np.round(rows[name], 1)
    edge = 1e4 * (rows["bid"][:, 1, 0] - rows["ask"][:, 0, 0]) / mid - 1.0
    for n, values in enumerate((edge, -edge - 2.0)):
        rows["edge_bps"][:, n] = np.stack((values - 0.2, values + 0.2), axis=1)
    pnl = np.round(np.cumsum(chance.normal(0.01, 0.5, count)), 4)
    rows["pnl_quote"] = np.stack((pnl - 0.25, pnl), axis=1)
    return rows


class WatchedFolder:
    """The folder of one session. `write_*` are what the session does; `end` what it does last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        #: Held while the session goes on.
        self._lock = (path / "session.lock").open("w+b")
        lock(self._lock)
        self._has_series = False

    def write_status(self, **changed: Any) -> Status:
        written = status(**changed)
        aside = self.path / ".status"
        aside.write_bytes(msgspec.json.encode(written))
        aside.rename(self.path / STATUS)
        return written

    def write_events(self, *events: LoggedEvent, file_no: int = 1) -> None:
        self.write_text(b"".join(encode_event(one) for one in events), file_no)

    def write_text(self, text: bytes, file_no: int = 1) -> None:
        """A part of a file of events."""
        with (self.path / event_file(file_no)).open("ab") as file:
            file.write(text)

    def write_rows(self, rows: Any) -> None:
        with (self.path / SERIES).open("ab") as file:
            if not self._has_series:
                file.write(encode_head(LEGS, EDGES))
            file.write(rows.tobytes())
        self._has_series = True

    def close(self) -> None:
        """At the end of a test."""
        self._lock.close()

    def kill(self) -> None:
        """The process is gone, its files are not complete."""
        self._lock.close()

    def end(self, summary: dict[str, Any], outcome: str = "ended") -> None:
        inputs = [{"leg": leg} for leg in LEGS]
        manifest = {
            "command": "dry-run", "created": "2026-01-01T00:00:00Z", "outcome": outcome, "error": None, "inputs": inputs
        }  # fmt: skip
        (self.path / "summary.json").write_text(json.dumps(summary))
        (self.path / "manifest.json").write_text(json.dumps(manifest))
        self.kill()
        (self.path / "session.lock").unlink()
