"""Processes that run sets beside each other, each with an interpreter of its own.

They are forked from the one that writes the sweep: what sets share (rows, compiled code, configuration) exists before
the fork, and is not copied until it is written to. A worker gets a set's places and values through a pipe, and answers
with its result. It ends with the process that forked it, at once. A worker that is lost ends that process in the same
way: its own parent finds out which set it was (`arb.sweep.child_process`).
"""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from arb.errors import ExitCode

#: How long a signal that ends the process may take.
_DYING_SECONDS = 1.0
_LENGTH = struct.Struct("=q")


class _Worker(NamedTuple):
    """A forked process, and the ends of its pipes that are here."""

    process: int
    requests: int
    answers: int


class Workers:
    """Forked processes. `run` from any thread; the others from one thread, while no other one computes."""

    def __init__(self, count: int, work: Callable[..., Any]) -> None:
        """work: what a process does for a request; its arguments and results are sent as they are pickled."""
        self._workers: list[_Worker] = []
        for _ in range(count):
            self._workers.append(_forked(work, self._workers))
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._is_closed = False

    def run(self, *arguments: Any) -> Any:
        """The result of a free process's work; waits for one. Raises what it raised."""
        worker = self._idle.get()
        _send(worker.requests, arguments)
        answer = _received(worker.answers)
        if answer is None:
            if not self._is_closed:
                _end_like(worker.process)
            raise EOFError("the processes of the sweep were ended")
        self._idle.put(worker)
        result, error = answer
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Ends all processes at once."""
        self._is_closed = True
        for worker in self._workers:
            os.kill(worker.process, signal.SIGKILL)
        for worker in self._workers:
            os.waitpid(worker.process, 0)
            os.close(worker.requests)


def _forked(work: Callable[..., Any], others: list[_Worker]) -> _Worker:
    taken, requests = os.pipe()
    answers, given = os.pipe()
    process = os.fork()
    if process:
        os.close(taken)
        os.close(given)
        return _Worker(process, requests, answers)
    try:
        os.close(requests)
        os.close(answers)
        for other in others:
            os.close(other.requests)
            os.close(other.answers)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        gc.freeze()
        _serve(work, taken, given)
    finally:
        os._exit(ExitCode.OUR_FAULT)


def _serve(work: Callable[..., Any], taken: int, given: int) -> None:
    """Answers requests. Another thread reads them, so that the end of the parent is seen while a set runs."""
    waiting: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def read() -> None:
        while (request := _received(taken)) is not None:
            waiting.put(request)
        os._exit(ExitCode.INTERRUPTED)

    threading.Thread(target=read, name="requests", daemon=True).start()
    while True:
        arguments = waiting.get()
        answer: tuple[Any, Exception | None]
        try:
            answer = work(*arguments), None
        except Exception as error:  # raised in the thread that waits for it
            answer = None, error
        _send(given, answer)


def _send(descriptor: int, content: Any) -> None:
    raw = pickle.dumps(content)
    left = memoryview(_LENGTH.pack(len(raw)) + raw)
    while left:
        left = left[os.write(descriptor, left) :]


def _received(descriptor: int) -> Any:
    """The next content; None if the other end is closed."""
    head = _read(descriptor, _LENGTH.size)
    if head is None:
        return None
    raw = _read(descriptor, _LENGTH.unpack(head)[0])
    return None if raw is None else pickle.loads(raw)


def _read(descriptor: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = os.read(descriptor, count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _end_like(process: int) -> None:
    """Ends this process as a lost one has ended."""
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)
        time.sleep(_DYING_SECONDS)  # the signal may reach another thread
    os._exit(abs(code))
