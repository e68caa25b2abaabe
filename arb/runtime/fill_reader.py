"""Collects the fills that a waiting strategy has received, without changing its orders.

A fill is in the order table until the strategy clears the order, and in the bot's log afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hftbacktest.order import FILLED

from arb.bot.fills import FILL, put_fill
from arb.engine.live import LiveBot
from arb.engine.order_table import orders_at, row_of, rows_of
from connectors.jit.compilation import compiled

#: Key of a response that the strategy has received; see `arb.engine.world.ANSWER`.
RESPONSE_KEY = np.dtype([("asset_no", "i8"), ("order_id", "u8"), ("exch_ts", "i8")])


class FillReader:
    """Returns the fills of one bot, each once. The host's thread, while the strategy waits."""

    def __init__(self, bot: LiveBot) -> None:
        self._bot = bot
        self._orders = bot.world.assets["orders"][: len(bot.world.legs)].copy()
        self._answers = self._fills = 0

    def take(self) -> np.ndarray[Any, Any]:
        """Fills since the last call, of dtype `arb.bot.fills.FILL`."""
        answers, logged = self._bot.world.answers[self._answers :], self._bot.fills[self._fills :]
        self._answers += len(answers)
        self._fills += len(logged)
        received = set(_keys(answers))
        # The log also gets fills that an earlier call already returned from the order table.
        is_new = [key in received for key in _keys(logged)]
        wanted, still = np.array(sorted(received), RESPONSE_KEY), np.zeros(len(received), FILL)
        count = filled_orders(self._orders, wanted, still)
        return np.concatenate((logged[np.array(is_new, np.bool_)], still[:count]))


def _keys(rows: np.ndarray[Any, Any]) -> Iterator[tuple[int, ...]]:
    return zip(*(rows[name].tolist() for name in RESPONSE_KEY.names or ()), strict=True)


@compiled
def filled_orders(tables, answers, out):
    """Writes the orders in the tables that these answers filled into `out`; returns how many."""
    count = 0
    for index in range(len(answers)):
        answer = answers[index]
        orders = orders_at(tables[answer.asset_no])
        row = row_of(orders, answer.order_id)
        if row < 0:
            continue
        order = rows_of(orders)[row]
        if order.status != FILLED or order.exch_timestamp != answer.exch_ts:
            continue
        put_fill(out[count], answer.asset_no, order, order.exec_price_tick * order.tick_size)
        count += 1
    return count
