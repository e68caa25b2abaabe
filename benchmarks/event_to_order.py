"""From a received row to the strategy's order, in process: `python benchmarks/event_to_order.py`.

A strategy answers every change of the touch with an order. Timed from the moment the host has the row until the
strategy waits again and its request can be sent. The peer is a plain compiled function that the host calls with the
same row and that fills in the same order: a lower bound for any design. Both alternate event by event.

`--soak N`: N switches to the strategy and back, with the memory before and after.
"""

from __future__ import annotations

import argparse
import gc
import time
from pathlib import Path
from typing import Any

import numpy as np
from alternate import show_machine
from hftbacktest.order import GTX, LIMIT
from hftbacktest.types import BUY_EVENT, DEPTH_EVENT, SELL_EVENT, event_dtype
from numba import njit

from arb.bot.compilation import compile_strategy
from arb.leg import Leg
from arb.runtime.live_rows import LiveDriver
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.watermark import VenueSide

_MS = 1_000_000
_TICK = 0.1
LEG = Leg(
    "bench",
    "BTCUSDT",
    False,
    _TICK,
    0.001,
    0.001,
    5.0,
    1.0,
    0.0002,
    0.0005,
    0,
    10 * _MS,
    10 * _MS,
    "power_prob3",
    3.0,
    0.0,
    0.0,
)
P50_US, P99_US = 15.0, 60.0


def answer_every_row(bot: Any, counts: Any) -> None:
    """One post-only order at the touch for every row; what has ended is cleared."""
    order_id = 1
    while bot.wait_next_feed(False, 3_600_000_000_000) != 1:
        depth = bot.depth(0)
        if depth.best_bid > 0.0 and depth.best_ask > 0.0:
            bot.clear_inactive_orders(0)
            if len(bot.orders(0)) > 20:
                bot.cancel(0, order_id - 20, False)
            bot.submit_buy_order(0, order_id, depth.best_bid - 50.0, 0.001, GTX, LIMIT, False)
            counts[0] += 1
            order_id += 1


@njit(nogil=True)
def bare_callback(rows: Any, made: Any) -> Any:
    """What the strategy does without a bot: look at the row, make up the order."""
    made[0] = rows[0].px - 50.0
    made[1] = 0.001
    return made[0] > 0.0


def row_pairs(count: int) -> list[Any]:
    """`count` arrays of two rows, both sides of a touch that moves a little, a millisecond apart."""
    pairs = []
    for number in range(count):
        rows = np.zeros(2, event_dtype)
        tick = 600_000 + number % 7
        now = 1_700_000_000_000_000_000 + number * _MS
        rows[0] = (DEPTH_EVENT | BUY_EVENT, now - 3 * _MS, now, tick * _TICK, 1.0 + number % 5, 0, 0, 0.0)
        rows[1] = (DEPTH_EVENT | SELL_EVENT, now - 3 * _MS, now, (tick + 9) * _TICK, 1.0, 0, 0, 0.0)
        pairs.append(rows)
    return pairs


def memory_mb() -> float:
    """Resident memory of the process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class TimedSide(VenueSide):
    """Notes when the strategy has answered the rows that it receives."""

    answered_ns = 0

    def on_rows(self, leg_no: int, rows: Any) -> None:
        self.answered_ns = time.perf_counter_ns()
        super().on_rows(leg_no, rows)


class Host:
    """The strategy, its simulated exchange and the driver, ready for rows."""

    def __init__(self) -> None:
        self.counts = np.zeros(1, np.int64)
        self.bot = DryRunBot([LEG], is_live=True)
        strategy = compile_strategy(answer_every_row)
        self.task = StrategyTask(self.bot, strategy, (self.bot, self.counts))
        self.side = TimedSide(self.bot.exchanges, 5 * _MS, 50 * _MS)
        self.driver = LiveDriver(self.bot, self.task, self.side)
        self.task.resume()


def measure(events: int) -> None:
    """Prints quantiles of both sides and of the driver's whole work for a row."""
    host, made = Host(), np.zeros(2)
    ours, whole, bare = [], [], []
    bare_callback(row_pairs(1)[0], made)
    gc.freeze()
    for rows in row_pairs(events):
        now = int(rows[-1]["local_ts"])
        start = time.perf_counter_ns()
        before = host.counts[0]
        host.driver.on_rows(0, rows, now)
        settled = time.perf_counter_ns()
        bare_callback(rows, made)
        called = time.perf_counter_ns()
        if host.counts[0] > before:
            ours.append(host.side.answered_ns - start)
            whole.append(settled - start)
            bare.append(called - settled)
    host.driver.stop()
    for name, times in (("event to order", ours), ("and the venues' side", whole), ("bare callback", bare)):
        us = np.array(times[len(times) // 10 :]) / 1e3
        p50, p90, p99 = np.percentile(us, [50, 90, 99])
        print(
            f"{name:<24} n {len(us)}  p50 {p50:6.2f} us  p90 {p90:6.2f}  p99 {p99:6.2f}  max {us.max():8.1f}"
        )
    us = np.array(ours[len(ours) // 10 :]) / 1e3
    p50, p99 = np.percentile(us, [50, 99])
    is_met = p50 <= P50_US and p99 <= P99_US
    print(f"target: p50 <= {P50_US:g} us, p99 <= {P99_US:g} us: {'met' if is_met else 'NOT MET'}")


def soak(switches: int) -> None:
    """Many switches, and the memory at every tenth part of them."""
    host = Host()
    # The log of responses would grow.
    host.bot.world.record["answers"] = 0
    pairs = row_pairs(1000)
    start = time.perf_counter()
    sent = 0
    shift = 0
    print(f"start: {memory_mb():.1f} MB")
    for part in range(10):
        while host.task.switches < switches * (part + 1) // 10:
            rows = pairs[sent % len(pairs)]
            if sent % len(pairs) == 0 and sent:
                shift = len(pairs) * _MS
            rows["exch_ts"] += shift
            rows["local_ts"] += shift
            sent += 1
            now = int(rows[-1]["local_ts"])
            host.driver.on_rows(0, rows, now)
        print(
            f"{host.task.switches:>12,} switches, {int(host.counts[0]):>12,} orders, {memory_mb():.1f} MB, "
            f"{(time.perf_counter() - start) / host.task.switches * 1e6:.2f} us a switch",
            flush=True,
        )
    host.driver.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--soak", type=int, default=0)
    given = parser.parse_args()
    show_machine()
    if given.soak:
        soak(given.soak)
    else:
        measure(given.events)
