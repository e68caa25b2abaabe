"""Shows on standard error that functions are compiled, which takes minutes at the first use of a command, or awaited
from another process that compiles them.

On a terminal a bar, only while a function is compiled: it replaces the bar of the reading, and is gone before a table
is drawn. Without a terminal one line. If everything is on the disk, Numba compiles nothing, and nothing is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from arb.cli.options import ReadingProgress
from arb.runtime.display import write_error

TITLE = "compiling (first run only)"
#: Without a terminal: the line, and after how many seconds of compiling it is written if this is not the first use.
LINE = f"{TITLE}; it can take some minutes"
LINE_AFTER_S = 10.0
#: About how many functions a command compiles when nothing is on the disk, with two legs of two venues, beside a second
#: process (`arb.commands.compilation_beside`). The number depends on venues and strategy, so it is shown as "about",
#: and not once it is passed. If something is on the disk, it is the most that may follow.
TOTALS = {"backtest": 150, "convert": 140, "dry-run": 285, "live": 370, "record": 135}
#: Widths of the bar, and what is beside it.
_BAR_WIDTHS, _WORDS_WIDTH = (6, 40), 54


def show_compilation() -> None:
    """Until the current command has ended, shows what Numba compiles. Call it before compiled code is imported."""
    context = click.get_current_context()
    context.with_resource(_shown(TOTALS.get(context.info_name or "")))


def end_bar() -> None:
    """Shows no bar from now on, before a table is drawn in place. Any thread; does nothing outside a command."""
    if _Current.bar is not None:
        _Current.bar.close()


class _Current:
    """The bar of the command that is running."""

    bar: CompilationBar | None = None


@contextmanager
def _shown(total: int | None) -> Iterator[None]:
    from numba.core.event import install_listener

    from connectors.jit.compilation import has_compiled_code
    from connectors.jit.turns import AWAITED

    bar = CompilationBar(Console(stderr=True), lambda: not has_compiled_code(), total)
    _Current.bar = bar
    try:
        listener = listener_of(bar)
        with install_listener("numba:compile", listener), install_listener(AWAITED, listener):
            yield
    finally:
        _Current.bar = None
        bar.close()


def listener_of(bar: CompilationBar) -> Any:
    """A listener of Numba's event `numba:compile`, for `numba.core.event.install_listener`."""
    from numba.core.event import Listener

    class Compilations(Listener):  # type: ignore[misc]
        def on_start(self, event: object) -> None:
            bar.begin()

        def on_end(self, event: object) -> None:
            bar.end()

    return Compilations()


class CompilationBar:
    """Counts functions as they are compiled, and shows the count.

    `begin` and `end` enclose each function, and the functions that it calls first. Any thread, one at a time: Numba
    holds a lock while it compiles. Output that fails is not repeated, and does not stop the compilation.
    """

    def __init__(
        self,
        console: Console,
        is_first_use: Callable[[], bool],
        total: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """is_first_use: whether nothing is on the disk, asked before the first function. total: about how many then."""
        self._console = console
        self._is_first_use = is_first_use
        self._total = total
        self._clock = clock
        self._depth = self._compiled = 0
        self._is_off = False
        self._line_due_s = 0.0
        self._bar: Progress | None = None

    def begin(self) -> None:
        """A function is compiled from now on."""
        self._depth += 1
        if not self._is_off:
            self._try(self._show if self._console.is_interactive else self._write_line)

    def end(self) -> None:
        """The function that began last is compiled, or cannot be."""
        self._depth -= 1
        self._compiled += 1
        if self._bar is not None and not self._is_off:
            (task,) = self._bar.tasks
            if self._total is not None and self._compiled > self._total:
                task.total = None  # rich's `update` takes None for no change
                task.fields["most"] = None
            self._bar.update(task.id, completed=self._compiled)
            if not self._depth:
                self._try(self._hide)

    def close(self) -> None:
        """Removes the bar. Nothing is shown afterwards."""
        if not self._is_off and self._bar is not None:
            self._try(self._hide)
        self._is_off = True

    def _show(self) -> None:
        if self._bar is None:
            self._bar = self._new_bar()
            is_first_use = self._is_first_use()
            self._bar.add_task(
                TITLE, total=self._total if is_first_use else None, most=None if is_first_use else self._total
            )
        if self._depth == 1:
            ReadingProgress.pause()
            self._bar.start()

    def _hide(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            ReadingProgress.resume()

    def _write_line(self) -> None:
        now_s = self._clock()
        if not self._line_due_s:
            self._line_due_s = now_s + (0.0 if self._is_first_use() else LINE_AFTER_S)
        if now_s >= self._line_due_s:
            self._is_off = True
            write_error(LINE)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (Exception, SystemExit):  # a terminal that is gone; rich raises SystemExit on a closed pipe
            self._is_off = True

    def _new_bar(self) -> Progress:
        low, high = _BAR_WIDTHS
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(max(low, min(high, self._console.width - _WORDS_WIDTH))),
            _Functions(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
        )


class _Functions(ProgressColumn):
    """`12 of about 390`; `12 of at most 390` where some are on the disk; or `12 functions` without a total."""

    def render(self, task: Task) -> Text:
        count, most = f"{task.completed:.0f}", task.fields["most"]
        if most is not None:
            return Text(f"{count} of at most {most}")
        return Text(f"{count} functions" if task.total is None else f"{count} of about {task.total:.0f}")
