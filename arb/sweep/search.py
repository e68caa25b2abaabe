"""Sets that are chosen by the results of earlier ones, with Optuna: the one module that knows it.

A set is chosen from the results of all sets but the last few, in whatever order these end, and by a seed of its own. So
the sets are the same with any number of threads, on workers, and in a sweep that was interrupted.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.config.strict import toml_of
from arb.errors import InputError
from arb.files import write_atomically
from arb.sweep.ranking import near
from arb.sweep.sets import Values
from arb.sweep.table import FAILED, Key, SetResult, Value, read_results

#: The study as Optuna's own file, in the folder of a sweep; name of the study in it.
STUDY, STUDY_NAME = "optuna.log", "sweep"
#: A set is chosen before the results of the last sets, one fewer than this, are known: so many may run at a time.
AHEAD = 8


class _Parameter(NamedTuple):
    """A key as Optuna knows it. value: the key's value of Optuna's; number: the reverse. shown: the distribution in the
    study's file, which has the key's values; None: `distribution`, and Optuna's."""

    distribution: Any
    value: Callable[[Any], Value]
    number: Callable[[Value], Any]
    shown: Any = None


class Search:
    """The sets of a sweep, each by what is known. One thread."""

    def __init__(self, keys: Sequence[Key], by: str, seed: int, *, is_high: bool) -> None:
        """by: the figure to improve. Raises InputError without Optuna."""
        self.by = by
        self._seed = seed
        self._optuna = _load()
        self._parameters = {key.name: _parameter(key) for key in keys}
        self._direction = "maximize" if is_high else "minimize"
        self._study = self._optuna.create_study(direction=self._direction)
        #: Results in the order of the sets; how many of these the study has.
        self._results: list[SetResult] = []
        self._known = 0

    @property
    def version(self) -> str:
        """Of Optuna, on which the sets depend."""
        return str(self._optuna.__version__)

    def observe(self, result: SetResult) -> None:
        """Adds the next result. Raises InputError for a figure that results do not have."""
        if result.outcome != FAILED and self.by not in result.figures:
            raise InputError(
                f"--by {self.by}: results have no such figure{near(self.by, list(result.figures))}"
            )
        self._results.append(result)

    def values(self, number: int) -> Values:
        """The set of this number; they are asked for in order, from the number of results on or from 0."""
        trials = len(self._study.get_trials(deepcopy=False))
        for result in self._results[trials:number]:
            self._study.add_trial(self._trial(result, is_known=result.set_no <= number - AHEAD))
            self._known += result.set_no <= number - AHEAD
        for result in self._results[self._known : max(number - AHEAD + 1, 0)]:
            figure, state = self._outcome(result)
            self._study.tell(result.set_no, figure, state=state)
            self._known += 1
        self._study.sampler = self._sampler(number)
        distributions = {name: one.distribution for name, one in self._parameters.items()}
        params = self._study.ask(distributions).params
        return {name: one.value(params[name]) for name, one in self._parameters.items()}

    def write(self, folder: Path) -> None:
        """Writes the study from the results of a folder, as a file that Optuna reads. Raises OSError."""
        journal = self._optuna.storages.journal
        work = folder / f".{STUDY}"
        work.unlink(missing_ok=True)
        try:
            storage = self._optuna.storages.JournalStorage(journal.JournalFileBackend(str(work)))
            study = self._optuna.create_study(
                storage=storage, study_name=STUDY_NAME, direction=self._direction
            )
            for result in read_results(folder):
                study.add_trial(self._trial(result, is_known=True, is_shown=True))
            write_atomically(folder / STUDY, work.read_bytes())
        finally:
            work.unlink(missing_ok=True)

    def _sampler(self, number: int) -> Any:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            return self._optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)

    def _trial(self, result: SetResult, *, is_known: bool, is_shown: bool = False) -> Any:
        figure, state = self._outcome(result) if is_known else (None, self._states.RUNNING)
        params, distributions = {}, {}
        for name, one in self._parameters.items():
            value = result.values[name]
            has_own = is_shown and one.shown is not None
            distributions[name] = one.shown if has_own else one.distribution
            params[name] = value if has_own else one.number(value)
        return self._optuna.trial.create_trial(
            state=state, value=figure, params=params, distributions=distributions
        )

    def _outcome(self, result: SetResult) -> tuple[float | None, Any]:
        """A set without the figure counts as worse than any: it failed, or did not trade."""
        figure = result.figures.get(self.by)
        if figure is None or not math.isfinite(figure):
            return None, self._states.PRUNED
        return float(figure), self._states.COMPLETE

    @property
    def _states(self) -> Any:
        return self._optuna.trial.TrialState


def _load() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError('--optuna needs Optuna: install it with pip install "hftarb[sweep]"') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _parameter(key: Key) -> _Parameter:
    """A range as such, a list of equal steps as their numbers, any other list as choices."""
    distributions = _load().distributions
    whole, real = distributions.IntDistribution, distributions.FloatDistribution
    values = key.values
    if not values:
        kind = whole if _are_whole((key.low, key.high)) else real
        return _Parameter(kind(key.low, key.high), _same, _same)
    if len(values) > 1 and (step := _step(values)):
        # Not the values themselves: Optuna's sums of steps are not exactly those.
        shown = (whole if _are_whole(values) else real)(values[0], values[-1], step=step)
        return _Parameter(whole(0, len(values) - 1), values.__getitem__, values.index, shown)
    texts = [toml_of(one) for one in values]
    by_text = dict(zip(texts, values, strict=True))
    return _Parameter(distributions.CategoricalDistribution(texts), by_text.__getitem__, toml_of)


def _same(value: Any) -> Any:
    return value


def _are_whole(values: Sequence[Any]) -> bool:
    return all(type(one) is int for one in values)


def _step(values: Sequence[Any]) -> Any:
    """The step of ascending numbers at equal distances; None for others."""
    if not all(type(one) in (int, float) for one in values):
        return None
    steps = [later - earlier for earlier, later in itertools.pairwise(values)]
    is_even = min(steps) > 0 and math.isclose(min(steps), max(steps), rel_tol=1e-9)
    return steps[0] if is_even else None
