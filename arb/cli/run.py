"""The `arb run` command: other words for `arb backtest` and `arb dry-run`, which have all the options."""

from __future__ import annotations

import copy
from collections.abc import Collection

import click

from arb.cli.backtest import backtest
from arb.cli.dryrun import dry_run
from arb.cli.examples import examples
from arb.cli.period import Time

_COMMANDS = {"backtest": backtest, "dry-run": dry_run}
#: Options that have a name of their own here.
_NAMES = {"--start": "--start-date", "--end": "--end-date"}


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
@click.option("--start-date", metavar=Time.name, help="As --start of that command.")
@click.option("--end-date", metavar=Time.name, help="As --end of that command.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF THAT COMMAND]...")
@click.pass_context
def run(
    ctx: click.Context, mode: str, start_date: str | None, end_date: str | None, words: tuple[str, ...]
) -> None:
    """Run a strategy: arb backtest or arb dry-run."""
    times = {"--start-date": start_date, "--end-date": end_date}
    given = [word for name, time in times.items() if time is not None for word in (name, time)]
    own_names = {word.partition("=")[0] for word in words}
    for name, here in _NAMES.items():
        if here in given and name in own_names:
            raise click.UsageError(f"{here} and {name} exclude each other: they are one option")
    command = _with_names(_COMMANDS[mode], own_names)
    with command.make_context(mode, [*given, *words], parent=ctx.parent) as own:
        command.invoke(own)


def _with_names(command: click.Command, kept: Collection[str]) -> click.Command:
    """The command with the names that options have here, except for those in `kept`: errors name what was given."""
    renamed = copy.copy(command)
    renamed.params = [copy.copy(one) for one in command.params]
    for one in renamed.params:
        one.opts = [name if name in kept else _NAMES.get(name, name) for name in one.opts]
    return renamed
