"""The `arb report` command: options and output."""

from __future__ import annotations

from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import echo, echo_json, output, summary_json_option


@click.command(
    epilog=examples(
        "arb report runs/first",
        "arb report runs/first --json",
    ),
)
@click.argument("run", type=click.Path(path_type=Path))
@summary_json_option
def report(run: Path, as_json: bool) -> None:
    """Write the report of RUN, the folder of a run, again from its files, and show its summary."""
    from arb.commands.report import report_run
    from arb.report.terminal import summary_view

    summary = report_run(run).summary
    if as_json:
        echo_json(summary)
    else:
        output().print(summary_view(summary))
        echo(f"all figures: {run / 'summary.json'}")
        echo(f"report: {run / 'report.html'}")
