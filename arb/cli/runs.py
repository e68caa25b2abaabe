"""The `arb runs` command: options and output."""

from __future__ import annotations

from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import echo, echo_json, escape, output, set_option
from arb.cli.watch import alerts_config, config_option
from arb.report.screen import rows_view
from arb.report.wording import shown


@click.command(epilog=examples("arb runs", "arb runs my/runs --json"))
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@config_option("the state directory with the alarms")
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each run.")
def runs(folder: Path, config_path: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """The runs in FOLDER (without it runs/), also while they go on: state, fills, profit, last alarm."""
    from arb.alerts.alarms import SessionAlarms, alarm_line, alarm_record, last_of
    from arb.config.environment import state_directory
    from arb.results.runs import find_runs, run_record

    found = find_runs(folder)
    alarms = SessionAlarms(state_directory(alerts_config(config_path, overrides).live))
    listed = [(run, last_of(alarms.of(run.folder))) for run in found]
    if as_json:
        for run, alarm in listed:
            echo_json({**run_record(run), "last_alarm": None if alarm is None else alarm_record(alarm)})
        return
    rows = [
        (
            escape(run.folder.name),
            escape(run.world) or "-",
            run.began[:19].replace("T", " ") or "-",
            escape(run.state),
            escape(" ".join(run.legs)) or "-",
            shown(run.fills, "count"),
            shown(run.pnl_quote, "gain"),
            "-" if alarm is None else escape(alarm_line(alarm)),
        )
        for run, alarm in listed
    ]
    headings = ("run", "command", "since (UTC)", "state", "legs", "fills", "profit", "last alarm")
    output().print(rows_view(headings, rows, words=frozenset((*headings[:5], headings[7]))))
    for run in found:
        if run.note:
            echo(f"{run.folder}: {run.state}: {run.note}")
