"""The `arb dry-run` command: options and output."""

from __future__ import annotations

import importlib.util
import io
import json
import socket
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from rich.console import Console

from arb.cli.ending import bounded_end
from arb.cli.options import (
    Day,
    Duration,
    ReadingProgress,
    Span,
    config_option,
    echo,
    latency_option,
    load_config,
    output,
)
from arb.commands.replay_speed import SPEED_MAX, SPEED_MIN
from arb.errors import ExitCode, InputError
from connectors.text import json_line

if TYPE_CHECKING:
    from arb.commands.run_setup import WrittenRun
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
@click.option("--legs", help="The legs, one or more: VENUE:SYMBOL,VENUE:SYMBOL.")
@click.option("--symbols", help="Several instruments in one run: SYMBOL,SYMBOL.")
@click.option("--data", "data_dir", type=click.Path(path_type=Path), help="Folder of the recordings.")
@latency_option
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
    strategy_spec: str | None,
    overrides: tuple[str, ...],
    has_report: bool,
    log_json: bool,
    as_json: bool,
) -> None:
    """Run the strategy with simulated fills, on live data or through the same code on recorded days."""
    _refuse_mixtures(live_data or is_sandbox, start, end, speed, duration_s)
    if port_base is not None and not is_sandbox:
        raise InputError("--port-base is that of a running sandbox: give --sandbox as well")
    settings = list(overrides)
    if strategy_spec is not None:
        settings.append(f"strategy.function={json.dumps(strategy_spec, ensure_ascii=False)}")
    config = load_config(
        config_path, settings, legs, symbols, data_dir, is_sandbox=is_sandbox, latency_run=latency_run
    )
    if start is not None:
        from arb.commands.dryrun import run_recorded

        with ReadingProgress("reading recordings") as progress:
            result = run_recorded(
                config, start, end, out, speed=speed, progress=progress, has_report=has_report
            )
        text = _text_of(result, as_json=as_json)
    else:
        with bounded_end() as only_words_left:
            result = _live(config, out, duration_s, is_sandbox, port_base, has_report, log_json, as_json)
            text = _text_of(result, as_json=as_json)
            only_words_left(result.exit_code)
    _print(text, as_json=as_json)
    sys.exit(result.exit_code)


def _live(
    config: Config,
    out: Path | None,
    duration_s: float | None,
    is_sandbox: bool,
    port_base: int | None,
    has_report: bool,
    log_json: bool,
    as_json: bool,
) -> WrittenRun:
    """Runs a session on live data, with a table in a terminal, otherwise with periodic status lines."""
    for library in ("aiohttp", "picows"):
        if importlib.util.find_spec(library) is None:
            raise InputError(
                f"arb dry-run on live data needs {library}: install it with pip install {library}"
            )
    from arb.commands.dryrun_live import run_live

    is_watched = sys.stdout.isatty() and not as_json
    lines = None if is_watched else lambda line: echo(line, err=True)
    from arb.cli.session_view import SessionTable, StatusLine

    viewer: SessionTable | StatusLine = StatusLine(lambda text: echo(text, err=True))
    if is_watched:
        viewer = SessionTable(config.value("strategy.min_spread_bps"))
    return run_live(
        config,
        out,
        duration_s=duration_s,
        sandbox=_sandbox(config, port_base) if is_sandbox else None,
        has_report=has_report,
        log_json=log_json,
        viewer=viewer,
        echo=lines,
    )


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


def _text_of(result: WrittenRun, *, as_json: bool) -> str:
    """The text to print after the run."""
    from arb.report.terminal import summary_view

    if as_json:
        return json_line(result.summary)
    shown = output()
    page = Console(file=io.StringIO(), width=shown.width, force_terminal=shown.is_terminal)
    with page.capture() as summary:
        page.print(summary_view(result.summary))
    lines = [summary.get().removesuffix("\n"), f"written to {result.folder}"]
    if (result.folder / "report.html").exists():
        lines.append(f"report: {result.folder / 'report.html'}")
    if result.exit_code == ExitCode.INTERRUPTED:
        lines.append("interrupted: everything until then is written")
    return "\n".join(lines)


def _print(text: str, *, as_json: bool) -> None:
    """Prints a table; a failure does not change the exit code, because the folder has all results."""
    try:
        click.echo(text, color=True)  # rendered by rich from cells that were escaped
    except OSError:
        if as_json:
            raise
