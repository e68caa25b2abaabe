"""`arb dry-run`."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arb.cli.lines import Day, ReadingProgress, config_option, load_config, output
from arb.errors import ExitCode, InputError

if TYPE_CHECKING:
    from arb.app.dryrun import DryRunResult


@click.command("dry-run")
@config_option
@click.option("--live-data", is_flag=True, help="On the venues' live market data.")
@click.option("--sandbox", "is_sandbox", is_flag=True, help="On those of a running arb sandbox serve.")
@click.option("--duration", help="How long, such as 90s, 30m, 1h; without it until Ctrl+C.")
@click.option("--start", type=Day(), help="First UTC day of recorded data, instead of live data.")
@click.option("--end", type=Day(), help="Last UTC day, inclusive; as in arb backtest.")
@click.option("--speed", type=click.FloatRange(min=0.0, min_open=True), help="Pace of recorded data.")
@click.option("--legs", help="Both legs: VENUE:SYMBOL,VENUE:SYMBOL.")
@click.option("--symbols", help="Several instruments in one run: SYMBOL,SYMBOL.")
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Folder of the recordings.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [runs/<UTC time>-dry-run].")
@click.option("--strategy", "strategy_spec", help="FILE.py:FUNCTION or module:function.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=TOML_VALUE", help="Override a key; repeatable."
)
@click.option(
    "--report/--no-report", "has_report", default=True, help="Whether to write report.html and charts."
)
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table.")
def dry_run(
    config_path: Path,
    live_data: bool,
    is_sandbox: bool,
    duration: str | None,
    start: date | None,
    end: date | None,
    speed: float | None,
    legs: str | None,
    symbols: str | None,
    data_dir: Path | None,
    out: Path | None,
    strategy_spec: str | None,
    overrides: tuple[str, ...],
    has_report: bool,
    log_json: bool,
    as_json: bool,
) -> None:
    """Run the strategy with simulated fills, on live data or through the same code on recorded days."""
    _refuse_mixtures(live_data or is_sandbox, start, end, speed, duration)
    settings = list(overrides)
    if strategy_spec is not None:
        settings.append(f"strategy.function={json.dumps(strategy_spec)}")
    config = load_config(config_path, settings, legs, symbols, data_dir)
    if start is not None:
        from arb.app.dryrun import run_recorded

        with ReadingProgress("reading recordings") as progress:
            result = run_recorded(
                config, start, end, out, speed=speed, progress=progress, has_report=has_report
            )
        _show(result, as_json=as_json)
        sys.exit(result.exit_code)


def _refuse_mixtures(
    is_live: bool, start: date | None, end: date | None, speed: float | None, duration: str | None
) -> None:
    if is_live == (start is not None):
        raise InputError(
            "arb dry-run runs on live data (--live-data, or --sandbox) or on recorded days (--start): name one of them"
        )
    if is_live and (end is not None or speed is not None):
        raise InputError("--end and --speed are for recorded days: give --start, not --live-data")
    if not is_live and duration is not None:
        raise InputError("--duration is for live data; recorded days end by themselves, or with --end")
    if start is not None and end is not None and end < start:
        raise InputError(f"--end {end} lies before --start {start}")


def _show(result: DryRunResult, *, as_json: bool) -> None:
    from arb.report.terminal import summary_view

    if as_json:
        click.echo(json.dumps(json.loads((result.folder / "summary.json").read_bytes())))
        return
    output().print(summary_view(result.summary.as_dict()))
    click.echo(f"written to {result.folder}")
    if (result.folder / "report.html").exists():
        click.echo(f"report: {result.folder / 'report.html'}")
    if result.exit_code == ExitCode.INTERRUPTED:
        click.echo("interrupted: what came until then is written")
