"""Recordings written line by line, and what `arb data check` finds in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from arb.data.catalog.days import find_recordings
from arb.data.check.recordings import Source, check_recordings
from arb.data.check.report import RecordingReport
from support.recording_files import MS, write_recording
from support.venues import VENUES

VENUE = "binance_usdm"


def moved(line: str, by_ns: int, exch_by_ms: int | None = None) -> str:
    """A line received later, its frame sent as much later unless `exch_by_ms` is given."""
    frame = json.loads(line[20:])
    payload = frame.get("data", frame)
    for key in {"E", "T"} & payload.keys():
        payload[key] += by_ns // MS if exch_by_ms is None else exch_by_ms
    return f"{int(line[:19]) + by_ns} {json.dumps(frame, separators=(',', ':'))}"


def trade_line(local_ts: int, exch_ms: int, number: int = 1) -> str:
    data = {
        "e": "trade", "E": exch_ms, "T": exch_ms, "s": "BTCUSDT", "t": number, "p": "60000.00", "q": "0.001",
        "X": "MARKET", "m": False,
    }  # fmt: skip
    return f"{local_ts} {json.dumps({'stream': 'btcusdt@trade', 'data': data}, separators=(',', ':'))}"


def in_order(lines: Iterable[str]) -> list[str]:
    return sorted(lines, key=lambda line: int(line[:19]))


def check(folder: Path, **options: int) -> list[RecordingReport]:
    return check_recordings([Source(VENUES[r.venue], r) for r in find_recordings(folder)], **options)


def check_lines(folder: Path, lines: Iterable[str], venue: str = VENUE, **options: int) -> RecordingReport:
    write_recording(folder, venue, lines)
    [report] = check(folder, **options)
    return report


def codes(report: RecordingReport) -> list[str]:
    return [finding.code for finding in report.findings]


def text_of(report: RecordingReport, code: str) -> str:
    [text] = [finding.text for finding in report.findings if finding.code == code]
    return text
