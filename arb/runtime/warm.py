"""Compiles every function of a live session before it begins, so that no compilation delays an order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hftbacktest.types import event_dtype

from arb.bot.fills import FILL
from arb.data.outages import OutageFinder
from arb.engine.row_stream import flagged
from arb.runtime.fill_reader import RESPONSE_KEY, filled_orders
from arb.runtime.live_rows import LOCAL_FLAG
from arb.simulation.watermark import VenueOrder
from connectors.feed.pipeline import warm_up
from connectors.model import Instrument, Venue


def warm_session(instruments: Sequence[tuple[Venue, Instrument]]) -> None:
    """Calls every compiled function on a row's path once, on dummy objects."""
    rows = np.zeros(2, event_dtype)
    rows["exch_ts"] = rows["local_ts"] = [1, 2]
    flagged(rows, LOCAL_FLAG)
    order = VenueOrder(0, 0)
    order.receive(rows)
    order.release(3)
    outages = OutageFinder()
    outages.begin(1, is_carried=False)
    outages.follow(rows)
    outages.close(3)
    filled_orders(np.zeros(1, np.int64), np.zeros(0, RESPONSE_KEY), np.zeros(0, FILL))
    for venue, instrument in instruments:
        warm_up(venue, instrument)
