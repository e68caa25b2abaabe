"""The `arb live` command: options and output."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from arb.cli.compilation_bar import show_compilation
from arb.cli.ending import bounded_end
from arb.cli.examples import examples
from arb.cli.options import (
    Duration,
    config_option,
    echo,
    echo_run,
    legs_option,
    load_config,
    out_option,
    report_option,
    require_libraries,
    run_text,
    set_option,
    strategy_option,
    summary_json_option,
    symbols_option,
)
from arb.cli.sandbox_options import sandbox_options
from arb.commands.sandbox_choice import SandboxChoice
from arb.errors import ExitCode, InputError


@click.command(
    epilog=examples(
        "arb live --sandbox --duration 1m",
        "arb live --sandbox --port-base 8900 --config my/arbitrage.toml",
    )
)
@config_option
@sandbox_options("On a simulated market on this machine, with an account that has the run's capital.")
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@legs_option
@symbols_option
@strategy_option
@set_option
@out_option
@report_option
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@summary_json_option
def live(
    config_path: Path,
    sandbox: SandboxChoice | None,
    duration_s: float | None,
    legs: list[str] | None,
    symbols: list[str] | None,
    strategy: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    has_report: bool,
    log_json: bool,
    as_json: bool,
) -> None:
    """Run the strategy with orders that venues answer: for now those of a sandbox, without real money.

    Orders go over the venues' own websockets and REST, signed with the sandbox's keys. At the end open orders are
    cancelled.
    """
    if sandbox is None:
        raise InputError("arb live needs --sandbox: real venues follow in a later version")
    config = load_config(config_path, overrides, legs, symbols, strategy=strategy, is_sandbox=True)
    show_compilation()
    with bounded_end() as only_words_left:
        require_libraries("arb live")
        from arb.cli.live_screen import has_screen
        from arb.cli.session_view import SessionTable, StatusLine
        from arb.commands.live import run_live_orders

        is_watched = has_screen() and not as_json
        viewer: SessionTable | StatusLine = SessionTable() if is_watched else StatusLine(_echo_error)
        result = run_live_orders(
            config,
            out,
            sandbox,
            duration_s=duration_s,
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
