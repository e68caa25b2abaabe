"""`report.html`: one self-contained page of a run: no script, no network, charts as SVG.

Every number is in a `<data>` or `<time>` element, or in a row of the attempts. `data-key` is its key in
`summary.json`, or its column in `attempts.csv`; `value` is the number in that file, the text its formatted form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from arb.report.chart_layout import Chart
from arb.report.layout import (
    TABLES,
    Block,
    LegRow,
    Line,
    blocks_of,
    headlines_of,
    leg_lines,
    lines_of,
    tables_of,
    title_of,
    what_of,
)
from arb.report.no_trades import no_trades_section
from arb.report.page_style import STYLE
from arb.report.setup_lines import payers_of
from arb.report.signs import sign_class, state_class
from arb.report.simulated import simulated_section
from arb.report.svg import draw_svg
from arb.report.wording import UNKNOWN, escape, shown
from arb.results.attempts_table import COLUMNS, columns_of
from arb.results.figures.declared import LEGS, QUALITY, SETUP, TERMS, value_at
from arb.results.note_kinds import NoteKind, Place, kind_of
from arb.results.result import RunResult

#: Number of attempts in the table: those with the largest profit or loss.
ATTEMPTS_MAX = 200
#: Outages of a book in the table, per leg.
OUTAGES_MAX = 20

_ATTEMPT_COLUMNS = tuple(column for column in COLUMNS if column.head)


def page(run: RunResult, charts: Sequence[Chart]) -> str:
    """The HTML of the page. The same result gives the same text."""
    summary = run.summary
    title = escape(title_of(summary))
    body = [
        _header(summary),
        *_notes(summary, Place.SOURCE),
        _setup(summary),
        *_notes(summary, Place.RUN, Place.CONFIGURATION),
        _quality_link(summary),
        f'<section class="tiles">{"".join(_tiles(summary))}</section>',
        no_trades_section(summary, partial(_at, summary)),
        *(f'<section class="card wide">{table}</section>' for table in _legs(summary, LEGS)),
        *(f'<figure class="card">{draw_svg(chart)}</figure>' for chart in charts),
        simulated_section(summary, run.simulated or (), _number),
        _quality(summary),
        f'<section class="columns">{"".join(_tables(summary))}</section>',
        _attempts(run.attempts),
        _footer(),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def _number(value: Any, key: str, kind: str) -> str:
    """A value with its key; unknown values are shown as a dash."""
    text = escape(shown(value, kind))
    if value is None or text == UNKNOWN:
        return f'<span class="unknown" data-key="{escape(key)}">{UNKNOWN}</span>'
    if kind == "time":
        return f'<time data-key="{escape(key)}" datetime="{escape(value)}">{text}</time>'
    if isinstance(value, str):
        state = state_class(value) if key.endswith("outcome") else ""
        return f'<span{_class(state)} data-key="{escape(key)}">{text}</span>'
    sign = _class(sign_class(value, kind))
    return f'<data{sign} data-key="{escape(key)}" data-kind="{kind}" value="{value!r}">{text}</data>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _at(summary: Mapping[str, Any], key: str, kind: str) -> str:
    return _number(value_at(summary, key), key, kind)


def _header(summary: Mapping[str, Any]) -> str:
    outcome = _number(summary["outcome"], "outcome", "text")
    return f"<header><h1>{escape(what_of(summary))}: {outcome}</h1></header>"


def _setup(summary: Mapping[str, Any]) -> str:
    """What was run: of the run, and of each leg."""
    rows = _rows(lines_of(SETUP, summary), summary)
    tables = "".join(f'<div class="wide">{table}</div>' for table in _legs(summary, TERMS))
    return (
        f'<section class="card setup"><div><h2>{SETUP}</h2><table class="words">{rows}</table></div>'
        f"<div><h2>{TERMS}</h2>{tables}</div></section>"
    )


def _notes_at(summary: Mapping[str, Any], places: Sequence[Place]) -> list[tuple[int, NoteKind]]:
    kinds = [(n, kind_of(note)) for n, note in enumerate(summary["notes"])]
    return [(n, kind) for n, kind in kinds if kind.place in places]


def _notes(summary: Mapping[str, Any], *places: Place) -> Iterator[str]:
    """A box for each heading, with its notes."""
    boxes: dict[str, list[int]] = {}
    for n, kind in _notes_at(summary, places):
        boxes.setdefault(kind.heading, []).append(n)
    for heading, numbers in boxes.items():
        texts = [f'<span data-key="notes.{n}">{escape(summary["notes"][n])}</span>' for n in numbers]
        lines = "".join(f"<p>{text}</p>" for text in (f"<strong>{heading}.</strong> {texts[0]}", *texts[1:]))
        yield f'<div class="note" role="note">{lines}</div>'


def _quality_link(summary: Mapping[str, Any]) -> str:
    """A line at the top that leads to the notes on the quality of the data, if there are any."""
    headings = dict.fromkeys(kind.heading for _, kind in _notes_at(summary, (Place.QUALITY,)))
    if not headings:
        return ""
    what = f'<strong>{", ".join(headings)}.</strong> See <a href="#quality">{QUALITY}</a>.'
    return f'<p class="note" role="note">{what}</p>'


def _quality(summary: Mapping[str, Any]) -> str:
    """The notes and figures of data quality."""
    tables = "".join(f'<div class="wide">{table}</div>' for table in _legs(summary, QUALITY))
    return (
        f'<section class="card" id="quality"><h2>{QUALITY}</h2>{"".join(_notes(summary, Place.QUALITY))}'
        f"{tables}{_lost_books(summary)}</section>"
    )


def _tiles(summary: Mapping[str, Any]) -> Iterator[str]:
    for label, key, kind in headlines_of(summary):
        yield f'<div class="card tile"><span>{label}</span><b>{_at(summary, key, kind)}</b></div>'


def _legs(summary: Mapping[str, Any], table: str) -> Iterator[str]:
    """A table of legs: one a pair, then those without a pair."""
    return (_leg_table(block, leg_lines(summary, (table,)), summary) for block in blocks_of(summary))


def _leg_table(block: Block, lines: Sequence[LegRow], summary: Mapping[str, Any]) -> str:
    has_sums = block.pair_no is not None and any(line.pair_key for line in lines)
    heads = "".join(
        f'<th data-key="legs.{n}.leg">{escape(summary["legs"][n]["leg"]).replace(":", ":<wbr>")}</th>'
        for n in block.legs
    )
    heads += "<th>both</th>" if has_sums else ""
    rows, payers = [], payers_of(summary["legs"])
    for label, leg_key, pair_key, kind, _ in lines:
        cells = [
            f"that of {escape(payers[n])}"
            if leg_key == "start_quote" and payers[n]
            else _at(summary, f"legs.{n}.{leg_key}", kind)
            for n in block.legs
        ]
        if has_sums:
            cells.append(_at(summary, f"pairs.{block.pair_no}.{pair_key}", kind) if pair_key else "")
        rows.append(f"<tr><th>{escape(label)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table><thead><tr><th></th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _lost_books(summary: Mapping[str, Any]) -> str:
    """The first outages of each leg's book."""
    rows = []
    for n, leg in enumerate(summary["legs"]):
        book = f"legs.{n}.book"
        for k in range(min(len(leg["book"]["first_outages"]), OUTAGES_MAX)):
            keys = (("from_time", "time"), ("to_time", "time"), ("duration_s", "duration"))
            cells = "".join(
                f"<td>{_at(summary, f'{book}.first_outages.{k}.{key}', kind)}</td>" for key, kind in keys
            )
            rows.append(f"<tr><th>{escape(leg['leg'])}</th>{cells}</tr>")
    if not rows:
        return ""
    left_out = sum(leg["book"]["outages"] for leg in summary["legs"]) - len(rows)
    extent = f"the first {len(rows)}; {left_out} left out" if left_out else "all"
    return (
        f'<details class="wide"><summary>Times without a book <small>{extent}</small></summary>'
        "<table><thead><tr><th>Leg</th><th>From (UTC)</th><th>To</th><th>For</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></details>"
    )


def _tables(summary: Mapping[str, Any]) -> Iterator[str]:
    for name, lines in tables_of(TABLES, summary):
        yield f'<div class="card"><h2>{escape(name)}</h2><table>{_rows(lines, summary)}</table></div>'


def _rows(lines: Sequence[Line], summary: Mapping[str, Any]) -> str:
    return "".join(
        f"<tr><th>{escape(label)}</th><td>{_at(summary, key, kind)}</td></tr>" for label, key, kind in lines
    )


def _attempts(attempts: Any) -> str:
    if not len(attempts):
        return ""
    listed = _listed(attempts)
    heads = "".join(f"<th>{escape(column.head)}</th>" for column in _ATTEMPT_COLUMNS)
    columns = columns_of(listed)
    rows = "".join(_attempt_row(columns, n) for n in range(len(listed)))
    left_out = len(attempts) - len(listed)
    extent = (
        "all" if not left_out else f"the {len(listed)} of the largest profit or loss; {left_out} left out"
    )
    return (
        f'<details class="card wide"><summary>Attempts <small>{extent}; every one is in attempts.csv</small></summary>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _listed(attempts: Any) -> Any:
    """The attempts with the largest profit or loss, by time; the first of equal ones."""
    if len(attempts) <= ATTEMPTS_MAX:
        return attempts
    order = np.argsort(-np.abs(np.nan_to_num(attempts["pnl"])), kind="stable")
    return attempts[np.sort(order[:ATTEMPTS_MAX])]


def _attempt_row(columns: Mapping[str, list[Any]], n: int) -> str:
    cells = "".join(f"<td>{_number(columns[key][n], key, kind)}</td>" for key, _, kind, _ in _ATTEMPT_COLUMNS)
    return f'<tr data-attempt="{columns["attempt"][n]}">{cells}</tr>'


def _footer() -> str:
    links = ("summary.json", "attempts.csv", "trades.csv", "records.npz", "manifest.json")
    return (
        "<footer>Money in quote units, quantities in base units, times in UTC. Beside this page: "
        + ", ".join(f'<a href="{name}">{name}</a>' for name in links)
        + ". Simulated results are not a promise.</footer>"
    )
