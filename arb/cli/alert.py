"""`arb alert test` and `arb alert list`: options and output."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import (
    CommandGroup,
    config_option,
    echo,
    echo_json,
    escape,
    load_config,
    output,
    set_option,
)
from arb.cli.watch import RUNS
from arb.errors import ExitCode
from arb.report.screen import rows_view


@click.group(cls=CommandGroup, epilog=examples("arb alert test", "arb alert list --json"))
def alert() -> None:
    """Messages about states of sessions."""


@alert.command(epilog=examples("arb alert test", "arb alert test --config my/arbitrage.toml --json"))
@config_option
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each channel.")
def test(config_path: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Send a message over each channel of [alerts]. Exit code 4 when a receiver does not accept it."""
    from arb.commands.alerts import send_tests

    has_failed = False
    for name, why, seconds in send_tests(load_config(config_path, overrides, None, None)):
        has_failed |= bool(why)
        if as_json:
            echo_json({"channel": name, "is_accepted": not why, "reason": why, "seconds": round(seconds, 3)})
        else:
            word = "[red]not accepted[/red]" if why else "[green]accepted[/green]"
            output().print(
                f"{escape(name)}: {word}{f': {escape(why)}' if why else f' after {seconds:.2f} s'}"
            )
    sys.exit(ExitCode.DIFFERENCES if has_failed else ExitCode.DONE)


@alert.command(name="list", epilog=examples("arb alert list", "arb alert list my/runs --json"))
@click.argument("folders", metavar="[FOLDER]...", type=click.Path(path_type=Path), nargs=-1)
@config_option
@set_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each rule.")
def list_rules(
    folders: tuple[Path, ...], config_path: Path, overrides: tuple[str, ...], as_json: bool
) -> None:
    """The rules of arb watch in effect, and their present values in the sessions of FOLDER (without it runs/)."""
    from arb.commands.alert_list import rule_lines
    from arb.config import load_alerts

    lines = rule_lines(load_alerts(config_path, overrides), folders or (RUNS,))
    if as_json:
        for line in lines:
            echo_json(line._asdict())
        return
    rows = [
        (
            line.name,
            escape(line.when),
            f"{line.for_s:g} s" if line.for_s else "-",
            line.level,
            "-" if line.value is None else f"{line.value:,.4g}",
            line.since[5:19].replace("T", " ") or "-",
        )
        for line in lines
    ]
    headings = ("rule", "when", "for", "level", "now", "since (UTC)")
    output().print(rows_view(headings, rows, words=frozenset(headings[:4])))
    for line in lines:
        if line.holding:
            echo(f"{line.name}: {', '.join(line.holding)}")
