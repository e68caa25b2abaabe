"""What a strategy leaves when it has ended, in every world: its logs and the final state of its bot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arb.bot.bot import Bot
from arb.bot.recorder import Recorder, state_of
from arb.leg import Leg
from arb.results.metrics.fills import rows_of_fills
from arb.results.result import RunOutput
from arb.results.trades import payments_of, trades_of


def output_of(
    bot: Bot, recorder: Recorder, legs: Sequence[Leg], *, is_lost: bool = False, has_lines: bool = True
) -> RunOutput:
    """Collects the results and closes the bot. is_lost: the strategy hangs; reads the saved log, leaves the bot alone.

    has_lines: whether fills are lines of `trades.csv`, or rows alone, which takes less time.
    """
    # Read once, and before the final state: a hung strategy may still write.
    records, decisions = recorder.records, recorder.decisions
    if is_lost:
        final = records[-1] if len(records) else np.zeros(records.shape[1], records.dtype)
        fills, charges = bot.fills, bot.charges
    else:
        final = state_of(bot, records.shape[1])
        fills, charges = bot.collect_fills().copy(), bot.charges.copy()
        bot.close()
    dropped = recorder.dropped | bot.dropped
    trades = trades_of(fills, decisions, legs, charges) if has_lines else []
    rows = None if has_lines else rows_of_fills(fills, decisions, legs, charges)
    return RunOutput(
        records,
        final,
        decisions,
        trades,
        payments_of(charges, legs),
        dropped=dropped,
        unpaid=bot.unpaid_funding,
        fill_rows=rows,
    )
