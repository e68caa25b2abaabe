"""What the process of a session uses of its machine: memory, disk, open files. What the system does not say is NaN."""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path

from arb.risk.supervisor import Reading

_UNKNOWN = Reading(math.nan, "")


def memory() -> Reading:
    """Memory in GB."""
    try:
        with open("/proc/self/statm", "rb") as file:
            gb = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError, IndexError):
        return _UNKNOWN
    return Reading(gb, f"the session uses {gb:.2f} GB")


def disk(folder: Path) -> Reading:
    """What is free where a folder is, in GB."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return _UNKNOWN
    gb = found.f_bavail * found.f_frsize / 1e9
    return Reading(gb, f"{gb:.2f} GB are free at {folder}")


def files() -> Reading:
    """Open files, in percent of as many as the process may have open."""
    try:
        count = len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        return _UNKNOWN
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    percent = 0.0 if most == resource.RLIM_INFINITY else 100.0 * count / most
    return Reading(percent, f"{count} of {most} files are open")
