"""The command line: words in, exit codes out. What a command does is in `arb.app` and below.

Modules with compiled code are imported inside the commands, so that `arb --help` answers at once.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import arb
from arb.errors import ArbError, ExitCode, InputError
from connectors.errors import ConnectorError

_CONFIG = "config/arbitrage.toml"


class _Group(click.Group):
    """Commands whose errors are one line and an exit code; a traceback only for our own faults."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArbError as error:
            _fail(str(error), error.exit_code)
        except ConnectorError as error:
            _fail(str(error), ExitCode.USER_INPUT)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            _fail("interrupted", ExitCode.INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(ExitCode.DONE)
        except Exception as error:
            traceback.print_exc()
            _fail(f"{type(error).__name__}: {error} (this is a fault of arb: please report it)", ExitCode.OUR_FAULT)


def _fail(message: str, code: ExitCode) -> None:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(code)


class _Day(click.ParamType):
    """A UTC day, YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2024-08-08", param, ctx)


_DAY = _Day()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(arb.__version__, prog_name="arb")
def cli() -> None:
    """Cross-exchange arbitrage: one compiled strategy in backtest, dry-run and live."""


@cli.command()
@click.option("-c", "--config", "config_path", type=Path, default=Path(_CONFIG), show_default=True, help="Main file.")
@click.option("--start", type=_DAY, required=True, help="First UTC day.")
@click.option("--end", type=_DAY, help="Last UTC day, inclusive; without it the last day that both legs have.")
@click.option("--legs", help="Both legs, venue:SYMBOL,venue:SYMBOL.")
@click.option("--data", "data_dir", type=Path, help="Folder of the recordings, instead of [data] directory.")
@click.option("--out", type=Path, help="Folder to write, instead of runs/<UTC time>-backtest.")
@click.option("--strategy", "strategy_spec", help="FILE.py:FUNCTION or module:function.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=TOML_VALUE", help="Override a key; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of the table.")
def backtest(
    config_path: Path,
    start: date,
    end: date | None,
    legs: str | None,
    data_dir: Path | None,
    out: Path | None,
    strategy_spec: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Replay recorded days through a strategy."""
    from arb.config import load

    if end is not None and end < start:
        raise InputError(f"--end {end} lies before --start {start}")
    settings = list(overrides)
    if strategy_spec is not None:
        settings.append(f"strategy.function={json.dumps(strategy_spec)}")
    if data_dir is not None:
        settings.append(f"data.directory={json.dumps(str(data_dir))}")
    config = load(config_path, settings, _split(legs))

    from arb.app import run_backtest
    from arb.report.summary import summary_table

    console = Console(stderr=True)
    with _status(console, "reading recordings") as update:
        result = run_backtest(
            config, start, end, out, progress=update, started=lambda: console.print("running", style="dim")
        )
    if as_json:
        click.echo(json.dumps(json.loads((result.folder / "summary.json").read_bytes())))
    else:
        Console().print(summary_table(result.summary, result.trades))
        click.echo(f"written to {result.folder}")
    sys.stdout.flush()
    if result.is_lost:
        from arb.backtest.runner import leave_now

        leave_now(result.exit_code)
    sys.exit(result.exit_code)


def _split(legs: str | None) -> list[str] | None:
    return None if legs is None else [leg.strip() for leg in legs.split(",")]


class _status:  # noqa: N801 (used like a function)
    """Shows how much was read, where somebody looks; quiet otherwise."""

    def __init__(self, console: Console, text: str) -> None:
        self._text = text
        self._bytes = 0
        self._status = console.status(text) if console.is_terminal else None

    def __enter__(self) -> Callable[[int], None]:
        if self._status:
            self._status.start()
        return self._add

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def _add(self, count: int) -> None:
        self._bytes += count
        if self._status:
            self._status.update(f"{self._text}: {self._bytes / 1e6:,.0f} MB")


def main() -> None:
    """Entry point of the `arb` command."""
    cli()
