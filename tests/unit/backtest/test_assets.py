"""The engine's assets of configured legs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from support.recording_files import make_leg

from arb.backtest import assets
from arb.backtest.assets import LegData, backtest_bot
from arb.bot.bot import Bot
from arb.bot.cache import bot_compiled
from arb.risk.limits import AssetLimits, Limits

pytestmark = pytest.mark.slow

S = 1_000_000_000


def rows(bid: float, ask: float, *, trade: bool = False) -> np.ndarray[Any, Any]:
    made = np.zeros(6, event_dtype)
    for n in range(3):
        kinds = [DEPTH_EVENT | BUY_EVENT, TRADE_EVENT | BUY_EVENT if trade else DEPTH_EVENT | SELL_EVENT]
        for k, (kind, px) in enumerate(zip(kinds, (bid, ask), strict=True)):
            row = made[2 * n + k]
            row["ev"], row["px"], row["qty"] = kind | EXCH_EVENT | LOCAL_EVENT, px, 5.0
            row["exch_ts"] = row["local_ts"] = (n + 1) * S
    return made


@bot_compiled
def _look(bot, out):
    bot.elapse(2_000_000_000)
    for leg_no in range(bot.num_assets):
        depth = bot.depth(leg_no)
        out[leg_no, 0], out[leg_no, 1] = depth.best_bid, depth.best_ask
        out[leg_no, 2], out[leg_no, 3] = depth.roi_lb_tick, depth.roi_ub_tick
        out[leg_no, 4] = len(bot.last_trades(leg_no))


@bot_compiled
def _trade(bot, out):
    bot.elapse(1_500_000_000)
    now = bot.current_timestamp
    out[0] = bot.submit_buy_order(0, 1, 110.0, 2.0, 3, 0, False)
    bot.wait_order_response(0, 1, 10_000_000_000)
    out[1] = bot.current_timestamp - now
    values = bot.state_values(0)
    out[2], out[3], out[4] = values.position, values.balance, values.fee
    latency = bot.order_latency(0)
    if latency is not None:
        requested, processed, answered = latency
        out[5], out[6] = processed - requested, answered - processed


def look(bot: Bot, legs: int) -> np.ndarray[Any, Any]:
    with bot:
        out = np.zeros((legs, 5))
        _look(bot, out)
        return out


def data(leg: str, *pieces: np.ndarray[Any, Any], **changes: Any) -> LegData:
    return LegData(make_leg(leg, **changes), pieces)


def test_a_vector_book_keeps_a_tenth_around_the_touch() -> None:
    seen = look(backtest_bot([data("a", rows(99.9, 100.1))], None, keep_trades=False), 1)
    assert seen[0].tolist() == pytest.approx([99.9, 100.1, 899, 1101, 0], abs=1.0)
    assert seen[0, :2].tolist() == pytest.approx([99.9, 100.1])


def test_one_unbounded_leg_makes_hash_books_of_both() -> None:
    wild = rows(99.9, 100.1)
    wild["px"][4:] = 999.9, 1000.1
    seen = look(backtest_bot([data("a", rows(99.9, 100.1)), data("b", wild)], None, keep_trades=False), 2)
    assert seen[:, 2:4].tolist() == [[0.0, -1.0], [0.0, -1.0]]


def test_a_book_too_large_for_memory_is_a_hash_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "BYTES_MAX", 1_000)
    seen = look(backtest_bot([data("a", rows(99.9, 100.1))], None, keep_trades=False), 1)
    assert seen[0, 3] == -1.0


def test_legs_are_the_bots_assets_in_order() -> None:
    seen = look(
        backtest_bot([data("a", rows(99.9, 100.1)), data("b", rows(9.9, 10.1))], None, keep_trades=False), 2
    )
    assert seen[:, 0].tolist() == pytest.approx([99.9, 9.9])


@pytest.mark.parametrize("keep_trades", [True, False])
def test_trades_are_kept_on_demand(keep_trades: bool) -> None:
    seen = look(backtest_bot([data("a", rows(99.9, 100.0, trade=True))], None, keep_trades=keep_trades), 1)
    assert bool(seen[0, 4] > 0) is keep_trades


@pytest.mark.parametrize(
    "queue", ["risk_adverse", "log_prob", "log_prob2", "power_prob", "power_prob2", "power_prob3"]
)
def test_fees_latencies_and_contract_size_are_the_legs_own(queue: str) -> None:
    leg = data(
        "a", rows(99.9, 100.1), contract_size=10.0, taker_fee=0.002, entry_latency_ns=3_000, response_latency_ns=5_000,
        queue_model=queue,
    )  # fmt: skip
    out = np.zeros(7)
    with backtest_bot([leg], None, keep_trades=False) as bot:
        _trade(bot, out)
    assert out.tolist() == pytest.approx([0, 8_000, 2.0, -2002.0, 4.004, 3_000, 5_000])


def test_limits_are_the_bots() -> None:
    limits = Limits([AssetLimits(qty_max=1.0)])
    out = np.zeros(7)
    with backtest_bot([data("a", rows(99.9, 100.1))], limits, keep_trades=False) as bot:
        _trade(bot, out)
    assert out[0] == 20
    assert limits.refusals_by_rule(0)["qty"] == 1


def test_several_days_are_read_one_after_the_other() -> None:
    second = rows(100.0, 100.2)
    for name in ("exch_ts", "local_ts"):
        second[name] += 10 * S
    pair = [rows(99.9, 100.1), second]
    with backtest_bot([data("a", *pair)], None, keep_trades=False) as bot:
        seen = np.zeros((1, 5))
        for _ in range(7):
            _look(bot, seen)
    assert seen[0, :2].tolist() == pytest.approx([100.0, 100.1])  # nobody took the first day's offer away
