"""The sets of a sweep as runs: configuration, strategy, legs and limits of each, as `arb backtest --set` has them.

Everything that the sets of a group share is made once: its rows, the compiled strategy, the facts of its days.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from arb.backtest.runner import Compiled, compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.idle_keys import Use, World, why_idle
from arb.commands.legs import legs_of
from arb.commands.recorded_days import Ready, first_mids, ready
from arb.commands.run_files import (
    Inputs,
    common_manifest,
    configured_offset_ns,
    feeds_of,
    inputs_manifest,
    noted,
    silence_ns,
)
from arb.commands.run_setup import Setup, ended_manifest, outcome_of, setup_of, with_end
from arb.commands.sweep_quiet import ROUNDS_MAX, further, spans_of
from arb.config import Config, on_data_grid
from arb.data.catalog.days import Day
from arb.data.rows.cache import RowCache
from arb.errors import ArbError, ConfigError, InputError, StrategyError
from arb.results.manifest import result_of
from arb.results.result import RunResult
from arb.strategies.loader import LoadedStrategy
from arb.sweep.engine import HFTBACKTEST, KeptRows, OneSet, Ran, Running, run_set
from arb.sweep.needs import why_all_rows
from arb.sweep.returns import Grid, profits_of
from arb.sweep.sets import Values, settings_of
from arb.sweep.table import FAILED, Key, Period, SetResult, numbers_of
from arb.sweep.thin_files import ThinRows

#: Sections and keys that a sweep holds constant, and why.
_CONSTANT = {
    "data": "all sets run over the same recordings",
    "strategy.function": "a sweep is of one strategy",
    "strategy.legs": "a sweep is over one list of legs",
    "strategy.pairs": "a sweep is over one list of legs",
    "strategy.symbol": "a sweep is over one list of legs",
    "strategy.symbols": "a sweep is over one list of legs",
}
#: Parts of a summary that explain one run: `arb backtest` with the set writes them.
_EXPLANATIONS = ("no_trades", "net_edges")

#: The configuration with further values of `--set`.
Loader = Callable[[Sequence[str]], Config]


class Group(NamedTuple):
    """What the sets of a group and period share. common: of their manifests."""

    inputs: Inputs
    rows: KeptRows
    thin: ThinRows
    common: dict[str, Any]
    mids: Callable[[], list[float]]
    grid: Grid


class Prepared(NamedTuple):
    """A set that can run, and the fields of its manifest that are known before."""

    ready: Ready
    one: OneSet
    manifest: dict[str, Any]


@dataclass(frozen=True)
class SetMaker:
    """Makes runs of sets. Any thread."""

    load: Loader
    base: Config
    strategy: LoadedStrategy
    created: datetime

    @classmethod
    def of(cls, load: Loader) -> SetMaker:
        """Raises InputError and ConfigError for what no set could run with."""
        base = on_data_grid(load(()))
        return cls(load, base, setup_of(base).strategy, datetime.now(UTC))

    def config_of(self, values: Values) -> Config:
        """The configuration of a set. Raises ConfigError."""
        return on_data_grid(self.load(settings_of(values)))

    def setup_of(self, config: Config) -> Setup:
        return setup_of(config, self.strategy)

    def check(self, keys: Sequence[Key]) -> None:
        """Raises ConfigError for a value that the configuration refuses, and for a key that the run does not read.

        Each value is tried on its own: what only a combination makes invalid fails as that set.
        """
        for key in keys:
            section, _, _ = key.name.partition(".")
            if why := _CONSTANT.get(key.name) or _CONSTANT.get(section):
                raise ConfigError(f"--vary {key.name}: cannot be varied: {why}")
        for key in keys:
            for value in _ends_of(key):
                self.setup_of(self.config_of({key.name: value}))
        for key in keys:
            if reason := self._why_unread(key, keys):
                raise ConfigError(f"--vary {key.name}: the run does not read it: {reason}")

    def _why_unread(self, key: Key, keys: Sequence[Key]) -> str:
        """Why no set reads a key; "" if one does: another key may decide it, such as `strategy.mode`."""
        own = {key.name: _ends_of(key)[-1]}
        others = [{}, *({one.name: value} for one in keys if one != key for value in _ends_of(one))]
        reason = ""
        for other in others:
            config = self.config_of({**other, **own})
            use = Use(World.BACKTEST, config, self.setup_of(config))
            given = [one for one in config.given if one.is_override and _is_of(one.name, key.name)]
            reasons = [why_idle(use, one) for one in given]
            if not reasons or None in reasons:
                return ""
            reason = reason or str(reasons[0] and reasons[0].text)
        return reason

    def row_keys(self, keys: Sequence[Key], days: Sequence[Sequence[Day]]) -> list[str]:
        """The keys whose values change the rows that a set runs over."""
        usual = self._reading_of(self.base, days)
        return [
            key.name
            for key in keys
            if any(
                self._reading_of(self.config_of({key.name: value}), days) != usual for value in _ends_of(key)
            )
        ]

    @staticmethod
    def _reading_of(config: Config, days: Sequence[Sequence[Day]]) -> object:
        """What the conversion of the days takes from the configuration."""
        # Of a venue's adapter, which has no values of its own, every configuration makes a new instance.
        feeds = [(type(feed.venue), *feed[1:]) for feed in feeds_of(config, legs_of(config), days)]
        return feeds, configured_offset_ns(config)

    def groups_of(
        self, config: Config, read: Sequence[Inputs], periods: Sequence[Period], cache: RowCache
    ) -> list[Group]:
        """What sets over these inputs share: one group for each period. config: of any of the sets."""
        common = common_manifest("backtest", self.base, *self.setup_of(self.base), self.created)
        groups = []
        for inputs, period in zip(read, periods, strict=True):
            rows = KeptRows([data.arrays for data in inputs.data])
            groups.append(
                Group(
                    inputs,
                    rows,
                    ThinRows(inputs.data, rows, _key_of(inputs), silence_ns(config), cache),
                    common,
                    _once(functools.partial(first_mids, inputs)),
                    Grid(period.returns_from_ns, period.returns_interval_ns, period.returns_count),
                )
            )
        return groups

    def compiled(self) -> Compiled:
        """The strategy, compiled for all sets: their numbers are in records of one type. Raises InputError."""
        return compile_ahead(*self.setup_of(self.base), Recorder(len(self.base.legs)))

    def prepare(self, values: Values, group: Group) -> Prepared:
        """A set over the rows of its group. Raises ConfigError and InputError."""
        config = self.config_of(values)
        setup = self.setup_of(config)
        inputs = group.inputs.of_legs(legs_of(config))
        made = ready(config, setup, inputs, command="backtest", mids=group.mids)
        config, setup, inputs, limits = made
        strategy = group.common["strategy"]
        manifest = {
            **group.common,
            "config": config.as_dict(),
            "strategy": {
                **strategy,
                "params": setup.arguments.params,
                "arguments": dict(setup.arguments.numbers),
            },
            **inputs_manifest(config, inputs),
        }
        one = OneSet(
            inputs.legs,
            limits,
            setup.arguments,
            config.backtest.engine,
            config.backtest.liquidity_consumption,
            lambda function, bot, recorder: with_end(config, function, inputs.legs, bot, recorder),
        )
        return Prepared(made, one, manifest)


class Job(NamedTuple):
    """A set to run: its places and values, and what it shares with others."""

    set_no: int
    period_no: int
    values: Values
    group: Group

    @property
    def place(self) -> tuple[int, int]:
        """Set and period."""
        return self.set_no, self.period_no


def run_prepared(
    maker: SetMaker, strategy: Compiled, running: Running, job: Job, *, is_thin: bool
) -> tuple[Prepared, Ran]:
    """Runs a set. is_thin: on thinned rows, unless it shows that it needs all. Raises ConfigError and InputError."""
    prepared = maker.prepare(job.values, job.group)
    thin = job.group.thin
    params = prepared.ready.setup.arguments.params
    if (
        is_thin
        and not prepared.one.subtracts_taken
        and not why_all_rows(strategy.uses, params, thin.stale_after_ns)
    ):
        prepared, ran = run_thin(maker, strategy, running, job, prepared)
        if not prepared.one.limits.resting:
            return prepared, ran
        prepared = maker.prepare(job.values, job.group)
    return prepared, run_set(prepared.one, strategy, job.group.rows, running)


def run_thin(
    maker: SetMaker, strategy: Compiled, running: Running, job: Job, prepared: Prepared
) -> tuple[Prepared, Ran]:
    """Runs a set on thinned rows, at first without those of quiet times if it may do without them."""
    thin, params = job.group.thin, prepared.ready.setup.arguments.params
    spans = spans_of(maker.strategy, prepared.one, params, thin)
    for _ in range(ROUNDS_MAX):
        if spans is None:
            break
        ran = run_set(
            prepared.one,
            strategy,
            spans.rows(job.group.rows, is_one=prepared.one.engine == HFTBACKTEST),
            running,
        )
        needed = further(spans, ran, params)
        if needed is spans or prepared.one.limits.resting:
            return prepared, ran
        spans = needed
        prepared = maker.prepare(job.values, job.group)
    return prepared, run_set(prepared.one, strategy, thin.kept(keeps_trades=strategy.uses.trades), running)


def run_job(
    maker: SetMaker, strategy: Compiled, running: Running, job: Job, *, is_thin: bool = False
) -> SetResult:
    """The result of a set. A set that cannot run, or whose strategy raises, is marked as failed. is_thin: as of
    `run_prepared`."""
    result = functools.partial(SetResult, job.set_no, job.period_no, job.values)
    try:
        prepared, ran = run_prepared(maker, strategy, running, job, is_thin=is_thin)
    except (ConfigError, InputError) as error:
        return result(FAILED, str(error))
    if ran.error:
        return result(FAILED, ran.error)
    run = result_of_run(prepared, ran)
    return result(
        run.outcome,
        figures=figures_of(run.summary),
        profits=profits_of(run.equity, job.group.grid),
        fills=len(run.fills),
        fills_sha256=ran.fills_sha256,
        decisions=len(run.decisions),
        decisions_sha256=ran.decisions_sha256,
    )


def result_of_run(prepared: Prepared, ran: Ran) -> RunResult:
    """The run of a set, as its folder would be read."""
    error: ArbError | None = StrategyError(ran.error) if ran.error else None
    outcome, _ = outcome_of(ran.value, error=error)
    refusals = prepared.one.limits.refusals_of(prepared.one.legs)
    manifest = {**prepared.manifest, **ended_manifest(outcome, error), "refusals": refusals}
    return result_of(noted(manifest, ran.output), ran.output)


def figures_of(summary: Mapping[str, Any]) -> dict[str, bool | int | float | None]:
    """The numbers of a set's summary, without those that explain a run without a fill."""
    return numbers_of({name: part for name, part in summary.items() if name not in _EXPLANATIONS})


def _key_of(inputs: Inputs) -> bytes:
    """The row files and the part of them that the inputs are."""
    conversion, window = inputs.conversion, inputs.window
    return msgspec.json.encode((conversion.files, conversion.end_ts, window and window.span))


def _ends_of(key: Key) -> list[Any]:
    """The values that are tried: those of a list, and both ends of a range."""
    return list(key.values) or [key.low, key.high]


def _is_of(name: str, varied: str) -> bool:
    """Whether a given key is the varied one, or within the table that is."""
    return name == varied or name.startswith(f"{varied}.")


def _once(function: Callable[[], Any]) -> Callable[[], Any]:
    """A function that is called once, by the first of several threads."""
    lock = threading.Lock()
    found: list[Any] = []

    def call() -> Any:
        with lock:
            if not found:
                found.append(function())
            return found[0]

    return call


def group_keys(sets: Iterator[Values], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The values of the keys that change rows, of every group, in the order of the groups' first sets."""
    return list(dict.fromkeys(group_key(values, names) for values in sets)) if names else [()]


def group_key(values: Values, names: Sequence[str]) -> tuple[Any, ...]:
    """The group of a set."""
    return tuple(repr(values[name]) for name in names)
