"""Messages that are passed together are to a strategy what they are one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity.strategies import quote_touches, random_orders
from parity.worlds import drive
from support.dry_market import MS, leg, received_rows

from arb.bot.compilation import compile_strategy
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot

ROWS = [received_rows(number, 8, 1500) for number in range(2)]


def run(
    function: Any, arguments: Any, read_max: int, is_together: bool, disorder_ns: int = 20 * MS
) -> tuple[Any, ...]:
    """Everything that a run leaves, and how often the strategy was entered."""
    bot = DryRunBot([leg(number) for number in range(2)], is_live=True, keep_trades=True)
    journal = np.zeros(3_000_000)
    task = StrategyTask(bot, compile_strategy(function), (bot, journal, *arguments))
    late = drive(bot, task, ROWS, disorder_ns, read_max=read_max, is_together=is_together)
    answers, fills = bot.world.answers.copy(), bot.collect_fills().copy()
    error = None if task.error is None else str(task.error)
    return task.value, error, late, journal.tobytes(), answers.tobytes(), fills.tobytes(), task.switches


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (random_orders, (4, 120, 1, 0.001, 0.003)),
        # Ends within a read.
        (random_orders, (4, 17, 1, 0.001, 0.003)),
        (quote_touches, (0.01, 25 * MS)),
    ],
)
def test_messages_together_are_the_run_of_messages_one_by_one(function: Any, arguments: Any) -> None:
    for read_max in (1, 2, 7, 200):
        *single, entered = run(function, arguments, read_max, is_together=False)
        *together, entered_together = run(function, arguments, read_max, is_together=True)

        assert together == single
        assert entered_together < entered
        late, answers = single[2], single[4]
        assert late > 20
        assert answers
