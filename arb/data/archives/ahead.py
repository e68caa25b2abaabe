"""Pieces that a thread makes in advance, while the caller works on the one before."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar, cast

T = TypeVar("T")


#: So many pieces are made in advance: with one alone, whoever is faster sleeps and wakes for each of them.
AHEAD = 2


def ahead(pieces: Iterator[T], name: str) -> Iterator[T]:
    """The same pieces, AHEAD of them in advance, made by a thread of that name.

    The thread begins at once. A piece must stay valid while so many next ones are made. What making one raises is
    raised here in its place; the thread ends with the iterator.
    """
    coming = _coming(pieces, name)
    next(coming)  # from here on it has an end to come to
    return cast(Iterator[T], coming)


def _coming(pieces: Iterator[T], name: str) -> Iterator[T | None]:
    """The pieces, and in front of them, once the thread has begun, nothing."""
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
                    )  # its traceback holds this frame: a ring that would keep other streams' threads waiting
            asked.put(True)
            yield piece
    finally:
        asked.put(False)
        thread.join()


def _make(pieces: Iterator[T], asked: SimpleQueue[bool], made: SimpleQueue[T | BaseException | None]) -> None:
    """Makes a piece whenever one is asked for; None at the end, or what was raised."""
    while asked.get():
        try:
            made.put(next(pieces, None))
        except BaseException as error:
            made.put(error)
