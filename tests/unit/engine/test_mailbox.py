"""The queues of the port from Python: requests in order, answers at their times, however many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hftbacktest.order import EXPIRED, FILLED, GTC, IOC, LIMIT
from hftbacktest.types import EXCH_EVENT
from numba.core.event import Listener, install_listener
from support.dry_market import MS, START_NS, leg
from support.hand_gateway import SERVE, first_rows, run_by_hand

from arb.engine.live import LiveWorld
from arb.engine.mailbox import FIRST_ROOM, Mailbox
from arb.engine.order_table import ORDER
from arb.engine.row_stream import flagged
from arb.simulation.bot import SimulatedExchanges
from arb.simulation.latency import Latency

pytestmark = pytest.mark.slow


class Compilations(Listener):  # type: ignore[misc]
    """Counts them."""

    count = 0

    def on_start(self, event: Any) -> None:
        self.count += 1

    def on_end(self, event: Any) -> None:
        """Counted at their start."""


def both_legs(bot, out):
    """Sends an order of either leg a step, waits for both answers; counts steps, adds up positions."""
    bot.elapse(1_000_000)
    number = 0
    while True:
        number += 1
        for asset in range(2):
            bot.submit_buy_order(asset, number, 100.0, 0.5, IOC, LIMIT, False)
        if bot.wait_order_response(0, number, 60_000_000_000) != 0:
            return number
        if bot.wait_order_response(1, number, 60_000_000_000) != 0:
            return number
        out[0] = number
        out[1] = bot.position(0)
        bot.clear_inactive_orders(-1)


def test_requests_of_a_step_are_taken_by_leg_and_nothing_is_compiled_for_them() -> None:
    gateway, task, driver, out = run_by_hand(both_legs)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    driver.on_time(START_NS + 2 * MS)
    listener, now = Compilations(), START_NS + 2 * MS
    with install_listener("numba:compile", listener):
        for step in range(300):
            requests = gateway.calls[-1]
            assert [(at, int(row["order_id"]), int(row["request_no"])) for at, row in requests] == [
                (0, step + 1, step + 1),
                (1, step + 1, step + 1),
            ]
            now += MS
            assert gateway.fill(0, requests[0][1], now) == now
            assert gateway.fill(1, requests[1][1], now + 5) == now + 5
            assert driver.on_answers(now + 5)
    assert listener.count == 0
    assert (out[0], out[1]) == (300.0, 150.0)
    assert len(gateway.bot.fills) == 600
    assert driver.stop()
    assert task.value == 301
    gateway.bot.close()
    assert gateway.mailbox.take() == [], "what a closed world has freed is not read"


def many_orders(bot, out):
    """Sends many orders, then receives the answers of all of them."""
    bot.elapse(1_000_000)
    for number in range(10_000):
        bot.submit_buy_order(0, number + 1, 100.0, 0.5, GTC, LIMIT, False)
    bot.elapse(1_000_000_000)
    for number in range(10_000):
        out[0] += bot.orders(0).get(number + 1).status == EXPIRED
    return 0


def test_more_answers_than_there_is_room_for_arrive_in_their_order() -> None:
    gateway, _, driver, out = run_by_hand(many_orders, legs=1)
    driver.on_rows(0, first_rows(0), START_NS + MS)
    driver.on_time(START_NS + 2 * MS)
    (requests,) = gateway.calls
    assert len(requests) == 10_000 > 2 * FIRST_ROOM
    for first in (0, 3_000, 6_000):  # the queue's front moves, then its memory grows
        for at, row in requests[first : first + 3_000 if first < 6_000 else None]:
            gateway.answer(at, row, START_NS + 5 * MS + int(row["order_id"]), status=EXPIRED)
        driver.on_answers(START_NS + 5 * MS + first + 2_000)
    driver.on_time(START_NS + 2_000 * MS)
    assert out[0] == 10_000.0
    assert gateway.world.lost == 0
    answers = gateway.world.answers
    assert answers["order_id"].tolist() == list(range(1, 10_001))
    assert (np.diff(answers["response_ts"]) > 0).all()


def test_an_exchange_without_a_bot_answers_through_the_same_queues() -> None:
    world = LiveWorld([leg(0), leg(1)])
    world.record["is_started"] = 1
    exchanges = SimulatedExchanges(world, [Latency(3 * MS, 4 * MS), Latency(0, 0)])
    mailbox = Mailbox(world)
    for number in range(2):
        rows = flagged(first_rows(number), np.uint64(EXCH_EVENT))
        exchanges.streams[number].append(rows)
    exchanges.set_horizon(START_NS + 1_000 * MS)
    row = np.zeros(1, ORDER)[0]
    for name, value in {"req": 1, "side": 1, "qty": 0.5, "leaves_qty": 0.5, "time_in_force": IOC}.items():
        row[name] = value
    row["order_id"], row["tick_size"], row["price_tick"], row["request_no"] = 5, 0.1, 10_000_000, 1
    row["local_timestamp"] = START_NS + 100 * MS
    mailbox.put_request(0, row, START_NS + 100 * MS)
    world.port["until_ts"], world.port["next_ts"] = START_NS + 1_000 * MS, -1
    SERVE(int(world.port["serve"][0]))(world.address)
    ((number, received_ts, answer),) = mailbox.take_answers()
    assert (number, received_ts) == (0, START_NS + 107 * MS)
    assert (int(answer["status"]), float(answer["fill_qty"])) == (FILLED, 0.5)
    assert mailbox.take() == mailbox.take_answers() == []
