"""The commands `arb convert` and `arb data` (`check` is in `arb.cli.check`): options and output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.check import check
from arb.cli.compilation_bar import show_compilation
from arb.cli.examples import examples
from arb.cli.options import ReadingProgress, config_option, echo, echo_json, output, set_option
from arb.cli.period import END_HELP, START_HELP, Moment, Time, days_of, days_options, window_of
from arb.errors import ExitCode, InputError
from arb.report.screen import Fitted, rows_view
from connectors.units import MILLISECOND

if TYPE_CHECKING:
    from arb.commands.recordings import Converted
    from arb.data.rows.cache import Usage
    from arb.data.rows.compare import Comparison

#: What names a line of a table, where it has them.
_KEYS = ("venue", "symbol", "day")
_directory = click.argument("directory", type=click.Path(path_type=Path))
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of the table.")


@click.command(
    epilog=examples(
        "arb convert recordings",
        "arb convert recordings --out rows --start 2024-08-08 --end 2024-08-09",
        "arb convert recordings --out rows --start 2024-08-08T23:55",
    ),
)
@_directory
@config_option
@click.option("--start", type=Time(), help=START_HELP)
@click.option("--end", type=Time(), help=f"{END_HELP}.")
@click.option(
    "--compare", "is_comparison", is_flag=True, help="Compare with hftbacktest's converters instead."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Copy the row files here as VENUE/SYMBOL_DAY.npy."
)
@set_option
@_json
def convert(
    directory: Path,
    config_path: Path,
    start: Moment | None,
    end: Moment | None,
    is_comparison: bool,
    out: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Derive event rows from the recordings and archives in DIRECTORY; hftbacktest loads the files.

    With --compare, convert each with hftbacktest's own converter too and compare byte for byte; exit code 4 on a
    difference.
    """
    show_compilation()
    from arb.commands.legs import KnownGrids, known_venues
    from arb.commands.recordings import (
        compare_all,
        conversion_notes,
        convert_all,
        not_described,
        not_finished,
    )

    if is_comparison and out is not None:
        raise InputError("--compare and --out exclude each other: a comparison writes no rows")
    days, window = days_of(start, end), window_of(start, end)
    if window is not None and is_comparison:
        raise InputError(
            "--compare compares whole recordings: write --start and --end as days, without a time"
        )
    if window is not None and out is None:
        raise InputError(
            "--start or --end with a time cuts the copies of --out: add --out FOLDER (the row cache has whole days)"
        )
    venues = known_venues(config_path, overrides, has_grids=not is_comparison)
    if is_comparison:
        comparisons = list(compare_all(directory, venues, days))
        _echo_all(not_described(directory, venues))
        _show(comparison_lines(comparisons), as_json)
        sys.exit(ExitCode.DONE if all(c.is_equal for c in comparisons) else ExitCode.DIFFERENCES)
    grids = KnownGrids.of_file(config_path, overrides)
    with ReadingProgress("reading recordings") as progress:
        offset_ns, converted, left_out = convert_all(directory, venues, out, progress, grids, days, window)
    _show(conversion_lines(converted), as_json)
    _echo_all([f"warning: {note}" for note in conversion_notes(venues, converted, grids)])
    _echo_all(left_out + not_described(directory, venues) + not_finished(directory))
    folder = converted[0].path.parent if out is None else out
    echo(
        f"clock offset {offset_ns / MILLISECOND:,.3f} ms; row files in {folder} (--json names each)", err=True
    )


@click.group(
    epilog=examples(
        "arb data list recordings",
        "arb data check recordings",
    ),
)
def data() -> None:
    """What data there are."""


data.add_command(check)


@data.command(
    "list",
    epilog=examples(
        "arb data list recordings",
        "arb data list recordings --start 2024-08-08",
    ),
)
@_directory
@days_options
@_json
def list_recordings(directory: Path, start: Moment | None, end: Moment | None, as_json: bool) -> None:
    """List the recordings and archives in DIRECTORY."""
    from arb.commands.recordings import bytes_of, list_days
    from arb.data.catalog.funding import funding_files
    from arb.results.notes import contents_of, source_of

    listed = list_days(directory, days_of(start, end))
    lines: list[dict[str, Any]] = [
        {
            "venue": day.venue,
            "symbol": day.symbol,
            "day": str(day.day),
            "source": source_of(day),
            "contents": contents_of(day) + ("" if funding_files(day) is None else ", funding history"),
            "bytes": bytes_of([[day]]),
            "file": str(day.path),
        }
        for day in listed.days
    ]
    lines += [
        {
            "venue": one.venue,
            "symbol": one.symbol,
            "day": str(one.day),
            "source": "journals",
            "contents": "frames",
            "bytes": one.bytes,
            "file": str(one.paths[0]),
        }
        for one in listed.leftovers
    ]
    if lines:
        _show(lines, as_json)
    _echo_all(listed.warnings)


@data.command(
    "finish",
    epilog=examples(
        "arb data finish recordings",
        "arb data finish /mnt/recordings",
    ),
)
@_directory
def finish(directory: Path) -> None:
    """Finish the recordings in DIRECTORY that a killed process left in journals.

    Nothing is lost: every frame that was received goes into the .gz of its day.
    """
    from arb.data.recordings.leftover import finish_leftovers

    done = finish_leftovers(directory)
    for one in done:
        echo(f"{one.venue}:{one.symbol} {one.day}: finished, {one.bytes / 1e6:,.1f} MB of text")
    if not done:
        echo(f"{directory}: nothing to finish")


@data.command(
    "cache",
    epilog=examples(
        "arb data cache",
        "arb data cache --clear",
    ),
)
@click.option("--clear", "is_clearing", is_flag=True, help="Delete all that no run is using.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line.")
def cache(is_clearing: bool, as_json: bool) -> None:
    """Show the size of the row cache, or clear it; rows are made again from the recordings when they are needed."""
    from arb.commands.recordings import clear_cache, shown_cache

    folder, held, deleted = clear_cache() if is_clearing else shown_cache()
    if as_json:
        line = {"directory": str(folder), **held._asdict()}
        echo_json(line | ({"deleted": deleted._asdict()} if deleted else {}))
        return
    if deleted:
        echo(f"deleted: {_usage_text(deleted)}")
    echo(f"{folder}: {_usage_text(held)}")


def _usage_text(held: Usage) -> str:
    return f"rows of {held.recordings:,} recordings, {held.files:,} files, {held.bytes / 1e6:,.1f} MB"


def conversion_lines(converted: Sequence[Converted]) -> list[dict[str, Any]]:
    """One line per day: what was read, and the resulting rows."""
    from arb.results.notes import source_of

    return [
        {
            "venue": recording.venue,
            "symbol": recording.symbol,
            "day": str(recording.day),
            "source": source_of(recording),
            "frames": file.scan.lines,
            "rows": file.rows,
            "gaps": file.scan.gaps,
            "clamped": file.clamped,
            "is_carried": file.scan.is_carried,
            "lead_ms": None if file.scan.lead_ns is None else round(file.scan.lead_ns / MILLISECOND, 3),
            "file": str(path),
        }
        for recording, file, path in converted
    ]


def comparison_lines(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """One line per recording: equal, or where it differs, and the time of both converters."""
    return [
        {
            "recording": f"{c.recording.venue}/{c.recording.path.name}",
            "converter": c.converter,
            "rows": c.rows,
            "reference_rows": c.reference_rows,
            "result": "equal" if c.is_equal else f"differs at row {c.first_difference}",
            "duration_s": round(c.seconds, 3),
            "reference_duration_s": round(c.reference_seconds, 3),
        }
        for c in comparisons
    ]


def _echo_all(lines: Sequence[str]) -> None:
    """Prints lines to standard error."""
    for line in lines:
        echo(line, err=True)


def _show(lines: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Prints the lines as a table for a terminal, or as JSON lines including their files."""
    if as_json:
        for line in lines:
            echo_json(line)
        return
    output().print(lines_view(lines))


def lines_view(lines: Sequence[dict[str, Any]]) -> Fitted:
    """The lines as a table, without their files."""
    names = [name for name in lines[0] if name != "file"]
    headings = [name.replace("_", " ") for name in names]
    rows = [[_text(line[name]) for name in names] for line in lines]
    words = {
        heading
        for heading, name in zip(headings, names, strict=True)
        if isinstance(lines[0][name], bool) or not isinstance(lines[0][name], int | float)
    }
    keys = sum(name in _KEYS for name in names)
    return rows_view(headings, rows, words=words, keys=keys or 1)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
