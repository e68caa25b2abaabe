"""The `arb dry-run` command: options and output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from arb.cli.compilation_bar import show_compilation
from arb.cli.ending import bounded_end
from arb.cli.examples import examples
from arb.cli.options import (
    Duration,
    ReadingProgress,
    Span,
    config_option,
    echo,
    echo_run,
    given,
    load_config,
    require_libraries,
    run_options,
    run_text,
    summary_json_option,
)
from arb.cli.period import END_HELP, START_HELP, Moment, Time, option, period_of
from arb.cli.sandbox_options import sandbox_options
from arb.cli.watch import start_watcher, watch_option
from arb.commands.replay_speed import SPEED_MAX, SPEED_MIN
from arb.commands.sandbox_choice import SandboxChoice
from arb.errors import ExitCode, InputError


@click.command(
    "dry-run",
    epilog=examples(
        "arb dry-run --sandbox --duration 1m",
        "arb dry-run --live-data --config my/arbitrage.toml --duration 1h",
        "arb dry-run --start 2024-08-08 --speed 100 --set strategy.min_spread_bps=5",
    ),
)
@config_option
@click.option("--live-data", is_flag=True, help="On the venues' live market data.")
@sandbox_options("On a simulated market on this machine.")
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@click.option("--start", type=Time(), help=f"Recorded instead of live data. {START_HELP}")
@click.option("--end", type=Time(), help=f"{END_HELP}; as in arb backtest.")
@click.option("--speed", type=Span(SPEED_MIN, SPEED_MAX), help="Times as fast as recorded data happened.")
@run_options
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@watch_option
@summary_json_option
def dry_run(
    config_path: Path,
    live_data: bool,
    sandbox: SandboxChoice | None,
    duration_s: float | None,
    start: Moment | None,
    end: Moment | None,
    speed: float | None,
    legs: list[str] | None,
    symbols: list[str] | None,
    data_dir: Path | None,
    latency_run: Path | None,
    out: Path | None,
    strategy: str | None,
    overrides: tuple[str, ...],
    has_report: bool,
    log_json: bool,
    watch_port: int | None,
    as_json: bool,
) -> None:
    """Run the strategy with simulated fills, on live data or through the same code on recorded days."""
    _refuse_mixtures(
        {"--live-data": live_data or None, "--sandbox": sandbox, option("start"): start},
        {option("end"): end, "--speed": speed, "--data": data_dir},
        {"--duration": duration_s, "--log-json": log_json or None, "--watch": watch_port},
    )
    period = period_of(start, end) if start is not None else None
    config = load_config(
        config_path,
        overrides,
        legs,
        symbols,
        data_dir,
        strategy=strategy,
        is_sandbox=sandbox is not None,
        latency_run=latency_run,
    )
    show_compilation()
    if period is not None:
        from arb.commands.dryrun import run_recorded

        with ReadingProgress("reading recordings") as progress:
            result = run_recorded(
                config,
                period.first,
                period.last,
                out,
                window=period.window,
                speed=speed,
                progress=progress,
                has_report=has_report,
            )
        text = run_text(result, as_json=as_json)
    else:
        with bounded_end() as only_words_left:
            require_libraries("arb dry-run on live data")
            from arb.cli.live_screen import has_screen
            from arb.cli.session_view import SessionTable, StatusLine
            from arb.commands.dryrun_live import run_live

            start_watcher(watch_port, out, config_path, overrides)
            pairs = [(leg.venue, leg.symbol) for leg in config.legs]
            is_watched = has_screen() and not as_json
            viewer: SessionTable | StatusLine = StatusLine(_echo_error)
            if is_watched:
                viewer = SessionTable()
            result = run_live(
                config,
                out,
                duration_s=duration_s,
                sandbox=sandbox.market_of(config.venues, pairs) if sandbox else None,
                has_report=has_report,
                log_json=log_json,
                viewer=viewer,
                echo=None if is_watched else _echo_error,
                notice=_echo_error,
            )
            text = run_text(result, as_json=as_json)
            only_words_left(result.exit_code)
    if result.exit_code == ExitCode.INTERRUPTED and not as_json:
        text += "\ninterrupted: everything until then is written"
    # A table that cannot be printed does not change the exit code: the folder has all results.
    with contextlib.nullcontext() if as_json else contextlib.suppress(OSError):
        echo_run(text)
    sys.exit(result.exit_code)


def _echo_error(line: str) -> None:
    echo(line, err=True)


def _refuse_mixtures(
    sources: Mapping[str, object], recorded: Mapping[str, object], live: Mapping[str, object]
) -> None:
    """Raises InputError unless there is one source, and only options for it.

    sources: what to run on, by option, recorded days last; recorded, live: options for recorded days, and for all
    others.
    """
    names, start = given(sources), list(sources)[-1]
    if len(names) != 1:
        found = f"{' and '.join(names)} exclude each other" if names else "nothing to run on"
        raise InputError(f"{found}: give one of --live-data, --sandbox and, for recorded days, {start}")
    is_recorded = names == [start]
    if idle := given(live if is_recorded else recorded):
        instead = f"--live-data or --sandbox, not {start}" if is_recorded else f"{start}, not {names[0]}"
        what = "a live session" if is_recorded else "recorded days"
        raise InputError(f"{' and '.join(idle)}: only for {what}; give {instead}")
