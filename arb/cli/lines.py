"""What all commands share: errors in one line, days as arguments, the line that shows how much was read."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from arb.errors import ArbError, ExitCode
from connectors.errors import ConnectorError

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config/arbitrage.toml"),
    show_default=True,
    help="Main configuration file; venue files lie beside it.",
)


class CommandGroup(click.Group):
    """Commands whose errors are one line and an exit code; a traceback only for our own faults."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArbError as error:
            fail(str(error), error.exit_code)
        except ConnectorError as error:
            fail(str(error), ExitCode.USER_INPUT)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            fail("interrupted", ExitCode.INTERRUPTED)
        except Exception as error:  # the root: whatever is left is our fault, and is told with its traceback
            traceback.print_exc()
            name = type(error).__name__
            fail(
                f"{name}: {error} (a fault of arb: please report it with the lines above)", ExitCode.OUR_FAULT
            )


def fail(message: str, code: ExitCode) -> None:
    """Ends the command with one line on standard error."""
    click.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(code)


def output() -> Console:
    """Standard output; where it is no terminal, wide enough that tables keep their columns."""
    return Console(width=None if sys.stdout.isatty() else 160)


class Day(click.ParamType):
    """A UTC day, YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2024-08-08", param, ctx)


class ReadingStatus:
    """Shows how much was read while somebody looks; quiet where standard error is no terminal."""

    def __init__(self, text: str) -> None:
        console = Console(stderr=True)
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
