"""`arb sweep`: many sets of parameters over recorded days, each with the result of a backtest, into one folder."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

import arb
from arb.commands.legs import legs_of
from arb.commands.run_files import Inputs, days_of_run, inputs_manifest, read_inputs
from arb.commands.run_setup import run_folder_path
from arb.commands.sweep_sets import Group, Job, Loader, SetMaker, group_key, group_keys, run_job
from arb.data.rows.cache import RowCache
from arb.data.rows.window import Window
from arb.errors import InputError
from arb.files import write_atomically
from arb.interrupts import raise_if_interrupted
from arb.sweep.columns import Columns, read_columns
from arb.sweep.engine import Running
from arb.sweep.files import write_tables
from arb.sweep.folder import SweepFolder
from arb.sweep.judgement import FRONT, Judgement, judge
from arb.sweep.page import sweep_page
from arb.sweep.pool import in_order
from arb.sweep.ranking import DEFAULT, ranked
from arb.sweep.returns import Grid, grid_of
from arb.sweep.sets import Values, grid, grid_size, key_of, random_sets, sobol_sets
from arb.sweep.table import FORMAT, Key, Period, SweepHead

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress

#: Ways to choose the sets.
GRID, RANDOM, SOBOL = "grid", "random", "sobol"
#: The page, in the folder of a sweep.
PAGE = "sweep.html"
#: Most sets without `--max`.
SETS_MAX = 100_000


class Span(NamedTuple):
    """A part of the recorded days. last: None for the last day that all legs have; window: None for whole days."""

    first: date
    last: date | None
    window: Window | None
    start: str
    end: str | None


class Choice(NamedTuple):
    """How the sets are chosen from the varied keys. number: of drawn ones."""

    source: str = GRID
    number: int = 0
    seed: int = 0
    sets_max: int = SETS_MAX


class WrittenSweep(NamedTuple):
    """A sweep whose folder is written. begun: results that an earlier run of the command had written."""

    folder: Path
    head: SweepHead
    begun: int


def run_sweep(
    load: Loader,
    vary: Sequence[str],
    choice: Choice,
    span: Span,
    out: Path | None,
    *,
    threads: int,
    reading: StartProgress | None = None,
    progress: Callable[[int], Callable[[int], None]] | None = None,
) -> WrittenSweep:
    """Runs every set over the days and writes the sweep's folder; continues one that the same command began.

    load: the configuration with further values of `--set`. vary: of `--vary`. reading: see `run_days`; progress: gets
    the number of results, and returns a function that is called with the number of further ones that are done.
    KeyboardInterrupt: what is done is kept. Raises InputError and ConfigError.
    """
    keys = keys_of(vary, choice)
    count = count_of(keys, choice)
    maker = SetMaker.of(load)
    maker.check(keys)
    with RowCache() as cache:
        plan = _Plan(maker, keys, choice, span, cache, reading)
        head = plan.head(count)
        with SweepFolder(run_folder_path(out, maker.created, "sweep"), head) as folder:
            begun = folder.count
            if begun < count:
                advance = progress(count) if progress is not None else _ignore
                advance(begun)
                _run(maker, plan.jobs(begun), folder, threads, advance)
            write_tables(folder)
            _write_page(folder)
        return WrittenSweep(folder.path, folder.head, begun)


def judged(folder: Path, by: str, *further: str) -> tuple[Columns, Judgement]:
    """The results of a sweep's folder by column, with these figures, and what they mean by the figure `by`.

    Raises InputError for files that cannot be read, and for a figure that no result has.
    """
    columns = read_columns(folder, [by, *FRONT, *further])
    if not np.isfinite(columns.figures[by]).any():
        ranked(folder, by, 1)  # explains a figure that no result has
    return columns, judge(columns, by)


def _write_page(folder: SweepFolder) -> None:
    with folder.naming():
        write_atomically(folder.path / PAGE, sweep_page(*judged(folder.path, DEFAULT)))


def keys_of(vary: Sequence[str], choice: Choice) -> list[Key]:
    """The varied keys. Raises InputError."""
    if not vary:
        raise InputError(
            "--vary is missing: name a key to vary, such as --vary strategy.min_spread_bps=0.5:5:0.25"
        )
    keys = [key_of(text, is_drawn=choice.source != GRID) for text in vary]
    names = [key.name for key in keys]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--vary {twice}: given twice; write one list of values")
    return keys


def count_of(keys: Sequence[Key], choice: Choice) -> int:
    """The number of sets. Raises InputError for more than allowed."""
    count = grid_size(keys) if choice.source == GRID else choice.number
    if count > choice.sets_max:
        raise InputError(
            f"{count:,} sets are more than {choice.sets_max:,}: vary fewer values, draw some with --random N, or "
            f"allow them with --max {count}"
        )
    return count


def sets_of(keys: Sequence[Key], choice: Choice) -> Iterator[Values]:
    """The sets, in their order."""
    if choice.source == GRID:
        return grid(keys)
    drawn = random_sets if choice.source == RANDOM else sobol_sets
    return drawn(keys, choice.number, choice.seed)


def _run(
    maker: SetMaker, jobs: Iterator[Job], folder: SweepFolder, threads: int, advance: Callable[[int], None]
) -> None:
    """Runs the jobs in threads and appends their results. An interrupted set leaves nothing."""
    running = Running()
    work = functools.partial(run_job, maker, maker.compiled(), running)
    try:
        for result in in_order(jobs, work, threads):
            folder.append([result])
            advance(1)
            raise_if_interrupted()
    finally:
        running.stop()


class _Plan:
    """The jobs of a sweep: sets by group, whose rows are read when the first of its sets is due."""

    def __init__(
        self,
        maker: SetMaker,
        keys: Sequence[Key],
        choice: Choice,
        span: Span,
        cache: RowCache,
        reading: StartProgress | None,
    ) -> None:
        self._maker = maker
        self._keys = keys
        self._choice = choice
        self._span = span
        self._cache = cache
        self._reading = reading
        legs = legs_of(maker.base)
        self._days = days_of_run(maker.base, legs, span.first, span.last)
        self._row_keys = maker.row_keys(keys, self._days)
        self._groups = group_keys(sets_of(keys, choice), self._row_keys)
        self._inputs: tuple[tuple[Any, ...], Inputs] | None = None
        self._grid: Grid | None = None

    def head(self, count: int) -> SweepHead:
        """What all results have in common; reads the rows of the first group."""
        maker = self._maker
        group = self._group(self._groups[0], next(sets_of(self._keys, self._choice)))
        code = {
            name: group.common[name] for name in ("arb_sha256", "adapters", "hftbacktest", "numba", "numpy")
        }
        code |= {name: group.common["strategy"][name] for name in ("sha256", "modules", "packages")}
        files = [file["raw_sha256"] for file in inputs_manifest(maker.base, group.inputs)["inputs"]]
        text = msgspec.json.encode([code, files], order="deterministic")
        return SweepHead(
            format=FORMAT,
            command="sweep",
            created=group.common["created"],
            arb=arb.__version__,
            code=hashlib.sha256(text).hexdigest(),
            strategy=maker.strategy.spec,
            legs=[leg.name for leg in maker.base.legs],
            config=maker.base.as_dict(),
            keys=list(self._keys),
            periods=[
                Period(
                    self._span.start,
                    self._span.end,
                    returns_from_ns=group.grid.from_ns,
                    returns_interval_ns=group.grid.interval_ns,
                    returns_count=group.grid.intervals,
                )
            ],
            sets=count,
            source=self._choice.source,
            seed=self._choice.seed,
            notes=list(group.inputs.notes),
        )

    def jobs(self, begun: int) -> Iterator[Job]:
        """The jobs from this one on."""
        place = itertools.count()
        for key in self._groups:
            group = None
            for set_no, values in enumerate(sets_of(self._keys, self._choice)):
                if group_key(values, self._row_keys) != key or next(place) < begun:
                    continue
                group = group or self._group(key, values)
                yield Job(set_no, 0, values, group)

    def _group(self, key: tuple[Any, ...], values: Values) -> Group:
        """The group of a set, with its rows. One group's rows are kept: the last."""
        if self._inputs is None or self._inputs[0] != key:
            config = self._maker.config_of({name: values[name] for name in self._row_keys})
            read = read_inputs(
                config, legs_of(config), self._days, self._cache, self._reading, window=self._span.window
            )
            self._inputs = key, read
        inputs = self._inputs[1]
        if self._grid is None:
            self._grid = grid_of(*_times_of(inputs))
        return self._maker.group_of(inputs, self._grid)


def _times_of(inputs: Inputs) -> tuple[int, int]:
    """The first and the last time of the rows of all legs."""
    firsts = [file.first_ts for files in inputs.conversion.files for file in files if file.first_ts]
    return min(firsts, default=0), inputs.conversion.end_ts


def _ignore(_: int) -> None:
    pass
