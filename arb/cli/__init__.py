"""The command line: parses arguments, prints results, sets exit codes. The commands' work is in `arb.commands`.

Modules with compiled code are imported inside the commands, so that `arb --help` starts quickly.
"""

from __future__ import annotations

import click

import arb
from arb.cli.alert import alert
from arb.cli.backtest import backtest
from arb.cli.doctor import doctor
from arb.cli.download import download
from arb.cli.dryrun import dry_run
from arb.cli.ending import Ending, open_closed_streams
from arb.cli.examples import examples
from arb.cli.guard import guard
from arb.cli.init import init
from arb.cli.journal import capital as capital
from arb.cli.journal import halt, orders, positions, resume, status, trades
from arb.cli.live import live
from arb.cli.options import CommandGroup
from arb.cli.record import record
from arb.cli.recordings import convert, data
from arb.cli.report import report
from arb.cli.run import run
from arb.cli.runs import runs
from arb.cli.sandbox import sandbox
from arb.cli.sweep import sweep
from arb.cli.symbols import symbols
from arb.cli.verify import verify
from arb.cli.watch import watch


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "arb dry-run --sandbox --duration 1m",
        "arb backtest --config my/arbitrage.toml --start 2024-08-08",
    ),
)
@click.version_option(arb.__version__, prog_name="arb")
def cli() -> None:
    """Cross-exchange arbitrage: one compiled strategy in backtest, dry-run and live."""


for command in (
    alert, backtest, capital, convert, data, doctor, download, dry_run, guard, halt, init, live, orders, positions,
    record, report, resume, run, runs, sandbox, status, sweep, symbols, trades, verify, watch,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Entry point of the `arb` command."""
    open_closed_streams()
    ending = Ending()
    try:
        cli(obj=ending)
    except SystemExit as ended:
        ending.finish(ended.code if isinstance(ended.code, int) else 0)
        raise
