"""Output of `arb record`: a live table in a terminal, JSON lines, or a periodic status line."""

from __future__ import annotations

import contextlib
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from arb.cli.live_screen import STATUS_STYLES, Event, FittedScreen, LiveScreen, has_screen
from arb.cli.options import echo, echo_json
from arb.commands.record import Line, Progress
from arb.report.screen import rows_view
from arb.runtime.host import Ending
from connectors.feed.status import FeedStatus
from connectors.units import MILLISECOND, SECOND

#: Intervals of status lines without a terminal. The first line is early, so that a log shows how the recording began.
LINE_EVERY_S, LINE_FIRST_S = 30.0, 5.0


@contextlib.contextmanager
def view_of(*, as_json: bool) -> Iterator[View]:
    """The view for the kind of output."""
    if as_json:
        yield JsonView()
    elif not has_screen():
        yield LineView()
    else:
        view = TableView()
        try:
            yield view
        finally:
            view.close()


class View(ABC):
    """Shows the progress once a second, and how the recording ended."""

    def wait(self, text: str) -> None:  # noqa: B027 - most views show nothing
        """Shows what the recording waits for before it begins."""

    @abstractmethod
    def show(self, progress: Progress) -> None:
        """Called once a second."""

    def end(self, ending: Ending, progress: Progress, directory: str) -> None:
        """Called once, when the files are complete."""
        echo(f"{ending.value}: {_total(progress)} in {directory}")


def silences(progress: Progress) -> list[str]:
    """A line for each venue that sent no data for some instruments."""
    silent: dict[tuple[str, str], list[str]] = {}
    for line in progress.lines:
        if not line.state.bytes and not line.refused:
            silent.setdefault((line.venue, line.trouble), []).append(line.state.symbol)
    return [
        f"no data of {venue}:{','.join(symbols)}{f': {trouble}' if trouble else ''}; "
        "arb doctor looks for the cause"
        for (venue, trouble), symbols in silent.items()
    ]


class JsonView(View):
    """One JSON line per second."""

    def show(self, progress: Progress) -> None:
        echo_json(progress_line(progress))
        sys.stdout.flush()

    def end(self, ending: Ending, progress: Progress, directory: str) -> None:
        echo_json({"outcome": ending.value, "directory": directory, **progress_line(progress)})


class LineView(View):
    """For logs: a periodic status line."""

    def __init__(self) -> None:
        self._due_s = LINE_FIRST_S

    def show(self, progress: Progress) -> None:
        if progress.elapsed_s >= self._due_s:
            self._due_s = progress.elapsed_s + LINE_EVERY_S
            echo(status_line(progress))
            sys.stdout.flush()


class TableView(View):
    """A table that is redrawn in place; its last state remains."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._screen = LiveScreen(console)
        self._last: Progress | None = None

    def wait(self, text: str) -> None:
        self._screen.show(Text(text))

    def show(self, progress: Progress) -> None:
        self._last = progress
        self._screen.show(progress_table(progress, [line.text for line in self._screen.held]))

    def close(self) -> None:
        """Restores the terminal, and prints the last table."""
        self._screen.close()
        if self._last is not None:
            (self._console or Console()).print(progress_table(self._last, is_over=True))


def progress_line(progress: Progress) -> dict[str, Any]:
    """All of the progress, in JSON types."""
    recorder = progress.recorder
    return {
        "time_ns": progress.time_ns,
        "elapsed_s": round(progress.elapsed_s, 3),
        "frames": recorder.frames,
        "bytes": recorder.frame_bytes,
        "lost_frames": recorder.lost_frames,
        "journals_waiting": recorder.journals_waiting,
        "slowest_write_ms": round(recorder.slowest_write_ns / MILLISECOND, 3),
        "instruments": [_instrument(line) for line in progress.lines],
    }


def progress_table(progress: Progress, output: Sequence[str] = (), *, is_over: bool = False) -> FittedScreen:
    """The table, the totals below it, and what is wrong. output: lines that others wrote."""
    rows = [
        (
            line.venue,
            line.state.symbol,
            Text(line.state.status.value, STATUS_STYLES[line.state.status.value]),
            f"{line.state.messages_per_s:,.1f}",
            _lag(line.state.lag_ns_p50),
            _lag(line.state.lag_ns_p99),
            f"{line.state.gaps:,}",
            size_text(line.state.bytes),
            "-" if line.state.age_ns < 0 else f"{line.state.age_ns / SECOND:.1f}",
        )
        for line in progress.lines
    ]
    words = ("venue", "symbol", "state")
    headings = (*words, "msg/s", "lag p50 ms", "p99 ms", "gaps", "bytes", "age s")
    table = rows_view(headings, rows, words=words, keys=2)
    troubles = {line.venue: line.trouble for line in progress.lines if line.trouble}
    troubles |= {_name(line): f"off grid: {line.off_grid}" for line in progress.lines if line.off_grid}
    troubles |= {
        _name(line): f"refused: {topic}: {why}"
        for line in progress.lines
        for topic, why in line.refused.items()
    }
    events = [*map(Event, output), *(Event(f"{name}: {text}", "red") for name, text in troubles.items())]
    totals = [Text(f"{_clock(progress)}  {_total(progress)}")]
    foot = [] if is_over else [Text("Ctrl+C ends it with whole files", style="dim")]
    return FittedScreen([], [table], totals, events, foot)


def status_line(progress: Progress) -> str:
    """The progress in one line."""
    synced = sum(line.state.status == FeedStatus.SYNCED for line in progress.lines)
    rate = sum(line.state.messages_per_s for line in progress.lines)
    gaps = sum(line.state.gaps for line in progress.lines)
    parts = [
        f"{_clock(progress)} {synced} of {len(progress.lines)} synced",
        f"{rate:,.1f} messages/s",
        f"gaps {gaps}",
        _total(progress),
    ]
    parts += [
        f"{_name(line)} {'refused' if line.refused else line.state.status.value}"
        + (
            f" ({why[:120]})"
            if (why := "; ".join(line.refused.values()) or line.off_grid or line.trouble)
            else ""
        )
        for line in progress.lines
        if line.state.status != FeedStatus.SYNCED
    ]
    return "; ".join(parts)


def size_text(count: int) -> str:
    """A number of bytes in a suitable unit."""
    if count < 1_000_000:
        return f"{count / 1e3:,.1f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.2f} GB"


def _instrument(line: Line) -> dict[str, Any]:
    state = line.state
    return {
        "venue": line.venue,
        "symbol": state.symbol,
        "state": state.status.value,
        "messages_per_s": round(state.messages_per_s, 2),
        "lag_ms_p50": _finite(state.lag_ns_p50),
        "lag_ms_p99": _finite(state.lag_ns_p99),
        "gaps": state.gaps,
        "bytes": state.bytes,
        "age_s": None if state.age_ns < 0 else round(state.age_ns / SECOND, 3),
        "problem": line.trouble,
        "refused": dict(line.refused),
        "off_grid": line.off_grid,
        "streams": {
            one.stream.value: {"messages": one.messages, "bytes": one.bytes} for one in state.streams
        },
    }


def _finite(lag_ns: float) -> float | None:
    return None if math.isnan(lag_ns) else round(lag_ns / MILLISECOND, 3)


def _lag(lag_ns: float) -> str:
    return "-" if math.isnan(lag_ns) else f"{lag_ns / MILLISECOND:,.1f}"


def _clock(progress: Progress) -> str:
    return f"{datetime.fromtimestamp(progress.time_ns / SECOND, UTC):%H:%M:%S} UTC"


def _total(progress: Progress) -> str:
    recorder = progress.recorder
    lost = f", {recorder.lost_frames:,} lost" if recorder.lost_frames else ""
    return f"{recorder.frames:,} frames, {size_text(recorder.frame_bytes)}{lost}"


def _name(line: Line) -> str:
    return f"{line.venue}:{line.state.symbol}"
