"""What a step waits for its journal: `python benchmarks/journal_commit.py [--folder F] [--steps 4000]`.

A step is a placement at each of two legs, 2 ms after the one before, as in a session whose other work is little; after
it the answers of the step are noted, as after a read. Its commit is timed with the flushing thread at work, the same
while another process reads all of it twice a second, then with `sync = "full"`, and beside these an append of as many
bytes to a file, without and with a flush. All on the disk of `--folder`, by default the one of the working directory.

    --orders N     instead: a journal with N orders, its size, and how long the queries of a start take
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from alternate import show_machine

from arb.journal.journal import Journal, Sync
from arb.journal.reader import JournalReader
from arb.journal.schema import Answered, Ended, ExecutionRow, Intent, LegRow, RunRow, Sent

P50_US, P99_US = 100.0, 500.0
ORDER_BYTES, START_S = 1_000, 5.0
_LEGS = (
    LegRow("binance_usdm", "BTCUSDT", "binance-7", "0.10", "0.001", "BTC", "USDT", False),
    LegRow("bybit_spot", "BTCUSDT", "bybit-8", "0.01", "0.000001", "BTC", "USDT", True),
)
_PAUSE_S = 0.002


def opened(folder: Path, sync: Sync = "background") -> tuple[Journal, int]:
    """A journal with a run."""
    journal = Journal.open(folder / f"{sync}.db", "sandbox", sync=sync)
    run = journal.begin_run(RunRow("benchmark", "", "", "", time.time_ns()))
    journal.add_legs(run, _LEGS)
    return journal, run


def step_of(run: int, number: int, ts: int) -> list[Intent]:
    """A placement for each leg."""
    return [
        Intent(
            run,
            leg,
            number,
            ts,
            number,
            "place",
            number,
            number,
            1 - 2 * leg,
            "ioc",
            False,
            False,
            600_000,
            5,
        )
        for leg in range(2)
    ]


def note_rest(journal: Journal, run: int, number: int, ts: int) -> None:
    """What follows a step: sent, answered, two executions and the end of each order."""
    for leg, row in enumerate(_LEGS):
        journal.note(Sent(run, ts, row.venue, leg, number, "place", "", "t1", True))
        for part in "ab":
            name = f"{number:08x}-0000-4000-8000-00000000000{part}"
            side = 1 - 2 * leg
            journal.note(
                ExecutionRow(
                    run, leg, number, name, ts, ts // 1_000_000, side, 600_000, 2, False, "0.01234567", "USDT"
                )
            )
            journal.note(Answered(run, ts, leg, 0, number, "executed", "partially filled", 600_000, 4, 2, ""))
        journal.note(Answered(run, ts, leg, number, number, "ended", "filled", 600_000, 4, 0, ""))
        journal.note(Ended(run, leg, number, ts, "filled", 4, ""))
    journal.write_notes()


def show(name: str, spans_ns: list[int]) -> tuple[float, float]:
    """Prints quantiles without the first tenth; returns p50 and p99 in us."""
    kept = np.array(spans_ns[len(spans_ns) // 10 :]) / 1_000
    p50, p90, p99, p999 = np.percentile(kept, [50, 90, 99, 99.9])
    print(
        f"{name:<44} p50 {p50:8.1f}  p90 {p90:8.1f}  p99 {p99:8.1f}  p99.9 {p999:8.1f}  max {kept.max():8.1f} us"
    )
    return float(p50), float(p99)


def timed(
    count: int, call: Callable[[int], None], after: Callable[[int], None] = lambda number: None
) -> list[int]:
    """How long each call took, in ns."""
    spans = []
    for number in range(1, count + 1):
        begin = time.perf_counter_ns()
        call(number)
        spans.append(time.perf_counter_ns() - begin)
        after(number)
        time.sleep(_PAUSE_S)
    return spans


def read(path: Path, is_over: Any) -> None:
    """What `arb status`, `positions`, `orders` and `trades` read, twice a second."""
    while not is_over.wait(0.5):
        with JournalReader(path, "sandbox") as reader:
            reader.orders(open_only=True)
            reader.positions()
            reader.orders()
            reader.executions()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it another process reads the journal."""
    context = multiprocessing.get_context("spawn")
    is_over = context.Event()
    process = context.Process(target=read, args=(path, is_over), daemon=True)
    process.start()
    yield
    is_over.set()
    process.join()


def measure(folder: Path, count: int) -> bool:
    """Commits, and appends of as many bytes; returns whether the limits are met."""
    journal, run = opened(folder)
    spans = timed(
        count,
        lambda number: journal.commit_step(step_of(run, number, time.time_ns())),
        lambda number: note_rest(journal, run, number, time.time_ns()),
    )
    p50, p99 = show("commit of two legs, flushed in the background", spans)
    spans = timed(count, lambda number: note_rest(journal, run, count + number, time.time_ns()))
    show("the notes of such a step", spans)
    with reading(folder / "background.db"):
        spans = timed(
            count,
            lambda number: journal.commit_step(step_of(run, 2 * count + number, time.time_ns())),
            lambda number: note_rest(journal, run, 2 * count + number, time.time_ns()),
        )
    show("commit of two legs, while another process reads", spans)
    journal.close()
    journal, run = opened(folder, "full")
    few = max(count // 8, 100)
    show(
        'commit of two legs, sync = "full"',
        timed(few, lambda number: journal.commit_step(step_of(run, number, time.time_ns()))),
    )
    journal.close()
    row = b"x" * (1_024 + 24)
    for name, flush in (
        ("append of a page", None),
        ("append of a page, flushed", getattr(os, "fdatasync", os.fsync)),
    ):
        file = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

        def append(_: int, file: int = file, flush: Callable[[int], None] | None = flush) -> None:
            os.write(file, row)
            if flush is not None:
                flush(file)

        show(name, timed(few if flush else count, append))
        os.close(file)
    print(f"limits of the first: p50 <= {P50_US:g} us, p99 <= {P99_US:g} us")
    return p50 <= P50_US and p99 <= P99_US


def fill(folder: Path, count: int) -> bool:
    """A journal with many orders; returns whether its size and the start's queries are within the limits."""
    journal, run = opened(folder)
    begin = time.perf_counter()
    for number in range(1, count // 2 + 1):
        ts = 1_700_000_000_000_000_000 + number * 1_000_000_000
        journal.commit_step(step_of(run, number, ts))
        note_rest(journal, run, number, ts)
    wrote = time.perf_counter() - begin
    journal.close()
    path = folder / "background.db"
    size = path.stat().st_size
    begin = time.perf_counter()
    journal, run = opened(folder)
    with JournalReader(path, "sandbox") as reader:
        found = len(reader.orders(open_only=True)), len(reader.positions())
        until = reader.known_until_ns()
        trades = len(reader.executions())
    start = time.perf_counter() - begin
    journal.close()
    print(f"{count} orders, {trades} executions: written in {wrote:.1f} s, {size / count:.0f} bytes an order")
    print(f"open, orders, positions, executions ({found}, known until {until}): {start:.2f} s")
    print(f"limits: {ORDER_BYTES} bytes an order, {START_S:g} s")
    return size <= ORDER_BYTES * count and start <= START_S


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--orders", type=int, default=0)
    given = parser.parse_args()
    show_machine()
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        is_met = fill(Path(made), given.orders) if given.orders else measure(Path(made), given.steps)
    print("met" if is_met else "NOT MET")
    sys.exit(not is_met)
