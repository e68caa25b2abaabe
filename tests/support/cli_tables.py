"""Tables and screens of commands, filled with made-up figures: large ones, long names, unknown values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import RenderableType

from arb.cli.check import report_table
from arb.cli.doctor import check_table
from arb.cli.download import plan_view
from arb.cli.record_view import progress_table
from arb.cli.recordings import lines_view
from arb.cli.session_view import session_screen
from arb.cli.verify import differences_table
from arb.commands.checks import Check, Level
from arb.commands.record import Line, Progress
from arb.data.catalog.archived import ArchiveKind
from arb.data.check.report import RecordingReport
from arb.data.download.choice import ArchiveLeg, Choice, RemoteFile
from arb.data.download.plan import FileState, Plan
from arb.data.recordings.recorder import RecorderState
from arb.runtime.risk_figures import RiskFigures
from arb.runtime.running_figures import Falls, LatencyLine
from arb.runtime.session_orders import OrdersState
from arb.runtime.status_file import Figures, LegFigures
from arb.runtime.trading_lines import Totals
from arb.runtime.view import EdgeLine, EventLine, LegLine, SessionView
from arb.verify.reconcile import Difference
from connectors.feed.status import FeedStatus, InstrumentState

_NOON_NS = 1_723_118_400_000_000_000
_LEGS = (("binance_usdm", "1000PEPEUSDT"), ("bybit_linear", "BTCUSDT"))


def _reports() -> list[RecordingReport]:
    latency = dict.fromkeys(("ns_min", "ns_p1", "ns_p50", "ns_p95", "ns_max"), 0) | {"ns_p99": 1_211_000_000}
    counts = ("frames", "rows", "local_ts_first", "local_ts_last", "duplicates", "doubtful", "misdated",
              "outside_day", "venue_timed", "out_of_order", "out_of_order_ns_max")  # fmt: skip
    stream = dict.fromkeys(counts, 0) | {"latency": latency, "silences": None}
    book: dict[str, Any] = dict.fromkeys(("unknown_ns", "before_snapshot_ns", "bbo_crossed", "bbo_locked"), 0)
    book |= {"is_carried": False, "gaps": 12_345, "unknown_share": 0.1234, "is_ever_known": True}
    book |= {"crossed": 1_234, "locked": 5, "unknown_longest": [], "crossed_longest": []}
    clock = {"lead_ns": 1_274_812_345, "offset_ns": 0, "drift_ppm": -123.45, "drift_ns": 0, "steps_back": 0}
    clock |= {"steps": [], "steps_back_longest": [], "wrong_stamps": []}
    shared = {
        "day": "2024-08-08", "verdict": "warnings", "findings": [], "file_bytes": 0, "text_bytes": 0,
        "lines": 123_456_789, "rows": 0, "slow_frames": 0, "frames": {}, "local_ts_first": 0, "local_ts_last": 0,
        "span_ns": 0, "covered_share": 1.0, "day_share": 0.987, "venue_timed": 1_000, "out_of_order": 164,
        "out_of_order_ns_max": 0, "streams": {"depth": stream, "bbo": stream, "trade": stream}, "book": book,
        "holes": {"limit_ns": 0, "count": 1_234, "total_ns": 0, "longest": []}, "clock": clock,
    }  # fmt: skip
    lines = [
        shared | {"venue": venue, "symbol": symbol, "file": f"data/{venue}/{symbol.lower()}_20240808.gz"}
        for venue, symbol in _LEGS
    ]
    return msgspec.convert(lines, list[RecordingReport])


def _progress() -> Progress:
    states = (
        InstrumentState(
            "1000PEPEUSDT", FeedStatus.SYNCED, 12_345.6, 3e6, 1_234e6, 12, 98_765_432, 10**8, 0, 0, ()
        ),
        InstrumentState("BTCUSDT", FeedStatus.DOWN, 0.0, float("nan"), float("nan"), 0, 0, -1, 0, 0, ()),
    )
    lines = tuple(Line(venue, state, "") for (venue, _), state in zip(_LEGS, states, strict=True))
    return Progress(_NOON_NS, 61.0, lines, RecorderState(1_234_567, 5_600_000_000, 3, 0, 2_500_000, None))


def _plan() -> Plan:
    choices, states = [], {}
    for (venue, symbol), size in zip(_LEGS, (1_234_500_000, None), strict=True):
        leg, day = ArchiveLeg(venue, venue, symbol), date(2024, 8, 8)
        file = RemoteFile(leg, day, "tardis", ArchiveKind.BOOK, "", "", "", has_checksum=False)
        choices.append(Choice(leg, day, "tardis", (file,)))
        states[file] = FileState(Path("data"), size, 0, is_whole=False)
    return Plan(tuple(choices), states, 98_765_400_000)


def _days() -> list[dict[str, Any]]:
    return [
        {"venue": venue, "symbol": symbol, "day": "2024-08-08", "source": "recording", "contents": "frames",
         "bytes": 12_345_678_901, "file": "left out"}
        for venue, symbol in _LEGS
    ]  # fmt: skip


def _checks() -> list[Check]:
    return [
        Check(
            "disk", Level.OK, "67.5 GB free for recordings, of which [record] reserve_gb = 1 stay free", ""
        ),
        Check(
            "binance_usdm clock", Level.FAIL, "1,234.5 ms behind the venue's, within 4.1 ms", "set the clock"
        ),
        Check(
            "bybit_linear:1000PEPEUSDT",
            Level.WARN,
            "tick 0.0000001 of 0.0000100",
            "write tick_size = 0.00001",
        ),
    ]


def _differences() -> list[Difference]:
    return [
        Difference(
            "trades.csv", "line 1,234, price", 0, "61234.567890123", "61234.567890124", "arb has changed"
        ),
        Difference("summary.json", "equity.return_quote", 0, "-241020.123456789", "+240473.987654321"),
    ]


def session_view() -> SessionView:
    """Two legs of long names with large figures, one without data."""
    pepe, btc = ("binance_usdm:1000PEPEUSDT", "bybit_linear:1000PEPEUSDT"), "bybit_spot:BTCUSDT"
    noon_s = _NOON_NS // 10**9
    events = [
        (0, "feed", f"{btc}: synced"),
        (7, "attempt", f"1,234: buy {pepe[0]}, sell {pepe[1]}, edge +34.56 bps"),
        (7, "fill", f"{pepe[0]} buy 123456 at 0.0112345, fee 0.6935, attempt 1234"),
        (8, "fill", f"{pepe[1]} sell 123456 at 0.0112891, fee 0.7666, attempt 1234"),
        (8, "hedged", "attempt 1234, 123456 a leg, profit +5.28"),
    ]
    return SessionView(
        name="20240808T120000Z-dry-run",
        elapsed_s=3_723.4,
        remaining_s=82_677.6,
        legs=[
            LegLine(pepe[0], "synced", 0.0112344, 0.0112345, 0.1, 1_234.0, 123_456.0),
            LegLine(pepe[1], "stale", 0.0112891, 0.0112893, 12.3, 55.0, -123_456.0),
            LegLine(btc, "down", math.nan, math.nan, math.nan, 0.0, 0.0),
        ],
        edges=[EdgeLine(*pepe, 34.56, 1_234.56), EdgeLine(*pepe[::-1], -52.3, math.nan)],
        threshold_bps=10.0,
        is_over_basis=False,
        working=2,
        fills=24_680,
        totals=Totals(
            attempts=12_345, hedged=12_340, seen=98_765, taken=12_345, best_bps=(), missed=4, reversed=1
        ),
        fees=18_234.56,
        pnl=-1_234.56,
        events=[EventLine((noon_s + s) * 10**9, event, text) for s, event, text in events],
    )


def status_figures() -> Figures:
    """What the status of that session has besides."""
    leg = LegFigures(1.25, 4_321, 1, 1_386.9, 0.5)
    return Figures(
        heartbeat_ns=_NOON_NS,
        legs=[leg, leg, LegFigures(math.nan, 0, 0, math.nan, 0.0)],
        latencies=[
            LatencyLine(
                "binance_usdm:1000PEPEUSDT", 12_345, 1.5, 2.5, 3.5, 20_000.5, [0, 0, 12_345, *[0] * 14]
            )
        ],
        events={"gap": 2},
        refusals={"qty": 3},
        capital=200_000.0,
        falls=Falls(2_345.6, 1_234.56),
        risks=RiskFigures(12.5, 3.0, math.nan),
        halted="",
        orders=OrdersState("arb halt", 1, {"memory": "the session uses 2.75 GB"}),
    )


TABLES: Mapping[str, Callable[[], RenderableType]] = {
    "data-check": lambda: report_table(_reports()),
    "data-list": lambda: lines_view(_days()),
    "doctor": lambda: check_table(_checks()),
    "download": lambda: plan_view(_plan()),
    "record": lambda: progress_table(_progress()),
    "session": lambda: session_screen(session_view()),
    "verify": lambda: differences_table(_differences()),
}
