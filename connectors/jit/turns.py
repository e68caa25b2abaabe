"""Lets one of several processes compile a signature while the others wait for its file.

Without this, processes that start together on an empty cache compile the same strategy at the same time. A lock is a
file beside the compiled one, held by `flock`, so that the kernel releases it when its process ends. Locks are taken
from a function to its helpers and never back, so no two processes wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import NamedTuple

from numba.core.event import trigger_event

from connectors.jit.own_files import make_own_folder

#: Event of `numba.core.event` while this process waits for the one that compiles.
AWAITED = "arb:awaited"

#: After this time in seconds a process compiles by itself: the other one may be stopped.
WAIT_S = 180.0

_LOOK_S = 0.02


class Turn(NamedTuple):
    """A held lock. has_waited: another process held it before, and may have saved the signature."""

    path: Path
    handle: int
    has_waited: bool

    def end(self) -> None:
        """Releases the lock. Whoever waits has the file open, so its name can go."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)


def take_turn(compiled: Path) -> Turn | None:
    """Waits for the turn to compile what is to be saved as `compiled`.

    None where the folder cannot be written, or after WAIT_S: then the caller compiles without a lock. Raises
    ForeignError if others may write the folder.
    """
    path = compiled.with_name(f"{compiled.name}.lock")
    try:
        make_own_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        if _is_locked(handle):
            return Turn(path, handle, has_waited=False)
        with trigger_event(AWAITED):
            until = time.monotonic() + WAIT_S
            while time.monotonic() <= until:
                time.sleep(_LOOK_S)
                if _is_locked(handle):
                    return Turn(path, handle, has_waited=True)
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _is_locked(handle: int) -> bool:
    """Whether the lock is this process's from now on."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
