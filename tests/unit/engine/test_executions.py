"""Executions of an order in parts, as the strategy sees them, and what they change in orders and accounts."""

from __future__ import annotations

import pytest
from hftbacktest.order import (
    CANCELED,
    EXPIRED,
    GTC,
    IOC,
    LIMIT,
    NEW,
    PARTIALLY_FILLED,
    REJECTED,
)
from support.dry_market import MS, START_NS
from support.hand_gateway import first_rows, run_by_hand

from arb.engine.world import FEE_AS_RECEIVED, FEE_IN_OTHER, FEE_IN_QUOTE

pytestmark = pytest.mark.slow


def buy_and_wait(bot, out):
    """Buys, waits for the answer; then writes what the order and the account are."""
    bot.elapse(1_000_000)
    bot.submit_buy_order(0, 7, 60_000.0, 1.0, IOC, LIMIT, False)
    out[0] = bot.wait_order_response(0, 7, 60_000_000_000)
    order = bot.orders(0).get(7)
    out[1], out[2], out[3] = bot.current_timestamp - 1_704_067_200_000_000_000, order.status, order.leaves_qty
    out[4], out[5], out[6] = order.exec_qty, bot.position(0), bot.state_values(0).fee
    out[7], out[8] = bot.state_values(0).num_trades, order.qty
    bot.elapse(60_000_000_000)
    return 0


def test_an_execution_does_not_end_the_wait_for_the_answer_and_fees_are_those_charged() -> None:
    gateway, _, driver, out = run_by_hand(buy_and_wait, legs=1)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    driver.on_time(START_NS + 2 * MS)
    (((at, row),),) = gateway.calls
    gateway.execute(at, row, 0.25, 0.75, START_NS + 5 * MS, charged=1 + FEE_IN_QUOTE, fee=3.0)
    gateway.execute(at, row, 0.25, 0.5, START_NS + 6 * MS, charged=1 + FEE_AS_RECEIVED, fee=0.001)
    gateway.execute(
        at, row, 0.25, 0.25, START_NS + 6 * MS, charged=1 + FEE_IN_OTHER, fee=0.01, fee_price=500.0
    )
    driver.on_answers(START_NS + 6 * MS)
    assert out[1] == 0.0
    gateway.answer(
        at, row, START_NS + 7 * MS, status=EXPIRED, leaves_qty=0.25, exec_qty=0.25, exch_timestamp=START_NS
    )
    driver.on_answers(START_NS + 7 * MS)
    assert out[:9].tolist() == [0, 7 * MS, EXPIRED, 0.25, 0.25, 0.75 - 0.001, 3.0 + 5.0, 3, 1.0]
    assert gateway.bot.fills["qty"].tolist() == [0.25] * 3
    charges = gateway.bot.charges
    assert charges["fill_no"].tolist() == [0, 1, 2]
    assert charges["quote"].tolist() == [3.0, 0.0, 0.0]
    assert charges["base"].tolist() == [0.0, 0.001, 0.0]
    assert charges["other"].tolist() == [0.0, 0.0, 0.01]
    assert charges["value"] == pytest.approx([3.0, 0.001 * 60_000.0, 5.0])
    assert driver.stop()


def quote_and_cancel(bot, out):
    """Rests an order and cancels it; notes how long that waited, and the state after every response."""
    bot.elapse(1_000_000)
    bot.submit_buy_order(0, 7, 100.0, 1.0, GTC, LIMIT, False)
    count = 0
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        order = bot.orders(0).get(7)
        if order is not None:
            out[count] = 10_000 * order.status + 100 * order.req + 10 * order.leaves_qty
        count += 1
        if count == 2:
            bot.cancel(0, 7, False)
        if count == 6:
            bot.clear_inactive_orders(0)
    return count


def test_a_request_in_flight_remains_behind_executions_and_a_final_order_stays_so() -> None:
    gateway, task, driver, out = run_by_hand(quote_and_cancel, legs=1)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    driver.on_time(START_NS + 2 * MS)
    (((at, row),),) = gateway.calls
    now = START_NS + 5 * MS
    gateway.answer(at, row, now, status=NEW, exch_timestamp=now)
    driver.on_answers(now)
    gateway.execute(at, row, 0.5, 0.5, now + 1)
    driver.on_answers(now + 1)
    ((_, cancel),) = gateway.calls[1]
    gateway.execute(at, row, 0.25, 0.25, now + 2)
    driver.on_answers(now + 2)
    gateway.fill(at, row, now + 3, exec_qty=0.125, fill_qty=0.125, leaves_qty=0.125, status=CANCELED)
    driver.on_answers(now + 3)
    gateway.answer(at, cancel, now + 4, req=REJECTED, exch_timestamp=0)
    driver.on_answers(now + 4)
    gateway.execute(at, row, 0.125, 0.0, now + 5)
    driver.on_answers(now + 5)
    gateway.execute(at, row, 0.125, 0.0, now + 6)
    driver.on_answers(now + 6)
    assert out[:7].tolist() == [
        10_000 * NEW + 10,
        10_000 * PARTIALLY_FILLED + 5,
        10_000 * PARTIALLY_FILLED + 100 * CANCELED + 2.5,
        10_000 * CANCELED + 1.25,
        10_000 * CANCELED + 1.25,
        10_000 * CANCELED,
        0.0,
    ]
    assert gateway.bot.fills["qty"].tolist() == [0.5, 0.25, 0.125, 0.125, 0.125]
    assert driver.stop()
    assert task.value == 7


def test_answers_after_the_end_change_the_account_and_nothing_else() -> None:
    gateway, task, driver, _ = run_by_hand(buy_and_wait, legs=1)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    driver.on_time(START_NS + 2 * MS)
    (((at, row),),) = gateway.calls
    driver.on_time(START_NS + 9 * MS)
    assert driver.stop()
    delivered_ts = gateway.fill(at, row, START_NS + 5 * MS)
    assert delivered_ts == START_NS + 9 * MS + 1, "the strategy never saw it"
    now = gateway.bot.now
    gateway.world.settle(delivered_ts)
    assert len(gateway.bot.fills) == 1
    assert gateway.bot.now == now
    assert not task.is_alive
    gateway.bot.close()
