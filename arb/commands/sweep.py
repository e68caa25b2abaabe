"""`arb sweep`: many sets of parameters over recorded days, each with the result of a backtest, into one folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from arb.backtest.runner import Compiled
from arb.bot.uses import calls_itself
from arb.commands.run_setup import run_folder_path
from arb.commands.sweep_plan import Plan, Sets, Span
from arb.commands.sweep_remote import Place, Remote, run_remote
from arb.commands.sweep_rows import RowChoice, check_rows, checked_places, choose_rows
from arb.commands.sweep_sets import Job, Loader, SetMaker, run_job
from arb.data.rows.cache import RowCache
from arb.files import write_atomically
from arb.interrupts import raise_if_interrupted
from arb.strategies.source_code import our_code
from arb.sweep import dask_pool
from arb.sweep.child_process import Child
from arb.sweep.columns import Columns, read_columns
from arb.sweep.engine import Running
from arb.sweep.files import write_tables
from arb.sweep.folder import SweepFolder
from arb.sweep.free_memory import EVERY, give_back
from arb.sweep.judgement import FRONT, Judgement, judge
from arb.sweep.page import PAGE_FIGURES, sweep_page
from arb.sweep.pool import in_order
from arb.sweep.ranking import DEFAULT, ranked
from arb.sweep.search import AHEAD
from arb.sweep.sets import Values
from arb.sweep.table import FAILED, SetResult, SweepHead, read_results
from arb.sweep.worker_processes import Workers

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress

Result = TypeVar("Result")

#: The page, in the folder of a sweep.
PAGE = "sweep.html"


class WrittenSweep(NamedTuple):
    """A sweep whose folder is written. begun: results that an earlier run of the command had written."""

    folder: Path
    head: SweepHead
    begun: int


def run_sweep(
    load: Loader,
    choose: Callable[[SetMaker], Sets],
    spans: Callable[[SetMaker], Sequence[Span]],
    out: Path | None,
    *,
    threads: int,
    dask: str | None = None,
    checks: int | None = None,
    chosen: Callable[[RowChoice], None] | None = None,
    child: Child | None = None,
    reading: StartProgress | None = None,
    progress: Callable[[int], Callable[[int], None]] | None = None,
) -> WrittenSweep:
    """Runs every set over every span and writes the sweep's folder; continues one that the same command began.

    load: the configuration with further values of `--set`; picklable with `dask`, the address of a scheduler whose
    workers run the sets instead of threads. choose, spans: what is run, of the configuration. checks: how many sets are
    run on all rows, too; None: the usual number. chosen: gets the rows that are chosen, before the first set runs over
    them. child: this process, if its parent begins another after a set that ends it. reading: see `run_days`; progress:
    gets the number of results, and returns a function that is called with the number of further ones that are done.
    KeyboardInterrupt: what is done is kept. Raises InputError and ConfigError.
    """
    if child is not None:
        out = child.board.folder or out
    if dask is not None:
        dask_pool.reach(dask)
    maker = SetMaker.of(load)
    sets = choose(maker)
    maker.check(sets.keys)
    with RowCache() as cache:
        plan = Plan(maker, sets, spans(maker), cache, reading)
        with SweepFolder(run_folder_path(out, maker.created, "sweep"), plan.head()) as folder:
            if child is not None:
                child.board.set_folder(folder.path)
            begun, search = folder.count, sets.search
            if search is not None:
                for result in read_results(folder.path):
                    search.observe(result)
            ahead = None if search is None else AHEAD
            if begun < plan.count:
                strategy = maker.compiled()
                if calls_itself(strategy.function):
                    threads = 1
                rows = _rows_of(maker, strategy, plan, checks, threads, child)
                give_back()
                if chosen is not None:
                    chosen(rows)
                advance = progress(plan.count) if progress is not None else _ignore
                advance(begun)
                if dask is None:
                    results = _here(maker, strategy, plan, begun, threads, rows, child, ahead)
                else:
                    results = _on_workers(dask, load, plan, begun, rows, ahead)
                for result in results:
                    folder.append([result])
                    if search is not None:
                        search.observe(result)
                    advance(1)
                    if folder.count % EVERY == 0:
                        give_back()
                    raise_if_interrupted()
            write_tables(folder)
            with folder.naming():
                if search is not None:
                    search.write(folder.path)
                write_atomically(
                    folder.path / PAGE,
                    sweep_page(*judged(folder.path, folder.head.by or DEFAULT, *PAGE_FIGURES)),
                )
        return WrittenSweep(folder.path, folder.head, begun)


def judged(folder: Path, by: str, *further: str) -> tuple[Columns, Judgement]:
    """The results of a sweep's folder by column, with these figures, and what they mean by the figure `by`.

    Raises InputError for files that cannot be read, and for a figure that no result has.
    """
    columns = read_columns(folder, [by, *FRONT, *further])
    if not np.isfinite(columns.figures[by]).any():
        ranked(folder, by, 1)  # explains a figure that no result has
    return columns, judge(columns, by)


def _rows_of(
    maker: SetMaker, strategy: Compiled, plan: Plan, checks: int | None, threads: int, child: Child | None
) -> RowChoice:
    running = Running()
    jobs = plan.jobs_at(checked_places(plan.count, checks))
    check = functools.partial(check_rows, maker, strategy, running)
    if child is not None:
        jobs = (job for job in jobs if job.place not in child.failed)
        check = functools.partial(_marked, child, check)
        threads = 1 if child.suspects else threads
    try:
        return choose_rows(maker, strategy, check, jobs, plan.count, threads)
    finally:
        running.stop()


def _here(
    maker: SetMaker,
    strategy: Compiled,
    plan: Plan,
    begun: int,
    threads: int,
    rows: RowChoice,
    child: Child | None,
    ahead: int | None,
) -> Iterator[SetResult]:
    """Results in the order of the jobs. An interrupted set leaves nothing. In a child, sets that run beside each other
    have a process each, forked here."""
    running, jobs = Running(), plan.jobs(begun)
    work = functools.partial(run_job, maker, strategy, running, is_thin=rows.is_thin)
    workers = None
    try:
        if child is not None:
            alone = functools.partial(_run_in_child, child, work)
            yield from in_order(_until_seen(jobs, child.suspects), alone, 1, ahead)
            if threads > 1:
                workers = Workers(threads, functools.partial(_run_forked, plan, work))
                work = functools.partial(_run_by, workers)
            work = functools.partial(_run_in_child, child, work)
        yield from in_order(jobs, work, threads, ahead)
    finally:
        running.stop()
        if workers is not None:
            workers.close()


def _run_by(workers: Workers, job: Job) -> SetResult:
    result: SetResult = workers.run(*job.place, job.values)
    return result


def _run_forked(
    plan: Plan, work: Callable[[Job], SetResult], set_no: int, period_no: int, values: Values
) -> SetResult:
    """In a worker: the rows are those of before the fork, or read again from the cache."""
    return work(Job(set_no, period_no, values, plan.reader.groups(values)[period_no]))


def _marked(child: Child, work: Callable[[Job], Result], job: Job) -> Result:
    """Runs a set, which is marked meanwhile."""
    with child.board.running(job.place):
        return work(job)


def _run_in_child(child: Child, work: Callable[[Job], SetResult], job: Job) -> SetResult:
    """The result of a set; of one that has ended an earlier child, its failure."""
    if job.place in child.failed:
        return SetResult(*job.place, job.values, FAILED, child.failed[job.place])
    return _marked(child, work, job)


def _until_seen(jobs: Iterator[Job], places: Collection[tuple[int, int]]) -> Iterator[Job]:
    """The jobs up to the last of these places; none without a place."""
    left = set(places)
    while left and (job := next(jobs, None)) is not None:
        left.discard(job.place)
        yield job


def _on_workers(
    address: str, load: Loader, plan: Plan, begun: int, rows: RowChoice, ahead: int | None
) -> Iterator[SetResult]:
    reader = plan.reader
    common = Remote(
        load, tuple(plan.spans), tuple(reader.periods), tuple(reader.row_keys), our_code(), rows.is_thin
    )
    places = (Place(*place) for place in plan.places(begun))
    return dask_pool.in_order(address, places, run_remote, common, ahead)


def _ignore(_: int) -> None:
    pass
