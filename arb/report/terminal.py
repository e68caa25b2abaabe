"""The summary of a run as the terminal shows it, at any width; about 60 lines of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from arb.report.layout import blocks_of, leg_lines, tables_of, title_of
from arb.report.no_trades import no_trades_view
from arb.report.screen import Column, Fitted, Lines, abreast, tables
from arb.report.setup_lines import setup_lines
from arb.report.wording import shown
from arb.results.figures.declared import (
    ATTEMPTS,
    EDGE,
    LEGS,
    OPPORTUNITIES,
    QUALITY,
    RESULT,
    RISK,
    TRIPS,
    value_at,
)
from arb.results.note_kinds import NoteKind, Place, kind_of
from connectors.text import printable

#: Notes shown of each place; the files have all of them.
_NOTES_MAX = 3
#: Legs that a note names which is the same for each.
_NOTE_LEGS_MAX = 4
_PLACES = (Place.SOURCE, Place.RUN, Place.QUALITY, Place.CONFIGURATION)
#: Lines of reasons; the last one counts what is left out.
_REASONS_MAX = 6
#: Tables of legs; the files have all of them.
_BLOCKS_MAX = 3
#: The columns of figures, side by side where the screen is wide enough.
_COLUMNS = ([RESULT, RISK, EDGE], [TRIPS, ATTEMPTS], [OPPORTUNITIES])


#: Kinds of figures of which a sign is a profit or a loss.
_PROFITS = frozenset({"gain", "return", "bps"})


def summary_view(summary: Mapping[str, Any]) -> RenderableType:
    """What was run, the notes, the legs, and the columns of figures; `summary` is the content of `summary.json`."""
    return Fitted(lambda width: _parts(summary, width))


def _parts(summary: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    yield Text(printable(title_of(summary)), style="bold")
    yield from (Text(line) for line in setup_lines(summary, width))
    yield from _notes(summary)
    yield from _legs(summary, width)
    yield ""
    yield from abreast([_column(names, summary) for names in _COLUMNS], width)
    yield from no_trades_view(summary, width)


def _notes(summary: Mapping[str, Any]) -> list[Text]:
    """The notes by place, which is the order of their importance."""
    names = {leg["leg"] for leg in summary["legs"]}
    legs_of: dict[tuple[NoteKind, str], list[str]] = {}
    for note in summary["notes"]:
        leg, _, text = note.partition(": ")
        leg, text = (leg, f": {text}") if leg in names else ("", note)
        legs_of.setdefault((kind_of(note), text), []).append(leg)
    lines, left_out = [], 0
    for place in _PLACES:
        own = [(kind, text, legs) for (kind, text), legs in legs_of.items() if kind.place == place]
        for kind, text, legs in own[:_NOTES_MAX]:
            line = f"{kind.heading.upper()}: {_some(legs)}{printable(text)}"
            lines.append(Text(line, style="bold yellow"))
        left_out += sum(len(legs) for _, _, legs in own[_NOTES_MAX:])
    if left_out:
        lines.append(Text(f"... and {left_out} more notes in summary.json", style="yellow"))
    return lines


def _some(legs: Sequence[str]) -> str:
    """The first names of legs, each once, and how many there are besides."""
    names = list(dict.fromkeys(legs))
    more = f" and {len(names) - _NOTE_LEGS_MAX} more" if len(names) > _NOTE_LEGS_MAX else ""
    return f"{', '.join(map(printable, names[:_NOTE_LEGS_MAX]))}{more}"


def _legs(summary: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    """A table for each pair, and for the legs without one."""
    lines = [line for line in leg_lines(summary, (LEGS, QUALITY)) if not line.is_page_only]
    labels = Column("", [line.label for line in lines], is_figures=False)
    blocks = blocks_of(summary)
    for block in blocks[:_BLOCKS_MAX]:
        legs = [summary["legs"][leg_no] for leg_no in block.legs]
        columns = [
            Column(leg["leg"], [_figure(value_at(leg, line.leg_key), line.kind) for line in lines])
            for leg in legs
        ]
        if block.pair_no is not None:
            pair = summary["pairs"][block.pair_no]
            sums = [_figure(pair[line.pair_key], line.kind) if line.pair_key else "" for line in lines]
            columns.append(Column("both", sums))
        yield from tables([labels], columns, width)
    if left_out := sum(len(block.legs) for block in blocks[_BLOCKS_MAX:]):
        yield Text(f"... and {left_out} more legs in summary.json")


def _figure(value: Any, kind: str) -> Text:
    """A figure; a profit is green, a loss is red."""
    sign = kind in _PROFITS and isinstance(value, int | float) and (value > 0) - (value < 0)
    return Text(printable(shown(value, kind)), {1: "green", -1: "red"}.get(sign, ""))


def _column(names: Sequence[str], summary: Mapping[str, Any]) -> Lines:
    column: list[tuple[str, str | Text]] = []
    for name, lines in tables_of(names, summary):
        reasons = [line for line in lines if ".missed_by_reason." in line.key]
        left_out = reasons[_REASONS_MAX - 1 :] if len(reasons) > _REASONS_MAX else []
        column.append((name, ""))
        for line in lines:
            if line not in left_out:
                column.append((f"  {line.label}", _figure(value_at(summary, line.key), line.kind)))
            if left_out and line == reasons[-1]:
                column.append(("  ... more reasons: summary.json", f"{len(left_out):,}"))
    return Lines(column)
