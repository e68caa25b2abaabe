"""Compiles every function of a live session before it begins, so that no compilation delays an order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hftbacktest.types import event_dtype

from arb.bot.recorder import state_of
from arb.data.outages import OutageFinder
from arb.engine.row_stream import flagged
from arb.leg import Leg
from arb.runtime.calm import calm_messages
from arb.runtime.live_rows import LOCAL_FLAG
from arb.runtime.view import working_orders
from arb.simulation.bot import DryRunBot
from arb.simulation.read import ReadSteps
from arb.simulation.watermark import VenueSide
from connectors.feed.pipeline import warm_up
from connectors.model import Instrument, Venue


def warm_session(leg: Leg, instruments: Sequence[tuple[Venue, Instrument]]) -> None:
    """Calls every compiled function on a row's path, and what the host asks a bot, once, on dummy objects.

    leg: any; its values are not used. The venues' functions come first, while another process may compile the bot's.
    """
    for venue, instrument in instruments:
        warm_up(venue, instrument)
    rows = np.zeros(2, event_dtype)
    rows["exch_ts"] = rows["local_ts"] = [1, 2]
    ends = np.array([2], np.int64)
    bot = DryRunBot([leg], is_live=True)
    with bot:
        _ = bot.world.next_due
        working_orders(bot)
        state_of(bot, 1)
        side = VenueSide(bot.exchanges, 0, 0)
        steps = ReadSteps(bot.world, side)
        steps.begin(0, rows, ends)
        steps.finish()
        side.on_rows(0, rows)
        side.on_time(3)
    flagged(rows, LOCAL_FLAG)
    calm_messages(rows, ends, 0, 1, 0, 0, 1)
    outages = OutageFinder()
    outages.begin(1, is_carried=False)
    outages.follow(rows)
    outages.close(3)
