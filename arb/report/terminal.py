"""The summary as the terminal shows it: at most 60 lines of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from arb.report.layout import Line, blocks_of, leg_lines, tables_of, title_of, value_at
from arb.report.wording import shown
from arb.results.figures.declared import ATTEMPTS, EDGE, OPPORTUNITIES, RESULT, RISK, TRIPS
from arb.results.notes import heading_of, is_of_configuration
from connectors.text import printable

_WIDTH = 100
#: Notes shown about the data, and about the configuration; the files have all of them.
_NOTES_MAX = 3
_REASONS_MAX = 6
#: Tables of legs; the files have all of them.
_BLOCKS_MAX = 3


def summary_view(summary: Mapping[str, Any]) -> RenderableType:
    """The notes, the legs, and two columns of numbers; `summary` is the content of `summary.json`."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row(_column([RESULT, RISK, EDGE], summary), _column([TRIPS, ATTEMPTS], summary))
    head = Table.grid()
    head.width = _WIDTH
    for line in (*_notes(summary), Text(printable(title_of(summary)), style="bold"), Text(_period(summary))):
        head.add_row(line)
    parts: list[RenderableType] = [head, *_legs(summary), grid]
    if summary["opportunities"] is not None:
        parts.append(_column([OPPORTUNITIES], summary))
    return Group(*parts)


def _notes(summary: Mapping[str, Any]) -> list[Text]:
    notes = summary["notes"]
    of_data = [note for note in notes if not is_of_configuration(note)]
    of_configuration = [note for note in notes if is_of_configuration(note)]
    chosen = of_data[:_NOTES_MAX] + of_configuration[:_NOTES_MAX]
    lines = [Text(f"{heading_of(note).upper()}: {printable(note)}", style="bold yellow") for note in chosen]
    if left_out := len(notes) - len(chosen):
        lines.append(Text(f"... and {left_out} more notes in summary.json", style="yellow"))
    return lines


def _period(summary: Mapping[str, Any]) -> str:
    first, last = (shown(summary[name], "time") for name in ("first_time", "last_time"))
    return (
        f"{first} to {last} UTC, {shown(summary['duration_s'], 'duration')}; {summary['rows']:,} rows of data"
    )


def _legs(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A table for each pair, and for the legs without one."""
    lines = [line for line in leg_lines(summary) if not line.is_page_only]
    blocks = blocks_of(summary)
    for block in blocks[:_BLOCKS_MAX]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), width=_WIDTH)
        table.add_column("")
        legs = [summary["legs"][leg_no] for leg_no in block.legs]
        for leg in legs:
            table.add_column(Text(leg["leg"]), justify="right", overflow="fold")
        pair = None if block.pair_no is None else summary["pairs"][block.pair_no]
        if pair is not None:
            table.add_column("both", justify="right")
        for label, leg_key, pair_key, kind, _ in lines:
            cells = [shown(value_at(leg, leg_key), kind) for leg in legs]
            if pair is not None:
                cells.append(shown(pair[pair_key], kind) if pair_key else "")
            table.add_row(label, *cells)
        yield table
    if left_out := sum(len(block.legs) for block in blocks[_BLOCKS_MAX:]):
        yield Text(f"... and {left_out} more legs in summary.json")


def _column(names: Sequence[str], summary: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, width=(_WIDTH - 2) // 2)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for name, lines in tables_of(names, summary):
        table.add_row(Text(name, style="bold"), "")
        for label, key, kind in _shortened(lines):
            table.add_row(Text(f"  {label}"), Text(shown(value_at(summary, key), kind)))
    return table


def _shortened(lines: Sequence[Line]) -> list[Line]:
    """Drops the reasons that do not fit; the files have all of them."""
    reasons = [line for line in lines if ".missed_by_reason." in line.key]
    left_out = set(reasons[_REASONS_MAX:])
    return [line for line in lines if line not in left_out]
