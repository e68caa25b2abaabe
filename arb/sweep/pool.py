"""Threads that work on jobs at the same time and give the results in the order of the jobs.

The order of results decides the order of a sweep's table, which so is the same with any number of threads, and after an
interruption: what is written is always the first part of the whole.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

#: Jobs per thread that may be begun beyond the first unfinished one: one slow set does not stop the others.
_AHEAD = 8
#: Poll interval of the waiting thread, for a signal that another thread received.
_POLL_SECONDS = 0.2


class _Slot(Generic[Job, Result]):
    """A job and its result."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None


def in_order(
    jobs: Iterable[Job], work: Callable[[Job], Result], threads: int, ahead: int | None = None
) -> Iterator[Result]:
    """The results of the jobs, in their order. An error of a job is raised in its place.

    ahead: job n is taken when the caller has got on from result n - ahead at the latest; None: of no importance.

    The jobs are taken one at a time, on the caller's thread. The threads are daemons: a job that never ends does not
    keep the process. On an error or when the iterator is closed, jobs that were not begun are dropped.
    """
    todo: queue.SimpleQueue[_Slot[Job, Result] | None] = queue.SimpleQueue()
    waiting: deque[_Slot[Job, Result]] = deque()
    is_over = threading.Event()
    for number in range(threads):
        threading.Thread(
            target=_serve, args=(todo, work, is_over), name=f"sweep-{number}", daemon=True
        ).start()
    try:
        source = iter(jobs)
        most = min(threads * _AHEAD, ahead or threads * _AHEAD)
        is_more = True
        while is_more or waiting:
            while is_more and len(waiting) < most:
                try:
                    slot: _Slot[Job, Result] = _Slot(next(source))
                except StopIteration:
                    is_more = False
                    break
                waiting.append(slot)
                todo.put(slot)
            if not waiting:
                break
            first = waiting.popleft()
            while not first.done.wait(_POLL_SECONDS):
                pass
            if first.error is not None:
                raise first.error
            yield first.result  # type: ignore[misc]  # set before `done`
    finally:
        is_over.set()
        for _ in range(threads):
            todo.put(None)


def _serve(todo: queue.SimpleQueue[Any], work: Callable[[Any], Any], is_over: threading.Event) -> None:
    while (slot := todo.get()) is not None:
        if is_over.is_set():
            return
        try:
            slot.result = work(slot.job)
        except BaseException as error:  # raised in its place by `in_order`
            slot.error = error
        finally:
            slot.done.set()
