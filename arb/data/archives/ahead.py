"""Produces the items of an iterator ahead of their consumer, in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar, cast

T = TypeVar("T")

#: Items produced in advance; with only one, the faster side would sleep and wake for each item.
AHEAD = 2


def ahead(pieces: Iterator[T], name: str) -> Iterator[T]:
    """Yields the same items, produced up to AHEAD in advance by a thread called `name`.

    The thread starts at once. An item must stay valid while AHEAD further ones are produced. An exception of the
    producer is raised here in place of its item; the thread ends with the iterator.
    """
    items = _items(pieces, name)
    next(items)  # starts the thread, and enters the block that ends it
    return cast(Iterator[T], items)


def _items(pieces: Iterator[T], name: str) -> Iterator[T | None]:
    """The items after a None. Two queues, since futures of an executor take five times as long per item."""
    requested: SimpleQueue[bool] = SimpleQueue()
    produced: SimpleQueue[T | None] = SimpleQueue()
    errors: list[BaseException] = []
    thread = Thread(target=_produce, args=(pieces, requested, produced, errors), name=name, daemon=True)
    thread.start()
    try:
        for _ in range(AHEAD):
            requested.put(True)
        yield None
        while (item := produced.get()) is not None:
            requested.put(True)
            yield item
        if errors:
            # Not by a name of this frame, which its traceback holds: such a cycle would keep other streams' threads.
            raise errors.pop()
    finally:
        requested.put(False)
        thread.join()


def _produce(
    pieces: Iterator[T],
    requested: SimpleQueue[bool],
    produced: SimpleQueue[T | None],
    errors: list[BaseException],
) -> None:
    """Produces an item per request; None after the last one or an error."""
    while requested.get():
        item = None
        try:
            item = next(pieces, None)
        except BaseException as error:
            errors.append(error)
        produced.put(item)
