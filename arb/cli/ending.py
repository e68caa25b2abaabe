"""Ends the `arb` process with its exit code, even if its final output is never read or cannot be written.

For long-running commands: once all files are written, a blocked terminal or an unread pipe has `LAST_WORDS_S` to accept
the final output.
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
    """The end of the `arb` process. Not used by code that calls the commands and continues afterwards."""

    def __init__(self) -> None:
        self._has_begun = False

    def begin(self, code: int) -> None:
        """Starts the time limit for the final output. A second call does nothing."""
        if not self._has_begun:
            self._has_begun = True
            end_within(code)

    def finish(self, code: int) -> None:
        """The last step: waits for displays, and drops unwritten output, so that Python keeps the exit code."""
        for thread in held_displays():
            self.begin(code)
            thread.join()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                lead_nowhere(stream)


def lead_nowhere(stream: TextIO) -> None:
    """Redirects a stream to the null device: Python would write the rest again at exit."""
    with contextlib.suppress(OSError, ValueError):  # also for a stream that is not a file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def open_closed_streams() -> None:
    """Redirects streams that were closed at process start (`>&-`) to the null device, not to the next opened file."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


@contextlib.contextmanager
def bounded_end() -> Iterator[Callable[[int], None]]:
    """Wraps a command's work, whether it succeeds or fails.

    Yields a function to call with the exit code once only final output remains.
    """
    ending = click.get_current_context().find_object(Ending)
    begin = (lambda code: None) if ending is None else ending.begin
    try:
        yield begin
    except BaseException as error:
        begin(_code_of(error))
        raise


def _code_of(error: BaseException) -> int:
    """The exit code of `arb.cli.options.CommandGroup` for the error."""
    if isinstance(error, ArbError):
        return error.exit_code
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.OUR_FAULT
