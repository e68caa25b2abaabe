"""Chooses the lines of each table of a run from the declared figures and the run's summary, for terminal and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from arb.results.figures.declared import (
    ATTEMPTS,
    EDGE,
    LEGS,
    OPPORTUNITIES,
    QUALITY,
    RESULT,
    RISK,
    TERMS,
    TRIPS,
    Figure,
    Group,
    value_at,
)
from arb.results.figures.legs import LEG_FIGURES, PAIR_FIGURES
from arb.results.figures.summary import GROUPS

#: In the order of the page.
TABLES = (RESULT, RISK, TRIPS, ATTEMPTS, EDGE, OPPORTUNITIES)
#: With a column for each leg.
LEG_TABLES = (TERMS, LEGS, QUALITY)
#: Legs side by side in a table.
LEGS_ABREAST = 3
#: Legs that a title names.
_TITLE_LEGS = 4
#: Figures of the run and of legs that have a line only where they are known.
_OPTIONAL = (
    "no_mid_other_known_s",
    "order_latency_file",
    "funding_quote",
    "fee_base",
    "fee_other",
)


class Line(NamedTuple):
    """One number: its label, its key in the summary and its kind."""

    label: str
    key: str
    kind: str


class Block(NamedTuple):
    """Legs that share a table. pair_no: the number of their pair, whose sums are shown; None: they are no pair."""

    legs: list[int]
    pair_no: int | None


class LegRow(NamedTuple):
    """A line of the table of legs: the keys within a leg and within a pair, "" for none."""

    label: str
    leg_key: str
    pair_key: str
    kind: str
    is_page_only: bool


def lines_of(table: str, summary: Mapping[str, Any]) -> list[Line]:
    """The lines of a table; none for figures that the run does not have."""
    return [
        line
        for group in GROUPS
        for figure in group.figures
        if figure.table == table and not (group.key and summary[group.key] is None)
        for line in _lines(figure, _key(group, figure), summary)
        if figure.name not in _OPTIONAL or value_at(summary, line.key) is not None
    ]


def tables_of(names: Sequence[str], summary: Mapping[str, Any]) -> list[tuple[str, list[Line]]]:
    """Titles and lines of the tables that have lines."""
    tables = [(name, lines_of(name, summary)) for name in names]
    return [(name, lines) for name, lines in tables if lines]


def headlines_of(summary: Mapping[str, Any]) -> list[Line]:
    """The main figures of the page, shown large."""
    return [
        Line(figure.headline, _key(group, figure), figure.kind)
        for group in GROUPS
        for figure in group.figures
        if figure.headline and not (group.key and summary[group.key] is None)
    ]


def leg_lines(summary: Mapping[str, Any], tables: Sequence[str] = LEG_TABLES) -> list[LegRow]:
    """The lines of tables of legs; without those that no leg has."""
    of_pair = {figure.label: figure.name for figure in PAIR_FIGURES.figures if figure.label}
    lines = [
        LegRow(figure.label, figure.name, of_pair.get(figure.label, ""), figure.kind, figure.is_page_only)
        for figure in LEG_FIGURES.figures
        if figure.table in tables
    ]
    return [
        line
        for line in lines
        if line.leg_key not in _OPTIONAL or any(leg[line.leg_key] is not None for leg in summary["legs"])
    ]


def blocks_of(summary: Mapping[str, Any]) -> list[Block]:
    """The tables of legs: one a pair, then those without a pair, a few at a time."""
    names = [leg["leg"] for leg in summary["legs"]]
    blocks = [
        Block([names.index(name) for name in pair["legs"]], pair_no)
        for pair_no, pair in enumerate(summary["pairs"])
    ]
    paired = {leg_no for block in blocks for leg_no in block.legs}
    others = [leg_no for leg_no in range(len(names)) if leg_no not in paired]
    starts = range(0, len(others), LEGS_ABREAST)
    return blocks + [Block(others[start : start + LEGS_ABREAST], None) for start in starts]


def title_of(summary: Mapping[str, Any]) -> str:
    """The kind of run, its legs and its outcome, in one line."""
    return f"{what_of(summary)}: {summary['outcome']}"


def what_of(summary: Mapping[str, Any]) -> str:
    """The kind of run and its legs."""
    names = [leg["leg"] for leg in summary["legs"]]
    parts = [" and ".join(pair["legs"]) for pair in summary["pairs"]] or names
    left_out = len(parts) - _TITLE_LEGS
    legs = "; ".join(parts[:_TITLE_LEGS]) if summary["pairs"] else ", ".join(parts[:_TITLE_LEGS])
    more = f" and {left_out} more" if left_out > 0 else ""
    return f"{summary['command']} of {legs}{more}"


def _key(group: Group, figure: Figure) -> str:
    return f"{group.key}.{figure.name}" if group.key else figure.name


def _lines(figure: Figure, key: str, summary: Mapping[str, Any]) -> Iterator[Line]:
    """The line of a figure; none for a text that is null, one each for values by name, and for counts by name, the
    most frequent first."""
    if figure.kind == "text" and value_at(summary, key) is None:
        return
    if figure.kind == "values":
        yield from (Line(name, f"{key}.{name}", "value") for name in value_at(summary, key))
        return
    if figure.kind != "counts":
        yield Line(figure.label, key, figure.kind)
        return
    counts = value_at(summary, key) or {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        yield Line(f"{figure.label} {name.replace('_', ' ')}", f"{key}.{name}", "count")
