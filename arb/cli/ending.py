"""How a process of `arb` ends: with its exit code, also when nobody reads what it says last, or nobody can.

For commands that go on until they are told to end: when all that counts is written, a terminal that is held, or a pipe
that nobody reads, has `LAST_WORDS_S` to take their last words.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import click

from arb.errors import ArbError, ExitCode
from arb.runtime.display import end_within, held_displays


class Ending:
    """The end of this process. Of the `arb` command alone: what runs the commands within itself goes on behind them."""

    def __init__(self) -> None:
        self._has_begun = False

    def begin(self, code: int) -> None:
        """From here on there are only last words. Again: nothing."""
        if not self._has_begun:
            self._has_begun = True
            end_within(code)

    def finish(self, code: int) -> None:
        """The very last: what no stream takes is dropped, or Python would end with a code of its own."""
        for thread in held_displays():
            self.begin(code)
            thread.join()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                lead_nowhere(stream)


def lead_nowhere(stream: TextIO) -> None:
    """Drops what a stream did not take: Python would try again at its end."""
    with contextlib.suppress(OSError, ValueError):  # also where it is no file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def open_closed_streams() -> None:
    """Streams that were closed before the process began (`>&-`) lead nowhere, not into the next file it opens."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


@contextlib.contextmanager
def bounded_end() -> Iterator[Callable[[int], None]]:
    """Around what a command does until its work is done, with an error or without.

    Gives what is called, with the exit code, when only last words are left to say.
    """
    ending = click.get_current_context().find_object(Ending)
    begin = (lambda code: None) if ending is None else ending.begin
    try:
        yield begin
    except BaseException as error:
        begin(_code_of(error))
        raise


def _code_of(error: BaseException) -> int:
    """As `arb.cli.options.CommandGroup` ends with it."""
    if isinstance(error, ArbError):
        return error.exit_code
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.OUR_FAULT
