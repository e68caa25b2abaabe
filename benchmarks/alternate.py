"""Times two sides alternating in one process, so that a machine that slows down slows both.

Reports the median of the ratios of neighbouring runs: single times drift, ratios hold.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Times(NamedTuple):
    """Seconds on the clock, and of the processor in all threads."""

    wall: float
    processor: float


class Result(NamedTuple):
    """Median seconds of both sides, and the median and quartiles of peer / ours over neighbouring runs."""

    ours: float
    peer: float
    ratio: float
    ratio_low: float
    ratio_high: float
    #: The like of the processor's time.
    processor_ratio: float = 0.0


def alternate(ours: Callable[[], Any], peer: Callable[[], Any], runs: int = 15) -> Result:
    """Times both in turn, after one run of each that is not counted."""
    return alternate_measured(lambda: times_of(ours), lambda: times_of(peer), runs)


def alternate_measured(ours: Callable[[], Times], peer: Callable[[], Times], runs: int = 15) -> Result:
    """The same with two that take their own times."""
    ours()
    peer()
    times = []
    for run in range(runs):
        # Who goes first changes too: the second finds warmer caches.
        if run % 2:
            b = peer()
            a = ours()
        else:
            a = ours()
            b = peer()
        times.append((a, b))
    ratios = sorted(b.wall / a.wall for a, b in times)
    return Result(
        statistics.median(a.wall for a, _ in times),
        statistics.median(b.wall for _, b in times),
        statistics.median(ratios),
        ratios[len(ratios) // 4],
        ratios[-1 - len(ratios) // 4],
        # A process of its own, or a wait, takes next to none here.
        statistics.median(b.processor / max(a.processor, 1e-9) for a, b in times),
    )


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes."""
    return times_of(work).wall


def times_of(work: Callable[[], Any]) -> Times:
    """How long `work` takes; what it gives is let go within that time."""
    start, processor = time.perf_counter(), time.process_time()
    work()
    return Times(time.perf_counter() - start, time.process_time() - processor)


def show(what: str, result: Result, least: float, unit: str = "") -> None:
    """One line: the ratio with its quartiles, the target, and both medians."""
    print(
        f"{what:<58} {result.ratio:6.2f}x [{result.ratio_low:.2f} to {result.ratio_high:.2f}], target: {least:g}x"
        f"   ours {result.ours * 1e3:.2f} ms, peer {result.peer * 1e3:.2f} ms{unit}"
    )


def show_machine() -> None:
    """What the figures were measured on."""
    import hftbacktest
    import numba

    print(
        f"{_processor()}, {platform.machine()} {platform.system()}, Python {platform.python_version()}, "
        f"hftbacktest {hftbacktest.__version__}, numba {numba.__version__}"
    )


def _processor() -> str:
    """The processor's name, as far as the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return name or platform.processor() or "unknown processor"
