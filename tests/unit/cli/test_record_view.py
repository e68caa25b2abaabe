"""What `arb record` shows of where it stands."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from rich.console import Console
from support.figure_tables import documented
from support.screens import WIDTHS, drawn

from arb.cli.record_view import (
    JsonView,
    LineView,
    TableView,
    progress_line,
    progress_table,
    silences,
    size_text,
    status_line,
)
from arb.commands.record import Line, Progress
from arb.data.recordings.recorder import RecorderState
from arb.runtime.host import Ending
from connectors.feed.status import FeedStatus, InstrumentState, StreamState
from connectors.model import Stream

NOON_NS = 1_723_118_400_000_000_000


def line(status: FeedStatus = FeedStatus.SYNCED, trouble: str = "", **changes: Any) -> Line:
    depth = StreamState(Stream.DEPTH, 40, 20.0, 2000, 3e6, 9e6, 100_000_000)
    state = InstrumentState("BTCUSDT", status, 20.04, 3e6, 9e6, 1, 2000, 100_000_000, 0, 0, (depth,))
    return Line("bybit_spot", state._replace(**changes), trouble)


def progress(*lines: Line, elapsed_s: float = 61.0, lost: int = 0) -> Progress:
    return Progress(NOON_NS, elapsed_s, lines, RecorderState(1234, 5_600_000, lost, 0, 2_500_000, None))


def test_a_json_line_has_every_figure() -> None:
    reported = progress_line(progress(line(), line(FeedStatus.DOWN, "reset", lag_ns_p50=math.nan, age_ns=-1)))
    assert json.loads(json.dumps(reported)) == reported
    assert (reported["frames"], reported["bytes"], reported["slowest_write_ms"]) == (1234, 5_600_000, 2.5)
    first, second = reported["instruments"]
    assert {*reported, *first, "outcome", "directory"} == documented("arb record --json")
    assert (first["state"], first["lag_ms_p50"], first["age_s"], first["problem"]) == ("synced", 3.0, 0.1, "")
    assert (second["state"], second["lag_ms_p50"], second["age_s"], second["problem"]) == (
        "down",
        None,
        None,
        "reset",
    )
    assert first["streams"] == {"depth": {"messages": 40, "bytes": 2000}}


def test_a_status_line_names_who_is_not_well() -> None:
    text = status_line(progress(line(), line(FeedStatus.DOWN, "connection refused"), lost=3))
    assert text == (
        "12:00:00 UTC 1 of 2 synced; 40.1 messages/s; gaps 2; 1,234 frames, 5.6 MB, 3 lost; "
        "bybit_spot:BTCUSDT down (connection refused)"
    )


def test_a_status_line_comes_soon_and_then_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    view = LineView()
    for second in range(100):
        view.show(progress(line(), elapsed_s=float(second)))
    assert capsys.readouterr().out.count("\n") == 4


def test_the_table_fits_a_terminal() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(progress_table(progress(line(), line(FeedStatus.DOWN, "HTTP [451]"))))
    console.file.close()
    text = console.export_text()
    for word in ("bybit_spot", "synced", "20.0", "3.0", "9.0", "2.0 kB", "0.1", "HTTP [451]", "Ctrl+C"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("width", WIDTHS)
def test_the_live_table_is_never_higher_than_the_terminal(width: int) -> None:
    many = progress(*[line()] * 30, line(FeedStatus.DOWN, "HTTP 451"))
    whole = len(drawn(progress_table(many), width).splitlines())
    for height in range(1, whole + 3):
        text = drawn(progress_table(many), width, height)
        assert len(text.splitlines()) <= height
        assert "HTTP 451" in text or height < whole


def test_the_screen_is_gone_at_the_end_and_the_last_table_remains() -> None:
    out = io.StringIO()
    view = TableView(Console(file=out, width=100, height=30, force_terminal=True))
    view.wait("comparing tick and lot")
    view.show(progress(line()))
    view.close()
    shown, remains = out.getvalue().split("\x1b[?1049l")
    assert "comparing tick and lot" in shown
    assert "Ctrl+C" in shown
    assert "1,234 frames" in remains
    assert "Ctrl+C" not in remains


def test_the_end_names_what_brought_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    LineView().end(Ending.DURATION, progress(line()), "data")
    assert capsys.readouterr().out == "duration: 1,234 frames, 5.6 MB in data\n"
    down = line(FeedStatus.DOWN, "refused", bytes=0)
    assert silences(progress(line())) == []
    assert silences(progress(line(), down, down)) == [
        "no data of bybit_spot:BTCUSDT,BTCUSDT: refused; arb doctor looks for the cause"
    ]
    JsonView().end(Ending.INTERRUPTED, progress(line()), "data")
    assert json.loads(capsys.readouterr().out)["outcome"] == "interrupted"


@pytest.mark.parametrize(
    ("count", "text"), [(999, "1.0 kB"), (2_000_000, "2.0 MB"), (3_210_000_000, "3.21 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text
