"""What the process of a session uses of its machine: memory, disk, open files. What the system does not say is NaN."""

from __future__ import annotations

import functools
import math
import os
import resource
import time
from pathlib import Path

import psutil

from arb.risk.supervisor import Reading

_UNKNOWN = Reading(math.nan, "")
#: By process id: one that was made before a fork is another's.
_process = functools.cache(psutil.Process)


def memory() -> Reading:
    """Memory in GB."""
    try:
        gb = _process(os.getpid()).memory_info().rss / 1e9
    except (psutil.Error, OSError):
        return _UNKNOWN
    return Reading(gb, f"the session uses {gb:.2f} GB")


def disk(folder: Path) -> Reading:
    """What is free where a folder is, in GB."""
    try:
        gb = psutil.disk_usage(str(folder)).free / 1e9
    except OSError:
        return _UNKNOWN
    return Reading(gb, f"{gb:.2f} GB are free at {folder}")


def files() -> Reading:
    """Open files, in percent of as many as the process may have open."""
    count = open_files()
    if count is None:
        return _UNKNOWN
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    percent = 0.0 if most == resource.RLIM_INFINITY else 100.0 * count / most
    return Reading(percent, f"{count} of {most} files are open")


def open_files() -> int | None:
    """Number of open files; None if not known."""
    try:
        return int(_process(os.getpid()).num_fds())
    except (psutil.Error, OSError):
        return None


class Processor:
    """Time on the processor. One thread."""

    def __init__(self) -> None:
        self._before = time.monotonic_ns(), time.process_time_ns()

    def percent(self) -> float:
        """Since the last call, in percent of one core; NaN without time between them."""
        # Of a process with many threads psutil's would take a millisecond.
        before, self._before = self._before, (time.monotonic_ns(), time.process_time_ns())
        elapsed, used = (now - then for now, then in zip(self._before, before, strict=True))
        return 100.0 * used / elapsed if elapsed > 0 else math.nan
