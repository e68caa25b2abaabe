"""Gives memory that is free within the process back to the system.

Each thread that runs sets has a heap of its own, from which large arrays come and to which they return. The library
keeps such heaps as large as they ever were: the more sets a sweep checks and runs, the more they would differ.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

#: Results between two calls; one takes about a millisecond.
EVERY = 10


def _found() -> Callable[[int], int] | None:
    """glibc's; other libraries have none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return None


_malloc_trim = _found()


def give_back() -> None:
    """Gives free memory back, where the library can. Any thread."""
    if _malloc_trim is not None:
        _malloc_trim(0)
