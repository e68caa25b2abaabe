"""`arb.data.archives.ahead`: a thread makes pieces in advance, and nothing else changes."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from arb.data.archives.ahead import AHEAD, ahead


def is_running(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


def test_all_pieces_arrive_in_their_order_and_so_many_are_made_in_advance() -> None:
    made: list[int] = []
    is_made = threading.Semaphore(0)

    def pieces() -> Iterator[int]:
        for n in range(AHEAD + 5):
            made.append(n)
            is_made.release()
            yield n

    coming = ahead(pieces(), "test ahead a")
    assert next(coming) == 0
    for _ in range(1 + AHEAD):
        assert is_made.acquire(timeout=10)
    assert not is_made.acquire(timeout=0.05)
    assert made == list(range(1 + AHEAD))
    assert [0, *coming] == list(range(AHEAD + 5))
    assert not is_running("test ahead a")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_arrives_in_place_of_its_piece_and_leaves_no_thread(error: type[BaseException]) -> None:
    """Of none of the iterators that were under way, without waiting until garbage is collected."""

    def bad() -> Iterator[int]:
        yield 1
        raise error

    def both() -> Iterator[tuple[int, int]]:
        first, second = ahead(iter(range(100)), "test ahead b"), ahead(bad(), "test ahead c")
        while True:
            yield next(first), next(second)

    gc.disable()
    try:
        with pytest.raises(error):
            list(both())
        assert not is_running("test ahead b")
        assert not is_running("test ahead c")
    finally:
        gc.enable()


def test_the_thread_ends_with_an_iterator_that_is_left_early() -> None:
    coming = ahead(iter(range(1_000)), "test ahead d")
    next(coming)
    assert is_running("test ahead d")
    coming.close()
    assert not is_running("test ahead d")
