"""`arb alert test`: options and output."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from arb.cli.examples import examples
from arb.cli.options import CommandGroup, config_option, echo_json, escape, load_config, output, set_option
from arb.errors import ExitCode


@click.group(cls=CommandGroup, epilog=examples("arb alert test", "arb alert test --json"))
def alert() -> None:
    """Messages about states of live sessions."""


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
