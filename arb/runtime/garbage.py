"""Garbage collections that do not stop a process that answers others. Any thread."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping

#: Generation of Python's full garbage collections.
_FULL = 2


@contextlib.contextmanager
def short_collections() -> Iterator[None]:
    """A full garbage collection looks at all objects, for tenths of a second, in which the process stands still. Here
    it looks at each object once: those that exist now, and those that survive one, are left out of the next.

    Cycles that become garbage after that are kept until the end: a connection's, every minute or two at most.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.collect()  # Python's measure for the next one is how many objects this one has seen
    gc.callbacks.append(_freeze_survivors)
    # More often than Python's 10 younger collections, since what one costs is what was made since the last.
    gc.set_threshold(*thresholds[:2], 1)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(_freeze_survivors)
        gc.unfreeze()


def _freeze_survivors(phase: str, info: Mapping[str, int]) -> None:
    if phase == "stop" and info["generation"] == _FULL:
        gc.freeze()
