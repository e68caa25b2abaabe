"""The `arb run` command: other words for `arb backtest` and `arb dry-run`, which have all the options."""

from __future__ import annotations

import click

from arb.cli.backtest import backtest
from arb.cli.dryrun import dry_run
from arb.cli.examples import examples

_COMMANDS = {"backtest": backtest, "dry-run": dry_run}


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "arb run --mode backtest --config my/arbitrage.toml --start-date 2024-08-08",
        "arb run --mode dry-run --config my/arbitrage.toml --live-data",
    ),
)
@click.option(
    "--mode", type=click.Choice(list(_COMMANDS)), required=True, help="The command that runs: arb MODE."
)
@click.option("--start-date", metavar="YYYY-MM-DD", help="As --start of that command.")
@click.option("--end-date", metavar="YYYY-MM-DD", help="As --end of that command.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF THAT COMMAND]...")
@click.pass_context
def run(
    ctx: click.Context, mode: str, start_date: str | None, end_date: str | None, words: tuple[str, ...]
) -> None:
    """Run a strategy: arb backtest or arb dry-run."""
    dates = (("--start", start_date), ("--end", end_date))
    given = [word for option, day in dates if day is not None for word in (option, day)]
    command = _COMMANDS[mode]
    with command.make_context(mode, [*given, *words], parent=ctx.parent) as own:
        command.invoke(own)
