"""Programs in processes of their own, each forked from one that has imported their clients.

A client takes a second and more to import, and most programs less to run. The process that is forked has one thread, no
event loop and no module of ours, so that a program begins as it does when it is run by hand.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "ccxt",
        "ccxt.pro",
        "pybit.unified_trading",
        "binance_sdk_spot.spot",
        "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures",
    ]
)
#: A start also looks whether others have ended, and of two threads that look only one finds the exit code.
_LOOKING = threading.Lock()


class Forked(NamedTuple):
    """A program that runs."""

    #: Its standard input and output.
    stream: TextIO
    process: multiprocessing.process.BaseProcess
    errors: Path

    def error(self) -> str:
        """What it wrote to standard error if it failed, otherwise nothing; when its output has ended."""
        with _LOOKING:
            self.process.join()
        return self.errors.read_text()[-3000:] if self.process.exitcode else ""


@contextmanager
def forked(program: Path, *words: str, seconds: float) -> Iterator[Forked]:
    """Runs a file with these arguments, in its folder; kills it after `seconds`, or at the end if it still runs."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory() as folder, ours, ours.makefile("rw") as stream:
        errors = Path(folder) / "errors"
        process = _CONTEXT.Process(target=_run, args=(program, words, theirs, errors), daemon=True)
        with theirs, _LOOKING:
            process.start()
        too_long = threading.Timer(seconds, process.kill)
        too_long.start()
        try:
            yield Forked(stream, process, errors)
        finally:
            too_long.cancel()
            too_long.join()
            process.kill()
            with _LOOKING:
                process.join()
                process.close()


def _run(program: Path, words: tuple[str, ...], stream: socket.socket, errors: Path) -> None:
    """Does what Python does when it is started with the file."""
    os.dup2(stream.fileno(), 0)
    os.dup2(stream.fileno(), 1)
    stream.close()
    with errors.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = [str(program), *words]
    os.chdir(program.parent)
    sys.path.insert(0, str(program.parent))
    runpy.run_path(str(program), run_name="__main__")
