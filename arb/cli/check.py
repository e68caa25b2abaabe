"""The `arb data check` command: options and output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.text import Text

from arb.cli.compilation_bar import show_compilation
from arb.cli.examples import examples
from arb.cli.options import (
    SYMBOLS,
    VENUES,
    ReadingProgress,
    Span,
    config_option,
    echo,
    escape,
    output,
    set_option,
)
from arb.cli.period import Moment, days_of, days_options, window_of
from arb.data.catalog.archived import ARCHIVE_FOLDER
from arb.errors import ExitCode, InputError
from arb.report.screen import rows_view
from connectors.text import json_line
from connectors.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from arb.data.check.report import RecordingReport

_STYLES = {"broken": "bold red", "warnings": "yellow", "ok": "green"}
#: Findings listed below the table.
FINDINGS_MAX = 30


@click.command(
    epilog=examples(
        "arb data check recordings",
        "arb data check recordings --start 2024-08-08 --venues bybit_spot --hole 30",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@config_option
@days_options
@click.option("--venues", type=VENUES, help="Only these.")
@click.option("--symbols", type=SYMBOLS, help="Only these.")
@click.option(
    "--hole",
    "hole_s",
    type=Span(1, 86_400),
    default=10.0,
    show_default=True,
    help="Seconds without a frame that are a hole.",
)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a recording, with every figure.")
def check(
    directory: Path,
    config_path: Path,
    start: Moment | None,
    end: Moment | None,
    venues: list[str] | None,
    symbols: list[str] | None,
    hole_s: float,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check the recordings in DIRECTORY: gaps, holes, crossed books, clocks, order, latency, tick and lot.

    Exit code 4 when one is broken: it cannot be read or decoded, or its times cannot be true. Exit code 2 when one is
    off the configured tick or lot.
    """
    show_compilation()
    from arb.commands.legs import KnownGrids, known_venues
    from arb.commands.recordings import check_all, not_finished
    from arb.data.check.findings import OFF_GRID

    chosen = days_of(start, end)
    with ReadingProgress("reading recordings") as progress:
        checked = check_all(
            directory,
            known_venues(config_path, overrides, has_grids=True),
            venues or (),
            symbols or (),
            round(hole_s * SECOND),
            progress,
            KnownGrids.of_file(config_path, overrides),
            chosen,
        )
    if as_json:
        for report in checked.reports:
            echo(report_line(report))
    else:
        console = output()
        console.print(report_table(checked.reports))
        lines = finding_lines(checked.reports)
        for line in lines[:FINDINGS_MAX]:
            console.print(line, soft_wrap=True, highlight=False)
        if len(lines) > FINDINGS_MAX:
            echo(f"{len(lines) - FINDINGS_MAX} more findings; --json names all")
    if window_of(start, end) is not None:
        echo(f"whole days were checked{chosen.text}: a check is not cut to a time of day", err=True)
    for line in not_finished(directory):
        echo(line, err=True)
    for name in checked.unknown_venues:
        echo(f"not checked: {directory / name}: no venue file describes {name}", err=True)
    for source, count in checked.archives.items():
        days = "day" if count == 1 else "days"
        echo(
            f"not checked: {count:,} {days} of {source} in {directory / ARCHIVE_FOLDER / source}: recordings alone "
            "are; arb convert refuses what is wrong with an archive",
            err=True,
        )
    for report in checked.reports:
        for finding in report.findings:
            if finding.code == OFF_GRID:
                raise InputError(f"{report.file}: {finding.text}")
    is_broken = any(report.verdict == "broken" for report in checked.reports)
    sys.exit(ExitCode.DIFFERENCES if is_broken else ExitCode.DONE)


def report_line(report: RecordingReport) -> str:
    """A report as one line of JSON."""
    import msgspec

    return json_line({"recording": report.name, **msgspec.to_builtins(report)})


def report_table(reports: Sequence[RecordingReport]) -> Group:
    """One line per recording."""
    rows = [_cells(report) for report in reports]
    words = ("venue", "recording", "verdict")
    table = rows_view(list(rows[0]), [list(row.values()) for row in rows], words=words, keys=2)
    return Group(
        table,
        "",
        Text(
            "p99 ms: latency of depth/bbo/trade; unknown: share of the time without a book; --json has every figure"
        ),
    )


def finding_lines(reports: Sequence[RecordingReport]) -> list[str]:
    """One line per finding, broken recordings first."""
    findings = [(report, finding) for report in reports for finding in report.findings]
    findings.sort(key=lambda pair: pair[1].level != "broken")
    return [
        f"[{_STYLES['broken' if finding.level == 'broken' else 'warnings']}]{finding.level}[/] "
        f"{escape(finding.text if finding.code == 'unreadable' else f'{report.name}: {finding.text}')}"
        for report, finding in findings
    ]


def _cells(report: RecordingReport) -> dict[str, str | Text]:
    """The cells of a line, by column."""
    book, clock = report.book, report.clock
    venue, _, name = report.name.rpartition("/")
    return {
        "venue": venue,
        "recording": name,
        "frames": f"{report.lines:,}",
        "day": f"{report.day_share:.1%}",
        "holes": f"{report.holes.count:,}",
        "gaps": f"{book.gaps:,}",
        "unknown": f"{book.unknown_share:.2%}",
        "crossed": f"{book.crossed + book.locked:,}",
        "lead ms": "" if clock.lead_ns is None else f"{clock.lead_ns / MILLISECOND:,.1f}",
        "drift ppm": "" if clock.drift_ppm is None else f"{clock.drift_ppm:+.1f}",
        "disorder": f"{report.out_of_order / report.venue_timed:.1%}" if report.venue_timed else "",
        "p99 ms": "/".join(_latency_p99(report, stream) for stream in ("depth", "bbo", "trade")),
        "verdict": Text(report.verdict, _STYLES[report.verdict]),
    }


def _latency_p99(report: RecordingReport, name: str) -> str:
    stream = report.streams.get(name)
    return "-" if stream is None or stream.latency is None else f"{stream.latency.ns_p99 / 1e6:.0f}"
