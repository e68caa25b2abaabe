"""What a live session tells: its log, and what a person sees of it. Any thread; nothing in here waits or raises.

A terminal or a pipe that is held, closed or full takes nothing from the session: see `arb.runtime.display`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from arb.runtime.display import Display, write_error
from arb.runtime.session_log import SessionLog

if TYPE_CHECKING:
    from arb.commands.session_state import SessionView


class Viewer(Protocol):
    """Shows a session while it goes on; on the display's thread alone."""

    def show(self, view: SessionView) -> None: ...

    def close(self) -> None: ...


class SessionOutput:
    """The session's log file, its viewer, and who hears the log's lines as well. Use as a context manager."""

    def __init__(
        self,
        path: Path,
        *,
        as_json: bool = False,
        viewer: Viewer | None = None,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self._log = SessionLog(path, as_json=as_json)
        self._viewer = viewer
        self._echo = echo
        self._display = Display(self._failed)
        self._is_closed = False

    def __enter__(self) -> Self:
        self._log.__enter__()
        self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._log.close()

    def event(self, event: str, text: str) -> None:
        """A line of the log."""
        line = self._log.event(event, text)
        if self._echo is not None:
            self._display.line(partial(self._echo, line))

    def show(self, of_now: Callable[[], SessionView]) -> None:
        """Shows the moment that `of_now` tells, where somebody looks and the one before was shown."""
        if (viewer := self._viewer) is not None:
            self._display.view(lambda: partial(viewer.show, of_now()))

    def close(self) -> None:
        """Gives the terminal back and tells what was lost. Any number of times; the log goes on."""
        if self._is_closed:
            return
        self._is_closed = True
        if count := self._display.left_out:
            self.event("display", f"{count} lines were told here alone: nobody read the terminal or the pipe")
        last = [] if self._viewer is None else [self._viewer.close]
        if self._log.lost:
            last.append(partial(write_error, f"warning: {self._log.loss}"))
        self._display.close(*last)

    def _failed(self, error: BaseException) -> None:
        what = str(error) or type(error).__name__
        self._log.event(
            "display", f"what the session tells can no longer be shown ({what}): it is told here alone"
        )
