"""Whether `arb status`, `positions`, `orders --open` and `trades` hold a session up.

`python benchmarks/journal_beside.py [--folder F] [--orders 20000] [--pairs 12] [--steps 400]`

A journal with many orders, and steps of two legs 2 ms apart whose commits and notes are timed (`journal_commit.py`), in
blocks: in every second one another process does what the four commands do, one after the other and again half a second
later. Both sides of a pair of blocks have the same machine, so ratios hold. Also printed: how long each command took,
by the clock and of the processor; on a machine with other work the latter is compared with the limit.
On a machine with other work: `chrt -r 5 python benchmarks/journal_beside.py`; the commands are not of that priority.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from alternate import show_machine
from journal_commit import note_rest, step_of

from arb.commands.journal import (
    journals,
    order_record,
    position_record,
    status_record,
    statuses,
    trade_record,
)
from arb.journal.journal import FILE, Journal
from arb.journal.schema import LegRow, RunRow

SECONDS, RATIO = 0.3, 1.10
_LEGS = (
    LegRow("binance_usdm", "BTCUSDT", "binance-7", "0.10", "0.001", "BTC", "USDT", False),
    LegRow("bybit_spot", "BTCUSDT", "bybit-8", "0.01", "0.000001", "BTC", "USDT", True),
)
_PAUSE_S = 0.002
_NAMES = ("status", "positions", "orders --open", "trades")


def run_command(directory: Path, name: str, since_ns: int) -> None:
    """What a command does beside the start of Python. trades: of the last hour."""
    if name == "status":
        for status in statuses(directory, ("sandbox",)):
            status_record(status)
        return
    for environment, reader in journals(directory, ("sandbox",)):
        if name == "positions":
            _ = [position_record(environment, one) for one in reader.positions()]
        elif name == "trades":
            _ = [trade_record(environment, "tag", one) for one in reader.executions(since_ns)]
        else:
            _ = [order_record(environment, "tag", one) for one in reader.orders(open_only=True)]


def ask(directory: Path, may_run: Any, is_over: Any, spans: Any) -> None:
    """A process that runs the commands while it may."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    while not is_over.is_set():
        if not may_run.wait(0.1):
            continue
        for name in _NAMES:
            begin, busy = time.perf_counter(), time.process_time()
            run_command(directory, name, time.time_ns() - 3_600_000_000_000)
            spans.put((name, time.perf_counter() - begin, time.process_time() - busy))
        time.sleep(0.5)


class Session:
    """The writer's side."""

    def __init__(self, directory: Path, orders: int) -> None:
        path = directory / "sandbox" / FILE
        path.parent.mkdir()
        self._journal = Journal.open(path, "sandbox")
        self._run = self._journal.begin_run(RunRow("benchmark", "", "", "", time.time_ns()))
        self._journal.add_legs(self._run, _LEGS)
        self._step = 0
        # Older than the hour.
        self.go(orders // 2, time.time_ns() - 7_200_000_000_000, 0.0)

    def go(self, steps: int, now_ns: int = 0, pause_s: float = _PAUSE_S) -> list[int]:
        """Steps and what follows them; how long the session was in its journal for each, in ns."""
        spans = []
        for _ in range(steps):
            self._step += 1
            ts = now_ns or time.time_ns()
            begin = time.perf_counter_ns()
            self._journal.commit_step(step_of(self._run, self._step, ts))
            note_rest(self._journal, self._run, self._step, ts)
            spans.append(time.perf_counter_ns() - begin)
            time.sleep(pause_s)
        return spans

    def close(self) -> None:
        self._journal.close()


def measure(directory: Path, orders: int, pairs: int, steps: int) -> bool:
    """Alternating blocks; returns whether the limits are met."""
    session = Session(directory, orders)
    context = multiprocessing.get_context("spawn")
    may_run, is_over, took = context.Event(), context.Event(), context.SimpleQueue()
    process = context.Process(target=ask, args=(directory, may_run, is_over, took), daemon=True)
    process.start()
    may_run.set()
    session.go(steps)
    alone: list[list[int]] = []
    beside: list[list[int]] = []
    for pair in range(2 * pairs):
        is_beside = pair % 4 in (0, 3)
        (may_run.set if is_beside else may_run.clear)()
        session.go(steps // 10)  # what began before is over
        (beside if is_beside else alone).append(session.go(steps))
    is_over.set()
    process.join()
    session.close()
    found: dict[str, list[tuple[float, float]]] = {}
    while not took.empty():
        name, *spent = took.get()
        found.setdefault(name, []).append((spent[0], spent[1]))
    for name, spans in found.items():
        (p50, busy), largest = np.median(spans, axis=0), max(spans)[0]
        print(f"{name:<16} p50 {p50:.3f}  largest {largest:.3f}  processor {busy:.3f} s, {len(spans)} times")
    p99 = []
    for name, blocks in (("alone", alone), ("with commands", beside)):
        all_us = np.concatenate(blocks) / 1_000
        p50, high = np.percentile(all_us, [50, 99])
        p99.append(high)
        print(f"a step's journal, {name:<14} p50 {p50:8.1f}  p99 {high:8.1f}  max {all_us.max():8.1f} us")
    ratios = [np.percentile(b, 99) / np.percentile(a, 99) for a, b in zip(alone, beside, strict=True)]
    low, ratio, high = np.percentile(ratios, [25, 50, 75])
    print(
        f"p99 with commands / alone: all {p99[1] / p99[0]:.2f}; pairs {ratio:.2f} ({low:.2f} to {high:.2f})"
    )
    print(f"limits: {SECONDS:g} s, ratio {RATIO:g}")
    return ratio <= RATIO and all(np.median(spans, axis=0)[1] <= SECONDS for spans in found.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    show_machine()
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        is_met = measure(Path(made), given.orders, given.pairs, given.steps)
    print("met" if is_met else "NOT MET")
    sys.exit(not is_met)
