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
    coming = _coming(pieces, name)
    next(coming)  # starts the generator, so that closing it runs its `finally`
    return cast(Iterator[T], coming)


def _coming(pieces: Iterator[T], name: str) -> Iterator[T | None]:
    """Yields None once the thread has started, then the items."""
    asked: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[T | BaseException | None] = SimpleQueue()
    thread = Thread(target=_make, args=(pieces, asked, made), name=name, daemon=True)
    thread.start()
    try:
        for _ in range(AHEAD):
            asked.put(True)
        yield None
        while (piece := made.get()) is not None:
            if isinstance(piece, BaseException):
                try:
                    raise piece
                finally:
                    del (
                        piece
                    )  # its traceback holds this frame: a cycle that would keep other streams' threads alive
            asked.put(True)
            yield piece
    finally:
        asked.put(False)
        thread.join()


def _make(pieces: Iterator[T], asked: SimpleQueue[bool], made: SimpleQueue[T | BaseException | None]) -> None:
    """Produces an item per request; None at the end, or the exception raised."""
    while asked.get():
        try:
            made.put(next(pieces, None))
        except BaseException as error:
            made.put(error)
