"""The `arb backtest` command: options and output."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import click

from arb.cli.download import download_missing
from arb.cli.options import (
    Day,
    ReadingProgress,
    config_option,
    echo,
    echo_json,
    latency_option,
    load_config,
    output,
)
from arb.errors import InputError


@click.command()
@config_option
@click.option("--start", type=Day(), required=True, help="First UTC day.")
@click.option(
    "--end", type=Day(), help="Last UTC day, inclusive; without it the last day that all legs have."
)
@click.option("--legs", help="The legs, one or more: VENUE:SYMBOL,VENUE:SYMBOL.")
@click.option("--symbols", help="Several instruments in one run: SYMBOL,SYMBOL.")
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Folder of the recordings.")
@latency_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [runs/<UTC time>-backtest].")
@click.option("--strategy", "strategy_spec", help="FILE.py:FUNCTION or module:function.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=TOML_VALUE", help="Override a key; repeatable."
)
@click.option(
    "--report/--no-report", "has_report", default=True, help="Whether to write report.html and charts."
)
@click.option(
    "--download",
    "is_download",
    is_flag=True,
    help="Fetch missing days from public archives first; without --end, of the first day alone, and run that day.",
)
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask before a large download.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table.")
def backtest(
    config_path: Path,
    start: date,
    end: date | None,
    legs: str | None,
    symbols: str | None,
    data_dir: Path | None,
    latency_run: Path | None,
    out: Path | None,
    strategy_spec: str | None,
    overrides: tuple[str, ...],
    has_report: bool,
    is_download: bool,
    is_agreed: bool,
    as_json: bool,
) -> None:
    """Replay recorded days through a strategy."""
    if end is not None and end < start:
        raise InputError(f"--end {end} lies before --start {start}")
    settings = list(overrides)
    if strategy_spec is not None:
        settings.append(f"strategy.function={json.dumps(strategy_spec, ensure_ascii=False)}")
    config = load_config(config_path, settings, legs, symbols, data_dir, latency_run=latency_run)
    if is_download:
        end = end or start
        download_missing(config, start, end, is_agreed=is_agreed)
        config = replace(config, given=tuple(one for one in config.given if one.path[0] != "archive"))

    from arb.backtest.runner import leave_now
    from arb.commands.backtest import run_backtest
    from arb.report.terminal import summary_view

    with ReadingProgress("reading recordings") as progress:
        result = run_backtest(config, start, end, out, progress=progress, has_report=has_report)
    if as_json:
        echo_json(result.summary)
    else:
        output().print(summary_view(result.summary))
        echo(f"written to {result.folder}")
        if (result.folder / "report.html").exists():
            echo(f"report: {result.folder / 'report.html'}")
    refused = sum(sum(rules.values()) for rules in result.summary["refusals"].values())
    if refused:
        echo(
            f"warning: {refused:,} orders were refused by the limits of [risk]; see refusals in summary.json",
            err=True,
        )
    if result.is_lost:
        sys.stdout.flush()
        leave_now(result.exit_code)
    sys.exit(result.exit_code)
