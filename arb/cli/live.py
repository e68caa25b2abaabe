"""The `arb live` command: options and output."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
from arb.cli.watch import start_watcher, watch_option
from arb.commands.sandbox_choice import SandboxChoice
from arb.errors import ExitCode, InputError

if TYPE_CHECKING:
    from arb.config.environment import EnvironmentName


@click.command(
    epilog=examples(
        "arb live --sandbox --duration 1m",
        "arb live --testnet --config my/arbitrage.toml",
        "arb live --confirm --config my/arbitrage.toml",
    )
)
@config_option
@click.option("--confirm", "is_confirmed", is_flag=True, help="Trade on your real accounts.")
@click.option(
    "--testnet", "is_testnet", is_flag=True, help="On the venues' testnets ([testnet] of their files)."
)
@click.option("--demo", "is_demo", is_flag=True, help="On the venues' demo accounts ([demo] of their files).")
@sandbox_options("On a simulated market on this machine, with an account that has the run's capital.")
@click.option(
    "--adopt", "is_adopting", is_flag=True, help="Take over positions that the journal does not explain."
)
@click.option(
    "--close-first", "is_closing_first", is_flag=True, help="Close such positions before the start."
)
@click.option("--duration", "duration_s", type=Duration(), help="How long; until Ctrl+C without it.")
@legs_option
@symbols_option
@strategy_option
@set_option
@out_option
@report_option
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@watch_option
@summary_json_option
def live(
    config_path: Path,
    is_confirmed: bool,
    is_testnet: bool,
    is_demo: bool,
    sandbox: SandboxChoice | None,
    is_adopting: bool,
    is_closing_first: bool,
    duration_s: float | None,
    legs: list[str] | None,
    symbols: list[str] | None,
    strategy: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    has_report: bool,
    log_json: bool,
    watch_port: int | None,
    as_json: bool,
) -> None:
    """Run the strategy with orders that venues answer: with real money, or on a testnet, a demo or a sandbox.

    Orders go over the venues' own websockets and REST, signed with the keys that [auth] of the venues' files names. At
    the end open orders are cancelled; positions stay.
    """
    places = {
        "--testnet": is_testnet,
        "--demo": is_demo,
        "--sandbox": sandbox is not None,
        "--confirm": is_confirmed,
    }
    environment = _environment([name for name, is_given in places.items() if is_given])
    if is_adopting and is_closing_first:
        raise InputError("--adopt and --close-first exclude each other: a position is taken over or closed")
    from arb.config.environment import LiveOptions

    chosen = LiveOptions(environment, is_adopting, is_closing_first)
    config = load_config(
        config_path, overrides, legs, symbols, strategy=strategy, is_sandbox=sandbox is not None
    )
    show_compilation()
    with bounded_end() as only_words_left:
        require_libraries("arb live")
        from arb.cli.live_screen import has_screen
        from arb.cli.session_view import SessionTable, StatusLine
        from arb.commands.live import run_account_orders, run_live_orders
        from arb.commands.live_session import SessionOptions

        start_watcher(watch_port, out, config_path, overrides)
        is_watched = has_screen() and not as_json
        viewer: SessionTable | StatusLine = SessionTable() if is_watched else StatusLine(_echo_error)
        options = SessionOptions(
            duration_s=duration_s,
            has_report=has_report,
            log_json=log_json,
            viewer=viewer,
            echo=None if is_watched else _echo_error,
            notice=_echo_error,
        )
        if sandbox is not None:
            result = run_live_orders(config, out, sandbox, chosen, **options)
        else:
            result = run_account_orders(config, out, chosen, **options)
        text = run_text(result, as_json=as_json)
        only_words_left(result.exit_code)
    if result.exit_code == ExitCode.INTERRUPTED and not as_json:
        text += "\ninterrupted: everything until then is written"
    # A table that cannot be printed does not change the exit code: the folder has all results.
    with contextlib.nullcontext() if as_json else contextlib.suppress(OSError):
        echo_run(text)
    sys.exit(result.exit_code)


def _environment(places: Sequence[str]) -> EnvironmentName:
    """Where the session trades, by its options. Raises InputError unless it is exactly one place."""
    if not places:
        raise InputError(
            "arb live trades with real money: give --confirm for that, or --sandbox, --testnet or --demo to try it"
        )
    if len(places) > 1:
        raise InputError(f"{' and '.join(places)} exclude each other: a session trades in one place")
    return _PLACES[places[0]]


_PLACES: dict[str, EnvironmentName] = {
    "--testnet": "testnet", "--demo": "demo", "--sandbox": "sandbox", "--confirm": "live"
}  # fmt: skip


def _echo_error(line: str) -> None:
    echo(line, err=True)
