"""A screen that is redrawn in place while a command runs: as high as the terminal at most, and gone at its end.

It is the terminal's alternate screen, so that a resize leaves no remains of earlier drawings, and at the end the
terminal shows what it showed before. The display's thread draws.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from arb.cli.compilation_bar import end_bar
from connectors.feed.status import FeedStatus
from connectors.text import one_line

#: The colour of a feed's state.
STATUS_STYLES = {
    FeedStatus.SYNCED.value: "green",
    FeedStatus.SYNCING.value: "yellow",
    FeedStatus.STALE.value: "yellow",
    FeedStatus.DOWN.value: "red",
    FeedStatus.OFF_GRID.value: "bold red",
}
#: Lines that others may write while the screen is shown; earlier ones are dropped and counted. Characters of one line.
_HELD_MAX, _LINE_MAX = 1_000, 10_000
#: Lines on the screen of one event; the log has all of it.
_EVENT_LINES_MAX = 3
#: Events whose lines are kept.
_WRAPPED_MAX = 500
#: Characters of the horizontal line below a table's headings.
_RULE = frozenset("─ ")

_Line = list[Segment]


def has_screen() -> bool:
    """Whether standard output is a terminal that can be drawn on."""
    return sys.stdout.isatty() and not Console(file=sys.stdout).is_dumb_terminal


class HeldLine(NamedTuple):
    """A line that was written to a stream while the screen was shown. time_ns: of the local clock."""

    stream: TextIO
    time_ns: int
    text: str


class LiveScreen:
    """Shows what it is given, until `close`. Text that others write to the standard streams is printed then."""

    def __init__(self, console: Console | None = None) -> None:
        """console: by default one on standard output, as it is when something is first shown."""
        self._console = console
        self._is_open = False
        self._streams: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self._held: deque[HeldLine] = deque(maxlen=_HELD_MAX)
        self._holders: list[_Holder] = []

    @property
    def held(self) -> list[HeldLine]:
        """The last lines that others wrote."""
        return list(self._held)

    def show(self, screen: RenderableType) -> None:
        """Draws over the whole terminal."""
        console = self._opened()
        width, height = console.size
        console.update_screen(screen, options=console.options.update_dimensions(width, height))

    def close(self) -> None:
        """Restores the terminal, then prints the held text. May be called repeatedly."""
        if not self._is_open or self._console is None:
            return
        self._is_open = False
        try:
            self._console.show_cursor(True)
            self._console.set_alt_screen(False)
        finally:
            for holder in self._holders:
                holder.end()
            sys.stdout, sys.stderr = self._streams
        if left_out := sum(holder.count for holder in self._holders) - len(self._held):
            self._streams[1].write(f"... {left_out:,} earlier lines of output are left out\n")
        for line in self._held:
            line.stream.write(f"{line.text}\n")
        for stream in self._streams:
            stream.flush()

    def _opened(self) -> Console:
        # With the stream of now: rich would otherwise write to the one that takes its place.
        self._console = self._console or Console(file=sys.stdout)
        if self._is_open:
            return self._console
        end_bar()
        self._is_open = True
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)
        self._streams = (sys.stdout, sys.stderr)
        self._holders = [_Holder(stream, self._held) for stream in self._streams]
        sys.stdout, sys.stderr = (cast("TextIO", holder) for holder in self._holders)
        return self._console


class _Holder:
    """Takes the place of a stream, and holds the lines that are written to it."""

    def __init__(self, stream: TextIO, held: deque[HeldLine]) -> None:
        self._stream = stream
        self._held = held
        self._rest = ""
        #: Lines so far.
        self.count = 0

    def write(self, text: str) -> int:
        """Holds the complete lines."""
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > _LINE_MAX:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            self.count += 1
            self._held.append(HeldLine(self._stream, time.time_ns(), line))
        return len(text)

    def flush(self) -> None:
        """Nothing is written before the end."""

    def end(self) -> None:
        """Holds what remains without the end of its line."""
        if self._rest:
            self.write("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Event(NamedTuple):
    """A line of text; long ones are folded, their further lines are indented."""

    text: str
    style: str = ""


class FittedScreen:
    """Parts of a screen, fitted to the height in which they are drawn; all of them where that is not limited.

    If there is room, it is filled with the newest events. If there is too little, first blank lines, then the lines
    below headings, then `foot`, then the last rows of the tables give way; `head` and `totals` are always shown.
    """

    def __init__(
        self,
        head: Sequence[RenderableType],
        tables: Sequence[RenderableType],
        totals: Sequence[RenderableType],
        events: Sequence[Event],
        foot: Sequence[RenderableType] = (),
    ) -> None:
        """events: oldest first."""
        self._head = head
        self._tables = tables
        self._totals = totals
        self._events = events
        self._foot = foot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height, free = options.height, options.update(height=None)

        def drawn(parts: Iterable[RenderableType]) -> list[_Line]:
            return [line for part in parts for line in console.render_lines(part, free, pad=False)]

        head, tables, totals, foot = (
            drawn(parts) for parts in (self._head, self._tables, self._totals, self._foot)
        )
        if not head and tables and not _text(tables[0]).strip():  # a table begins with a blank line
            tables = tables[1:]
        blank: list[_Line] = [[]]
        events: list[_Line] = []
        if height is None:
            events = [line for event in self._events for line in _folded(event, options.max_width)]
        else:
            tables, blank, foot, room = _squeezed(head, tables, totals, foot, height)
            for event in reversed(self._events):
                lines = _folded(event, options.max_width)
                if len(events) + len(lines) >= room:  # with the blank line before them
                    break
                events = [*lines, *events]
        body = [*head, *tables, *blank, *totals, *(blank + events if events else []), *foot]
        for line in body[:height]:
            yield from line
            yield Segment.line()


def packed(items: Sequence[Text], width: int) -> Iterator[Text]:
    """The items in as few lines as have room for them; an item is not broken."""
    line = Text()
    for item in items:
        if line and cell_len(line.plain) + 3 + cell_len(item.plain) > width:
            yield line
            line = Text()
        line = line + Text("   ") + item if line else item.copy()
    yield line


def _squeezed(
    head: list[_Line], tables: list[_Line], totals: list[_Line], foot: list[_Line], height: int
) -> tuple[list[_Line], list[_Line], list[_Line], int]:
    """Tables, the blank lines between parts, the foot, and the lines that remain for events."""
    fixed = len(head) + len(totals)
    blank: list[_Line] = [[]]
    if fixed + len(tables) + len(blank) + len(foot) > height:
        tables, blank = [line for line in tables if _text(line).strip()], []
    if fixed + len(tables) + len(foot) > height:
        tables = [line for line in tables if not set(_text(line)) <= _RULE]
    if fixed + len(tables) + len(foot) > height:
        foot = []
    room = max(0, height - fixed)
    if len(tables) > room:
        left_out = len(tables) - room + 1
        tables = [
            *tables[: max(0, room - 1)],
            [Segment(f"... {left_out} more lines in a higher terminal")],
        ][:room]
    return tables, blank, foot, height - fixed - len(tables) - len(blank) - len(foot)


def _folded(event: Event, width: int) -> list[_Line]:
    style = Style.parse(event.style)
    return [[Segment(line, style)] for line in _wrapped(event.text, width)]


@lru_cache(_WRAPPED_MAX)
def _wrapped(event: str, width: int) -> tuple[str, ...]:
    """The event in lines of the width. Kept: most of a screen's events were on the one before."""
    lines = Text(one_line(event)).wrap(Console(width=width), max(1, width - 2), overflow="fold")
    shown = [line.plain if not n else f"  {line.plain}" for n, line in enumerate(lines[:_EVENT_LINES_MAX])]
    return (*shown[:-1], f"{shown[-1]} ...") if len(lines) > _EVENT_LINES_MAX else tuple(shown)


def _text(line: _Line) -> str:
    return "".join(segment.text for segment in line)
