"""`arb.data.archives.ahead`: a thread makes pieces in advance, and nothing else changes."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from arb.data.archives.ahead import AHEAD, ahead


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_the_pieces_come_in_their_order(count: int) -> None:
    assert list(ahead(iter(range(count)), "a")) == list(range(count))


def test_so_many_pieces_are_made_in_advance_and_no_more() -> None:
    made: list[int] = []
    is_made = threading.Semaphore(0)

    def pieces() -> Iterator[int]:
        for n in range(AHEAD + 5):
            made.append(n)
            is_made.release()
            yield n

    coming = ahead(pieces(), "b")
    assert next(coming) == 0
    for _ in range(1 + AHEAD):
        assert is_made.acquire(timeout=10)
    assert not is_made.acquire(timeout=0.05)
    assert made == list(range(1 + AHEAD))
    coming.close()


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_what_making_one_raises_comes_in_its_place(error: BaseException) -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise error

    coming = ahead(pieces(), "c")
    assert next(coming) == 1
    with pytest.raises(type(error)):
        next(coming)
    assert "c" not in names()


def test_an_error_keeps_no_thread_waiting_until_garbage_is_collected() -> None:
    """Of none of the iterators that were under way where one of them raised."""

    def bad() -> Iterator[int]:
        yield 1
        raise ValueError("x")

    def both() -> Iterator[tuple[int, int]]:
        first, second = ahead(iter(range(100)), "e"), ahead(bad(), "f")
        while True:
            yield next(first), next(second)

    gc.disable()
    try:
        with pytest.raises(ValueError, match="x"):
            list(both())
        assert not names() & {"e", "f"}
    finally:
        gc.enable()


def test_the_thread_ends_with_an_iterator_that_is_left_early() -> None:
    coming = ahead(iter(range(1_000)), "d")
    next(coming)
    assert "d" in names()
    coming.close()
    assert "d" not in names()
