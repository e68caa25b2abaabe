"""The `arb backtest` command: options and output."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from arb.cli.compilation_bar import show_compilation
from arb.cli.download import download_missing
from arb.cli.examples import examples
from arb.cli.options import (
    ReadingProgress,
    config_option,
    echo,
    echo_run,
    load_config,
    run_options,
    run_text,
    summary_json_option,
)
from arb.cli.period import END_HELP, START_HELP, Moment, Time, period_of
from arb.errors import InputError


@click.command(
    epilog=examples(
        "arb backtest --config my/arbitrage.toml --start 2024-08-08",
        "arb backtest --start 2024-08-08T23:55 --end 2024-08-09T00:10",
        "arb backtest --start 2024-08-08 --symbols BTCUSDT,ETHUSDT --out runs/first",
    ),
)
@config_option
@click.option("--start", type=Time(), required=True, help=START_HELP)
@click.option("--end", type=Time(), help=f"{END_HELP}; without it the last day that all legs have.")
@run_options
@click.option(
    "--download",
    "is_download",
    is_flag=True,
    help="Fetch missing days from public archives first; without --end, of the first day alone, and run that day.",
)
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask before a large download.")
@summary_json_option
def backtest(
    config_path: Path,
    start: Moment,
    end: Moment | None,
    legs: list[str] | None,
    symbols: list[str] | None,
    data_dir: Path | None,
    latency_run: Path | None,
    out: Path | None,
    strategy: str | None,
    overrides: tuple[str, ...],
    has_report: bool,
    is_download: bool,
    is_agreed: bool,
    as_json: bool,
) -> None:
    """Replay recorded days through a strategy."""
    if is_agreed and not is_download:
        raise InputError("--yes: only for a download; give --download as well")
    first, last, window = period_of(start, end)
    config = load_config(
        config_path, overrides, legs, symbols, data_dir, strategy=strategy, latency_run=latency_run
    )
    if is_download:
        last = last or first
        download_missing(config, first, last, is_agreed=is_agreed)
        config = replace(config, given=tuple(one for one in config.given if one.path[0] != "archive"))

    show_compilation()
    from arb.backtest.runner import leave_now
    from arb.commands.backtest import run_backtest

    with ReadingProgress("reading recordings") as progress:
        result = run_backtest(
            config, first, last, out, window=window, progress=progress, has_report=has_report
        )
    echo_run(run_text(result, as_json=as_json))
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
