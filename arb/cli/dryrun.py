"""The `arb dry-run` command: options and output."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from arb.cli.ending import bounded_end
from arb.cli.options import (
    Day,
    Duration,
    ReadingProgress,
    Span,
    config_option,
    echo,
    echo_run,
    load_config,
    run_options,
    run_text,
    summary_json_option,
)
from arb.commands.replay_speed import SPEED_MAX, SPEED_MIN
from arb.errors import ExitCode, InputError

if TYPE_CHECKING:
    from arb.config import Config
    from arb.sandbox.serve.sandbox import Sandbox
    from arb.sandbox.serve.urls import VenueUrls


@click.command("dry-run")
@config_option
@click.option("--live-data", is_flag=True, help="On the venues' live market data.")
@click.option("--sandbox", "is_sandbox", is_flag=True, help="On a simulated market on this machine.")
@click.option(
    "--port-base",
    type=click.IntRange(1, 65_532),
    help="With --sandbox: on the arb sandbox serve that runs there (8900 by default).",
)
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@click.option("--start", type=Day(), help="First UTC day of recorded data, instead of live data.")
@click.option("--end", type=Day(), help="Last UTC day, inclusive; as in arb backtest.")
@click.option("--speed", type=Span(SPEED_MIN, SPEED_MAX), help="Times as fast as recorded data happened.")
@run_options
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@summary_json_option
def dry_run(
    config_path: Path,
    live_data: bool,
    is_sandbox: bool,
    port_base: int | None,
    duration_s: float | None,
    start: date | None,
    end: date | None,
    speed: float | None,
    legs: str | None,
    symbols: str | None,
    data_dir: Path | None,
    latency_run: Path | None,
    out: Path | None,
    strategy: str | None,
    overrides: tuple[str, ...],
    has_report: bool,
    log_json: bool,
    as_json: bool,
) -> None:
    """Run the strategy with simulated fills, on live data or through the same code on recorded days."""
    _refuse_mixtures(live_data or is_sandbox, start, end, speed, duration_s)
    if port_base is not None and not is_sandbox:
        raise InputError("--port-base is that of a running sandbox: give --sandbox as well")
    config = load_config(
        config_path,
        overrides,
        legs,
        symbols,
        data_dir,
        strategy=strategy,
        is_sandbox=is_sandbox,
        latency_run=latency_run,
    )
    if start is not None:
        from arb.commands.dryrun import run_recorded

        with ReadingProgress("reading recordings") as progress:
            result = run_recorded(
                config, start, end, out, speed=speed, progress=progress, has_report=has_report
            )
        text = run_text(result, as_json=as_json)
    else:
        with bounded_end() as only_words_left:
            _require_libraries()
            from arb.cli.session_view import SessionTable, StatusLine
            from arb.commands.dryrun_live import run_live

            is_watched = sys.stdout.isatty() and not as_json
            viewer: SessionTable | StatusLine = StatusLine(_echo_error)
            if is_watched:
                viewer = SessionTable(config.value("strategy.min_spread_bps"))
            result = run_live(
                config,
                out,
                duration_s=duration_s,
                sandbox=_sandbox(config, port_base) if is_sandbox else None,
                has_report=has_report,
                log_json=log_json,
                viewer=viewer,
                echo=None if is_watched else _echo_error,
            )
            text = run_text(result, as_json=as_json)
            only_words_left(result.exit_code)
    if result.exit_code == ExitCode.INTERRUPTED and not as_json:
        text += "\ninterrupted: everything until then is written"
    # A table that cannot be printed does not change the exit code: the folder has all results.
    with contextlib.nullcontext() if as_json else contextlib.suppress(OSError):
        echo_run(text)
    sys.exit(result.exit_code)


def _require_libraries() -> None:
    for library in ("aiohttp", "picows"):
        if importlib.util.find_spec(library) is None:
            raise InputError(
                f"arb dry-run on live data needs {library}: install it with pip install {library}"
            )


def _echo_error(line: str) -> None:
    echo(line, err=True)


def _sandbox(config: Config, port_base: int | None) -> Sandbox | dict[str, VenueUrls]:
    """A simulated market of the session, or the addresses of a sandbox that is running at the port."""
    if port_base is None:
        from arb.commands.serve import seeded_sandbox

        venues = dict(config.venues)
        return seeded_sandbox(venues, [(leg.venue, leg.symbol) for leg in config.legs])
    from arb.runtime.sandbox_venues import sandbox_urls

    urls = sandbox_urls(port_base)
    names = {leg.venue for leg in config.legs} & urls.keys()
    refuse_absent_sandbox({name: urls[name].rest for name in names})
    return urls


def refuse_absent_sandbox(urls: Mapping[str, str]) -> None:
    """Raises InputError if no sandbox listens at the addresses."""
    for venue, url in urls.items():
        address = urlsplit(url)
        try:
            socket.create_connection((address.hostname or "", address.port or 0), timeout=2).close()
        except OSError:
            raise InputError(
                f"no sandbox serves {venue} at {url}: start one with arb sandbox serve, or leave "
                "--port-base out"
            ) from None


def _refuse_mixtures(
    is_live: bool, start: date | None, end: date | None, speed: float | None, duration_s: float | None
) -> None:
    if is_live == (start is not None):
        raise InputError(
            "arb dry-run runs on live data (--live-data, or --sandbox) or on recorded days (--start): name one of them"
        )
    if is_live and (end is not None or speed is not None):
        raise InputError("--end and --speed are for recorded days: give --start, not --live-data")
    if not is_live and duration_s is not None:
        raise InputError("--duration is for live data; recorded days end by themselves, or with --end")
    if start is not None and end is not None and end < start:
        raise InputError(f"--end {end} lies before --start {start}")
