"""A sweep's sets on another machine's worker: the function that runs there, and what it needs.

A worker is sent the configuration, reads recordings by the paths that the command names, and converts them into its own
row cache, unless it has the rows. Its code must be that of the command.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from arb.bot.uses import calls_itself
from arb.commands.sweep_plan import GroupReader, Span
from arb.commands.sweep_sets import Job, Loader, SetMaker, run_job
from arb.data.rows.cache import RowCache
from arb.errors import InputError
from arb.strategies.source_code import our_code
from arb.sweep.engine import Running
from arb.sweep.sets import Values
from arb.sweep.table import Period, SetResult


class Remote(NamedTuple):
    """What all sets of a sweep have in common. code: hash of arb's sources; is_thin: as of `run_job`."""

    load: Loader
    spans: tuple[Span, ...]
    periods: tuple[Period, ...]
    row_keys: tuple[str, ...]
    code: str
    is_thin: bool


class Place(NamedTuple):
    """A set and period, as it is sent."""

    set_no: int
    period_no: int
    values: Values


class _Worker:
    """What a worker's process keeps for the sets of one sweep. Any thread."""

    def __init__(self, common: Remote) -> None:
        if common.code != our_code():
            raise InputError("--dask: a worker has another version of arb: install the command's there")
        self._maker = SetMaker.of(common.load)
        self._strategy = self._maker.compiled()
        self._reader = GroupReader(
            self._maker, common.spans, RowCache(), None, common.row_keys, list(common.periods)
        )
        self._reading = threading.Lock()
        self._is_thin = common.is_thin
        self._alone = threading.Lock() if calls_itself(self._strategy.function) else None

    def run(self, place: Place) -> SetResult:
        with self._reading:
            group = self._reader.groups(place.values)[place.period_no]
        job = Job(*place, group)
        with self._alone or contextlib.nullcontext():
            return run_job(self._maker, self._strategy, Running(), job, is_thin=self._is_thin)


_lock = threading.Lock()


@lru_cache(maxsize=1)
def _worker(common: Remote) -> _Worker:
    return _Worker(common)


def run_remote(common: Remote, places: Sequence[Place]) -> list[SetResult]:
    """The results of these sets. Raises InputError."""
    with _lock:
        worker = _worker(common)
    return [worker.run(place) for place in places]
