"""Fits tables to the width of the screen: a figure is never cut.

What gives way, in this order: columns side by side are stacked, headings and words are folded, a table is split into
several that repeat its first columns, a label takes a line of its own. Only a screen narrower than one figure folds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from connectors.text import printable

#: Characters between two columns.
_GAP = 2
#: A column of labels and figures is no wider: the eye has to find the figure of a label.
_LINES_WIDTH = 49
#: Longer words are folded where a table is too wide, without and with a digit.
_WORD_WIDTH, _NUMBER_WIDTH = 14, 26
#: A heading may be folded after these.
_PIECE = re.compile(r"[^ :]*:|[^ :]+")


class Fitted:
    """Draws what `draw` returns for the width in characters that the console has."""

    def __init__(self, draw: Callable[[int], Iterable[RenderableType]]) -> None:
        self._draw = draw

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        return self._draw(options.max_width)


class Column(NamedTuple):
    """A column of a table. is_figures: its cells stay on one line and are aligned to the right; words may be folded."""

    heading: str
    cells: Sequence[str | Text]
    is_figures: bool = True

    @property
    def natural(self) -> int:
        """The width without any folding."""
        return max(map(_width, (self.heading, *self.cells)))

    @property
    def narrowest(self) -> int:
        """The least width: of the longest figure, or of the longest word within bounds."""
        pieces = max(map(cell_len, _PIECE.findall(self.heading)), default=0)
        if self.is_figures:
            return max(pieces, *map(_width, self.cells), 1)
        words = {word for cell in self.cells for word in _plain(cell).split()}
        return max(1, pieces, *map(_least_width, words))


def tables(keys: Sequence[Column], columns: Sequence[Column], width: int) -> Iterator[RenderableType]:
    """The columns in as few tables as fit the width, each with the `keys` as its first columns."""
    parts: list[list[Column]] = [[]]
    for column in columns:
        if parts[-1] and _table_width([*keys, *parts[-1], column]) > width:
            parts.append([])
        parts[-1].append(column)
    for part in parts:
        yield ""
        yield _table([*keys, *part], width)


def rows_view(
    headings: Sequence[str], rows: Sequence[Sequence[str | Text]], *, words: Container[str], keys: int = 1
) -> Fitted:
    """A table of rows. words: the headings of columns that are no figures. keys: how many columns name a row."""
    cells = zip(*rows, strict=True) if rows else ((),) * len(headings)
    columns = [Column(name, list(own), name not in words) for name, own in zip(headings, cells, strict=True)]
    return Fitted(lambda width: tables(columns[:keys], columns[keys:], width))


class Lines(NamedTuple):
    """A column of labelled figures. lines: label and figure; a title has the figure ""."""

    lines: Sequence[tuple[str, str | Text]]

    @property
    def natural(self) -> int:
        """The width in which every label has its figure on its line."""
        return max((cell_len(label) + _GAP + _width(figure) for label, figure in self.lines), default=0)

    def drawn(self, width: int) -> Text:
        """The lines in a width; a label that leaves no room for its figure has a line of its own."""
        return Text("\n").join(part for line in self.lines for part in _line(*line, width))


def abreast(columns: Sequence[Lines], width: int) -> Iterator[RenderableType]:
    """As many columns side by side as have room for their labels and figures, the others below."""
    columns = [column for column in columns if column.lines]
    for count in range(len(columns), 0, -1):
        rows = [columns[start : start + count] for start in range(0, len(columns), count)]
        widths = [max(row[n].natural for row in rows if n < len(row)) for n in range(count)]
        spare = width - sum(widths) - _GAP * (count - 1)
        if spare >= 0 or count == 1:
            widths = [max(natural, min(natural + spare // count, _LINES_WIDTH)) for natural in widths]
            yield from (_abreast(row, [min(one, width) for one in widths]) for row in rows)
            return


def _abreast(row: Sequence[Lines], widths: Sequence[int]) -> Table:
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    for column_width in widths[: len(row)]:
        grid.add_column(width=column_width)
    grid.add_row(*(column.drawn(one) for column, one in zip(row, widths, strict=False)))
    return grid


def _line(label: str, figure: str | Text, width: int) -> Iterator[Text]:
    if not figure:
        yield Text(label, style="bold")
        return
    room = width - cell_len(label) - _width(figure)
    if room > 0:
        yield Text.assemble(label, " " * room, figure)
        return
    yield Text(label)
    yield Text.assemble(" " * (width - _width(figure)), figure)


def _table(columns: Sequence[Column], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    headings = []
    for column, own in zip(columns, _widths(columns, width), strict=True):
        headings.append(_folded(column.heading, own))
        table.add_column(
            headings[-1], width=own, justify="right" if column.is_figures else "left", overflow="fold"
        )
    table.show_header = any(heading.plain for heading in headings)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in cells))
    return table


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """What each column gets of the width: the first ones are unfolded first; figures are the last to be folded."""
    widths = [column.narrowest for column in columns]
    spare = width - _table_width(columns)
    for n, column in enumerate(columns):
        more = max(0, min(spare, column.natural - widths[n]))
        widths[n] += more
        spare -= more
    words = [n for n, column in enumerate(columns) if not column.is_figures]
    while spare < 0 and words and max(widths[n] for n in words) > 1:
        widths[max(words, key=lambda n: widths[n])] -= 1
        spare += 1
    return widths


def _table_width(columns: Sequence[Column]) -> int:
    """The least width of a table of these columns."""
    return sum(column.narrowest for column in columns) + _GAP * (len(columns) - 1)


def _folded(heading: str, width: int) -> Text:
    """A heading; one that is too long is folded after a colon as well."""
    text = printable(heading)
    return Text(text if cell_len(text) <= width else text.replace(":", ":\n"))


def _least_width(word: str) -> int:
    return min(cell_len(word), _NUMBER_WIDTH if any(map(str.isdigit, word)) else _WORD_WIDTH)


def _plain(cell: str | Text) -> str:
    return cell.plain if isinstance(cell, Text) else printable(cell)


def _width(cell: str | Text) -> int:
    return max(map(cell_len, _plain(cell).split("\n")))
