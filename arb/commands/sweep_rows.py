"""Which rows the sets of a sweep run over: thinned ones, if nothing that is observed of the strategy speaks against it.

Some sets are run on all rows and on thinned ones before the first result is written. A difference in one of them, or
orders that may rest, and every set runs over all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from arb.backtest.runner import Compiled
from arb.commands.run_files import silence_ns
from arb.commands.sweep_sets import Job, SetMaker, run_thin
from arb.errors import ConfigError, InputError
from arb.sweep.engine import Running, run_set
from arb.sweep.needs import differences, why_all_rows
from arb.sweep.pool import in_order

#: Sets that are checked; of a small sweep at most this share.
CHECKED, CHECKED_SHARE = 20, 0.1
#: Fewer sets are run sooner than rows are thinned and checked.
WORTH_SETS = 4
#: Seed of the choice of these sets.
_SEED = 0
_TAKING = "orders that take a whole touch go on with the levels beyond it"
_RESTING = "its orders may rest in a book, where trades fill them"


class RowChoice(NamedTuple):
    """The rows of a sweep. line: what was found, for the user; differs: whether a checked set did."""

    is_thin: bool
    line: str = ""
    differs: bool = False


class Checked(NamedTuple):
    """What the check of one set found. is_valid: whether the set can run at all."""

    set_no: int
    is_valid: bool = True
    is_resting: bool = False
    names: tuple[str, ...] = ()


def checked_places(count: int, given: int | None) -> list[int]:
    """Which of `count` places are checked, ascending: always the same ones. given: their number; None: the usual."""
    usual = min(CHECKED, -int(-count * CHECKED_SHARE // 1))
    drawn = np.random.default_rng(_SEED).permutation(count)[: usual if given is None else given]
    return sorted(drawn.tolist())


def choose_rows(
    maker: SetMaker,
    strategy: Compiled,
    check: Callable[[Job], Checked],
    jobs: Iterator[Job],
    count: int,
    threads: int,
) -> RowChoice:
    """The rows for all sets, by what `check` finds of the `jobs`. count: the number of sets and periods."""
    if maker.base.backtest.liquidity_consumption:
        return RowChoice(is_thin=False, line=f"every set runs over all rows: {_TAKING}")
    params = maker.setup_of(maker.base).arguments.params
    if why := why_all_rows(strategy.uses, params, silence_ns(maker.base)):
        return RowChoice(is_thin=False, line=f"every set runs over all rows: the strategy {why}")
    if count < WORTH_SETS:
        return RowChoice(is_thin=False)
    checked = 0
    for one in in_order(jobs, check, threads):
        if one.is_resting:
            return RowChoice(is_thin=False, line=f"every set runs over all rows: {_RESTING}")
        if one.names:
            what = f"set {one.set_no} differs on thinned rows in its {', '.join(one.names)}"
            return RowChoice(is_thin=False, line=f"every set runs over all rows: {what}", differs=True)
        checked += one.is_valid
    shown = f"{checked} of them checked on all rows: nothing differs" if checked else "none of them checked"
    return RowChoice(is_thin=True, line=f"{count:,} sets on thinned rows; {shown}")


def check_rows(maker: SetMaker, strategy: Compiled, running: Running, job: Job) -> Checked:
    """Runs a set on both kinds of rows."""
    group = job.group
    found = Checked(job.set_no)
    try:
        whole = maker.prepare(job.values, group).one
        if whole.subtracts_taken:  # runs over all rows
            return found._replace(is_valid=False)
        ran = run_set(whole, strategy, group.rows, running)
        if whole.limits.resting:
            return found._replace(is_resting=True)
        prepared = maker.prepare(job.values, group)
        (_, kept, _), again = run_thin(maker, strategy, running, job, prepared)
    except (ConfigError, InputError):
        return found._replace(is_valid=False)
    return found._replace(names=tuple(differences((whole, ran), (kept, again))))
