"""Output of a live session: its log and its display. Any thread; nothing here blocks or raises.

A blocked, closed or full terminal or pipe does not affect the session: see `arb.runtime.display`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from arb.runtime.display import Display, write_error
from arb.runtime.session_log import SessionLog

if TYPE_CHECKING:
    from arb.runtime.view import SessionView


class Viewer(Protocol):
    """Shows a session while it runs; on the display's thread only."""

    def show(self, view: SessionView) -> None: ...

    def close(self) -> None: ...


class SessionOutput:
    """The session's log file, its viewer, and the echo of log lines. Use as a context manager."""

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
        """Writes a line to the log and the echo."""
        line = self._log.event(event, text)
        if self._echo is not None:
            self._display.line(partial(self._echo, line))

    def show(self, of_now: Callable[[], SessionView]) -> None:
        """Shows the view that `of_now` returns, if there is a viewer and the previous view was shown."""
        if (viewer := self._viewer) is not None:
            self._display.view(lambda: partial(viewer.show, of_now()))

    def close(self) -> None:
        """Restores the terminal and reports dropped lines. May be called repeatedly; the log continues."""
        if self._is_closed:
            return
        self._is_closed = True
        if count := self._display.left_out:
            self.event("display", f"{count} lines are in this log only: nobody read the terminal or the pipe")
        last = [] if self._viewer is None else [self._viewer.close]
        if self._log.lost:
            last.append(partial(write_error, f"warning: {self._log.loss}"))
        self._display.close(*last)

    def _failed(self, error: BaseException) -> None:
        what = str(error) or type(error).__name__
        self._log.event("display", f"console output failed ({what}): writing to this log only")
