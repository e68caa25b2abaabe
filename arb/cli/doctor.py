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
    load_config,
    output,
    set_option,
)
from arb.cli.sandbox_options import sandbox_options
from arb.commands.sandbox_choice import SandboxChoice
from arb.errors import ExitCode
from arb.report.screen import Fitted, rows_view
from connectors.text import printable

if TYPE_CHECKING:
    from arb.commands.checks import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command(
    epilog=examples(
        "arb doctor --sandbox",
        "arb doctor --venues binance_spot,bybit_spot --symbols BTCUSDT",
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
@sandbox_options("Ask a simulated market on this machine instead.")
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a check.")
def doctor(
    config_path: Path,
    venues: list[str] | None,
    symbols: list[str] | None,
    data_dir: Path | None,
    timeout_s: float,
    sandbox: SandboxChoice | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check this machine and the venues: reach, clock, listings and filters, disk, limits.

    Public requests only: no keys, no orders. Exit code 4 when a check fails.
    """
    show_compilation()
    from arb.commands.checks import Level, worst
    from arb.commands.doctor import examine
    from arb.commands.selection import wanted_of

    config = load_config(config_path, overrides, None, None, data_dir, is_sandbox=sandbox is not None)
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


def check_table(checks: Sequence[Check]) -> Fitted:
    """One line per check, with the next step below the finding."""
    rows = []
    for check in checks:
        found = Text(printable(check.text))
        if check.next_step:
            found.append("\nnext:", "bold").append(f" {printable(check.next_step)}")
        rows.append((check.name, Text(check.level.value, _STYLES[check.level.value]), found))
    return rows_view(("check", "", "found"), rows, words=("check", "", "found"), keys=2)
