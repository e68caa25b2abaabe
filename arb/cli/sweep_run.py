"""What the sweep commands that run sets have in common: their options, and the run in a child process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from arb.cli.compilation_bar import show_compilation
from arb.cli.ending import Ending
from arb.cli.options import (
    CountProgress,
    Duration,
    ReadingProgress,
    config_option,
    data_option,
    echo,
    legs_option,
    load_config,
    set_option,
    strategy_option,
    symbols_option,
)
from arb.cli.period import END_HELP, START_HELP, Moment, Time, period_of
from arb.errors import ExitCode, InputError

if TYPE_CHECKING:
    from arb.commands.sweep_plan import Sets
    from arb.commands.sweep_plan import Span as Part
    from arb.commands.sweep_rows import RowChoice
    from arb.commands.sweep_sets import SetMaker
    from arb.config import Config, KeptFiles
    from arb.sweep.child_process import Child


class Walk(click.ParamType[tuple[float, float]]):
    """Two spans of time, in seconds: `7d/1d`."""

    name = "7d/1d"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """Its name, as that of `Duration`."""
        return self.name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        parts = value.split("/")
        if len(parts) != 2:
            self.fail(
                f"{value!r} is no pair of times; write it as 7d/1d: to choose on, to judge on", param, ctx
            )
        train, test = (Duration().convert(part, param, ctx) for part in parts)
        return train, test


@dataclass(frozen=True)
class _Loader:
    """The configuration of the options with further values of `--set`; it can be sent to a worker.

    kept: its files when the sweep began, so that all sets have the same, also where somebody edits a file meanwhile.
    """

    config_path: Path
    kept: KeptFiles
    overrides: tuple[str, ...]
    legs: tuple[str, ...] | None
    symbols: tuple[str, ...] | None
    data_dir: Path | None
    strategy: str | None

    def __call__(self, settings: Sequence[str]) -> Config:
        further = (*self.overrides, *settings)
        return load_config(
            self.config_path,
            further,
            self.legs,
            self.symbols,
            self.data_dir,
            strategy=self.strategy,
            kept=self.kept,
        )


_OPTIONS = (
    config_option,
    click.option("--start", type=Time(), help=START_HELP),
    click.option("--end", type=Time(), help=f"{END_HELP}; without it the last day that all legs have."),
    click.option("--threads", type=click.IntRange(1, 256), help="Sets at the same time [one a core]."),
    click.option(
        "--check",
        type=click.IntRange(min=0),
        metavar="N",
        help="Run N sets on all rows, too, and compare [20, of few sets a tenth].",
    ),
    click.option(
        "--strict", is_flag=True, help="Exit with code 4, before any set, if a checked one differs."
    ),
    click.option("--dask", metavar="ADDRESS", help="Run the sets on the workers of a Dask scheduler."),
    legs_option,
    symbols_option,
    data_option,
    strategy_option,
    set_option,
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Folder to write, or to continue [runs/<UTC time>-sweep].",
    ),
)


def sweep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of every sweep: those of `run`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run(
    choose: Callable[[SetMaker], Sets],
    walk: tuple[float, float] | None,
    *,
    settings: tuple[str, ...] = (),
    config_path: Path,
    start: Moment | None,
    end: Moment | None,
    threads: int | None,
    check: int | None,
    strict: bool,
    dask: str | None,
    legs: list[str] | None,
    symbols: list[str] | None,
    data_dir: Path | None,
    strategy: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
) -> Path:
    """Runs a sweep; the folder. Of a command of its own in a child process: see `arb.sweep.child_process`.

    settings: further ones, as of `--set`.
    """
    if start is None:
        raise InputError(
            "--start is missing: name the first UTC day of the recordings, such as --start 2024-08-08"
        )

    if dask is not None and threads is not None:
        raise InputError("--dask and --threads exclude each other: the workers have their own threads")
    names = tuple(legs) if legs is not None else None
    given = (*settings, *overrides)
    from arb.config import KeptFiles

    kept = KeptFiles.of(config_path)
    load = _Loader(config_path, kept, given, names, tuple(symbols) if symbols else None, data_dir, strategy)
    child = _child()
    with contextlib.ExitStack() as ended, contextlib.ExitStack() as bars:
        if child is not None:
            ended.callback(child.board.end)
        show_compilation()
        from arb.commands.sweep import run_sweep

        reading = bars.enter_context(ReadingProgress("reading recordings"))

        def progress(total: int) -> Callable[[int], None]:
            bars.close()  # one bar at a time
            return bars.enter_context(CountProgress("sets"))(total)

        def chosen(rows: RowChoice) -> None:
            bars.close()
            if rows.line and not (child is not None and child.is_later):
                echo(rows.line, err=True)
            if strict and rows.differs:
                sys.exit(ExitCode.DIFFERENCES)

        written = run_sweep(
            load,
            choose,
            lambda maker: _spans_of(maker, start, end, walk),
            out,
            threads=threads or len(os.sched_getaffinity(0)),
            dask=dask,
            child=child,
            checks=check,
            chosen=chosen,
            reading=reading,
            progress=progress,
        )
    if written.begun and not (child is not None and child.is_later):
        echo(f"continued: {written.begun:,} results were there already", err=True)
    return written.folder


def _child() -> Child | None:
    """This process, as a child of the one that began; None if nobody waits for an exit code, or a profiler looks on."""
    is_watched = sys.gettrace() is not None or sys.getprofile() is not None
    if is_watched or click.get_current_context().find_object(Ending) is None:
        return None
    from arb.sweep.child_process import in_child

    return in_child(_lost)


def _lost(line: str) -> None:
    Console(stderr=True).show_cursor()  # which the bar of the lost process has hidden
    echo(line, err=True)


def _spans_of(
    maker: SetMaker, start: Moment, end: Moment | None, walk: tuple[float, float] | None
) -> Sequence[Part]:
    from arb.commands.sweep_plan import Span, walk_spans

    whole = Span(*period_of(start, end), start.text, None if end is None else end.text)
    return [whole] if walk is None else walk_spans(maker, whole, *walk)
