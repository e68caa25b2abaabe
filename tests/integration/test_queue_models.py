"""The queue model and its power determine when a resting order is filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import GTX, LIMIT
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from support.configured import S

from arb.backtest.assets import LegData, backtest_bot
from arb.bot.cache import bot_compiled
from arb.config import load, write_templates

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    write_templates(made)
    return made


def resting_rows(steps: int = 30) -> np.ndarray[Any, Any]:
    """A second apart: one of ten at the bid is withdrawn, or put back, and a half is sold there."""
    made = np.zeros(2 + 2 * steps, event_dtype)
    made["ev"] = EXCH_EVENT | LOCAL_EVENT
    made["ev"][0] |= DEPTH_EVENT | SELL_EVENT
    made["px"], made["qty"] = 100.0, 10.0
    made["px"][0] = 101.0
    made["ev"][1::2] |= DEPTH_EVENT | BUY_EVENT
    made["ev"][2::2] |= TRADE_EVENT | SELL_EVENT
    made["qty"][3::4] = 9.0
    made["qty"][2::2] = 0.5
    made["exch_ts"] = made["local_ts"] = (1 + np.arange(len(made)) // 2) * S
    return made


@bot_compiled
def _rest(bot, positions):
    bot.elapse(1_500_000_000)
    bot.submit_buy_order(0, 1, 100.0, 1.0, GTX, LIMIT, False)
    for n in range(len(positions)):
        bot.elapse(1_000_000_000)
        positions[n] = bot.state_values(0).position


def test_the_queue_model_and_its_power_say_when_a_resting_order_is_filled(folder: Path) -> None:
    def filled_after(*settings: str) -> int:
        leg = load(folder / "arbitrage.toml", settings).legs[0]
        positions = np.zeros(28)
        with backtest_bot([LegData(leg, [resting_rows()])], None, keep_trades=False) as bot:
            _rest(bot, positions)
        return int(np.count_nonzero(positions == 0.0))

    model = "binance_spot.queue.model='power_prob'"
    found = [
        filled_after(), filled_after("binance_spot.queue.model='log_prob'"),
        filled_after(model, "binance_spot.queue.power=0.5"), filled_after(model, "binance_spot.queue.power=5.0"),
    ]  # fmt: skip
    assert found[0] != found[1]
    assert found[2] != found[3]
    assert min(found) > 0
