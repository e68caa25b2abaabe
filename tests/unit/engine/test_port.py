"""The port without a simulated exchange: a gateway of a few lines answers the orders, the bot receives its fills."""

from __future__ import annotations

import pytest
from hftbacktest.order import FILLED, GTC, IOC, LIMIT, NEW
from support.dry_market import MS, START_NS
from support.hand_gateway import first_rows, run_by_hand

pytestmark = pytest.mark.slow


def buy_both(bot, out):
    """Buys on all legs in one step, waits for both responses, and writes clock, positions and states."""
    bot.elapse(1_000_000)
    for number in range(bot.num_assets):
        bot.submit_buy_order(number, 7, bot.depth(number).best_ask, 0.5, IOC, LIMIT, False)
    out[0] = bot.wait_order_response(1, 7, 60_000_000_000)
    out[1] = bot.current_timestamp - 1_704_067_200_000_000_000
    out[2] = bot.position(1)
    out[3] = bot.wait_order_response(0, 7, 5_000_000)
    out[4] = bot.current_timestamp - 1_704_067_200_000_000_000
    out[5] = bot.position(0)
    out[6] = bot.state_values(1).fee
    for number in range(bot.num_assets):
        out[7 + number] = bot.orders(number).get(7).status
    bot.clear_inactive_orders(-1)
    return 5


def test_a_gateway_gets_the_requests_of_a_step_together_and_its_fills_reach_the_bot() -> None:
    gateway, task, driver, out = run_by_hand(buy_both)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    driver.on_rows(1, first_rows(1), START_NS + MS)
    driver.on_time(START_NS + 2 * MS)
    (sent,) = gateway.calls
    assert [(number, int(order["order_id"]), int(order["req"])) for number, order in sent] == [
        (0, 7, NEW),
        (1, 7, NEW),
    ]

    gateway.fill(1, sent[1][1], START_NS + 30 * MS)
    assert driver.next_due == START_NS + 30 * MS
    assert driver.on_time(START_NS + 29 * MS)
    assert out[1] == 0.0, "the response is received at its time, not before"
    assert driver.on_time(START_NS + 30 * MS)
    gateway.fill(0, sent[0][1], START_NS + 32 * MS)
    assert not driver.on_time(START_NS + 32 * MS)

    assert (task.value, task.error) == (5, None)
    assert list(out[:6]) == [0, 30 * MS, 0.5, 0, 32 * MS, 0.5]
    assert out[6] == pytest.approx(0.0004 * 0.5 * 60_000, rel=1e-3)
    assert list(out[7:9]) == [FILLED, FILLED]
    assert list(gateway.bot.fills["asset_no"]) == [1, 0], "in order of receipt"
    assert len(gateway.calls) == 1, "without requests the gateway is not called"
    answers = gateway.world.answers
    assert list(answers["response_ts"] - START_NS) == [30 * MS, 32 * MS]


def late(bot, out):
    """Sends an order, then waits for rows; writes the time of every wake, and that of the response."""
    bot.wait_next_feed(False, 60_000_000_000)
    bot.submit_buy_order(0, 1, 50_000.0, 0.5, GTC, LIMIT, False)
    count = 0
    while bot.wait_next_feed(True, 60_000_000_000) != 1:
        out[count] = bot.current_timestamp - 1_704_067_200_000_000_000
        count += 1
        order = bot.orders(0).get(1)
        if order is not None and order.status == NEW and out[20] == 0.0:
            out[20] = bot.current_timestamp - 1_704_067_200_000_000_000
    return count


def test_a_response_from_before_what_was_delivered_is_the_next_event() -> None:
    gateway, task, driver, out = run_by_hand(late, legs=1)
    for at in (1, 5, 9):
        rows = first_rows(0)
        rows["local_ts"] = START_NS + at * MS
        driver.on_rows(0, rows, START_NS + at * MS)
    ((request,),) = gateway.calls

    gateway.answer(*request, received_ts=START_NS + 3 * MS, status=NEW, exch_timestamp=START_NS + 2 * MS)
    assert driver.on_time(START_NS + 10 * MS)
    rows = first_rows(0)
    rows["local_ts"] = START_NS + 12 * MS
    driver.on_rows(0, rows, START_NS + 12 * MS)

    assert list(out[:4]) == [5 * MS, 9 * MS, 9 * MS + 1, 12 * MS]
    assert out[20] == 9 * MS + 1
    assert driver.stop()
    assert task.value == 4


def wait_for_nothing(bot, out):
    bot.submit_buy_order(0, 1, 50_000.0, 0.5, GTC, LIMIT, False)
    out[0] = bot.elapse(2_000_000)
    out[1] = bot.submit_buy_order(0, 2, 50_000.0, 0.5, GTC, LIMIT, False)
    out[2] = bot.wait_order_response(0, 2, 3_000_000)
    out[3] = bot.current_timestamp - 1_704_067_200_000_000_000
    return 6


def test_waits_end_without_any_answer() -> None:
    gateway, task, driver, out = run_by_hand(wait_for_nothing, legs=1)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    assert [len(call) for call in gateway.calls] == [1], (
        "from before the first row: handed over once the clock runs"
    )
    driver.on_time(START_NS + 3 * MS)
    driver.on_time(START_NS + 6 * MS)

    assert (task.value, list(out[:4])) == (6, [0, 0, 0, 6 * MS])
    assert [len(call) for call in gateway.calls] == [1, 1]
