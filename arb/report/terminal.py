"""The summary as the terminal shows it: at most 60 lines of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from arb.report.layout import (
    ATTEMPTS,
    EDGE,
    LEG_LINES,
    RESULT,
    RISK,
    ROUNDS,
    Section,
    sections_of,
    title_of,
    value_at,
)
from arb.report.wording import shown
from arb.results.notes import heading_of, is_of_configuration
from connectors.text import printable

_WIDTH = 100
#: Notes shown about the data, and about the configuration; the files have all of them.
_NOTES_MAX = 3
_REASONS_MAX = 6
#: Rows of the table of legs that only the page shows.
_PAGE_ONLY = ("book.before_s/", "book.spells_s_sum/", "unquoted_s/", "one_sided_s/")


def summary_view(summary: Mapping[str, Any]) -> RenderableType:
    """The notes, the legs, and two columns of numbers; `summary` is the dict of `summary.json`."""
    opportunities = next(s for s in sections_of(summary) if s.title == "Opportunities")
    grid = Table.grid(padding=(0, 2))
    grid.add_row(_column([RESULT, RISK, EDGE], summary), _column([ROUNDS, ATTEMPTS], summary))
    head = Table.grid()
    head.width = _WIDTH
    for line in (*_notes(summary), Text(printable(title_of(summary)), style="bold"), Text(_period(summary))):
        head.add_row(line)
    parts: list[RenderableType] = [head, *_pairs(summary), grid]
    if summary["opportunities"] is not None:
        parts.append(_column([_shortened(opportunities)], summary))
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
    return f"{first} to {last} UTC, {shown(summary['span_s'], 'duration')}; {summary['rows']:,} rows of data"


def _pairs(summary: Mapping[str, Any]) -> Iterator[Table]:
    """A table for the two legs of each pair."""
    for pair_no, pair in enumerate(summary["pairs"]):
        legs = summary["legs"][2 * pair_no : 2 * pair_no + 2]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), width=_WIDTH)
        table.add_column("")
        for leg in legs:
            table.add_column(Text(leg["leg"]), justify="right", overflow="fold")
        table.add_column("both", justify="right")
        for label, keys, kind in (line for line in LEG_LINES if line.key not in _PAGE_ONLY):
            of_leg, _, of_both = keys.partition("/")
            both = shown(pair[of_both], kind) if of_both else ""
            table.add_row(label, *(shown(value_at(leg, of_leg), kind) for leg in legs), both)
        yield table


def _column(sections: Sequence[Section], summary: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, width=(_WIDTH - 2) // 2)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for section in sections:
        table.add_row(Text(section.title, style="bold"), "")
        for label, key, kind in section.lines:
            table.add_row(Text(f"  {label}"), Text(shown(value_at(summary, key), kind)))
    return table


def _shortened(section: Section) -> Section:
    """Drops the reasons that do not fit; the files have all of them."""
    reasons = [line for line in section.lines if ".missed_by_reason." in line.key]
    left_out = set(reasons[_REASONS_MAX:])
    return section._replace(lines=tuple(line for line in section.lines if line not in left_out))
