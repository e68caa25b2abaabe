"""The `arb doctor` command: options and output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from arb.cli.compilation_bar import show_compilation
from arb.cli.examples import examples
from arb.cli.options import (
    SYMBOLS,
    VENUES,
    Span,
    config_option,
    data_option,
    echo,
    echo_json,
    given,
    load_config,
    output,
    set_option,
)
from arb.cli.sandbox_options import sandbox_options
from arb.commands.sandbox_choice import SandboxChoice
from arb.errors import ExitCode, InputError
from arb.report.screen import Fitted, rows_view
from connectors.text import printable

if TYPE_CHECKING:
    from arb.commands.checks import Check
    from arb.config.environment import EnvironmentName

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command(
    epilog=examples(
        "arb doctor --sandbox",
        "arb doctor --venues binance_spot,bybit_spot --symbols BTCUSDT",
        "arb doctor --live --testnet --config my/arbitrage.toml",
    ),
)
@config_option
@click.option("--venues", type=VENUES, help="Which; those of the configured legs without it.")
@click.option("--symbols", type=SYMBOLS, help="Which; those of the configured legs without it.")
@data_option
@click.option(
    "--timeout",
    "timeout_s",
    type=Span(0.1, 600),
    default=10.0,
    show_default=True,
    help="Seconds that a venue has to answer.",
)
@click.option(
    "--live",
    "is_live",
    is_flag=True,
    help="Look at the accounts of the configured legs instead, as arb live would.",
)
@click.option("--testnet", "is_testnet", is_flag=True, help="With --live: at the venues' testnets.")
@click.option("--demo", "is_demo", is_flag=True, help="With --live: at the venues' demo accounts.")
@sandbox_options("Ask a simulated market on this machine instead.")
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a check.")
def doctor(
    config_path: Path,
    venues: list[str] | None,
    symbols: list[str] | None,
    data_dir: Path | None,
    timeout_s: float,
    is_live: bool,
    is_testnet: bool,
    is_demo: bool,
    sandbox: SandboxChoice | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check this machine and the venues: reach, clock, listings and filters, disk, limits.

    Public requests only: no keys, no orders. With --live, signed requests about the accounts, which change nothing
    and send no order: keys, settings, fees, balances, limits, open orders, positions. Each channel of [alerts] gets a
    test message. Exit code 4 when a check fails.
    """
    environment = _environment(
        is_live=is_live, is_testnet=is_testnet, is_demo=is_demo, is_sandbox=sandbox is not None
    )
    show_compilation()
    from arb.commands.checks import Level, worst
    from arb.commands.doctor import examine
    from arb.commands.selection import wanted_of

    config = load_config(config_path, overrides, None, None, data_dir, is_sandbox=sandbox is not None)
    if is_live:
        from arb.commands.account_doctor import examine_live

        if unused := given({"--venues": venues, "--symbols": symbols}):
            raise InputError(f"{' and '.join(unused)}: not with --live, which looks at the configured legs")
        checks = examine_live(config, environment, timeout_s, sandbox)
    else:
        wanted = wanted_of(config, config_path, venues, symbols, ())
        checks = examine(config, wanted, timeout_s, sandbox=sandbox)
    if as_json:
        for check in checks:
            echo_json(check._asdict() | {"level": check.level.value})
    else:
        output().print(check_table(checks))
        counts = {level: sum(check.level == level for check in checks) for level in Level}
        echo(", ".join(f"{count} {level.value}" for level, count in counts.items() if count))
    sys.exit(ExitCode.DIFFERENCES if worst(checks) == Level.FAIL else ExitCode.DONE)


def _environment(*, is_live: bool, is_testnet: bool, is_demo: bool, is_sandbox: bool) -> EnvironmentName:
    """Whose accounts are looked at. Raises InputError for options that exclude each other."""
    places: dict[EnvironmentName, bool] = {"testnet": is_testnet, "demo": is_demo, "sandbox": is_sandbox}
    chosen = [name for name, is_given in places.items() if is_given]
    if len(chosen) > 1:
        raise InputError(f"--{' and --'.join(chosen)} exclude each other")
    if not is_live and (is_testnet or is_demo):
        raise InputError(f"--{chosen[0]}: only of accounts; give --live as well")
    return chosen[0] if chosen else "live"


def check_table(checks: Sequence[Check]) -> Fitted:
    """One line per check, with the next step below the finding."""
    rows = []
    for check in checks:
        found = Text(printable(check.text))
        if check.next_step:
            found.append("\nnext:", "bold").append(f" {printable(check.next_step)}")
        rows.append((check.name, Text(check.level.value, _STYLES[check.level.value]), found))
    return rows_view(("check", "", "found"), rows, words=("check", "", "found"), keys=2)
