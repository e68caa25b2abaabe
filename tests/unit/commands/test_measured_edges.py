"""The second pass over a run without a fill: when there is one, what it measures, and that it never costs the run."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import LOCAL_EVENT
from support.dry_market import dry_legs

from arb.backtest.assets import backtest_bot_for
from arb.backtest.runner import compile_ahead, run
from arb.bot.recorder import Recorder
from arb.commands import measured_edges
from arb.commands.measured_edges import edges_of_rows, with_edges
from arb.commands.recorded_days import Replayed
from arb.config import Config, load
from arb.config.templates import main_file
from arb.errors import ExitCode
from arb.results.no_trades.edges import Edges
from arb.results.result import RunOutput
from arb.strategies.parameters import defaults_of
from arb.strategies.spread.parameters import PARAMS as SPREAD

S = 1_000_000_000


def params(**changes: Any) -> Mapping[str, Any]:
    """The strategy's parameters, as a manifest has them: lists for values of legs."""
    values = {name: list(v) * 2 if isinstance(v, tuple) else v for name, v in defaults_of(SPREAD).items()}
    return values | {"min_spread_bps": 0.5, "taker_fee": [0.0, 0.0001]} | changes


def measured(changes: Mapping[str, Any], rows: Any = None) -> Any:
    """The edges of a market with a gap, as of a session."""
    data = dry_legs(3)
    own = [[array[array["ev"] & LOCAL_EVENT == LOCAL_EVENT] for array in one.arrays] for one in data]
    first = min(int(arrays[0]["local_ts"][0]) for arrays in own)
    last = max(int(arrays[-1]["local_ts"][-1]) for arrays in own)
    legs = [one.leg for one in data]
    return edges_of_rows(params(**changes), legs, rows or own, start_ts=first, end_ts=last + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"basis_halflife_ns": 5 * S}, {"is_convergence": True}], ids=["plain", "basis", "held"]
)
def test_both_engines_measure_the_same(changes: Mapping[str, Any]) -> None:
    found = measured(changes)

    data = dry_legs(3)
    setup = measured_edges._setup(params(**changes), 2)
    recorder = Recorder(2)
    strategy = compile_ahead(*setup, recorder)
    bot = backtest_bot_for(strategy.uses, data, None)
    run(strategy.function, setup.arguments.bind(bot, recorder), bot, setup.strategy.code)
    other = recorder.decisions.copy()
    bot.close()

    # hftbacktest ends with its data, a session at a time: they differ by the last rows.
    assert [tuple(line)[1:4] for line in found.tolist()] == [tuple(line)[1:4] for line in other.tolist()]
    assert found["value"] == pytest.approx(other["value"], rel=2e-3, nan_ok=True)
    edges = Edges(found, [(0, 1)])
    assert 0.0 < edges.ways[0].known_s < edges.span_s
    assert edges.ways[0].above_s[0] + edges.ways[1].above_s[0] > 0.0
    assert len(edges.ways[0].rises_bps) == 10


@pytest.mark.slow
def test_a_signal_ends_the_pass_of_a_session() -> None:
    def interrupted() -> Iterator[Any]:
        signal.raise_signal(signal.SIGINT)
        yield np.zeros(0, dry_legs(3)[0].arrays[0].dtype)

    assert measured({}, [interrupted(), []]) is None


def output(trades: int = 0) -> RunOutput:
    return RunOutput(None, None, np.zeros(0), [object()] * trades)  # type: ignore[list-item]


@pytest.fixture(scope="module")
def config() -> Config:
    with main_file(Path("none"), is_sandbox=True) as file:
        return load(file)


def passed(config: Config, replayed: Replayed, engine: Any) -> Replayed:
    return with_edges(replayed, config, params(), SimpleNamespace(legs=config.legs), engine)  # type: ignore[arg-type]


def test_a_run_without_a_fill_is_measured_without_the_orders_after_a_halt(config: Config) -> None:
    asked = []

    def engine(config: Config, *rest: object) -> Replayed:
        asked.append(config.risk.on_halt)
        return Replayed(output()._replace(decisions=np.ones(3)), "ended", ExitCode.DONE)

    made = passed(config, Replayed(output(), "halted", ExitCode.HALTED_BY_RISK), engine)

    assert made.output.edges.tolist() == [1.0, 1.0, 1.0]
    assert (made.outcome, made.exit_code) == ("halted", ExitCode.HALTED_BY_RISK)
    assert asked == ["leave"]


@pytest.mark.parametrize(
    "replayed",
    [
        Replayed(output(trades=1), "ended", ExitCode.DONE),
        Replayed(output(), "interrupted", ExitCode.INTERRUPTED),
        Replayed(output(), "failed", ExitCode.OUR_FAULT),
    ],
)
def test_a_run_with_a_fill_and_one_that_did_not_end_are_not_measured(
    config: Config, replayed: Replayed
) -> None:
    assert passed(config, replayed, pytest.fail) is replayed


def test_an_interrupt_leaves_the_run_as_it_is(config: Config) -> None:
    def interrupt(*_: object) -> Replayed:
        raise KeyboardInterrupt

    ended = Replayed(output(), "ended", ExitCode.DONE)
    assert passed(config, ended, interrupt) is ended
    assert passed(config, ended, lambda *_: ended._replace(exit_code=ExitCode.INTERRUPTED)) is ended
