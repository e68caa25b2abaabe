"""The guards of sessions, as processes of the system."""

from __future__ import annotations

import os
from pathlib import Path

from arb.runtime import guard_process as own
from support.canaries import children
from support.live_sandbox import await_that


def guard_process(process: int) -> int:
    """The process of a session's guard; 0 if there is none."""
    for child in children(process):
        try:
            if b"\0guard\0--fd\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        except OSError:  # it has ended
            continue
    return 0


def has_ended(process: int) -> bool:
    """Whether a process that is no child of this one has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def await_guard(process: int) -> None:
    """Returns when a guard has ended."""
    await_that(lambda: has_ended(process), f"the end of the guard {process}")


def end_left_guards() -> int:
    """Ends the guards that sessions of this process have left to act; returns their number."""
    count = len(own._LEFT)
    while own._LEFT:
        one = own._LEFT.pop()
        one.kill()
        one.wait()
    return count


def environment_of(process: int) -> dict[str, str]:
    """The variables that a process was started with; none if they may not be read."""
    try:
        raw = os.fsdecode(Path(f"/proc/{process}/environ").read_bytes())
    except PermissionError:  # it has no core files
        return {}
    return dict(one.partition("=")[::2] for one in raw.split("\0") if "=" in one)
