"""Handles Ctrl+C, SIGTERM and SIGHUP while a strategy blocks the main thread: holds it at its next call of the bot.

Python runs signal handlers on the main thread between bytecode instructions, and compiled code executes none. The C
handler only writes a byte to a socket; a thread reads it and replaces the functions in the bot's table, so that the
strategy's next call does not return. Until then the strategy runs at full speed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

from arb.interrupts import ending_signals, insist
from arb.runtime.strategy_task import StrategyTask

#: How long a strategy may take to reach its next call of the bot before it is given up.
HOLD_S = 2.0
_POLL_S = 0.01
_S = 1_000_000_000


class Interruption:
    """Inside the context, a strategy that does not end after a signal is held at its next call of the bot.

    Enter and leave it on the main thread, where the strategy runs; on another thread it does nothing, because only the
    main thread handles signals. The bot's functions are restored on exit.
    """

    def __init__(
        self,
        task: StrategyTask,
        *,
        grace_s: float,
        entered_ns: Callable[[], int] = lambda: 1,
        on_signal: Callable[[], object] = lambda: None,
        on_lost: Callable[[], object] = lambda: None,
    ) -> None:
        """grace_s: how long the strategy may run after the signal, or after the host resumed it if that was later.

        entered_ns: when the host last resumed it (monotonic ns), 0 while it waits; by default it counts as running.
        on_signal: called first. on_lost: called when the strategy does not call the bot either. Both on an own thread.
        """
        self._task = task
        self._grace_ns = round(grace_s * _S)
        self._entered_ns = entered_ns
        self._on_signal = on_signal
        self._on_lost = on_lost
        self._numbers = {int(number) for number in (signal.SIGINT, *ending_signals())}
        self._is_over = threading.current_thread() is not threading.main_thread()
        self._before = -1

    def __enter__(self) -> Self:
        if not self._is_over:
            self._reader, self._writer = socket.socketpair()
            self._writer.setblocking(False)
            threading.Thread(target=self._run, name="interruption", daemon=True).start()
            self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_over:
            insist(self._end)

    def _end(self) -> None:
        self._is_over = True
        self._task.release()
        signal.set_wakeup_fd(self._before)
        self._writer.close()  # ends the thread

    def _run(self) -> None:
        since_ns = held_ns = 0
        with self._reader:
            while not self._is_over:
                numbers = self._received()
                if numbers is None:
                    return
                now_ns = time.monotonic_ns()
                if not since_ns and self._numbers.intersection(numbers):
                    since_ns = now_ns
                    self._on_signal()
                    self._reader.settimeout(_POLL_S)
                if since_ns and not held_ns:
                    entered_ns = self._entered_ns()
                    if entered_ns and now_ns - max(entered_ns, since_ns) > self._grace_ns:
                        held_ns = now_ns if self._task.hold() else 0
                elif held_ns and now_ns - held_ns > HOLD_S * _S:
                    if self._task.is_inside:
                        self._on_lost()
                    return

    def _received(self) -> bytes | None:
        """Received signal numbers, forwarded to the previous wakeup descriptor; b"" on a timeout, None at the end."""
        try:
            numbers = self._reader.recv(4096)
        except TimeoutError:
            return b""
        if numbers and self._before >= 0:
            with contextlib.suppress(OSError):
                os.write(self._before, numbers)
        return numbers or None
