"""The fill log: every fill, once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import BUY, GTC, GTX, IOC, LIMIT, SELL
from hftbacktest.types import ALL_ASSETS

from arb.backtest.bot import hashmap_bot, roivec_bot

MS = 1_000_000
MAKERS = {"hashmap": hashmap_bot, "roi": roivec_bot}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_every_fill_is_logged_once(call: Any, make: Any, maker: Any) -> None:
    bot = make(maker)
    call.submit(bot, BUY, 1, 100.1, 1.0, GTC, LIMIT, True)
    call.clear(bot, 0)
    call.submit(bot, SELL, 2, 99.9, 2.0, GTC, LIMIT, True)
    call.clear(bot, ALL_ASSETS)
    call.clear(bot, ALL_ASSETS)
    call.submit(bot, BUY, 3, 99.0, 1.0, GTC, LIMIT, True)
    call.submit(bot, BUY, 1, 100.1, 3.0, IOC, LIMIT, True)

    assert len(bot.fills) == 2
    fills = bot.collect_fills()
    bot.close()

    assert len(bot.fills) == len(fills) == 3
    assert fills["order_id"].tolist() == [1, 2, 1]
    assert fills["side"].tolist() == [BUY, SELL, BUY]
    assert fills["qty"].tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(fills["price"], [100.1, 99.9, 100.1])
    assert fills["maker"].tolist() == [0, 0, 0]
    assert (fills["exch_ts"] - fills["request_ts"] == 2 * MS).all()
    assert not any(bot.dropped.values())


def test_a_resting_order_that_fills_is_a_maker(
    call: Any, make: Any, events: Any, touch: Any, asset: Any
) -> None:
    rows = [row for step in range(1, 11) for row in touch(step * MS, 999, 1001)]
    rows += [row for step in range(11, 30) for row in touch(step * MS, 990, 995)]
    array = events(rows)
    bot = hashmap_bot([asset(array)], [array])
    call.wake(bot, 3 * MS)
    call.submit(bot, BUY, 1, 99.8, 1.0, GTX, LIMIT, True)
    call.wake(bot, 15 * MS)

    bot.close()

    assert bot.fills["maker"].tolist() == [1]
