"""Shared by all commands: one-line errors, option types, progress bars, and output helpers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import math
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TextIO, cast

import click
from rich import markup
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from arb.cli.ending import lead_nowhere
from arb.errors import ArbError, ExitCode, InputError
from arb.interrupts import was_interrupted
from arb.runtime.display import write_error
from arb.runtime.signals import sigterm_as_ctrl_c
from connectors.errors import ConnectorError
from connectors.text import json_line, printable

if TYPE_CHECKING:
    from arb.commands.run_setup import WrittenRun
    from arb.config import Config, KeptFiles

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

#: Keys that an option sets as well; `*` is a venue.
_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--strategy": ("strategy.function",),
        "--legs": ("strategy.legs", "strategy.pairs"),
        "--symbols": ("strategy.symbols", "strategy.symbol"),
        "--data": ("data.directory",),
        "--latency": ("*.latency.order_file",),
        "--streams": ("record.streams",),
    }
)

#: From click 8.2 on, a usage error of its own.
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


class Names(click.ParamType[list[str]]):
    """Names with commas between them. The help shows every list in this form: `SYMBOL,...`."""

    def __init__(self, what: str) -> None:
        self.name = f"{what},..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        if isinstance(value, list):
            return value
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(f"{value!r} is no list of names with commas between them", param, ctx)
        return names


VENUES, SYMBOLS, STREAMS, RATES = (Names(name) for name in ("VENUE", "SYMBOL", "STREAM", "RATE"))

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config/arbitrage.toml"),
    show_default=True,
    help="Main configuration file; venue files lie beside it.",
)
data_option = click.option(
    "--data", "data_dir", type=click.Path(path_type=Path), help="Folder of the recordings."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=TOML_VALUE", help="Override a key; repeatable."
)
legs_option = click.option("--legs", type=Names("VENUE:SYMBOL"), help="The legs, one or more.")
symbols_option = click.option("--symbols", type=SYMBOLS, help="One or more symbols, each with all legs.")
summary_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as JSON instead of the table."
)
strategy_option = click.option("--strategy", help="FILE.py:FUNCTION or module:function.")
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write [runs/<UTC time>-<command>]."
)
report_option = click.option(
    "--report/--no-report",
    "has_report",
    default=True,
    help="Whether to write report.html and charts.",
)
_RUN_OPTIONS = (
    legs_option,
    symbols_option,
    data_option,
    click.option(
        "--latency",
        "latency_run",
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="Folder of a session on live data, whose order latencies are used.",
    ),
    strategy_option,
    set_option,
    out_option,
    report_option,
)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of every run: what `load_config` takes, and where the run is written."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


class CommandGroup(click.Group):
    """Commands whose errors are one line and an exit code; a traceback only for faults of arb."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with sigterm_as_ctrl_c(), _in_one_line():
                return super().invoke(ctx)
        except ConnectorError as error:
            _end_if_interrupted()
            fail(str(error), ExitCode.USER_INPUT)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            fail("interrupted", ExitCode.INTERRUPTED)
        except Exception as error:  # the root: any other error is a fault of arb, reported with its traceback
            _end_if_interrupted()
            _write_traceback()
            name = type(error).__name__
            fail(
                f"{name}: {error} (a fault of arb: please report it with the lines above)", ExitCode.OUR_FAULT
            )


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    """Reports our errors, and click's errors about options and arguments, in one line; wraps output in `_Output`."""
    out = sys.stdout
    if out is not None:  # None if the process was started without standard output
        sys.stdout = cast("TextIO", _Output(out))
    try:
        yield
    except ArbError as error:
        _end_if_interrupted()
        fail(str(error), error.exit_code)
    except click.UsageError as error:
        if isinstance(error, _NO_ARGUMENTS):  # not an error: click answers it with the help text
            raise
        command = error.ctx.command_path if error.ctx else "arb"
        fail(f"{error.format_message().rstrip('.')}; see {command} --help", ExitCode.USER_INPUT)
    finally:
        sys.stdout = out
        if out is not None:
            _drop_unwritten(out)


def _end_if_interrupted() -> None:
    """Ends the command as interrupted if a signal raised another error, as inside a compilation or an import."""
    if was_interrupted():
        fail("interrupted", ExitCode.INTERRUPTED)


def _drop_unwritten(out: TextIO) -> None:
    """Drops buffered output that could not be written; the error was already reported."""
    try:
        out.flush()
    except BrokenPipeError:
        return  # click handles it
    except OSError:
        lead_nowhere(out)


class OutputError(InputError, OSError):
    """Standard output cannot be written: an OSError for the writing code, and the user's to fix, like a full disk."""

    def __str__(self) -> str:
        return f"standard output cannot be written: {self.strerror}"


class _Output:
    """Standard output that raises `OutputError` if it cannot be written.

    BrokenPipeError (the reader closed the pipe) is not converted: click ends the command quietly on it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._naming_the_output():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._naming_the_output():
            self._stream.flush()

    @contextlib.contextmanager
    def _naming_the_output(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


def fail(message: str, code: ExitCode) -> NoReturn:
    """Ends the command with one line on standard error; with the same code if that cannot be written."""
    write_error(f"error: {message}")
    sys.exit(code)


def _write_traceback() -> None:
    """Writes the traceback of the current exception to standard error.

    Each line has the prefix `| `: the message may quote a venue, with line breaks that would look like our own lines.
    """
    with contextlib.suppress(OSError):
        for line in traceback.format_exc().splitlines():
            echo(f"| {line}", err=True)


def echo(line: str, *, err: bool = False) -> None:
    """Prints one line, escaped by `connectors.text.printable`; all text to standard output goes through it.

    err: to standard error instead.
    """
    click.echo(printable(line), err=err)


def echo_json(value: Any) -> None:
    """Prints a line of JSON."""
    click.echo(json_line(value))


def escape(text: str) -> str:
    """Text for a cell or line that `rich` renders: printable, with markup escaped."""
    return markup.escape(printable(text))


def output() -> Console:
    """Standard output; without a terminal, wide enough for tables to keep their columns."""
    return Console(width=None if sys.stdout.isatty() else 160)


def run_text(run: WrittenRun, *, as_json: bool) -> str:
    """The summary of a run and where its files are, for `echo_run`."""
    from arb.report.terminal import summary_view

    if as_json:
        return json_line(run.summary)
    shown = output()
    page = Console(file=io.StringIO(), width=shown.width, force_terminal=shown.is_terminal)
    with page.capture() as summary:
        page.print(summary_view(run.summary))
    lines = [summary.get().removesuffix("\n"), f"written to {run.folder}"]
    lines.append(f"all figures: {run.folder / 'summary.json'}")
    if (run.folder / "report.html").exists():
        lines.append(f"report: {run.folder / 'report.html'}")
    return "\n".join(lines)


def echo_run(text: str) -> None:
    """Prints what `run_text` returns: rendered by rich from cells that are escaped."""
    click.echo(text, color=True)


class Duration(click.ParamType[float]):
    """A span such as 90s, 15m, 1h or 2d, in seconds."""

    name = "90s|15m|1h|2d"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """Its name: click shows that of a type in capitals, in which it cannot be written."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", value.strip())
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is no time; write it as 90s, 15m, 1h or 2d", param, ctx)
        return seconds


class Span(click.FloatRange):
    """A number in a range; unlike click's, it rejects NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self.min:g}<=x<={self.max:g}.", param, ctx)
        return number


def load_config(
    path: Path,
    overrides: Sequence[str],
    legs: Sequence[str] | None,
    symbols: Sequence[str] | None,
    data_dir: Path | None = None,
    *,
    strategy: str | None = None,
    is_sandbox: bool = False,
    latency_run: Path | None = None,
    kept: KeptFiles | None = None,
) -> Config:
    """The configuration from `--config`, `--set`, `--legs`, `--symbols`, `--data`, `--strategy` and `--latency`.

    is_sandbox: if the file does not exist, use that of `arb init`. kept: as of `arb.config.load`. Raises InputError for
    a key that is given twice.
    """
    refuse_set_twice(
        overrides,
        {
            "--legs": legs,
            "--symbols": symbols,
            "--data": data_dir,
            "--strategy": strategy,
            "--latency": latency_run,
        },
    )
    from arb.config import load
    from arb.config.templates import main_file

    settings = list(overrides)
    for key, value in (("strategy.function", strategy), ("data.directory", data_dir)):
        if value is not None:
            settings.append(f"{key}={json.dumps(str(value), ensure_ascii=False)}")
    with main_file(path, is_sandbox=is_sandbox) as file:
        config = load(file, settings, legs, symbols, kept=kept)
    if latency_run is None:
        return config
    from arb.commands.legs import with_latencies_of

    return with_latencies_of(config, latency_run)


def refuse_set_twice(overrides: Sequence[str], options: Mapping[str, object]) -> None:
    """Raises InputError for a `--set` of a key that one of these options sets, if it was given."""
    keys = ["".join(text.partition("=")[0].split()) for text in overrides]
    for name in given(options):
        twice = [key for key in keys if any(fnmatchcase(key, pattern) for pattern in _KEYS[name])]
        if twice:
            raise InputError(f"{name} and --set {twice[0]} exclude each other: both set the same")


def require_libraries(command: str) -> None:
    """Raises InputError if a library that live data need is not installed."""
    for library in ("aiohttp", "picows"):
        if importlib.util.find_spec(library) is None:
            raise InputError(f"{command} needs {library}: install it with pip install {library}")


def given(options: Mapping[str, object]) -> list[str]:
    """The names of the options that were given: their value is not None."""
    return [name for name, value in options.items() if value is not None]


class ReadingProgress:
    """A progress bar over the bytes to read; not shown if standard error is not a terminal."""

    #: The column that shows how much is done.
    amount: type[ProgressColumn] = DownloadColumn
    #: The bar between start and end: a second one would be drawn into it.
    _open: ClassVar[Progress | None] = None

    def __init__(self, text: str) -> None:
        console = Console(stderr=True)
        self._text = text
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            self.amount(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Callable[[int], Callable[[int], None]]:
        self._bar.start()
        ReadingProgress._open = self._bar
        return self._begin

    def __exit__(self, *_: object) -> None:
        ReadingProgress._open = None
        self._bar.stop()

    @staticmethod
    def pause() -> None:
        """Removes the bar that is shown, if there is one, until `resume`."""
        if ReadingProgress._open is not None:
            ReadingProgress._open.stop()

    @staticmethod
    def resume() -> None:
        """Shows it again."""
        if ReadingProgress._open is not None:
            ReadingProgress._open.start()

    def _begin(self, total: int) -> Callable[[int], None]:
        task = self._bar.add_task(self._text, total=total)
        return lambda count: self._bar.advance(task, count)


class CountProgress(ReadingProgress):
    """A progress bar over a number of items."""

    amount = MofNCompleteColumn
