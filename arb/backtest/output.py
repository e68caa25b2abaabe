"""What a strategy leaves when it has ended, in every world: its logs and the final state of its bot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arb.bot.bot import Bot
from arb.bot.recorder import Recorder, state_of
from arb.leg import Leg
from arb.results.result import RunOutput
from arb.results.trades import payments_of, trades_of


def output_of(bot: Bot, recorder: Recorder, legs: Sequence[Leg], *, is_lost: bool = False) -> RunOutput:
    """Collects the results and closes the bot. is_lost: the strategy hangs; reads the saved log, leaves the bot
    alone."""
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
    trades, payments = trades_of(fills, decisions, legs, charges), payments_of(charges, legs)
    return RunOutput(records, final, decisions, trades, payments, dropped=dropped, unpaid=bot.unpaid_funding)
