"""What a sweep runs: its sets, its periods, and the jobs that follow, with the rows that each needs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

import arb
from arb.commands.legs import legs_of
from arb.commands.run_files import Inputs, days_of_run, inputs_manifest, read_inputs
from arb.commands.sweep_sets import Group, Job, SetMaker, group_key, group_keys
from arb.data.rows.cache import RowCache
from arb.data.rows.window import Window, moment_text
from arb.errors import InputError
from arb.sweep.curves import POINTS
from arb.sweep.judgement import is_high_good
from arb.sweep.ranking import DEFAULT
from arb.sweep.returns import grid_of
from arb.sweep.search import Search
from arb.sweep.sets import Values, grid, grid_size, key_of, random_sets, sobol_sets
from arb.sweep.table import ALL, FORMAT, TEST, TRAIN, Key, Period, SweepHead
from connectors.units import DAY, SECOND

if TYPE_CHECKING:
    from arb.commands.recordings import StartProgress

#: Ways to choose the sets.
GRID, RANDOM, SOBOL, OPTUNA = "grid", "random", "sobol", "optuna"
#: Most sets without `--max`.
SETS_MAX = 100_000
#: Most steps of a walk-forward.
_STEPS_MAX = 10_000


class Choice(NamedTuple):
    """How the sets are chosen from the varied keys. number: of drawn ones. by: the figure that a search improves."""

    source: str = GRID
    number: int = 0
    seed: int = 0
    sets_max: int = SETS_MAX
    by: str = DEFAULT


class Sets(NamedTuple):
    """The sets of a sweep. make: yields them, always the same ones; where `search` chooses them, others like them."""

    keys: Sequence[Key]
    number: int
    make: Callable[[], Iterator[Values]]
    source: str
    seed: int = 0
    search: Search | None = None


class Span(NamedTuple):
    """A part of the recorded days that every set runs over.

    last: None for the last day that all legs have; window: None for whole days. start, end: as they were written.
    from_ns, to_ns: where it begins and ends; 0: as the data do.
    """

    first: date
    last: date | None
    window: Window | None
    start: str
    end: str | None
    role: str = ALL
    step: int = 0
    from_ns: int = 0
    to_ns: int = 0


def varied(vary: Sequence[str], choice: Choice) -> Sets:
    """The sets of `--vary`. Raises InputError."""
    if not vary:
        raise InputError(
            "--vary is missing: name a key to vary, such as --vary strategy.min_spread_bps=0.5:5:0.25"
        )
    keys = [key_of(text, is_drawn=choice.source != GRID) for text in vary]
    names = [key.name for key in keys]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--vary {twice}: given twice; write one list of values")
    number = grid_size(keys) if choice.source == GRID else choice.number
    if number > choice.sets_max:
        raise InputError(
            f"{number:,} sets are more than {choice.sets_max:,}: vary fewer values, draw some with --random N, or "
            f"allow them with --max {number}"
        )
    search = None
    if choice.source == OPTUNA:
        search = Search(keys, choice.by, choice.seed, is_high=is_high_good(choice.by))
    return Sets(keys, number, lambda: _made(keys, choice), choice.source, choice.seed, search)


def _made(keys: Sequence[Key], choice: Choice) -> Iterator[Values]:
    if choice.source == GRID:
        return grid(keys)
    drawn = sobol_sets if choice.source == SOBOL else random_sets
    return drawn(keys, choice.number, choice.seed)


def points(keys: Sequence[str], sets: Sequence[Values]) -> Sets:
    """Sets that are listed one by one, of these keys."""
    values = {name: list(dict.fromkeys(one[name] for one in sets)) for name in keys}
    return Sets([Key(name, values[name]) for name in keys], len(sets), lambda: iter(sets), POINTS)


def walk_spans(maker: SetMaker, whole: Span, train_s: float, test_s: float) -> list[Span]:
    """The periods of a walk-forward: in each step one to choose on, and the next one to judge the choice on.

    The next step begins later by the length of the second. Raises InputError if not one step fits.
    """
    legs = legs_of(maker.base)
    days = days_of_run(maker.base, legs, whole.first, whole.last)
    start, end = (None, None) if whole.window is None else (whole.window.start_ts, whole.window.end_ts)
    from_ns = _midnight(whole.first) if start is None else start
    to_ns = _midnight(days[0][-1].day) + DAY if end is None else end
    train, test = round(train_s * SECOND), round(test_s * SECOND)
    steps = (to_ns - from_ns - train) // test
    if steps < 1:
        span_s = (to_ns - from_ns) / SECOND
        raise InputError(
            f"--walk: {train_s:g} s to choose and {test_s:g} s to judge do not fit into the {span_s:g} s of the run"
        )
    if steps > _STEPS_MAX:
        raise InputError(f"--walk: {steps:,} steps are more than {_STEPS_MAX:,}: judge on longer periods")
    spans = []
    for step in range(steps):
        begin = from_ns + step * test
        spans.append(_span_of(begin, begin + train, TRAIN, step))
        spans.append(_span_of(begin + train, begin + train + test, TEST, step))
    return spans


def _span_of(from_ns: int, to_ns: int, role: str, step: int) -> Span:
    first, last = _day(from_ns), _day(to_ns - 1)
    if from_ns % DAY == 0 and to_ns % DAY == 0:
        return Span(first, last, None, str(first), str(last), role, step, from_ns, to_ns)
    window = Window(from_ns, to_ns)
    return Span(first, last, window, moment_text(from_ns), moment_text(to_ns), role, step, from_ns, to_ns)


def _midnight(day: date) -> int:
    return (day - date(1970, 1, 1)) // timedelta(days=1) * DAY


def _day(ns: int) -> date:
    return datetime.fromtimestamp(ns // SECOND, UTC).date()


class GroupReader:
    """Reads the rows of sets, one group at a time."""

    def __init__(
        self,
        maker: SetMaker,
        spans: Sequence[Span],
        cache: RowCache,
        reading: StartProgress | None,
        row_keys: Sequence[str] | None = None,
        periods: Sequence[Period] = (),
        *,
        keys: Sequence[Key] = (),
    ) -> None:
        """row_keys: the keys that change rows; None: found among `keys`. periods: empty: found from the first rows."""
        self._maker = maker
        self._spans = spans
        self._cache = cache
        self._reading = reading
        legs = legs_of(maker.base)
        self._days = [days_of_run(maker.base, legs, span.first, span.last) for span in spans]
        self.row_keys = maker.row_keys(keys, self._days[0]) if row_keys is None else list(row_keys)
        self.periods = list(periods)
        #: The last group, by its key: of each period.
        self._last: tuple[tuple[Any, ...], list[Group]] | None = None

    def groups(self, values: Values) -> list[Group]:
        """The rows of a set's group in each period. Those of one group are kept, the last: they are mapped files."""
        key = group_key(values, self.row_keys)
        if self._last is None or self._last[0] != key:
            config = self._maker.config_of({name: values[name] for name in self.row_keys})
            legs = legs_of(config)
            read = [
                read_inputs(config, legs, days, self._cache, self._reading, window=span.window)
                for days, span in zip(self._days, self._spans, strict=True)
            ]
            if not self.periods:
                self.periods = [_period(span, inputs) for span, inputs in zip(self._spans, read, strict=True)]
            self._last = key, self._maker.groups_of(config, read, self.periods, self._cache)
        return self._last[1]


class Plan:
    """The jobs of a sweep: sets by group, whose rows are read when the first of its sets is due."""

    def __init__(
        self,
        maker: SetMaker,
        sets: Sets,
        spans: Sequence[Span],
        cache: RowCache,
        reading: StartProgress | None,
    ) -> None:
        self._maker = maker
        self._sets = sets
        self.spans = spans
        self.reader = GroupReader(maker, spans, cache, reading, keys=sets.keys)
        if sets.search is not None and self.reader.row_keys:
            raise InputError(
                f"--vary {self.reader.row_keys[0]}: changes the rows that a set runs over, which --optuna cannot vary: "
                "draw sets with --random, or take every combination"
            )

    @property
    def count(self) -> int:
        """The number of results."""
        return self._sets.number * len(self.spans)

    def head(self) -> SweepHead:
        """What all results have in common; reads the rows of the first group."""
        maker, sets = self._maker, self._sets
        first = next(sets.make())
        groups = self.reader.groups(first)
        common = groups[0].common
        code = {name: common[name] for name in ("arb_sha256", "adapters", "hftbacktest", "numba", "numpy")}
        code |= {name: common["strategy"][name] for name in ("sha256", "modules", "packages")}
        if sets.search is not None:
            code["optuna"] = sets.search.version
        files = [
            file["raw_sha256"]
            for group in groups
            for file in inputs_manifest(maker.base, group.inputs)["inputs"]
        ]
        text = msgspec.json.encode([code, files], order="deterministic")
        return SweepHead(
            format=FORMAT,
            command="sweep",
            created=common["created"],
            arb=arb.__version__,
            code=hashlib.sha256(text).hexdigest(),
            strategy=maker.strategy.spec,
            legs=[leg.name for leg in maker.base.legs],
            config=maker.base.as_dict(),
            keys=list(sets.keys),
            periods=self.reader.periods,
            sets=sets.number,
            source=sets.source,
            seed=sets.seed,
            by="" if sets.search is None else sets.search.by,
            notes=list(dict.fromkeys(note for group in groups for note in group.inputs.notes)),
        )

    def jobs(self, begun: int) -> Iterator[Job]:
        """The jobs from this one on, with their rows."""
        for set_no, period_no, values in self.places(begun):
            yield Job(set_no, period_no, values, self.reader.groups(values)[period_no])

    def jobs_at(self, places: Sequence[int]) -> Iterator[Job]:
        """The jobs at these places among all, ascending; of a search, whose sets are not known, others like them."""
        wanted = frozenset(places)
        first = 0 if self._sets.search is None else self._sets.number
        for place, (set_no, period_no, values) in enumerate(self._all_places()):
            if place in wanted:
                yield Job(first + set_no, period_no, values, self.reader.groups(values)[period_no])

    def places(self, begun: int) -> Iterator[tuple[int, int, Values]]:
        """Set, period and values of the jobs from this one on."""
        search = self._sets.search
        if search is None:
            return itertools.islice(self._all_places(), begun, None)
        return ((set_no, 0, search.values(set_no)) for set_no in range(begun, self._sets.number))

    def _all_places(self) -> Iterator[tuple[int, int, Values]]:
        names = self.reader.row_keys
        for key in group_keys(self._sets.make(), names):
            for set_no, values in enumerate(self._sets.make()):
                if group_key(values, names) == key:
                    yield from ((set_no, period_no, values) for period_no in range(len(self.spans)))


def _period(span: Span, inputs: Inputs) -> Period:
    """A span with the intervals of its returns."""
    firsts = [file.first_ts for files in inputs.conversion.files for file in files if file.first_ts]
    times = (span.from_ns, span.to_ns) if span.to_ns else (min(firsts, default=0), inputs.conversion.end_ts)
    found = grid_of(*times)
    return Period(
        span.start, span.end, span.role, span.step, found.from_ns, found.interval_ns, found.intervals
    )
