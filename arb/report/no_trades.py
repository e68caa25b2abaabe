"""Why a run has no fill, on the terminal and on the page: the sentence, what else is known, and its edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from arb.report.screen import Column, tables
from arb.report.wording import escape, shown
from arb.results.figures.declared import WHY, value_at
from arb.results.figures.no_trades import ABOVE, PARTS, POINTS
from connectors.text import printable

#: Directions shown, those with the largest edges; the file has all of them.
_WAYS_MAX = 4
_NET = "net"
_ABOVE_WHY = "time above"


class _Table(NamedTuple):
    """A table of a direction: headings, and rows of a label with the keys of its figures."""

    headings: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    kind: str


def no_trades_view(summary: Mapping[str, Any], width: int) -> Iterator[RenderableType]:
    """The last part of the terminal's summary; nothing for a run with fills."""
    found = summary["no_trades"]
    if found is None:
        return
    yield ""
    yield Text(WHY, style="bold")
    yield Text(printable(found["reason"]), style="yellow")
    yield from (Text(f"- {printable(detail)}") for detail in found["details"])
    chosen = _chosen(summary["net_edges"])
    for number in chosen:
        way = summary["net_edges"][number]
        yield ""
        yield Text(printable(f"Buy {way['buy']}, sell {way['sell']}"), style="bold")
        for table in _tables(way):
            labels = Column("", [label for label, _ in table.rows], is_figures=False)
            columns = [
                Column(heading, [shown(value_at(way, keys[n]), table.kind) for _, keys in table.rows])
                for n, heading in enumerate(table.headings)
            ]
            yield from tables([labels], columns, width)
    if left_out := len(summary["net_edges"]) - len(chosen):
        yield Text(f"... and {left_out} more directions in summary.json")


def no_trades_section(summary: Mapping[str, Any], at: Callable[[str, str], str]) -> str:
    """The section of the page; "" for a run with fills. at: the HTML of a figure by its key and kind."""
    found = summary["no_trades"]
    if found is None:
        return ""
    details = "".join(
        f'<li data-key="no_trades.details.{n}">{escape(text)}</li>' for n, text in enumerate(found["details"])
    )
    listed = f"<ul>{details}</ul>" if details else ""
    ways = "".join(_way(summary, number, at) for number in _chosen(summary["net_edges"]))
    return (
        f'<section class="card wide"><h2>{WHY}</h2><p data-key="no_trades.reason">{escape(found["reason"])}</p>'
        f"{listed}{ways}</section>"
    )


def _way(summary: Mapping[str, Any], number: int, at: Callable[[str, str], str]) -> str:
    place = f"net_edges.{number}"
    way = summary["net_edges"][number]
    buy, sell = (f'<span data-key="{place}.{key}">{escape(way[key])}</span>' for key in ("buy", "sell"))
    return f"<h2>Buy {buy}, sell {sell}</h2>" + "".join(_table(table, place, at) for table in _tables(way))


def _table(table: _Table, place: str, at: Callable[[str, str], str]) -> str:
    heads = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = ""
    for label, keys in table.rows:
        cells = "".join(f"<td>{at(f'{place}.{key}', table.kind)}</td>" for key in keys)
        rows += f"<tr><th>{escape(label)}</th>{cells}</tr>"
    return f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _tables(way: Mapping[str, Any]) -> Iterator[_Table]:
    """The distribution with its parts, and the times above levels. A part that is always 0 is left out."""
    points = [key for key, _ in POINTS]
    rows = [(label, [f"{point}.{name}_bps" for point in points]) for name, label in PARTS]
    is_shown = [
        name == _NET or any(value_at(way, key) for key in keys)
        for (name, _), (_, keys) in zip(PARTS, rows, strict=True)
    ]
    yield _Table(
        [heading for _, heading in POINTS],
        [row for row, is_kept in zip(rows, is_shown, strict=True) if is_kept],
        "bps",
    )
    yield _Table([heading for _, heading in ABOVE], [(_ABOVE_WHY, [key for key, _ in ABOVE])], "duration")


def _chosen(ways: Sequence[Mapping[str, Any]]) -> list[int]:
    """The numbers of the directions with the largest edges, in their order."""
    known = [n for n, way in enumerate(ways) if way["max"]["net_bps"] is not None]
    largest = sorted(known, key=lambda n: -ways[n]["max"]["net_bps"])[:_WAYS_MAX]
    return sorted(largest)
