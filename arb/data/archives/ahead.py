"""Produces the items of an iterator ahead of their consumer, in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: Items produced in advance; with only one, the faster side would sleep and wake for each item.
AHEAD = 2


def ahead(pieces: Iterator[T], name: str) -> Iterator[T]:
    """Yields the same items, produced up to AHEAD in advance by a thread called `name`.

    The thread starts at once. An item must stay valid while AHEAD further ones are produced. An exception of the
    producer is raised here in place of its item; the thread ends with the iterator.
    """
    thread = ThreadPoolExecutor(1, name)
    coming = deque(thread.submit(next, pieces, None) for _ in range(AHEAD))
    return _items(pieces, thread, coming)


def _items(pieces: Iterator[T], thread: ThreadPoolExecutor, coming: deque[Future[T | None]]) -> Iterator[T]:
    try:
        while (piece := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, pieces, None))
            yield piece
    finally:
        thread.shutdown(cancel_futures=True)
