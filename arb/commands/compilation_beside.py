"""Compiles a part of what a command needs in a second process, at its first run.

Numba compiles one function at a time in a process. The second process compiles into the cache on the disk, from which
the command loads; where both need the same function, one of them waits (`connectors.jit.turns`). Knows neither
strategies nor engines: what is compiled is passed in.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from arb.bot.cache import FRAMEWORK
from arb.errors import ExitCode
from arb.lifeline import end_with_parent
from connectors.jit.compilation import cache_folder
from connectors.jit.own_files import ForeignError, make_own_folder

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CompilationBeside:
    """A context in which a second process compiles, unless an earlier run of the command has done so.

    It is forked, so it begins with what this process has imported, and only while that has one thread: locks of others
    would stay locked for ever. Its errors are not shown: whoever needs the function meets them again.
    """

    def __init__(self, command: str, compile_all: Callable[[], object]) -> None:
        """compile_all: called in the second process. Main thread."""
        self._process = 0
        self._held = -1
        done = cache_folder() / f"{command}-{FRAMEWORK[:20]}.done"
        if not done.exists() and threading.active_count() == 1 and (os.cpu_count() or 1) > 1:
            self._begin(done, compile_all)

    def __enter__(self) -> CompilationBeside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ends the process if it still runs: what it has not compiled is compiled when it is needed."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            os.close(self._held)
            self._process = 0

    def _begin(self, done: Path, compile_all: Callable[[], object]) -> None:
        lifeline, self._held = os.pipe()
        # An interrupt between the fork and the new process's own handling would end it as a second command.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process = os.fork()
            if self._process == 0:
                _compile(lifeline, self._held, done, compile_all)
        except OSError:  # no memory or no further process: the command compiles alone
            os.close(self._held)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(lifeline)


def _compile(lifeline: int, held: int, done: Path, compile_all: Callable[[], object]) -> None:
    """The second process, to its end. Its file says to later runs that there is nothing left for it."""
    code = ExitCode.OUR_FAULT
    try:
        os.close(held)
        # It has inherited the pipe of signals: what it receives is not for its parent.
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nowhere, standard)
        end_with_parent(lifeline)
        compile_all()
        with contextlib.suppress(OSError, ForeignError):
            make_own_folder(done.parent)
            done.touch(mode=0o600)
        code = ExitCode.DONE
    finally:
        os._exit(code)
