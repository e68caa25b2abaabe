"""The second pass over the rows of a run without a fill: measures its edges, for the explanation in its results.

The strategy that measures (`arb.strategies.spread.measure`) runs in the same engine as the run, over the same rows, so
that it sees the same touches. A run that traded pays nothing for it, and is not compiled any slower.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.run_files import Inputs, limits_of
from arb.commands.run_setup import Setup
from arb.config import Config
from arb.errors import ExitCode
from arb.interrupts import interrupt_handled
from arb.leg import Leg
from arb.results.no_trades.explanation import is_measured
from arb.runtime.display import write_error
from arb.runtime.signals import signals_call
from arb.strategies.arguments import Arguments
from arb.strategies.loader import load_strategy
from connectors.model import Rows

if TYPE_CHECKING:
    from arb.commands.recorded_days import Replayed

#: The strategy that measures.
MEASURE = "arb.strategies.spread.measure:run"
#: What a user reads while it runs, if it takes longer than this.
LINE, LINE_AFTER_S = "no fill: measuring the edges, to explain why; Ctrl+C skips this", 1.0


def with_edges(
    replayed: Replayed,
    config: Config,
    params: Mapping[str, Any],
    inputs: Inputs,
    engine: Callable[..., Replayed],
) -> Replayed:
    """The result of a run over recorded days, with its measured edges if it has no fill.

    params: of its strategy. engine: what runs a strategy over the rows (`arb.commands.recorded_days`). Ctrl+C leaves
    the edges out. An interrupted run has none: its rows have been read in part.
    """
    is_whole = replayed.exit_code != ExitCode.INTERRUPTED
    if not (is_whole and is_measured(replayed.outcome, replayed.output.trades, config.pairs, params)):
        return replayed
    # The edges are measured without the host's own orders after a halt.
    plain = replace(config, risk=msgspec.structs.replace(config.risk, on_halt="leave"))
    try:
        with _announced():
            found = engine(plain, _setup(params, len(inputs.legs)), inputs, limits_of(config))
    except KeyboardInterrupt:
        interrupt_handled()
        return replayed
    if found.exit_code != ExitCode.DONE:
        return replayed
    return replayed._replace(output=replayed.output._replace(edges=found.output.decisions.copy()))


def edges_of_rows(
    params: Mapping[str, Any],
    legs: Sequence[Leg],
    rows: Sequence[Iterable[Rows]],
    *,
    start_ts: int,
    end_ts: int,
) -> Any:
    """The edges of a session on live data, as rows of `Measure`; None if a signal ended the pass, or it had no row.

    params: of its strategy. rows: of each leg, as the strategy received them. start_ts, end_ts: of the session.
    """
    if not start_ts:
        return None
    # The simulated exchange takes time to load, which a backtest in hftbacktest's engine does not need.
    from arb.runtime.replay import replay
    from arb.simulation.bot import DryRunBot

    setup = _setup(params, len(legs))
    recorder = Recorder(len(legs))
    strategy = compile_ahead(*setup, recorder)
    bot = DryRunBot(legs, start_ts=start_ts)
    signals: list[object] = []
    with contextlib.closing(bot), signals_call(signals.append):
        task = replay(
            bot,
            rows,
            strategy.function,
            setup.arguments.bind(bot, recorder),
            venue_rows=[()] * len(legs),
            until_ts=end_ts,
        )
    return None if signals or task.error is not None else recorder.decisions.copy()


def _setup(params: Mapping[str, Any], legs: int) -> Setup:
    """The strategy that measures, with the parameters of the one that ran."""
    facts = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    strategy = load_strategy(MEASURE)
    return Setup(strategy, Arguments(strategy, facts, {}, legs=legs))


@contextlib.contextmanager
def _announced() -> Iterator[None]:
    timer = threading.Timer(LINE_AFTER_S, write_error, [LINE])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
