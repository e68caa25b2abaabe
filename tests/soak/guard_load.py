"""`arb live` on a busy machine: its guard must not act; and sessions that are killed or stopped, where it must.

    PYTHONPATH=tests python -m tests.soak.guard_load [--minutes 60] [--load 8] [--seed 1]
    PYTHONPATH=tests python -m tests.soak.guard_load --stops 50

A session trades on a running sandbox while so many processes keep the processors busy. The session has the usual
priority; the sandbox, which stands for other machines, a higher one where the system allows it. Each silence that the
guard counts is a false alarm, of the session or of a venue, and so is a guard that was replaced. Exit code 4 if there
is one, or if the session ends before its time.

With --stops, so many sessions with resting orders are killed (SIGKILL) and stopped (SIGSTOP), in turn, at a random
moment. Exit code 4 if an order of ours rests two seconds later, or one of others does not rest any more.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.guard_processes import await_guard, guard_process
from support.guarded import Guarded
from support.live_sandbox import await_first_row


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes compute."""
    words = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield
    finally:
        for one in processes:
            one.kill()
            one.wait()


def run(seconds: float, load: int, seed: int) -> tuple[list[str], int]:
    """The false alarms of one session, and its exit code."""
    with tempfile.TemporaryDirectory(prefix="arb-guard-") as name, Guarded(Path(name), seed) as guarded:
        process = guarded.begin("--duration", f"{seconds:g}s", function="swinging")
        await_first_row(guarded.run)
        with busy(load):
            errors = process.communicate()[1]
        alarms = [line for line in guarded.guard_log().splitlines() if "no sign of life" in line]
        own = ("the guard has ended", "the guard has cancelled")
        alarms += [line for line in guarded.log().splitlines() if any(one in line for one in own)]
        if process.returncode != 0:
            print(errors.strip().splitlines()[-1:])
        path = guarded.run / "trades.csv"
        trades = path.read_text().count("\n") - 1 if path.exists() else 0
        print(
            f"{seconds:g} s at a load of {load} on {os.cpu_count()} processors: {trades} fills, {len(alarms)} alarms, "
            f"exit code {process.returncode}"
        )
        return alarms, process.returncode


def stops(count: int, seed: int) -> bool:
    """Whether no session that was killed or stopped had orders for long."""
    chance = Random(seed)
    times: dict[signal.Signals, list[float]] = {signal.SIGKILL: [], signal.SIGSTOP: []}
    with tempfile.TemporaryDirectory(prefix="arb-guard-") as name, Guarded(Path(name), seed) as guarded:
        others = guarded.open_orders(is_ours=False)
        for number in range(count):
            process = guarded.resting()
            guard = guard_process(process.pid)
            time.sleep(chance.uniform(0.0, 1.5))
            how = list(times)[number % 2]
            times[how].append(guarded.gone_after(functools.partial(process.send_signal, how)))
            await_guard(guard)
            process.kill()
            process.communicate()
            if guarded.open_orders(is_ours=True) or guarded.open_orders(is_ours=False) != others:
                print(
                    f"{how.name}: {guarded.open_orders(is_ours=True)}, {guarded.open_orders(is_ours=False)}"
                )
                return False
            guarded.resume()
    for how, taken in times.items():
        print(
            f"{how.name}: nothing open after {median(taken):.2f} s (median), {max(taken):.2f} s (most of {len(taken)})"
        )
    return max(max(taken) for taken in times.values()) < 2.0


def main() -> int:
    """Runs and prints."""
    words = argparse.ArgumentParser()
    words.add_argument("--minutes", type=float, default=60.0)
    words.add_argument("--load", type=int, default=8)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--stops", type=int, default=0)
    given = words.parse_args()
    if given.stops:
        return 0 if stops(given.stops, given.seed) else 4
    alarms, code = run(60.0 * given.minutes, given.load, given.seed)
    for line in alarms:
        print(line)
    return 4 if alarms or code else 0


if __name__ == "__main__":
    sys.exit(main())
