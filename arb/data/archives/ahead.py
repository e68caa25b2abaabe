"""Pieces that a thread makes in advance, while the caller works on the one before."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(pieces: Iterator[T], name: str) -> Iterator[T]:
    """The same pieces, one of them in advance, made by a thread of that name.

    A piece must stay valid while the next one is made. What making one raises is raised here in its place; the thread
    ends with the iterator.
    """
    with ThreadPoolExecutor(1, name) as pool:
        coming = pool.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = pool.submit(next, pieces, None)
            yield piece
