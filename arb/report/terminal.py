"""The summary of a run as the terminal shows it, at any width; at most 60 lines of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from arb.report.layout import blocks_of, leg_lines, tables_of, title_of, value_at
from arb.report.screen import Column, Fitted, Lines, abreast, tables
from arb.report.wording import shown
from arb.results.figures.declared import ATTEMPTS, EDGE, OPPORTUNITIES, RESULT, RISK, TRIPS
from arb.results.notes import heading_of, is_of_configuration
from connectors.text import printable

#: Notes shown about the data, and about the configuration; the files have all of them.
_NOTES_MAX = 3
#: Lines of reasons; the last one counts what is left out.
_REASONS_MAX = 6
#: Tables of legs; the files have all of them.
_BLOCKS_MAX = 3
#: The columns of figures, side by side where the screen is wide enough.
_COLUMNS = ([RESULT, RISK, EDGE], [TRIPS, ATTEMPTS], [OPPORTUNITIES])


def summary_view(summary: Mapping[str, Any]) -> RenderableType:
    """The notes, the legs, and the columns of figures; `summary` is the content of `summary.json`."""
    return Fitted(lambda width: _parts(summary, width))


def _parts(summary: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    yield from _notes(summary)
    yield Text(printable(title_of(summary)), style="bold")
    yield Text(_period(summary))
    yield from _legs(summary, width)
    yield ""
    yield from abreast([_column(names, summary) for names in _COLUMNS], width)


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


def _legs(summary: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    """A table for each pair, and for the legs without one."""
    lines = [line for line in leg_lines(summary) if not line.is_page_only]
    labels = Column("", [line.label for line in lines], is_figures=False)
    blocks = blocks_of(summary)
    for block in blocks[:_BLOCKS_MAX]:
        legs = [summary["legs"][leg_no] for leg_no in block.legs]
        columns = [
            Column(leg["leg"], [shown(value_at(leg, line.leg_key), line.kind) for line in lines])
            for leg in legs
        ]
        if block.pair_no is not None:
            pair = summary["pairs"][block.pair_no]
            sums = [shown(pair[line.pair_key], line.kind) if line.pair_key else "" for line in lines]
            columns.append(Column("both", sums))
        yield from tables([labels], columns, width)
    if left_out := sum(len(block.legs) for block in blocks[_BLOCKS_MAX:]):
        yield Text(f"... and {left_out} more legs in summary.json")


def _column(names: Sequence[str], summary: Mapping[str, Any]) -> Lines:
    column = []
    for name, lines in tables_of(names, summary):
        reasons = [line for line in lines if ".missed_by_reason." in line.key]
        left_out = reasons[_REASONS_MAX - 1 :] if len(reasons) > _REASONS_MAX else []
        column.append((name, ""))
        for line in lines:
            if line not in left_out:
                column.append((f"  {line.label}", printable(shown(value_at(summary, line.key), line.kind))))
            if left_out and line == reasons[-1]:
                column.append(("  ... more reasons: summary.json", f"{len(left_out):,}"))
    return Lines(column)
