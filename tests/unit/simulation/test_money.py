"""Fees by asset and funding: signs, times, and every balance against a model in decimal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from parity.money import (
    BOTH,
    Ended,
    Model,
    Rates,
    book_rows,
    check_balances,
    many,
    run,
    trade_steps,
    with_rates,
)
from parity.worlds import drive
from support.dry_market import MS, START_NS, leg

from arb.bot.bot import Bot
from arb.bot.compilation import compile_strategy
from arb.bot.recorder import state_of
from arb.leg import Leg
from arb.runtime.replay import replay
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import recorded_latencies
from connectors.binance import BinanceUsdm
from connectors.bybit import BybitLinear

pytestmark = pytest.mark.slow

PERPETUAL = leg(1)

# `python -m tests.parity.money` checks 2,000.
test_balances_equal_those_of_a_decimal_model = many(check_balances, 80)


def test_a_long_position_pays_a_positive_rate_and_receives_a_negative_one() -> None:
    """The documented rule: position times mark price times rate; a positive rate is paid by longs to shorts."""
    rates = [Rates(0, 60_000.0, 0.0001, 1000), Rates(1200, 60_200.0, -0.0002, 2000)]
    rows = with_rates(book_rows([60_000.0] * 30), rates)

    ended = run([PERPETUAL], [rows], [(0, 1, 2.0, 0, 100)])

    assert ended.charges["quote"].tolist() == pytest.approx([-12.0, 24.08], rel=1e-12)
    assert ended.charges["qty"].tolist() == [2.0, 2.0]
    assert ended.final[0]["funding"] == pytest.approx(12.08, rel=1e-12)
    assert ended.unpaid == [0]


def test_a_funding_time_without_a_mark_price_is_counted_and_not_paid() -> None:
    rows = with_rates(book_rows([60_000.0] * 30), [Rates(0, np.nan, 0.0001, 1000)])

    ended = run([PERPETUAL], [rows], [(0, 1, 2.0, 0, 100)])

    assert len(ended.charges) == 0
    assert ended.unpaid == [1]


def test_a_payment_wakes_no_strategy() -> None:
    def count_events(bot, out):
        while True:
            code = bot.wait_next_feed(True, 10_000_000_000)
            if code == 1:
                return 0
            out[code] += 1

    counts = []
    for rates in ([], [Rates(0, 60_000.0, 0.01, 1050)]):
        rows = with_rates(book_rows([60_000.0] * 30), rates)
        bot: Bot = DryRunBot([PERPETUAL])
        out = np.zeros(4, np.int64)
        task = replay(bot, [[rows]], compile_strategy(count_events), (bot, out))
        assert task.error is None
        counts.append(out.tolist())
        bot.close()

    assert counts[0] == counts[1]


HOUR_MS = 3_600_000


def month_of(seed: int) -> tuple[list[Leg], list[Any], Any]:
    """Three perpetuals over 30 days: a book and a rate every ten minutes, intervals of 1 to 8 hours, and orders that
    turn positions around."""
    chance = np.random.default_rng(seed)
    legs, rows = [], []
    for number in range(3):
        legs.append(
            leg(
                number % 2,
                symbol=("BTCUSDT", "ETHUSDT", "SOLUSDT")[number],
                contract_size=(1.0, 0.1, 1.0)[number],
            )
        )
        moves = np.round(chance.normal(0.0, 20.0, 30 * 144)).cumsum()
        prices = 60_000.0 + 0.5 * np.round(moves)
        rates, next_ms, hours = [], 8 * HOUR_MS, 8
        for minute in range(0, 30 * 1440 - 10, 10):
            at_ms = minute * 60_000 + 7
            while next_ms <= at_ms:
                hours = int(chance.choice((hours, hours, 1, 2, 4, 8)))
                next_ms += hours * HOUR_MS
            mark = float(prices[minute // 10]) + float(chance.integers(-9, 9))
            # As in a stream of changes, not every row has all parts.
            parts = chance.random(2) < 0.9
            rates.append(
                Rates(
                    at_ms,
                    mark if parts[0] or minute < 60 else np.nan,
                    float(chance.normal(0, 2e-4)) if parts[1] or minute < 60 else np.nan,
                    next_ms,
                )
            )
        rows.append(with_rates(book_rows(prices.tolist(), 600_000), rates))
    steps, held = [], [0.0, 0.0, 0.0]
    for _ in range(450):
        number, qty = int(chance.integers(0, 3)), int(chance.integers(1, 3000)) / 1000.0
        side = -1 if held[number] * chance.normal(1.0, 1.0) > 0.0 else 1
        held[number] += side * qty
        steps.append((number, side, qty, 0, int(chance.integers(1, 3 * HOUR_MS))))
    return legs, rows, np.array(steps, np.float64)


def run_live(legs: Sequence[Leg], rows: Sequence[Any], steps: Any) -> Ended:
    """The same on rows as they are received, with the host's clock."""
    bot = DryRunBot(legs, is_live=True)
    task = StrategyTask(bot, compile_strategy(trade_steps), (bot, steps))
    late = drive(bot, task, [as_received(one) for one in rows])
    assert task.error is None
    assert late == 0
    final = state_of(bot, len(legs)).copy()
    ended = Ended(bot.collect_fills().copy(), bot.charges.copy(), final, bot.unpaid_funding)
    bot.close()
    return ended


def as_received(rows: Any) -> Any:
    received = rows.copy()
    received["ev"] &= ~np.uint64(BOTH)
    return received


@pytest.mark.parametrize("seed", [1, 2])
def test_a_month_of_funding_is_equal_in_every_world(seed: int) -> None:
    legs, rows, steps = month_of(seed)

    ended = run(legs, rows, steps)

    for number, one in enumerate(legs):
        model = Model(number, one, ended, rows[number])
        model.check(ended.final[number])
        assert len(model.payments) > 80
        paid = ended.charges[ended.charges["asset_no"] == number]
        assert {np.sign(one) for one in paid["qty"]} == {-1.0, 1.0}
    by_pieces = run(legs, rows, steps, piece_rows=64)
    live = run_live(legs, rows, steps)
    for other in (by_pieces, live):
        for name in ("asset_no", "exch_ts", "qty", "price", "rate", "quote"):
            assert in_order(other.charges)[name].tolist() == in_order(ended.charges)[name].tolist()
    assert by_pieces.final.tobytes() == ended.final.tobytes()


def test_a_funding_time_in_a_silence_is_replayed_before_the_requests_behind_it() -> None:
    """On live data the next row arrives after requests that the exchange has processed meanwhile."""
    rates = [Rates(0, 60_000.0, 0.0001, 3_000), Rates(6_050, 60_010.0, 0.0002, 7_000)]
    before, after = book_rows([60_000.0] * 10), book_rows([60_001.0] * 20)
    for name in ("exch_ts", "local_ts"):
        after[name] += 6_000 * MS
    rows = with_rates(np.concatenate((before, after)), rates)
    steps = np.array([(0, (1, 1, -1)[n % 3], 1.0, 0, 250) for n in range(24)], np.float64)

    bot = DryRunBot([PERPETUAL], is_live=True)
    task = StrategyTask(bot, compile_strategy(trade_steps), (bot, steps))
    drive(bot, task, [as_received(rows)])
    charges, final = bot.charges.copy(), state_of(bot, 1).copy()
    latencies, start_ts = recorded_latencies(bot.world.answers.copy(), 1), bot.world.start_ts
    bot.close()
    assert charges["exch_ts"].tolist() == [START_NS + ms * MS for ms in (3_000, 7_000)]
    again = DryRunBot([PERPETUAL], latencies=latencies, start_ts=start_ts)
    replay(again, [[rows]], compile_strategy(trade_steps), (again, steps))
    assert again.charges.tobytes() == charges.tobytes()
    assert state_of(again, 1).tobytes() == final.tobytes()
    again.close()


def in_order(charges: Any) -> Any:
    return np.sort(charges, order=["exch_ts", "asset_no"])


#: Frames as the venues document them, with a next funding time one second after the first row.
_NEXT_MS = START_NS // MS + 1000
DOCUMENTED = {
    "binance_usdm": (
        BinanceUsdm,
        b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT","p":"11794.15000000",'
        b'"i":"11784.62659091","P":"11784.25641265","r":"0.00038167","ap":"11794.15","T":%d,"st":1}}',
    ),
    "bybit_linear": (
        BybitLinear,
        b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","markPrice":"11794.15",'
        b'"indexPrice":"11784.62","fundingRate":"0.00038167","fundingIntervalHour":"8","fundingCap":"0.005",'
        b'"ts_of_book":%d,"nextFundingTime":"%d"},"cs":1,"ts":1562305380000}',
    ),
}


@pytest.mark.parametrize("venue", DOCUMENTED)
@pytest.mark.parametrize("side", [1, -1])
def test_positive_rates_of_the_documented_frames_are_paid_by_longs(venue: str, side: int) -> None:
    adapter, frame = DOCUMENTED[venue]
    (row,) = adapter().decode(frame % (START_NS // MS, _NEXT_MS)).rows
    rate = Rates(0, float(row["px"]), float(row["fval"]), (int(row["ival"]) - START_NS) // MS)
    rows = with_rates(book_rows([11_800.0] * 30), [rate])

    ended = run([PERPETUAL], [rows], [(0, side, 2.0, 0, 100)])

    assert ended.charges["quote"].tolist() == pytest.approx([-side * 2.0 * 11794.15 * 0.00038167], rel=1e-12)
