"""The `arb runs` command: options and output."""

from __future__ import annotations

from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import echo, echo_json, escape, output
from arb.report.screen import rows_view
from arb.report.wording import shown


@click.command(epilog=examples("arb runs", "arb runs my/runs --json"))
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each run.")
def runs(folder: Path, as_json: bool) -> None:
    """The runs in FOLDER (without it runs/), also while they go on: state, fills, profit."""
    from arb.results.runs import find_runs, run_record

    found = find_runs(folder)
    if as_json:
        for run in found:
            echo_json(run_record(run))
        return
    rows = [
        (
            escape(run.folder.name),
            escape(run.command) or "-",
            run.began[:19].replace("T", " ") or "-",
            escape(run.state),
            escape(" ".join(run.legs)) or "-",
            shown(run.fills, "count"),
            shown(run.pnl_quote, "gain"),
        )
        for run in found
    ]
    headings = ("run", "command", "since (UTC)", "state", "legs", "fills", "profit")
    output().print(rows_view(headings, rows, words=frozenset(headings[:5])))
    for run in found:
        if run.note:
            echo(f"{run.folder}: {run.state}: {run.note}")
